"""How much a device of a cluster receives from others in a step of GRPO with verl, by arithmetic.

Collectives are counted as rings send them: gathering or reducing X bytes over N devices takes (N - 1) / N X
of each, an all-reduce twice that. Rewards, completions and other tokens are left out: a few MB.
"""

from shop_r1.models.shape import Shape
from shop_r1.training.memory import FLOAT32, Load


def received_bytes(shape: Shape, load: Load) -> dict[str, int]:
    """Return what one device receives in a step, in bytes, by what for.

    FSDP2 gathers every layer's weights for each forward pass and again for the backward pass, in the number
    format of the run; gradients are shared out once a step, and vLLM's weights gathered, in float32.
    """
    passes = (4 if load.reference else 3) * load.micro_batches
    whole = FLOAT32 * shape.parameters
    return {
        "weights, for every pass": _gathered(load.width * shape.parameters * passes, load.devices),
        "gradients": _gathered(whole, load.devices),
        "weights, for vLLM": _gathered(whole, load.devices),
        "vLLM's tensor parallelism": tensor_parallel_bytes(shape, load),
        "sequence parallelism": sequence_parallel_bytes(shape, load),
    }


def tensor_parallel_bytes(shape: Shape, load: Load) -> int:
    """Return what a device receives of those that it shares vLLM's weights with, in bytes a step.

    Of each token that runs, prompts once: two all-reduces of the stream a layer and one of the embedding; of
    each sampled token its logits.
    """
    completions = load.sampled * load.group * load.completion
    tokens = completions + load.sampled * (load.context - load.completion)
    stream = 2 * (2 * shape.layers + 1) * load.width * shape.hidden * tokens
    return _gathered(stream + load.width * shape.vocabulary * completions, load.tensor_parallel)


def sequence_parallel_bytes(shape: Shape, load: Load) -> int:
    """Return what a device receives of those that it shares each tree with, in bytes a step.

    In a layer's attention each gives the other heads of its own tokens away and gets its own heads of the
    others' tokens, queries, keys and values, and then the output back; where there are fewer heads of keys
    than devices, these are copied. The update does so forward, backward and, with gradient checkpointing,
    forward once more.
    """
    heads = shape.heads + max(shape.kv_heads, load.sequence_parallel)
    layer = 2 * heads * shape.head_size * load.width * load.own_tokens
    passes = (2 if load.reference else 1) + (3 if load.checkpointed else 2)
    return _gathered(shape.layers * layer * passes * load.micro_batches, load.sequence_parallel)


def _gathered(size: int, devices: int) -> int:
    return size * (devices - 1) // devices
