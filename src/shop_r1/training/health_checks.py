"""Alerts: rules over the last steps' metrics that say when a run goes wrong, why, and what to do.

A rule is a function of the recent steps; `RULES` is all of them. The limits are ours: wide enough that the
demo's healthy runs raise none, which `tests/training/test_health_checks.py` keeps true.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from rich.text import Text
from transformers import TrainerControl, TrainerState

from shop_r1.errors import TrainingError
from shop_r1.jsonl import Record
from shop_r1.training.progress.console import CONSOLE
from shop_r1.training.progress.logs import Logs, StepLog, is_summary

AlertName = Literal[
    "not_finite",
    "zero_variance",
    "collapse",
    "vanishing",
    "dominance",
    "near_misses",
    "unparsable",
    "truncation",
    "trainer_mismatch",
]
"""What can be raised."""

WINDOW = 20
"""Steps that most rules look back over: one step's 64 completions say little."""


class Alert(Record):
    """One line of `alerts.jsonl`."""

    step: int
    alert: AlertName
    subject: str = ""
    """The action type or part of the reward that it is about, where it is about one."""
    message: str


class RecentSteps:
    """The metrics of the last `WINDOW` steps."""

    def __init__(self, logs: Iterable[Mapping[str, Any]] = (), best_parsed: float = 0.0) -> None:
        self.logs = deque(logs, maxlen=WINDOW)
        self.best_parsed = best_parsed
        """The highest mean share of parsed completions over a whole window so far."""

    def add(self, logs: Mapping[str, Any]) -> None:
        """Take up a step."""
        self.logs.append(logs)
        self.best_parsed = max(self.best_parsed, self.mean("policy/parsed") or 0.0)

    @property
    def last(self) -> Mapping[str, Any]:
        """The latest step's metrics."""
        return self.logs[-1]

    def mean(self, name: str) -> float | None:
        """Return the metric's mean over the window; None before it is full or where half lack the metric."""
        found = [float(logs[name]) for logs in self.logs if logs.get(name) is not None]
        if len(self.logs) < WINDOW or 2 * len(found) <= WINDOW:
            return None
        return sum(found) / len(found)

    def means(self, prefix: str) -> Iterator[tuple[str, float]]:
        """Yield (rest of the name, mean) of the metrics whose names begin so."""
        for name in self.last:
            mean = self.mean(name) if name.startswith(prefix) else None
            if mean is not None:
                yield name.removeprefix(prefix), mean


Finding = tuple[str, str]
"""What the alert is about (may be empty) and what it says."""
Rule = Callable[[RecentSteps], Iterator[Finding]]


def limit(metric: str, most: float, message: str) -> Rule:
    """Return the rule that a metric's mean over the window is not above `most`; `{mean}` stands for it."""

    def find(recent: RecentSteps) -> Iterator[Finding]:
        mean = recent.mean(metric)
        if mean is not None and mean > most:
            yield "", message.format(mean=mean)

    return find


def find_not_finite(recent: RecentSteps) -> Iterator[Finding]:
    """Find a loss or a gradient that is no number: the weights are lost from here on."""
    for name in ("loss", "grad_norm"):
        value = recent.last.get(name)
        if isinstance(value, (int, float)) and not math.isfinite(value):
            yield (
                name,
                f"{name} is {value}; expected is a finite number. The weights are of no use from here on: "
                "lower the learning rate, or set bf16=false to see whether precision is the cause.",
            )


def find_collapse(recent: RecentSteps) -> Iterator[Finding]:
    """Find one type of action with most of the completions and far more than in the data."""
    real = dict(recent.means("data/share_"))
    for name, share in recent.means("policy/share_"):
        if share >= 0.8 and share - real.get(name, 0.0) >= 0.25:
            yield (
                name,
                f"{share:.0%} of the completions are {name}, in the data {real.get(name, 0.0):.0%}: the "
                "policy collapses; usual is within 25 points of the data. Lower the learning rate or raise "
                "beta; rollouts.jsonl shows what these completions earn.",
            )


VANISHING_DATA_SHARE = 0.05
"""A type that shoppers choose more rarely than this has no alert when it vanishes: too few to tell. Ours."""
VANISHING_PART = 0.25
"""A type vanishes when it has less than this part of its share in the data. Ours."""


def find_vanishing(recent: RecentSteps) -> Iterator[Finding]:
    """Find types of action that the policy hardly chooses any more, far more rarely than in the data.

    Shares are of the completions that parse: where hardly any does, all types are rare and none vanishes.
    """
    chosen, real = dict(recent.means("policy/share_")), dict(recent.means("data/share_"))
    parsed = sum(chosen.values())
    for name, share in chosen.items():
        wanted = real.get(name, 0.0)
        if parsed > 0 and wanted >= VANISHING_DATA_SHARE and share / parsed < VANISHING_PART * wanted:
            yield (
                name,
                f"{share / parsed:.1%} of the completions that parse are {name}, in the data {wanted:.0%}: "
                f"the policy gives {name} up, and what is never sampled is never learnt again; usual is "
                "above a quarter of the data's share. Set type_mix_weight (docs/training.md), raise "
                "temperature or beta, or train SFT longer.",
            )


def find_dominance(recent: RecentSteps) -> Iterator[Finding]:
    """Find one part of the reward that decides nearly all advantages.

    `value` may: DARS makes it a thousand times as large as the rest, so it decides every group in which it
    is earned at all. Self-certainty has the lowest limit, since it rewards being sure, not being right.
    """
    for part, share in recent.means("advantage/from_"):
        limit = {"value": math.inf, "rationale": 0.5}.get(part, 0.95)
        if share > limit:
            advice = _ADVICE.get(part, "The others are equal within each group: train SFT longer.")
            yield (
                part,
                f"the {part} reward alone decides {share:.0%} of the advantages; usual is below {limit:.0%}. "
                + advice,
            )


_ADVICE = {
    "rationale": "The policy is taught to be sure of itself, not to be right: lower "
    "reward.certainty_weight, or set certainty_guard=skip.",
    "format": "The policy learns nothing but the format: train SFT longer before RL.",
}


def find_unparsable(recent: RecentSteps) -> Iterator[Finding]:
    """Find that more completions are out of format than there used to be."""
    parsed = recent.mean("policy/parsed")
    if parsed is not None and parsed < 0.8 and parsed < recent.best_parsed - 0.1:
        yield (
            "",
            f"{1 - parsed:.0%} of the completions cannot be parsed, at best it was "
            f"{1 - recent.best_parsed:.0%}; usual is below 20 % and falling. Lower the learning rate or "
            "raise beta, and read the completions in rollouts.jsonl.",
        )


def find_trainer_mismatch(recent: RecentSteps) -> Iterator[Finding]:
    """Find that sampling and scoring disagree about how likely the sampled tokens were."""
    mismatch = recent.last.get("sampling/trainer_mismatch")
    if mismatch is not None and mismatch > 0.01:
        yield (
            "",
            f"the probabilities of sampling and of scoring differ by {mismatch:.3f} a token; usual is below "
            "0.01. The gradient is that of another policy: check that both use the same weights, temperature "
            "and precision (bf16=false tells).",
        )


RULES: Mapping[AlertName, Rule] = {
    "not_finite": find_not_finite,
    "zero_variance": limit(
        "policy/frac_zero_variance",
        0.85,
        "in {mean:.0%} of the groups all completions earn the same, so they teach nothing; usual are 30 % to "
        "70 %. Raise temperature or num_generations, or take harder (or easier) steps.",
    ),
    "collapse": find_collapse,
    "vanishing": find_vanishing,
    "dominance": find_dominance,
    "near_misses": limit(
        "earned/value_near_misses",
        0.5,
        "{mean:.0%} of the value reward is paid for names or queries that only resemble the shopper's; usual "
        "is below 50 %. Reward may rise without one more exact match: raise "
        "reward.action.similarity_threshold (docs/rewards.md).",
    ),
    "unparsable": find_unparsable,
    "truncation": limit(
        "policy/truncated",
        0.5,
        "{mean:.0%} of the completions are cut at the limit before they end, and earn nothing; usual is "
        "below 10 %. Raise max_completion_length, or train SFT longer if they ramble.",
    ),
    "trainer_mismatch": find_trainer_mismatch,
}
"""All rules; one that finds none of its metrics, as in SFT, stays silent."""


class Alerts(StepLog):
    """Raises alerts: prints them at once and writes them to a file.

    An alert sounds once, and again only after a whole window of steps without cause; `raised` has all so far.
    """

    def __init__(
        self, path: Path, rules: Mapping[AlertName, Rule] = RULES, stop_on: Sequence[AlertName] = ()
    ) -> None:
        super().__init__(path)
        self._rules = rules
        self._stop_on = stop_on
        self._recent = RecentSteps()
        self._sounding: dict[tuple[AlertName, str], int] = {}  # steps without cause so far
        self.raised: list[Alert] = []

    def on_log(
        self, args: Any, state: TrainerState, control: TrainerControl, logs: Logs = None, **kwargs: Any
    ) -> None:
        """Look at the steps so far; stop the run if an alert is among those that shall."""
        if is_summary(logs):
            return
        self._recent.add(logs or {})
        found = {
            (name, subject): message
            for name, rule in self._rules.items()
            for subject, message in rule(self._recent)
        }
        # How long each alert has been without cause; those that have recovered are forgotten.
        quiet = {key: 0 if key in found else steps + 1 for key, steps in self._sounding.items()}
        self._sounding = {key: steps for key, steps in quiet.items() if steps < WINDOW}
        for (name, subject), message in found.items():
            if (name, subject) not in self._sounding:
                self._sounding[name, subject] = 0
                alert = Alert(step=state.global_step, alert=name, subject=subject, message=message)
                self.raised.append(alert)
                if state.is_world_process_zero:
                    self.append(alert.model_dump_json())
                    CONSOLE.print(Text.assemble(("Alert ", "bold red"), f"step {alert.step}: {message}"))
        if self.stopping is not None:
            control.should_training_stop = True

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know, as plain values."""
        return {
            "recent": {
                "logs": [dict(logs) for logs in self._recent.logs],
                "best_parsed": self._recent.best_parsed,
            },
            "sounding": [[*key, steps] for key, steps in self._sounding.items()],
            "raised": [alert.model_dump() for alert in self.raised],
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self._recent = RecentSteps(**state["recent"])
        self._sounding = {(name, subject): steps for name, subject, steps in state["sounding"]}
        self.raised = [Alert.model_validate(alert) for alert in state["raised"]]

    @property
    def stopping(self) -> Alert | None:
        """The alert that stops the run, if one does."""
        return next((alert for alert in self.raised if alert.alert in self._stop_on), None)

    def refuse_to_go_on(self, out: Path) -> None:
        """Fail if an alert has stopped the run; call it once the checkpoint is in `out`.

        Raises:
            TrainingError: one has.
        """
        if self.stopping is not None:
            raise TrainingError(
                f"step {self.stopping.step}: stopped by the alert {self.stopping.alert} (stop_on_alert): "
                f"{self.stopping.message} The weights of that step are in {out}"
            )
