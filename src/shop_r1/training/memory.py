"""How much memory a run takes on each device, by arithmetic, before it starts.

The counts are of this code: float32 weights and optimiser, autocast to bfloat16, prompts run once, logits at
reply tokens only. `benchmarks/memory.py` sets them beside measured peaks.

Dimension letters: T tokens of the context, C of a reply, G replies a prompt, V vocabulary, H hidden size.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from shop_r1.errors import ModelError

GIB = 1 << 30
FLOAT32, BFLOAT16 = 4, 2
STATE_BYTES = 4 * FLOAT32
"""Bytes a parameter in training: weight, gradient and AdamW's two moments, all float32."""
MARGIN = 0.1
"""Share of the total that the allocator and the libraries take besides. Ours."""

SAMPLED_TOKENS = 65_536
"""Tokens of prompts and replies that are sampled from at once, unless one prompt alone has more. Ours."""

Strategy = Literal["one", "ddp", "fsdp"]
"""One device, the whole model on each of several, or sharded over them (FSDP2)."""


@dataclass(frozen=True)
class Shape:
    """A decoder as its config.json has it; the parameters are counted as Qwen2's."""

    layers: int
    hidden: int
    heads: int
    kv_heads: int
    head_size: int
    intermediate: int
    vocabulary: int = 151_936
    tied: bool = True
    """Whether input and output share one embedding."""

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
        return self.layer_matrices + self.query + 2 * self.key + 2 * self.hidden

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


def find_shape(model: str, folder: Path | None = None) -> Shape:
    """Return a model's shape: from its config.json, or of Qwen2.5 by its size.

    Args:
        model: what the settings name.
        folder: where its config.json is, if it is on this machine.

    Raises:
        ModelError: neither is known, or config.json is not that of a decoder.
    """
    if folder is not None and (folder / "config.json").exists():
        return _read_shape(folder / "config.json")
    for size, shape in SHAPES.items():
        if f"-{size.lower()}" in model.lower():
            return shape
    raise ModelError(
        f"model {model!r}: its shape is not known; expected a folder with a config.json, or Qwen2.5 "
        f"{', '.join(SHAPES)} by name; give --model"
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
        )
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path}: is not the configuration of a decoder ({error!r})") from None


@dataclass(frozen=True)
class Load:
    """What a run puts on one device.

    Attributes:
        context: T, tokens of the longest prompt and reply together.
        trees: sessions (SFT) or prompts with their groups (GRPO) that are learnt from at once.
        group: G; 1 in SFT.
        reply: C, tokens.
        sampled: prompts that are sampled from at once; 0 in SFT.
        reference: whether a reference policy is held beside.
        bf16: whether it computes in bfloat16.
        checkpointed: whether activations are computed twice.
        adapter_rank: of LoRA; 0 trains all weights.
        devices: how many share the run.
        strategy: how.
    """

    context: int
    trees: int = 1
    group: int = 1
    reply: int = 128
    sampled: int = 0
    reference: bool = False
    bf16: bool = True
    checkpointed: bool = False
    adapter_rank: int = 0
    devices: int = 1
    strategy: Strategy = "one"

    @property
    def width(self) -> int:
        """Bytes of a number in activations."""
        return BFLOAT16 if self.bf16 else FLOAT32

    @property
    def tree_tokens(self) -> int:
        """Tokens in one tree: the prompt once and every reply."""
        return self.context + (self.group - 1) * self.reply


@dataclass(frozen=True)
class Estimate:
    """Bytes on each device, part by part.

    Attributes:
        held: by name, what is there all the time.
        update: by name, what learning from a micro-batch adds.
        sampling: by name, what drawing replies adds; not at the same time.
    """

    held: dict[str, int]
    update: dict[str, int]
    sampling: dict[str, int]

    @property
    def peak(self) -> int:
        """The most at any time, in bytes, without the margin."""
        busiest = max(sum(self.update.values()), sum(self.sampling.values()))
        return sum(self.held.values()) + busiest

    @property
    def total(self) -> int:
        """The same with the margin."""
        return round(self.peak * (1 + MARGIN))


def estimate_memory(shape: Shape, load: Load) -> Estimate:
    """Return what a run takes on each device."""
    return Estimate(_held(shape, load), _update(shape, load), _sampling(shape, load))


def _held(shape: Shape, load: Load) -> dict[str, int]:
    """Weights, gradients and AdamW's moments; sharded by FSDP, whole elsewhere."""
    share = load.devices if load.strategy == "fsdp" else 1
    trained, whole = shape.parameters, shape.parameters
    if load.adapter_rank:
        trained = shape.adapter_parameters(load.adapter_rank)
        whole += trained
    found = {
        "weights": FLOAT32 * whole // share,
        "gradients": FLOAT32 * trained // share,
        "AdamW's moments": 2 * FLOAT32 * trained // share,
    }
    if load.reference and not load.adapter_rank:
        found["reference policy"] = FLOAT32 * shape.parameters // share
    if load.strategy == "ddp":
        found["DDP's buckets"] = FLOAT32 * trained
    if load.strategy == "fsdp":  # the embedding, and a layer with the next one
        found["gathered weights"] = load.width * (shape.embeddings + 2 * shape.layer_parameters)
    elif load.bf16 and not load.adapter_rank:  # autocast keeps its copies for the whole pass
        matrices = shape.layers * shape.layer_matrices + shape.vocabulary * shape.hidden
        found["bfloat16 copies"] = BFLOAT16 * matrices
    return found


def _update(shape: Shape, load: Load) -> dict[str, int]:
    tokens = load.trees * load.tree_tokens
    layer = layer_bytes(shape, load.bf16) * tokens
    stream = FLOAT32 * shape.hidden * tokens
    kept = shape.layers * stream + layer if load.checkpointed else shape.layers * layer
    # Of one layer: the stream's gradient, and those of gate, up and their product.
    backward = stream + 3 * load.width * shape.intermediate * tokens
    return {"activations": kept, "a layer's backward pass": backward} | _around(shape, load, load.trees)


def _sampling(shape: Shape, load: Load) -> dict[str, int]:
    if not load.sampled:
        return {}
    tokens = min(load.sampled * load.tree_tokens, max(load.tree_tokens, SAMPLED_TOKENS))
    if load.strategy == "fsdp":
        tokens = load.tree_tokens
    prefill = (2 * FLOAT32 * shape.hidden + 3 * load.width * shape.intermediate) * tokens
    cache = 2 * load.width * shape.layers * shape.key * tokens
    # A layer's keys and values are repeated for every query head, and its cache is grown by copying.
    repeated = 2 * load.width * shape.query * tokens
    return {"key/value cache": cache, "a layer's forward pass": max(prefill, repeated)}


def _around(shape: Shape, load: Load, trees: int) -> dict[str, int]:
    """Return what one pass needs besides its layers: the branches' mask and a piece of the head's logits."""
    branches = load.group * load.reply
    mask = (1 + load.width) * trees * branches * load.tree_tokens
    logits = min(HEAD_LOGITS, max(1, trees * branches) * shape.vocabulary)
    return {"mask of the replies": mask, "logits": _LOGIT_COPIES * FLOAT32 * logits}


HEAD_LOGITS = 2**25
"""As `llm.scoring.HEAD_LOGITS`, which needs torch."""
_LOGIT_COPIES = 4
"""Logits, divided by the temperature, their probabilities, and their gradient."""


def layer_bytes(shape: Shape, bf16: bool) -> int:
    """Return what one layer keeps of a token for the backward pass, in bytes.

    In float32: 6 times the hidden size (the stream before each norm, each norm's normalised and scaled
    output), 5 times the query width (queries, keys and values repeated for every head, attention's output
    and its copy), keys and values before that, and 4 times the feed-forward (gate, its activation, up, their
    product). Under autocast to bfloat16 norms and stream stay in float32, and each of q, k, v, gate and up
    keeps a bfloat16 copy of its input besides.
    """
    if bf16:
        return 26 * shape.hidden + 10 * shape.query + 4 * shape.key + 8 * shape.intermediate
    return 24 * shape.hidden + 20 * shape.query + 8 * shape.key + 16 * shape.intermediate


def cheaper_loads(load: Load) -> dict[str, Load]:
    """Return what may be changed where a run does not fit, by the words to change it with."""
    found = {}
    if not load.checkpointed:
        found["gradient_checkpointing=true"] = replace(load, checkpointed=True)
    if load.strategy != "fsdp":
        devices = max(8, load.devices)
        sampled = -(-load.sampled * load.devices // devices)
        sharded = replace(load, devices=devices, strategy="fsdp", sampled=sampled)
        found[f"{devices} devices with FSDP"] = sharded
    if not load.adapter_rank:
        found["lora_rank=16"] = replace(load, adapter_rank=16)
    if load.trees > 1:
        found["one prompt or session at a time"] = replace(load, trees=1)
    if load.reference and not load.adapter_rank:
        found["beta=0"] = replace(load, reference=False)
    found["prompt.max_tokens half as long"] = replace(load, context=load.context // 2)
    return found
