"""The shape of a decoder, and how many weights it has: read from its config.json, not from its weights."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import try_to_load_from_cache

from shop_r1.errors import ModelError
from shop_r1.models.checkpoint import adapted_model, is_adapter, resolve_model


@dataclass(frozen=True)
class Shape:
    """A decoder of Qwen's or Llama's kind, as its config.json has it."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate: int
    vocabulary: int = 151_936
    tied: bool = True
    """Whether input and output share one embedding."""
    positions: int = 32_768
    """Tokens that the model can read at most."""

    qkv_bias: bool = True
    """Whether queries, keys and values have biases, as Qwen2's."""
    output_bias: bool = False
    """Whether attention's output has."""
    mlp_bias: bool = False
    """Whether gate, up and down have."""
    head_norms: bool = False
    """Whether each head's queries and keys are normalised, as Qwen3's."""

    @property
    def query(self) -> int:
        """Width of all query heads together."""
        return self.heads * self.head_size

    @property
    def key(self) -> int:
        """Width of all key heads together; values have the same."""
        return self.kv_heads * self.head_size

    @property
    def layer_matrices(self) -> int:
        """Weights in one layer's matrix products: q, k, v, o, gate, up, down."""
        return self.hidden * (2 * self.query + 2 * self.key + 3 * self.intermediate)

    @property
    def layer_parameters(self) -> int:
        """All weights of one layer."""
        small = 2 * self.hidden  # two norms
        small += (self.query + 2 * self.key) * self.qkv_bias + self.hidden * self.output_bias
        small += (2 * self.intermediate + self.hidden) * self.mlp_bias + 2 * self.head_size * self.head_norms
        return self.layer_matrices + small

    @property
    def embeddings(self) -> int:
        """Weights in the embedding, or in both."""
        return self.vocabulary * self.hidden * (1 if self.tied else 2)

    @property
    def parameters(self) -> int:
        """All weights, a tied embedding once."""
        return self.embeddings + self.layers * self.layer_parameters + self.hidden

    def adapter_parameters(self, rank: int) -> int:
        """Weights of LoRA adapters of this rank beside every linear layer but the head."""
        wide, narrow = self.hidden + self.query, self.hidden + self.key
        return rank * self.layers * (2 * wide + 2 * narrow + 3 * (self.hidden + self.intermediate))


SHAPES = {
    "0.5B": Shape(24, 896, 14, 2, 64, 4864),
    "1.5B": Shape(28, 1536, 12, 2, 128, 8960),
    "3B": Shape(36, 2048, 16, 2, 128, 11_008),
}
"""Qwen2.5-Instruct, by the names that the paper uses."""


def find_shape(model: str) -> tuple[Shape, str]:
    """Return a model's shape, and where it was found: its config.json, or that its name is of Qwen2.5.

    The model is `base`, a folder, or a name on the hub, which is looked up among what was downloaded before.

    Raises:
        ModelError: neither is known, or config.json is not that of a decoder.
    """
    folder = Path(resolve_model(model))
    if is_adapter(folder):  # What it was trained on, with the adapter merged.
        return find_shape(adapted_model(folder))
    path = folder / "config.json"
    if not path.exists() and not folder.is_absolute():
        cached = try_to_load_from_cache(model, "config.json")
        path = Path(cached) if isinstance(cached, str) else path
    if path.exists():
        return _read_shape(path), str(path)
    for size, shape in SHAPES.items():
        if re.search(rf"(^|[-_/]){size[:-1].replace('.', '[._]')}b", model, re.IGNORECASE):
            return shape, f"taken for Qwen2.5-{size} by its name"
    raise ModelError(
        f"model {model!r}: its shape is not known; expected a folder with a config.json, a name on the hub "
        f"that was downloaded before, or one with a size of Qwen2.5 ({', '.join(SHAPES)}) in it; give --model"
    )


def _read_shape(path: Path) -> Shape:
    try:
        values: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
        heads, hidden = int(values["num_attention_heads"]), int(values["hidden_size"])
        return Shape(
            layers=int(values["num_hidden_layers"]),
            hidden=hidden,
            heads=heads,
            kv_heads=int(values.get("num_key_value_heads") or heads),
            head_size=int(values.get("head_dim") or hidden // heads),
            intermediate=int(values["intermediate_size"]),
            vocabulary=int(values["vocab_size"]),
            tied=bool(values.get("tie_word_embeddings", False)),
            positions=int(values["max_position_embeddings"]),
            # transformers' own Qwen2 has these biases always.
            qkv_bias=values.get("model_type") == "qwen2" or bool(values.get("attention_bias", False)),
            output_bias=values.get("model_type") != "qwen2" and bool(values.get("attention_bias", False)),
            mlp_bias=bool(values.get("mlp_bias", False)),
            head_norms=values.get("model_type") == "qwen3",
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: is not the configuration of a decoder ({error!r})") from None
