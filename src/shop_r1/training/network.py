"""How much a device of a cluster receives from others in a step of GRPO with verl, by arithmetic.

Collectives are counted as rings send them: gathering or reducing X bytes over N devices takes (N - 1) / N X
of each, an all-reduce twice that. Rewards, completions and other tokens are left out: a few MB.
"""

from shop_r1.models.shape import Shape
from shop_r1.training.memory import FLOAT32, Load


def micro_batches(load: Load) -> int:
    """Return how many batches a device learns from in a step, one after the other."""
    return -(-load.sampled // (load.tensor_parallel * load.trees))


def received_bytes(shape: Shape, load: Load) -> dict[str, int]:
    """Return what one device receives in a step, in bytes, by what for.

    FSDP2 gathers every layer's weights for each forward pass and again for the backward pass, in the number
    format of the run; gradients are shared out once a step, and vLLM's weights gathered, in float32.
    """
    passes = (4 if load.reference else 3) * micro_batches(load)
    whole = FLOAT32 * shape.parameters
    return {
        "weights, for every pass": _gathered(load.width * shape.parameters * passes, load.devices),
        "gradients": _gathered(whole, load.devices),
        "weights, for vLLM": _gathered(whole, load.devices),
        "vLLM's tensor parallelism": tensor_parallel_bytes(shape, load),
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


def _gathered(size: int, devices: int) -> int:
    return size * (devices - 1) // devices
