"""GRPO trainers whose completions are given instead of sampled."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from tests.tiny import LEAVE, LOOK, SEARCH, make_session
from torch import Tensor

from shop_r1.datasets.examples import Example
from shop_r1.models.checkpoint import load_model
from shop_r1.models.sampling import SampledCompletion
from shop_r1.prompts.render import render_completion
from shop_r1.records.actions import Action, click, terminate
from shop_r1.training.grpo.trainer import ShopR1Trainer
from shop_r1.training.settings import GrpoConfig

GROUP = 4


def settings(checkpoint: Path, **changes: Any) -> GrpoConfig:
    plain: dict[str, Any] = {
        "model": str(checkpoint),
        "max_steps": 2,
        "generation_batch_size": 2 * GROUP,
        "per_device_train_batch_size": 2 * GROUP,
        "num_generations": GROUP,
        "learning_rate": 1e-2,
        "max_completion_length": 12,
        "temperature": 0.7,
        "beta": 0.1,
        "bf16": False,
    }
    return GrpoConfig(**plain | changes)


class ScriptedTrainer(ShopR1Trainer):
    """Completions are given instead of sampled, and what TRL made of them is kept."""

    script: Sequence[str] = ()
    rewards: Tensor
    batch: dict[str, Any]

    def _generate_single_turn(self, prompt_ids: Any, *args: Any, **kwargs: Any) -> Any:
        super()._generate_single_turn(prompt_ids, *args, **kwargs)
        self.sampler.drawn = []
        first = self.accelerator.process_index * len(prompt_ids)
        texts = [self.script[(first + row) % len(self.script)] for row in range(len(prompt_ids))]
        return [self._local.completion_ids(text) for text in texts], None

    def _calculate_rewards(self, *args: Any) -> Tensor:
        self.rewards = super()._calculate_rewards(*args)
        return self.rewards

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        self.rows = inputs
        self.batch = super()._generate_and_score_completions(inputs)
        return self.batch


class DrawnTrainer(ShopR1Trainer):
    """Completions of a turn are given by their row in the step, and what TRL made of them is kept."""

    scripts: Sequence[Sequence[str]] = ()
    batch: dict[str, Any]

    def _draw(self, prompt_ids: Any, rows: Any = None, turn: int = 0) -> Any:
        super()._draw(prompt_ids, rows, turn)
        script = self.scripts[min(turn, len(self.scripts) - 1)]
        texts = [script[row % len(script)] for row in (range(len(prompt_ids)) if rows is None else rows)]
        ids = [self._local.completion_ids(text) for text in texts]
        return [SampledCompletion(each, torch.zeros(len(each))) for each in ids], None

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        self.batch = super()._generate_and_score_completions(inputs)
        return self.batch


def answer(
    script: Sequence[str], examples: Sequence[Example], config: GrpoConfig, out: Path
) -> ScriptedTrainer:
    """Return a trainer that has scored one batch: a group of these completions for each of two examples."""
    trainer = ScriptedTrainer(load_model(config.model), examples, config, out)
    trainer.script = script
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1  # set by `train`
    rows = [{"example": index} for index in (0, 1)]
    trainer._generate_and_score_completions([row for row in rows for _ in range(GROUP)])
    return trainer


def completion(rationale: str, action: Action) -> str:
    return render_completion(rationale, action)


SCRIPT = (
    completion("A red one – 4 € is cheap.", click("results.red_mug")),
    completion("Or the blue one?", click("results.blue_mug")),
    completion("", terminate()),
    "I would click the mug.",
)


RIGHT = tuple(
    completion(text, click("results.red_mug")) for text in ("One.", "I like it.", "Cheap!", "Red, so red.")
)
"""A group that cannot teach: all are right, and only their rationales differ."""


def make_clicks() -> list[Example]:
    """Return two steps whose target action is a click on results.red_mug, after different histories."""
    again = make_session("again", SEARCH, SEARCH, LOOK)
    return [Example(make_session("once", SEARCH, LOOK), 1), Example(again, 2)]


def make_mixed() -> list[Example]:
    """Return six clicks and three terminates, each after a history of its own."""
    found = []
    for count in range(1, 4):
        session = make_session(f"s{count}", *[SEARCH] * count, LOOK, LOOK, LEAVE)
        found += [Example(session, count + step) for step in range(3)]
    return found
