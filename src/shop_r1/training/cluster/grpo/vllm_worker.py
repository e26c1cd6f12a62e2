"""vLLM's worker on a CPU, kept from packing its weights: packed ones cannot be replaced after an update."""

from typing import Any, Self

from verl.workers.rollout.vllm_rollout.utils import vLLMColocateWorkerExtension


class ReloadableWeights(vLLMColocateWorkerExtension):
    """Made before the model is; oneDNN, for which vLLM packs, is off from then on."""

    def __new__(cls, **kwargs: Any) -> Self:
        """Make it."""
        import vllm._custom_ops as operations

        operations._supports_onednn = False
        made: Self = super().__new__(cls, **kwargs)
        return made
