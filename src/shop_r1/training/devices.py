"""Which devices a run is spread over, and how: said, checked, and undone when weights are written."""

import os
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator, DistributedType
from accelerate.commands.config.config_args import load_config_from_file
from yaml import YAMLError

from shop_r1.errors import ConfigError, TrainingError
from shop_r1.models.checkpoint import LocalModel, save_checkpoint, save_merged
from shop_r1.models.precision import format_name
from shop_r1.training.progress.console import print_note

_NAMES = {
    DistributedType.NO: "one device",
    DistributedType.MULTI_CPU: "data parallel (DDP)",
    DistributedType.MULTI_GPU: "data parallel (DDP)",
    DistributedType.FSDP: "fully sharded (FSDP)",
}


def describe_strategy(accelerator: Any) -> str:
    """Return how the run is really spread, for instance `2 processes on cpu, data parallel (DDP)`."""
    kind = accelerator.distributed_type
    name = _NAMES.get(kind, str(kind))
    if kind == DistributedType.FSDP:
        name = f"fully sharded (FSDP{accelerator.state.fsdp_plugin.fsdp_version})"
    count = accelerator.num_processes
    return f"{count} process{'es' if count > 1 else ''} on {accelerator.device.type}, {name}"


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


def check_strategy(accelerator: Any) -> None:
    """Make sure that a run that asked to be sharded is: on a CPU accelerate 1.15 silently makes it DDP.

    Raises:
        TrainingError: it is not.
    """
    asked = os.environ.get("ACCELERATE_USE_FSDP", "false").lower() == "true"
    if asked and accelerator.distributed_type != DistributedType.FSDP:
        raise TrainingError(
            f"FSDP was asked for (ACCELERATE_USE_FSDP), but what runs is {describe_strategy(accelerator)}; "
            "accelerate shards on accelerators only: use one, or a configuration without FSDP"
        )


def active_strategy() -> str:
    """Return how a run that is started as this process was would really be spread.

    Raises:
        TrainingError: not as it was asked for.
    """
    accelerator = Accelerator(cpu=not torch.cuda.is_available())
    try:
        check_strategy(accelerator)
        return describe_strategy(accelerator)
    finally:
        accelerator.end_training()


def print_strategy(accelerator: Any) -> None:
    """Print how the run is really spread and in what numbers it computes, once.

    A launcher may have started fewer processes than asked for.
    """
    if accelerator.is_main_process:
        print_note(f"{describe_strategy(accelerator)}, {format_name(accelerator.mixed_precision == 'bf16')}")


def save_trained(trainer: Any, model: LocalModel, out: Path, merge: bool = True) -> None:
    """Write the trained model to `out`, from the main process, gathered where it is sharded.

    Args:
        trainer: the trainer, its training done.
        model: what it was made with.
        out: the folder.
        merge: of a model with an adapter, write the whole model, not the adapter alone.

    Raises:
        ModelError: it cannot be written.
    """
    accelerator = trainer.accelerator
    sharded = accelerator.distributed_type == DistributedType.FSDP
    weights = accelerator.get_state_dict(trainer.model_wrapped) if sharded else None
    if accelerator.is_main_process:
        trained = LocalModel(accelerator.unwrap_model(trainer.model), model.tokenizer)
        if merge and hasattr(trained.model, "peft_config"):
            save_merged(trained, out, weights)
        else:
            save_checkpoint(trained, out, weights)
    accelerator.wait_for_everyone()
