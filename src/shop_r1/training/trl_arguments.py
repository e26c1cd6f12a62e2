"""What TRL's trainers take, from our settings."""

from dataclasses import fields
from pathlib import Path
from typing import Any

import torch
from trl import GRPOConfig, SFTConfig

from shop_r1.errors import ConfigError
from shop_r1.models.precision import choose_precision
from shop_r1.training.settings import LOGGING_STEPS, GrpoConfig, SftConfig, TrainConfig, count_processes


def sft_arguments(config: SftConfig, out: Path) -> SFTConfig:
    """Return what TRL's SFTTrainer takes."""
    return SFTConfig(
        **_common_arguments(config, SFTConfig, out)
        | {
            "train_sampling_strategy": "group_by_length",
            "dataset_kwargs": {"skip_prepare_dataset": True},
            "max_length": None,
            "logging_steps": LOGGING_STEPS,
            "logging_first_step": True,
        }
    )


def grpo_arguments(config: GrpoConfig, out: Path) -> GRPOConfig:
    """Return what TRL's GRPOTrainer takes.

    Raises:
        ConfigError: a step's completions cannot be spread evenly over groups, devices and micro-batches.
    """
    processes, on_device = count_processes(), config.per_device_train_batch_size or config.num_generations
    if on_device % config.num_generations:
        raise ConfigError(
            f"per_device_train_batch_size = {on_device} is not a multiple of num_generations = "
            f"{config.num_generations}; a prompt's completions stay together on one device"
        )
    batches, left = divmod(config.generation_batch_size, on_device * processes)
    if left or not batches:
        raise ConfigError(
            f"generation_batch_size = {config.generation_batch_size} cannot be spread evenly over "
            f"{processes} process(es) with per_device_train_batch_size = {on_device}; let "
            f"generation_batch_size be a multiple of {on_device * processes}"
        )
    return GRPOConfig(
        **_common_arguments(config, GRPOConfig, out)
        | {
            "per_device_train_batch_size": on_device,
            "gradient_accumulation_steps": batches,
            "steps_per_generation": batches,
            "loss_type": "grpo",
            "chat_template_kwargs": dict(config.prompt.chat_template_kwargs),
            "scale_rewards": "group",
            "logging_steps": 1,
        }
    )


_NOT_PASSED_ON = {"bf16", "gradient_checkpointing", "save_steps", "save_total_limit", "generation_batch_size"}
"""Settings of which TRL's trainers get something else, or nothing, since checkpoints are ours."""


def _common_arguments(config: TrainConfig, kind: type[Any], out: Path) -> dict[str, Any]:
    """Return the settings that TRL has by the same name, and what both trainers get besides."""
    names = {field.name for field in fields(kind)} - _NOT_PASSED_ON
    return {name: value for name, value in config if name in names} | {
        "output_dir": str(out),
        "bf16": choose_precision(config.bf16).bf16,
        "activation_checkpointing": config.gradient_checkpointing,
        "use_cpu": not torch.cuda.is_available(),
        "remove_unused_columns": False,
        "ddp_find_unused_parameters": False,
        "save_strategy": "no",
        "run_name": out.name,
        "project": "shop-r1",
        "disable_tqdm": True,
    }
