"""The step of `same_step` by TRL, from which `same_step.json` was written; verl is held to the file."""

from pathlib import Path
from typing import Any

import pytest
from tests.cluster import same_step
from tests.training.scripted import ScriptedTrainer

from shop_r1.models.checkpoint import load_model
from shop_r1.training.settings import GrpoConfig


def step_of_trl(config: GrpoConfig, out: Path) -> dict[str, Any]:
    trainer = ScriptedTrainer(load_model(config.model), same_step.examples(), config, out)
    trainer.script = same_step.COMPLETIONS
    same_step.move_away(trainer.model)
    trainer.model.train()
    trainer.current_gradient_accumulation_steps = 1  # set by `train`
    rows = [{"example": index} for index in (0, 1) for _ in range(same_step.GROUP)]
    loss = trainer.training_step(trainer.model, rows, None).item()
    squares = sum(weight.grad.square().sum() for weight in trainer.model.parameters())
    return {
        "rewards": trainer.rewards.flatten().tolist(),
        "advantages": trainer.batch["advantages"].tolist(),
        "loss": loss,
        "grad_norm": squares.sqrt().item(),
    }


def test_trl_comes_to_what_the_file_says(tmp_path: Path) -> None:
    found = step_of_trl(same_step.settings(), tmp_path)
    for name, value in same_step.expected().items():
        assert found[name] == pytest.approx(value, rel=1e-4, abs=1e-5), name
