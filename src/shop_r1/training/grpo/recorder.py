"""What a GRPO run writes of its steps: some groups as rollouts, and where the time went."""

import time
from collections.abc import Sequence
from pathlib import Path

from shop_r1.jsonl import Record
from shop_r1.records.actions import Action
from shop_r1.training.grpo.scorer import ScoredCompletion
from shop_r1.training.progress.logs import StepLog


class RolloutCompletion(Record):
    """One completion of a rollout: its text, its reward part by part, and what it taught."""

    text: str
    format: float
    type: float
    attribute: float
    value: float
    rationale: float
    total: float
    advantage: float
    """In standard deviations of the group's rewards."""
    tokens: int
    """The completion's length, the ending token included."""
    truncated: bool
    """Whether the completion was cut at the limit."""


class Rollout(Record):
    """One group of a step, as `rollouts.jsonl` has it."""

    step: int
    """From 1, as in `metrics.jsonl`."""
    session_id: str
    session_step: int
    target: Action
    completions: tuple[RolloutCompletion, ...]


def make_rollout(step: int, group: Sequence[ScoredCompletion]) -> Rollout:
    """Return a group as the record that is written; `step` counts from 1."""
    first = group[0]
    return Rollout(
        step=step,
        session_id=first.session_id,
        session_step=first.session_step,
        target=first.target,
        completions=tuple(
            RolloutCompletion(
                text=each.text,
                **each.reward.model_dump(exclude={"reasons"}),
                advantage=each.advantage,
                tokens=each.tokens,
                truncated=each.truncated,
            )
            for each in group
        ),
    )


class StepRecorder(StepLog):
    """Writes a step's first groups of `size` to `rollouts.jsonl`, and takes the time of its parts.

    Attributes:
        sample: the last step's first completion.
        sampling_s: seconds that the step's completions took to draw.
    """

    def __init__(self, path: Path, groups: int, size: int) -> None:
        super().__init__(path)
        self._groups, self._size = groups, size
        self._started, self._tokens_before = 0.0, 0
        self.sample = ""
        self.sampling_s = self._rewards_s = 0.0

    def begin_step(self, tokens_seen: int) -> None:
        """Note when a step begins, and how many tokens the run has seen before it."""
        self._started, self._tokens_before = time.perf_counter(), tokens_seen
        self.sampling_s = 0.0

    def end_rewards(self) -> float:
        """Note that the step's advantages are there; return the seconds since it began."""
        elapsed = time.perf_counter() - self._started
        self._rewards_s = elapsed - self.sampling_s
        return elapsed

    def speed(self, step_s: float, tokens_seen: int) -> dict[str, float]:
        """Return where the seconds of a step went, and its tokens a second, those of prompts and completions.

        `step_s` is all but the optimiser's own update; "rewards" are rewards, advantages and the reference's
        scoring pass. Tokens are counted on all processes.
        """
        return {
            "seconds/step": step_s,
            "seconds/sampling": self.sampling_s,
            "seconds/rewards": self._rewards_s,
            "seconds/update": max(0.0, step_s - self.sampling_s - self._rewards_s),
            "tokens_per_second": (tokens_seen - self._tokens_before) / step_s if step_s > 0 else 0.0,
        }

    def write(self, step: int, completions: Sequence[ScoredCompletion]) -> None:
        """Append the first groups of a step, which counts from 1."""
        for start in range(0, len(completions), self._size)[: self._groups]:
            rollout = make_rollout(step, completions[start : start + self._size])
            self.append(rollout.model_dump_json(exclude_none=True))
