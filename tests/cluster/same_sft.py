"""Short SFT runs that are given in full; what they must come to, by either engine, is in `same_sft.json`."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tests.tiny import make_long_session, make_sessions

from shop_r1.records.sessions import Session
from shop_r1.training.settings import SftConfig

EXPECTED = Path(__file__).with_suffix(".json")

RUNS: Mapping[str, Mapping[str, Any]] = {
    "plain": {},
    "lora": {"max_steps": 3, "lora_r": 4, "lora_alpha": 8, "lora_target_modules": ["q_proj", "down_proj"]},
}
"""What is changed in the settings, by the name under which the figures stand in the file."""


def sessions() -> list[Session]:
    """Return four visits; a step learns from all. One loses pages to the budget, and takes several passes."""
    return [*make_sessions()[1:], make_long_session("long", 4)]


def settings(**changes: Any) -> SftConfig:
    """Return the run's: the demo's base checkpoint, every setting of the optimiser other than the default."""
    plain: dict[str, Any] = {
        "max_steps": 4,
        "learning_rate": 1e-3,
        "lr_scheduler_type": "linear",
        "warmup_steps": 1,
        "weight_decay": 0.1,
        "adam_beta2": 0.95,
        "max_grad_norm": 0.5,
        "type_ratio": 1.1,
        "per_device_train_batch_size": 2,
        "gradient_accumulation_steps": 2,
        "bf16": False,
        "prompt": {"max_tokens": 900},
    }
    return SftConfig(**plain | changes)


def expected(run: str) -> list[Mapping[str, float]]:
    """Return what the steps come to, in order: loss, gradient norm before it is cut, learning rate."""
    found: list[Mapping[str, float]] = json.loads(EXPECTED.read_text("utf-8"))[run]
    return found
