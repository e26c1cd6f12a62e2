"""How a run is spread over a cluster."""

from typing import Literal

from pydantic import Field

from shop_r1.config import Config


class ClusterConfig(Config):
    """Of `--engine verl`: machines, devices and how the model is split over them."""

    address: str = ""
    """Of a running Ray cluster, `auto` for the one that this machine belongs to; left out: Ray is started
    here and ends with the run."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    """What trains and samples; `auto`: GPUs, if the machine where the command is given has any."""
    nodes: int = Field(default=1, ge=1)
    """Machines that train."""
    devices_per_node: int = Field(default=1, ge=1)
    """GPUs of each machine; where there are none, processes on its cores."""
    tensor_parallel: int = Field(default=1, ge=1)
    """Devices that share one copy of the model while vLLM samples."""
    sequence_parallel: int = Field(default=1, ge=1)
    """Devices that share each session while the model trains (Ulysses); it must divide the model's heads."""
    offload: bool = False
    """Keep weights and optimiser in the machine's memory while vLLM samples."""
    reward_workers: int = Field(default=1, ge=1)
    """Processes that score completions."""
    kv_cache_gib: int = Field(default=1, ge=1)
    """Memory of vLLM's cache where it runs on the CPU, in GiB; on a GPU it is `vllm_gpu_memory_utilization`
    that counts."""

    @property
    def devices(self) -> int:
        """All of them."""
        return self.nodes * self.devices_per_node

    @property
    def data_parallel(self) -> int:
        """Devices that train, or groups of them that share each session: all learn from different ones."""
        return self.devices // self.sequence_parallel
