"""What we hand to verl beside verl's own defaults: no name is misspelt."""

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import hydra
import pytest
from omegaconf import OmegaConf

from shop_r1.training.cluster.driver import compose
from shop_r1.training.cluster.overrides import RunFiles, verl_overrides
from shop_r1.training.cluster.sft.overrides import SftFiles, sft_overrides
from shop_r1.training.session_trees import CheckedSessions
from shop_r1.training.settings import GrpoConfig, SftConfig

OURS = {
    "shop_r1",
    "data.shop_r1",
    "actor_rollout_ref.rollout.enable_sleep_mode",
    "optim.schedule",
    "actor_rollout_ref.actor.optim.schedule",
    *(f"{place}.lora.{name}" for place in ("model", "actor_rollout_ref.model") for name in ("peft", "seed")),
}
"""What verl's defaults do not name: what our plug-ins read, and what only its vLLM worker reads."""
FREE = {
    "actor_rollout_ref.model.override_config",
    "model.override_config",
    "engine.mixed_precision",
    "actor_rollout_ref.rollout.engine_kwargs.vllm",
    "actor_rollout_ref.actor.fsdp_config.mixed_precision",
    "actor_rollout_ref.ref.fsdp_config.mixed_precision",
    "data.apply_chat_template_kwargs",
}
"""Whose keys are not verl's but a library's beneath it."""


def names(settings: Mapping[str, Any], before: str = "") -> Iterator[str]:
    for key, value in settings.items():
        name = f"{before}{key}"
        if isinstance(value, Mapping) and name not in FREE | OURS:
            yield from names(value, f"{name}.")
        else:
            yield name


def grpo_settings(folder: Path) -> Mapping[str, Any]:
    files = RunFiles(folder, folder / "s.jsonl", folder / "e.jsonl", folder / "model")
    return verl_overrides(GrpoConfig(bf16=False, lora_r=4), files, "cpu", resume=False)


def settings_of_sft(folder: Path) -> Mapping[str, Any]:
    files = SftFiles(folder, folder / "s.jsonl", folder / "model")
    known = CheckedSessions([10] * 64, None)
    return sft_overrides(SftConfig(bf16=False, lora_r=4), files, known, "cpu", resume=False)


@pytest.mark.parametrize(
    ("file", "ours"), [("ppo_trainer", grpo_settings), ("sft_trainer_engine", settings_of_sft)]
)
def test_verl_knows_every_name(file: str, ours: Callable[[Path], Mapping[str, Any]], tmp_path: Path) -> None:
    with hydra.initialize_config_module("verl.trainer.config", version_base=None):
        defaults = OmegaConf.to_container(hydra.compose(file))
    known = set(names(defaults))
    prefixes = {name.rsplit(".", depth)[0] for name in known for depth in range(1, name.count(".") + 1)}
    unknown = {name for name in names(ours(tmp_path)) if name not in known | prefixes | OURS | FREE}
    assert unknown == set()


def test_ours_stand_over_verls_defaults(tmp_path: Path) -> None:
    config = compose(grpo_settings(tmp_path))
    assert config.trainer.total_training_steps == 500
    assert config.actor_rollout_ref.actor.kl_loss_coef == 0.001  # paper 4.1
    assert config.actor_rollout_ref.actor.optim.betas == [0.9, 0.999]  # verl's default is TRL's
    assert config.actor_rollout_ref.rollout.n == 8 and config.data.train_batch_size == 8
