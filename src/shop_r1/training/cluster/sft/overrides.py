"""Our settings of SFT in verl's names, as `cluster.overrides` has those of GRPO."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_r1.training.cluster.overrides import (
    PACKAGE,
    check_device_groups,
    checkpoint_settings,
    fsdp_settings,
    model_settings,
    optimizer_settings,
    refuse_what_verl_lacks,
)
from shop_r1.training.cluster.start import Device
from shop_r1.training.session_trees import CheckedSessions, sessions_per_step
from shop_r1.training.settings import SftConfig


@dataclass(frozen=True)
class SftFiles:
    """What a run reads and writes; every machine of the cluster must see it under the same path."""

    out: Path
    """The run's folder."""
    sessions: Path
    """The sessions to learn from."""
    model: Path
    """The checkpoint to start from."""


def count_steps(config: SftConfig, sessions: int) -> int:
    """Return the run's optimiser steps, as transformers counts them: an epoch's last step may be short."""
    if config.max_steps > 0:
        return config.max_steps
    per_epoch = math.ceil(sessions / sessions_per_step(config, config.cluster.data_parallel))
    return math.ceil(config.num_train_epochs * per_epoch)


def sft_overrides(
    config: SftConfig, files: SftFiles, known: CheckedSessions, device: Device, resume: bool
) -> Mapping[str, Any]:
    """Return what differs from verl's own defaults (`sft_trainer_engine.yaml` of 0.9.1), nested as there.

    Raises:
        ConfigError: a setting has no counterpart in verl, or devices cannot share sessions so.
    """
    refuse_what_verl_lacks(config)
    check_device_groups(config.cluster)
    cluster, steps = config.cluster, count_steps(config, len(known.lengths))
    return {
        "shop_r1": {"settings": config.model_dump_json(), "out": str(files.out)},
        "trainer": {
            "device": device,
            "nnodes": cluster.nodes,
            "n_gpus_per_node": cluster.devices_per_node,
            "logger": [],
            "project_name": "shop-r1",
            "experiment_name": files.out.name,
            "total_training_steps": steps,
            "total_epochs": steps,  # an epoch has at least one step
            "test_freq": -1,
            "save_freq": config.save_steps or steps,
            "max_ckpt_to_keep": None,  # our trainer removes old ones, once the new one is whole
            "resume_mode": "auto" if resume else "disable",
            "default_local_dir": str(files.out / "checkpoints"),
            "balance_batch": False,
            "seed": config.seed,
        },
        "data": {
            "train_files": [str(files.sessions)],
            "custom_cls": {"path": f"{PACKAGE}.sft.sessions", "name": "SessionTrees"},
            "shop_r1": {
                "settings": config.model_dump_json(),
                "model": str(files.model),
                "lengths": list(known.lengths),
                "weights": None if known.weights is None else dict(known.weights),
            },
            "train_batch_size": sessions_per_step(config, cluster.data_parallel),
            "micro_batch_size_per_gpu": config.per_device_train_batch_size,
            "use_dynamic_bsz": False,
            "num_workers": 0,
        },
        "model": model_settings(config, files.model, device),
        "engine": {
            "strategy": "fsdp2",
            **fsdp_settings(config),
        },
        "optim": optimizer_settings(config),
        "checkpoint": checkpoint_settings(config),
    }
