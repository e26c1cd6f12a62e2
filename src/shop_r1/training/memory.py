"""How much memory a run takes on each device, by arithmetic, before it starts.

The counts are of this code: float32 weights and optimiser, autocast to bfloat16, prompts run once, logits at
completion tokens only. `benchmarks/memory.py` sets them beside measured peaks.

Dimension letters: T tokens of the context, C of a completion, G completions a prompt, V vocabulary, H hidden
size.
"""

from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any, Literal

from shop_r1.models.precision import choose_precision
from shop_r1.models.prefix_tree import MASK_ROWS
from shop_r1.models.scoring import HEAD_LOGITS
from shop_r1.models.sequence_parallel import can_split
from shop_r1.models.shape import Shape
from shop_r1.training.settings import GrpoConfig, SftConfig

GIB = 1 << 30
FLOAT32, BFLOAT16 = 4, 2
MARGIN = 0.1
"""Share of the total that the allocator and the libraries take besides. Ours."""

SAMPLED_TOKENS = 65_536
"""Tokens of prompts and completions that are sampled from at once, unless one prompt alone has more. Ours."""

SESSION_COMPLETIONS = 4
"""Completions in a session: the paper has 176,949 examples from 52,137 sessions, 3.4, and a first action."""
SFT_COMPLETION = 128
"""Tokens of a recorded completion. Ours, as GRPO's `max_completion_length`."""

SYNC_BUCKET = 2 << 30
"""Bytes of weights that verl hands to vLLM at once (its `update_weights_bucket_megabytes`)."""

Strategy = Literal["one", "ddp", "fsdp", "verl"]
"""One device, the whole model on each of several, or sharded over them (FSDP2): by accelerate, or by verl,
where vLLM samples on the same devices and sleeps while the policy learns."""


@dataclass(frozen=True)
class Load:
    """What a run puts on one device."""

    context: int
    """T, tokens of the longest prompt and completion together."""
    trees: int = 1
    """Sessions (SFT) or prompts with their groups (GRPO) that are learnt from at once."""
    group: int = 1
    """Branches of a tree: G completions to a prompt in GRPO, a session's completions in SFT."""
    completion: int = 128
    """C, tokens."""
    mask_rows: int = 0
    """Rows that a tree's mask has at most in SFT, where sessions have more completions than the mean."""
    sampled: int = 0
    """Prompts that completions are drawn for at once; 0 in SFT, or where vLLM draws them."""
    reference: bool = False
    """Whether a reference policy is held beside."""
    bf16: bool = True
    """Whether it computes in bfloat16."""
    checkpointed: bool = False
    """Whether activations are computed twice."""
    adapter_rank: int = 0
    """Of LoRA; 0 trains all weights."""
    devices: int = 1
    """How many share the run."""
    strategy: Strategy = "one"
    """How they share it."""
    micro_batches: int = 1
    """What a device learns from in a step, one after the other."""
    engine: int = 0
    """Bytes that vLLM holds on the device; with verl, while it samples."""
    tensor_parallel: int = 1
    """Devices that share one copy of vLLM's weights (verl)."""
    sequence_parallel: int = 1
    """Devices that share each tree while the policy learns (verl)."""
    offload: bool = False
    """Whether weights and optimiser leave the device while they are not used (verl)."""

    @property
    def is_sharded(self) -> bool:
        """Whether weights, gradients and optimiser are divided by the devices."""
        return self.strategy in ("fsdp", "verl")

    @property
    def width(self) -> int:
        """Bytes of a number in activations."""
        return BFLOAT16 if self.bf16 else FLOAT32

    @property
    def tree_tokens(self) -> int:
        """Tokens in one tree: the prompt once and every completion."""
        return self.context + (self.group - 1) * self.completion

    @property
    def own_tokens(self) -> int:
        """Tokens of a micro-batch that a device itself has: all, or its part of those that several share."""
        return -(-self.trees * self.tree_tokens // self.sequence_parallel)


def plan_load(
    config: SftConfig | GrpoConfig,
    shape: Shape,
    devices: int,
    strategy: Strategy,
    engine: int = 0,
    bf16: bool | None = None,
) -> Load:
    """Return what a run with these settings puts on each device; vLLM holds `engine` bytes of each.

    `bf16` is what `auto` stands for there; None: what it stands for on this machine.
    """
    auto = choose_precision().bf16 if bf16 is None else bf16
    load = Load(
        context=min(config.prompt.max_tokens, shape.positions),
        bf16=auto if config.bf16 == "auto" else config.bf16,
        checkpointed=config.gradient_checkpointing,
        adapter_rank=config.lora_r,
        devices=devices,
        strategy=strategy,
        engine=engine,
    )
    if isinstance(config, SftConfig):
        return replace(
            load,
            trees=config.per_device_train_batch_size,
            group=SESSION_COMPLETIONS,
            completion=SFT_COMPLETION,
            mask_rows=MASK_ROWS,
            micro_batches=config.gradient_accumulation_steps,
        )
    on_cluster = strategy == "verl"
    shared = config.cluster.tensor_parallel if on_cluster else 1
    split = config.cluster.sequence_parallel if on_cluster else 1
    return replace(
        load,
        trees=config.prompts_per_device,
        group=config.num_generations,
        completion=config.max_completion_length,
        sampled=0 if config.use_vllm else -(-config.prompts_per_step * shared // devices),
        reference=config.beta > 0,
        micro_batches=-(-config.prompts_per_step * split // (config.prompts_per_device * devices)),
        tensor_parallel=shared,
        sequence_parallel=split,
        offload=on_cluster and config.cluster.offload,
    )


def session_tokens(config: SftConfig) -> int:
    """Return the most tokens that a tree of a session's steps may have in SFT: as many as are planned for."""
    return config.prompt.max_tokens + (SESSION_COMPLETIONS - 1) * SFT_COMPLETION


@dataclass(frozen=True)
class Estimate:
    """Bytes on each device, part by part."""

    held: dict[str, int]
    """By name, what is there all the time."""
    phases: dict[str, dict[str, int]]
    """"learning" from a micro-batch, "sampling", scoring by the "reference", and verl's "weight sync" to
    vLLM; what each adds, by name. They follow each other."""

    @property
    def busiest(self) -> str:
        """The phase that adds the most."""
        return max(self.phases, key=lambda name: sum(self.phases[name].values()))

    @property
    def peak(self) -> int:
        """The most at any time, in bytes, without the margin."""
        return sum(self.held.values()) + sum(self.phases[self.busiest].values())

    @property
    def total(self) -> int:
        """The same with the margin."""
        return round(self.peak * (1 + MARGIN))


def estimate_memory(shape: Shape, load: Load) -> Estimate:
    """Return what a run takes on each device."""
    phases = {"learning": _learning, "sampling": _sampling, "reference": _reference}
    if load.strategy == "verl":
        phases |= {"sampling": _vllm, "weight sync": _weight_sync}
    found = {name: phase(shape, load) for name, phase in phases.items()}
    held = _held(shape, load)
    if load.offload:
        state = {name: held.pop(name) for name in ("weights", "gradients", "AdamW's moments")}
        found["learning"] = state | found["learning"]
        found["reference"] = {"weights": state["weights"]} | found["reference"]
    return Estimate(held, found)


def _held(shape: Shape, load: Load) -> dict[str, int]:
    """Weights, gradients and AdamW's moments; sharded by FSDP, whole elsewhere."""
    share = load.devices if load.is_sharded else 1
    trained, whole = shape.parameters, shape.parameters
    if load.adapter_rank:
        trained = shape.adapter_parameters(load.adapter_rank)
        whole += trained
    found = {
        "weights": FLOAT32 * whole // share,
        "gradients": FLOAT32 * trained // share,
        "AdamW's moments": 2 * FLOAT32 * trained // share,
    }
    on_cluster = load.strategy == "verl"
    if load.micro_batches > 1 and load.is_sharded:
        # They are shared out after the step's last micro-batch: verl's in float32, accelerate's as computed.
        found["whole gradients"] = (FLOAT32 if on_cluster else load.width) * trained
    if load.reference and not load.adapter_rank and not on_cluster:  # verl keeps it in the machine's memory
        found["reference policy"] = FLOAT32 * shape.parameters // share
    if load.engine and not on_cluster:
        found["vLLM"] = load.engine
    if load.strategy == "ddp":
        found["DDP's buckets"] = FLOAT32 * trained
    if load.is_sharded:  # the embedding, and a layer with the next one
        found["gathered weights"] = load.width * (shape.embeddings + 2 * shape.layer_parameters)
    elif load.bf16 and not load.adapter_rank:  # autocast keeps its copies for the whole pass
        matrices = shape.layers * shape.layer_matrices + shape.vocabulary * shape.hidden
        found["bfloat16 copies"] = BFLOAT16 * matrices
    return found


def _learning(shape: Shape, load: Load) -> dict[str, int]:
    tokens = load.own_tokens
    layer = layer_bytes(shape, load.bf16) * tokens
    stream = FLOAT32 * shape.hidden * tokens
    kept = shape.layers * (stream if load.checkpointed else layer)
    # Of one layer: the stream's gradient, and those of gate, up and their product.
    backward = stream + 3 * load.width * shape.intermediate * tokens
    if load.checkpointed:  # One layer at a time is computed again.
        backward += layer
    mask, logits = _around(shape, load)
    # The backward pass starts at the head and has left it when it reaches the layers.
    return {
        "activations": kept,
        "mask of the completions": mask,
        "backward pass of the head or a layer": max(logits, backward),
    }


def _sampling(shape: Shape, load: Load) -> dict[str, int]:
    if not load.sampled:
        return {}
    tokens = min(load.sampled * load.tree_tokens, max(load.tree_tokens, SAMPLED_TOKENS))
    if load.strategy == "fsdp":
        tokens = load.tree_tokens
    prefill = _forward(shape, load) * tokens
    cache = cache_bytes(shape, tokens, load.width)
    # A layer's keys and values are repeated for every query head, and its cache is grown by copying.
    repeated = 2 * load.width * shape.query * tokens
    return {"key/value cache": cache, "a layer's forward pass": max(prefill, repeated)}


def vllm_weights(shape: Shape, load: Load) -> int:
    """Return vLLM's share of the weights on a device, in bytes, in the number format of the run."""
    return load.width * shape.parameters // load.tensor_parallel


def cache_bytes(shape: Shape, tokens: int, width: int = BFLOAT16) -> int:
    """Return the key/value cache of so many tokens, in bytes; `width` is a number's."""
    return 2 * width * shape.layers * shape.key * tokens


def cache_sharers(shape: Shape, load: Load) -> int:
    """Return between how many of the devices that share vLLM's weights the cache is divided.

    Key heads are; where there are fewer of them, several devices hold the same ones.
    """
    return min(load.tensor_parallel, max(1, shape.key // shape.head_size))


def vllm_cache_needs(shape: Shape, load: Load) -> int:
    """Return what a step's prompts, each with its group, take of a device's cache in vLLM, in bytes.

    Prompts are cached once for all their completions.
    """
    return cache_bytes(shape, load.sampled * load.tree_tokens, load.width) // cache_sharers(shape, load)


def _vllm(shape: Shape, load: Load) -> dict[str, int]:
    """Of a run without a share for vLLM, as on a CPU, what it needs."""
    weights = vllm_weights(shape, load)
    cache = load.engine - weights if load.engine else vllm_cache_needs(shape, load)
    return {"vLLM's weights": weights, "vLLM's cache and passes": cache}


def _weight_sync(shape: Shape, load: Load) -> dict[str, int]:
    """VLLM's weights are back and its cache is not; the largest tensor, the embedding, is gathered whole."""
    whole = FLOAT32 * shape.vocabulary * shape.hidden
    return {"vLLM's weights": vllm_weights(shape, load), "handed over at once": SYNC_BUCKET + whole}


def _reference(shape: Shape, load: Load) -> dict[str, int]:
    if not load.reference and load.strategy != "verl":  # there the policy's probabilities are measured anew
        return {}
    found = {"a layer's forward pass": _forward(shape, load) * load.own_tokens}
    if load.strategy == "fsdp" and not load.adapter_rank:  # TRL shards it as one piece.
        found["gathered reference"] = load.width * shape.parameters
    mask, logits = _around(shape, load)
    return found | {"mask of the completions": mask, "logits": logits}


def _forward(shape: Shape, load: Load) -> int:
    """Return what one layer's forward pass takes of a token where nothing is kept, in bytes."""
    return 2 * FLOAT32 * shape.hidden + 3 * load.width * shape.intermediate


def _around(shape: Shape, load: Load) -> tuple[int, int]:
    """Return what one pass needs besides its layers: the branches' mask and a piece of the head's logits.

    Of devices that share a tree each has the whole mask, and its part of the logits.
    """
    branches = load.trees * load.group * load.completion
    rows = max(branches, load.trees * min(load.mask_rows, load.tree_tokens))
    mask = (1 + load.width) * rows * load.tree_tokens
    logits = -(-branches // load.sequence_parallel) * shape.vocabulary
    return mask, _LOGIT_COPIES * FLOAT32 * min(HEAD_LOGITS, logits)


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


def fitting_changes(shape: Shape, load: Load, room: int) -> dict[str, int]:
    """Return the fewest changes with which a run fits into `room` bytes, and what it takes then, in bytes.

    By the words to make them with, all sets of changes of the smallest size that does; none, where nothing
    does.
    """
    changes = _changes(shape, load)
    for size in range(1, len(changes) + 1):
        found = {}
        for names in combinations(changes, size):
            changed = replace(load, **{key: value for name in names for key, value in changes[name].items()})
            if (total := estimate_memory(shape, changed).total) <= room:
                found[", ".join(names)] = total
        if found:
            return found
    return {}


def _changes(shape: Shape, load: Load) -> dict[str, dict[str, Any]]:
    changes: dict[str, dict[str, Any]] = {}
    on_cluster = load.strategy == "verl"
    if not load.checkpointed:
        changes["gradient_checkpointing=true"] = {"checkpointed": True}
    devices = max(8, load.devices * (2 if load.is_sharded else 1))
    sampled = -(-load.sampled * load.devices // devices)
    spread = {"devices": devices, "strategy": "verl" if on_cluster else "fsdp", "sampled": sampled}
    if load.sampled:  # GRPO: a step has as many prompts as before
        spread["micro_batches"] = -(-load.micro_batches * load.devices // devices)
    changes[f"{devices} devices{'' if on_cluster else ' with FSDP'}"] = spread
    twice = 2 * load.sequence_parallel
    if on_cluster and load.devices % twice == 0 and can_split(shape.heads, shape.kv_heads, twice):
        split = {"sequence_parallel": twice, "micro_batches": 2 * load.micro_batches}
        changes[f"cluster.sequence_parallel={twice}"] = split
    if on_cluster and not load.offload:
        changes["cluster.offload=true"] = {"offload": True}
    if not load.adapter_rank and not on_cluster:  # verl trains no adapters here
        changes["lora_r=16"] = {"adapter_rank": 16}
    if load.trees > 1:
        changes["one at a time"] = {"trees": 1}
    if load.reference and not load.adapter_rank and not on_cluster:
        changes["beta=0"] = {"reference": False}
    changes[f"prompt.max_tokens={load.context // 2}"] = {"context": load.context // 2}
    return changes
