"""LoRA (Hu et al. 2021): a few weights are trained beside frozen ones. Ours; the paper trains all weights."""

from pathlib import Path
from typing import Any

from peft import LoraConfig
from transformers import set_seed

from shop_r1.errors import ConfigError
from shop_r1.models.checkpoint import is_adapter, resolve_model
from shop_r1.training.progress.console import print_note
from shop_r1.training.settings import GrpoConfig, SftConfig


def lora_config(config: SftConfig | GrpoConfig) -> LoraConfig | None:
    """Return what TRL's trainers take as `peft_config`; None where all weights are trained.

    It also sets torch's random state, from which the adapter's first weights are about to be drawn.

    Raises:
        ConfigError: the adapter would stand on another one, which only we could load.
    """
    if not config.lora_r:
        return None
    source = Path(resolve_model(config.model))
    if not config.lora_merge and is_adapter(source):
        raise ConfigError(
            f"model {config.model!r} is an adapter, and lora_merge=false would write another on top of it; "
            "expected a whole model: set lora_merge=true here, or train the first adapter with it"
        )
    set_seed(config.seed)
    return LoraConfig(
        r=config.lora_r,
        lora_alpha=config.lora_alpha,
        lora_dropout=config.lora_dropout,
        target_modules=list(config.lora_target_modules) or "all-linear",
        task_type="CAUSAL_LM",
    )


def print_adapter(model: Any) -> None:
    """Print how much of a model is trained, if it has an adapter."""
    if hasattr(model, "peft_config"):
        trained, whole = model.get_nb_trainable_parameters()
        print_note(f"LoRA: {trained:,} of {whole:,} weights are trained ({trained / whole:.2%})")
