"""Which devices a run is spread over, and how: said, checked, and undone when weights are written."""

import ctypes
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from accelerate import Accelerator, DistributedType
from accelerate.commands.config.config_args import load_config_from_file
from yaml import YAMLError

from shop_r1.errors import ConfigError, TrainingError
from shop_r1.models.checkpoint import LocalModel, load_model, save_checkpoint
from shop_r1.models.precision import format_name
from shop_r1.training.progress.console import print_note

_NAMES = {
    DistributedType.NO: "one device",
    DistributedType.MULTI_CPU: "data parallel (DDP)",
    DistributedType.MULTI_GPU: "data parallel (DDP)",
}


def describe_strategy(accelerator: Any) -> str:
    """Return how the run is really spread, for instance `2 processes on cpu, data parallel (DDP)`.

    Raises:
        TrainingError: it was asked to be sharded and is not: on a CPU accelerate 1.15 silently makes it DDP.
    """
    kind, count = accelerator.distributed_type, accelerator.num_processes
    sharded = kind == DistributedType.FSDP
    name = _NAMES.get(kind, str(kind))
    if sharded:
        name = f"fully sharded (FSDP{accelerator.state.fsdp_plugin.fsdp_version})"
    found = f"{count} process{'es' if count > 1 else ''} on {accelerator.device.type}, {name}"
    if not sharded and os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true":
        raise TrainingError(
            f"FSDP was asked for (ACCELERATE_USE_FSDP), but what runs is {found}; "
            "accelerate shards on accelerators only: use one, or a configuration without FSDP"
        )
    return found


def read_launch(path: Path) -> tuple[int, DistributedType]:
    """Return how many processes a settings file of `accelerate launch` starts, and how it spreads a run.

    Raises:
        ConfigError: it is not such a file.
    """
    try:
        config = load_config_from_file(str(path))
    except (OSError, ValueError, TypeError, AttributeError, YAMLError) as error:
        raise ConfigError(
            f"{path}: is no settings file of accelerate launch ({error}); configs/accelerate has some, and "
            "`accelerate config` writes one"
        ) from None
    return int(config.num_processes), DistributedType(config.distributed_type)


_MMAP_THRESHOLD = -3
"""glibc's M_MMAP_THRESHOLD (malloc.h)."""
_OWN_MAPPING = 1 << 20
"""Bytes from which on a tensor gets memory of its own. Ours."""


def map_large_tensors() -> None:
    """Have the C library give each large tensor memory of its own, which goes back when the tensor does.

    glibc stops doing so by itself once the first large ones are freed, and puts what stays and what goes side
    by side. An adapter makes many that go, and with SmolLM2 the holes nearly doubled what a step took (2.0
    instead of 1.1 GiB, for 1.2x the CPU time). Other C libraries are left as they are.
    """
    if tune := getattr(ctypes.CDLL(None), "mallopt", None):
        tune(_MMAP_THRESHOLD, _OWN_MAPPING)


def active_strategy() -> str:
    """Return how a run that is started as this process was would really be spread.

    Raises:
        TrainingError: not as it was asked for.
    """
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    try:
        return describe_strategy(accelerator)
    finally:
        accelerator.end_training()


def print_strategy(trainer: Any) -> None:
    """Print how the run is really spread, in what numbers it computes, and how much an adapter trains.

    A launcher may have started fewer processes than asked for.

    Raises:
        TrainingError: it is not spread as it was asked for.
    """
    bf16 = trainer.accelerator.mixed_precision == "bf16"
    print_note(f"{describe_strategy(trainer.accelerator)}, {format_name(bf16)}")
    if hasattr(trainer.model, "peft_config"):
        trained, whole = trainer.model.get_nb_trainable_parameters()
        print_note(f"LoRA: {trained:,} of {whole:,} weights are trained ({trained / whole:.2%})")


def save_trained(trainer: Any, model: LocalModel, out: Path, merge: bool = True) -> None:
    """Write the trained model to `out`, from the main process, gathered where it is sharded.

    Of a model with an adapter the whole model is written, or, without `merge`, the adapter alone.

    Raises:
        ModelError: it cannot be written.
    """
    accelerator = trainer.accelerator
    sharded = accelerator.distributed_type == DistributedType.FSDP
    weights = accelerator.get_state_dict(trainer.model_wrapped) if sharded else None
    if accelerator.is_main_process:
        trained = LocalModel(accelerator.unwrap_model(trainer.model), model.tokenizer)
        if merge and hasattr(trained.model, "peft_config"):
            with TemporaryDirectory() as folder:
                save_checkpoint(trained, Path(folder), weights)  # which may be gathered from shards
                trained, weights = load_model(folder), None
        save_checkpoint(trained, out, weights)
    accelerator.wait_for_everyone()
