"""Settings under TRL's names: former keys are refused with the new ones, and TRL gets what was set."""

from pathlib import Path
from typing import Any

import pytest
from trl import GRPOConfig, SFTConfig

from shop_r1.config import Config, load_config
from shop_r1.errors import ConfigError
from shop_r1.training.settings import GrpoConfig, SftConfig
from shop_r1.training.trl_arguments import grpo_arguments, sft_arguments


@pytest.mark.parametrize(
    ("schema", "given", "told"),
    [
        (GrpoConfig, "group=4", "group: is now num_generations"),
        (GrpoConfig, "prompts=4", "prompts: is now generation_batch_size, counted in completions"),
        (GrpoConfig, "skew=0", "skew: is now type_ratio"),
        (GrpoConfig, "vllm=colocate", "vllm: is now use_vllm .* and vllm_mode"),
        (GrpoConfig, "lora_rank=4", "lora_rank: is now lora_r"),
        (GrpoConfig, "reward.action.similarity_floor=0.9", "floor: is now similarity_threshold"),
        (SftConfig, "epochs=2", "epochs: is now num_train_epochs"),
        (SftConfig, "accumulation=2", "accumulation: is now gradient_accumulation_steps"),
        (SftConfig, "checkpoint_every=2", "checkpoint_every: is now save_steps"),
    ],
)
def test_a_former_key_is_refused_with_the_one_in_its_place(
    schema: type[Config], given: str, told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        load_config(schema, overrides=[given])


def test_a_settings_file_with_a_former_key_is_refused_too(tmp_path: Path) -> None:
    path = tmp_path / "grpo.toml"
    path.write_text("clip = 0.1\n")
    with pytest.raises(ConfigError, match=r"grpo\.toml: clip: is now epsilon"):
        load_config(GrpoConfig, path)


@pytest.mark.parametrize("schema", [SftConfig, GrpoConfig])
def test_no_former_key_is_a_setting(schema: type[Config]) -> None:
    assert not set(schema.RENAMED) & set(schema.model_fields)


def test_settings_of_trls_name_reach_trl(tmp_path: Path) -> None:
    changed: dict[str, Any] = {"learning_rate": 3e-4, "warmup_steps": 3, "max_grad_norm": 0.5, "seed": 5}
    changed |= {"bf16": False, "max_steps": 7, "lr_scheduler_type": "linear"}
    only_sft = {"num_train_epochs": 2.0, "weight_decay": 0.1, "adam_beta2": 0.95}
    only_grpo = {"temperature": 0.9, "top_p": 0.8, "top_k": 5, "beta": 0.2, "epsilon": 0.3}
    sft = sft_arguments(SftConfig(**changed | only_sft), tmp_path)
    grpo = grpo_arguments(GrpoConfig(**changed | only_grpo), tmp_path)
    assert isinstance(sft, SFTConfig) and isinstance(grpo, GRPOConfig)
    for arguments, given in ((sft, changed | only_sft), (grpo, changed | only_grpo)):
        assert {name: getattr(arguments, name) for name in given} == given
        assert arguments.save_strategy == "no"  # checkpoints are ours


def test_a_steps_completions_become_groups_and_micro_batches(tmp_path: Path) -> None:
    config = GrpoConfig(generation_batch_size=64, num_generations=8, per_device_train_batch_size=16)
    arguments = grpo_arguments(config, tmp_path)
    assert (config.prompts_per_step, config.prompts_per_device) == (8, 2)
    assert arguments.per_device_train_batch_size == 16
    assert arguments.gradient_accumulation_steps == arguments.steps_per_generation == 4
    assert grpo_arguments(GrpoConfig(), tmp_path).per_device_train_batch_size == 8  # one prompt's group


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"per_device_train_batch_size": 12}, "12 is not a multiple of num_generations = 8"),
        ({"generation_batch_size": 20}, "= 20 cannot be spread evenly .* be a multiple of 8"),
        ({"generation_batch_size": 4}, "= 4 cannot be spread evenly"),
    ],
)
def test_completions_that_cannot_be_spread_evenly_are_refused(
    changes: dict[str, int], told: str, tmp_path: Path
) -> None:
    with pytest.raises(ConfigError, match=told):
        grpo_arguments(GrpoConfig(**changes), tmp_path)
