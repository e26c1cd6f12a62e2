"""LoRA adapters (Hu et al. 2021): made, gathered from shards, merged into their model's weights."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from peft import LoraConfig, get_peft_model
from peft.tuners.lora import Linear
from torch import Tensor
from torch.distributed.tensor import DTensor
from transformers import set_seed

from shop_r1.errors import ConfigError, ModelError
from shop_r1.models.checkpoint import LocalModel, is_adapter, resolve_model
from shop_r1.training.settings import GrpoConfig, SftConfig


def lora_config(config: SftConfig | GrpoConfig) -> LoraConfig | None:
    """Return what TRL's trainers take as `peft_config`; None: all weights are trained.

    It also sets torch's random state, from which the adapter's first weights are about to be drawn.

    Raises:
        ConfigError: the adapter would stand on another one, which only we could load.
    """
    if not config.lora_r:
        return None
    if not config.lora_merge and is_adapter(Path(resolve_model(config.model))):
        raise ConfigError(
            f"model {config.model!r} is an adapter, and lora_merge=false would write another on top of it; "
            "expected a whole model: set lora_merge=true here, or train the first adapter with it"
        )
    set_seed(config.seed)
    return LoraConfig(**lora_settings(config))


def lora_settings(config: SftConfig | GrpoConfig) -> dict[str, Any]:
    """Return what PEFT's `LoraConfig` is made of."""
    return {
        "r": config.lora_r,
        "lora_alpha": config.lora_alpha,
        "lora_dropout": config.lora_dropout,
        "target_modules": list(config.lora_target_modules) or "all-linear",
        "task_type": "CAUSAL_LM",
    }


def trained_weights(model: Any) -> dict[str, Tensor]:
    """Return the weights that are trained, whole and on the CPU; all processes of a sharded model call it."""
    return {
        name: _whole(weight.detach()).cpu()
        for name, weight in model.named_parameters()
        if weight.requires_grad
    }


@torch.no_grad()
def merged_weights(model: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield the names and weights that the model would have with its adapter merged; it stays as it is.

    All processes of a sharded model call it, and take what it yields at the same pace.
    """
    adapted = {name: layer for name, layer in model.named_modules() if isinstance(layer, Linear)}
    for name, weight in model.state_dict().items():
        if "lora_" in name:
            continue
        owner, is_base, _ = name.rpartition(".base_layer.weight")
        whole = _whole(weight)
        if is_base:
            layer = adapted[owner]
            down, up = (_whole(part["default"].weight) for part in (layer.lora_A, layer.lora_B))
            whole = whole + layer.scaling["default"] * (up @ down)
        yield name.removeprefix("base_model.model.").replace(".base_layer.", "."), whole


def add_adapter(
    model: LocalModel, config: SftConfig | GrpoConfig, weights: Mapping[str, Tensor]
) -> LocalModel:
    """Return the model with these `trained_weights`: merged into it or, without `lora_merge`, beside.

    Raises:
        ModelError: they are not this model's.
    """
    adapted = get_peft_model(model.model, LoraConfig(**lora_settings(config)))
    expected = {name for name, weight in adapted.named_parameters() if weight.requires_grad}
    if wrong := expected ^ set(weights):
        raise ModelError(
            f"the adapter is not for the model {config.model!r}: {len(wrong)} of its weights' names are not "
            f"those expected, such as {min(wrong)}"
        )
    adapted.load_state_dict(dict(weights), strict=False)
    return LocalModel(adapted.merge_and_unload() if config.lora_merge else adapted, model.tokenizer)


def _whole(weight: Tensor) -> Tensor:
    found: Tensor = weight.full_tensor() if isinstance(weight, DTensor) else weight
    return found
