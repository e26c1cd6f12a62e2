"""One step of GRPO that is given in full; what it must come to, by either engine, is in `same_step.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from tests.tiny import LOOK, SEARCH, make_session
from torch.distributed.tensor import DTensor, distribute_tensor

from shop_r1.datasets.examples import Example
from shop_r1.prompts.render import render_completion
from shop_r1.records.actions import click, terminate
from shop_r1.training.settings import GrpoConfig

EXPECTED = Path(__file__).with_suffix(".json")
GROUP = 4
COMPLETIONS = (
    render_completion("A red one for 4 is cheap.", click("results.red_mug")),
    render_completion("Or the blue one?", click("results.blue_mug")),
    render_completion("Too dear for me.", terminate()),
    "I would click the mug.",
)
"""Of each of the two groups, in this order."""


def examples() -> list[Example]:
    """Return two steps whose target action is a click on results.red_mug, after different histories."""
    return [
        Example(make_session("once", SEARCH, LOOK), 1),
        Example(make_session("again", SEARCH, SEARCH, LOOK), 2),
    ]


def settings(sequence_parallel: int = 1, devices: int = 1) -> GrpoConfig:
    """Return the run's: the demo's base checkpoint, with a KL term."""
    return GrpoConfig(
        max_steps=1,
        num_generations=GROUP,
        generation_batch_size=2 * GROUP,
        per_device_train_batch_size=2 * GROUP * sequence_parallel // devices,
        learning_rate=3e-4,
        max_completion_length=64,
        beta=0.1,
        bf16=False,
        prompt={"max_tokens": 4096},
        cluster={"devices_per_node": devices, "sequence_parallel": sequence_parallel},
    )


def move_away(model: Any) -> None:
    """Change the policy's weights a little, so that it is no longer the reference."""
    with torch.no_grad():
        for index, (_, weight) in enumerate(sorted(model.named_parameters())):
            change = 0.002 * torch.sin(torch.arange(weight.numel()) + index).view(weight.shape)
            if isinstance(weight, DTensor):
                change = distribute_tensor(change, weight.device_mesh, weight.placements)
            weight += change


def expected() -> Mapping[str, Any]:
    """Return what the step comes to."""
    found: Mapping[str, Any] = json.loads(EXPECTED.read_text("utf-8"))
    return found
