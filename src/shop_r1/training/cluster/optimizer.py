"""transformers' learning-rate schedules and weight decay in verl's FSDP engine, as in TRL's trainers.

verl 0.9.1 has two schedules of its own and lets every weight decay.
"""

from dataclasses import dataclass
from typing import Any

from transformers import Trainer, get_scheduler
from verl.workers.config.optimizer import FSDPOptimizerConfig, build_optimizer


@dataclass
class ScheduledOptimizerConfig(FSDPOptimizerConfig):
    """verl's settings of the optimiser, named by `_target_` in ours."""

    schedule: str = "constant"
    """transformers' name of the learning-rate schedule; verl's `lr_scheduler_type` is not used."""


def build_decayed(module: Any, config: ScheduledOptimizerConfig) -> Any:
    """Return verl's optimiser, in which biases and the weights of norms do not decay."""
    decayed = set(Trainer.get_decay_parameter_names(None, module))
    named = [(name, weight) for name, weight in module.named_parameters() if weight.requires_grad]
    groups = [
        ([weight for name, weight in named if name in decayed], config.weight_decay),
        ([weight for name, weight in named if name not in decayed], 0.0),
    ]
    return build_optimizer(
        [{"params": weights, "weight_decay": decay} for weights, decay in groups if weights], config
    )


def build_schedule(optimizer: Any, config: ScheduledOptimizerConfig) -> Any:
    """Return transformers' schedule of that name, over all steps of the run."""
    return get_scheduler(
        config.schedule,
        optimizer,
        num_warmup_steps=config.lr_warmup_steps,
        num_training_steps=config.total_training_steps,
    )
