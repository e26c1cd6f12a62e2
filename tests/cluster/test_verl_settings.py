"""What we hand to verl beside verl's own defaults: no name is misspelt."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import hydra
import pytest
from omegaconf import OmegaConf

from shop_r1.training.cluster.driver import compose
from shop_r1.training.cluster.overrides import RunFiles, verl_overrides
from shop_r1.training.settings import GrpoConfig

OURS = {"shop_r1", "data.shop_r1", "actor_rollout_ref.rollout.enable_sleep_mode"}
"""What verl's defaults do not name: what our plug-ins read, and what only its vLLM worker reads."""
FREE = {
    "actor_rollout_ref.model.override_config",
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


@pytest.fixture
def settings(tmp_path: Path) -> Mapping[str, Any]:
    files = RunFiles(tmp_path, tmp_path / "s.jsonl", tmp_path / "e.jsonl", tmp_path / "model")
    return verl_overrides(GrpoConfig(bf16=False), files, "cpu", resume=False)


def test_verl_knows_every_name(settings: Mapping[str, Any]) -> None:
    with hydra.initialize_config_module("verl.trainer.config", version_base=None):
        defaults = OmegaConf.to_container(hydra.compose("ppo_trainer"))
    known = set(names(defaults))
    prefixes = {name.rsplit(".", depth)[0] for name in known for depth in range(1, name.count(".") + 1)}
    unknown = {name for name in names(settings) if name not in known | prefixes | OURS | FREE}
    assert unknown == set()


def test_ours_stand_over_verls_defaults(settings: Mapping[str, Any]) -> None:
    config = compose(settings)
    assert config.trainer.total_training_steps == 500
    assert config.actor_rollout_ref.actor.kl_loss_coef == 0.001  # paper 4.1
    assert config.actor_rollout_ref.actor.optim.betas == [0.9, 0.999]  # verl's default is TRL's
    assert config.actor_rollout_ref.rollout.n == 8 and config.data.train_batch_size == 8
