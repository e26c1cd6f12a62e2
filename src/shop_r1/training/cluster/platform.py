"""The CPU as a platform of verl, which knows only accelerators; loaded by `VERL_USE_EXTERNAL_MODULES`."""

import resource
import types
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import torch
from verl.plugin.platform import PlatformBase, PlatformRegistry


def _held() -> int:
    return int(psutil.Process().memory_info().rss)


def _most_held() -> int:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


class _CpuModule(types.ModuleType):
    """What verl asks of `torch.cuda`: that of `torch.cpu`, and what it lacks."""

    _ANSWERS: dict[str, Any] = {  # noqa: RUF012 (a module has no class variables to annotate)
        "is_available": True,
        "device_count": 1,
        "current_device": "cpu",
        "get_device_name": "cpu",
    }
    _NOTHING = ("set_device", "synchronize", "empty_cache", "ipc_collect", "reset_peak_memory_stats")

    def __getattr__(self, name: str) -> Any:
        if name in self._ANSWERS:
            return lambda *args, **kwargs: self._ANSWERS[name]
        if name in (*self._NOTHING, "set_per_process_memory_fraction"):
            return lambda *args, **kwargs: None
        if name in ("manual_seed", "manual_seed_all"):
            return torch.manual_seed
        if name == "get_rng_state":
            return lambda *args: torch.get_rng_state()
        if name == "set_rng_state":
            return lambda state, *args: torch.set_rng_state(state)
        if name in ("memory_allocated", "memory_reserved"):
            return lambda *args: _held()
        if name in ("max_memory_allocated", "max_memory_reserved"):
            return lambda *args: _most_held()
        if name == "mem_get_info":
            return lambda *args: (psutil.virtual_memory().available, psutil.virtual_memory().total)
        return getattr(torch.cpu, name)


_MODULE = _CpuModule("shop_r1_cpu_device")


@PlatformRegistry.register(platform="cpu")
class CpuPlatform(PlatformBase):
    """A process on the machine's cores is a device; Ray counts it as a GPU, which is bookkeeping alone."""

    device_name = "cpu"
    vendor_name = "cpu"
    device_module = _MODULE

    def is_available(self) -> bool:
        """Return True."""
        return True

    def is_platform_available(self, use_smi_check: bool = False) -> bool:
        """Return whether there is no GPU that would serve better."""
        return not torch.cuda.is_available()

    def current_device(self) -> str:
        """Return the only one."""
        return "cpu"

    def device_count(self) -> int:
        """Return 1: a process has one."""
        return 1

    def set_device(self, device_index: int) -> None:
        """Do nothing: there is no choice."""

    def synchronize(self, device_index: int | None = None) -> None:
        """Do nothing: nothing is queued."""

    def manual_seed(self, seed: int) -> None:
        """Seed torch."""
        torch.manual_seed(seed)

    def manual_seed_all(self, seed: int) -> None:
        """Seed torch."""
        torch.manual_seed(seed)

    def set_allocator_settings(self, settings: str) -> None:
        """Do nothing: the allocator is the system's."""

    def empty_cache(self) -> None:
        """Do nothing: there is no cache."""

    def get_device_capability(self, device_index: int = 0) -> tuple[int | None, int | None]:
        """Return that there is none."""
        return None, None

    def communication_backend_name(self) -> str:
        """Return the backend of process groups."""
        return "gloo"

    def visible_devices_envvar(self) -> str:
        """Return the variable that Ray sets."""
        return "CUDA_VISIBLE_DEVICES"

    @contextmanager
    def nvtx_range(self, msg: str) -> Iterator[None]:
        """Mark nothing."""
        yield

    def profiler_start(self) -> None:
        """Do nothing."""

    def profiler_stop(self) -> None:
        """Do nothing."""

    def ray_resource_name(self) -> str:
        """Return what Ray counts devices as."""
        return "GPU"

    def ray_noset_envvars(self) -> list[str]:
        """Return what keeps Ray from hiding devices."""
        return ["RAY_EXPERIMENTAL_NOSET_CUDA_VISIBLE_DEVICES"]

    def is_ipc_supported(self) -> bool:
        """Return False: weights are handed over through shared memory."""
        return False

    def cudart(self) -> Any:
        """Return that there is none."""
        return None
