"""verl on Ray: the configuration, the cluster, and the process that drives verl's workers."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import hydra
import ray
from omegaconf import OmegaConf

from shop_r1.errors import TrainingError
from shop_r1.ray_cluster import LOCAL, joined
from shop_r1.training.cluster.start import Device
from shop_r1.training.settings import TrainConfig

_PLUG_IN = "shop_r1.training.cluster.platform"
_OBJECT_STORE = 300_000_000  # bytes of Ray's shared memory where it is started here without GPUs
_SLOTS = 32  # of Ray's CPUs on a machine without GPUs: bookkeeping; verl asks for one a process


def compose(settings: Mapping[str, Any], defaults_name: str = "ppo_trainer") -> Any:
    """Return verl's whole configuration: its defaults, by their file's name, and ours over them."""
    with hydra.initialize_config_module("verl.trainer.config", version_base=None):
        defaults = hydra.compose(defaults_name)
    OmegaConf.set_struct(defaults, False)
    return OmegaConf.merge(defaults, OmegaConf.create(dict(settings)))


@contextmanager
def joined_ray(config: TrainConfig, device: Device) -> Iterator[None]:
    """Join the cluster, or start one here, and leave it at the end.

    Raises:
        ConfigError: there is no cluster at the address, or it does not take this machine.
    """
    environment = {
        "VERL_USE_EXTERNAL_MODULES": _PLUG_IN,
        "VLLM_CPU_KVCACHE_SPACE": str(config.cluster.kv_cache_gib),
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
        "RAY_USAGE_STATS_ENABLED": "0",
        "TRANSFER_QUEUE_ENABLE": "1",
        "TOKENIZERS_PARALLELISM": "false",
    }
    os.environ |= environment
    start: dict[str, Any] = {}
    if device == "cpu":
        start = {
            "num_cpus": _SLOTS,
            "num_gpus": config.cluster.devices,
            "object_store_memory": _OBJECT_STORE,
        }
    # Without an address Ray would join any cluster that it finds on this machine.
    with joined(config.cluster.address or LOCAL, environment, **start):
        yield


@ray.remote
class Driver:
    """The process of the cluster that drives verl's workers."""

    def run(self, settings: Mapping[str, Any]) -> Mapping[str, float]:
        """Train, and return the last step's metrics."""
        import transfer_queue as tq
        from verl.trainer.ppo.v1 import AgentLoopManagerTQ
        from verl.utils.device import auto_set_device

        from shop_r1.training.cluster.grpo.trainer import ClusterTrainer

        config = compose(settings)
        auto_set_device(config)
        config.transfer_queue.enable = True
        config.transfer_queue.backend.SimpleStorage.num_data_storage_units = 1
        OmegaConf.resolve(config)
        tq.init(config.transfer_queue)
        try:
            trainer = ClusterTrainer(config)
            trainer.init()
            trainer.fit(
                AgentLoopManagerTQ.create(
                    config=config,
                    llm_client=trainer.get_llm_client(),
                    teacher_client=trainer.get_teacher_client(),
                    reward_loop_worker_handles=trainer.get_reward_handles(),
                )
            )
            return dict(trainer.last)
        finally:
            tq.close()


class Run:
    """A run that goes on in the cluster."""

    def __init__(self, driver: Any, settings: Mapping[str, Any]) -> None:
        self._driver = driver.remote()
        self._running = self._driver.run.remote(settings)

    def has_ended(self, timeout_s: float) -> bool:
        """Wait so long; return whether it has ended."""
        return bool(ray.wait([self._running], timeout=timeout_s)[0])

    def last_metrics(self) -> Mapping[str, float]:
        """Return the last step's metrics, once it has ended.

        Raises:
            TrainingError: a process of it failed.
        """
        found: Mapping[str, float] = self._get(self._running)
        return found

    def ask(self, method: str) -> Any:
        """Return what the driver answers meanwhile, where it can.

        Raises:
            TrainingError: it failed.
        """
        return self._get(getattr(self._driver, method).remote())

    def _get(self, awaited: Any) -> Any:
        try:
            return ray.get(awaited)
        except ray.exceptions.RayError as error:
            raise TrainingError(
                f"verl failed ({str(error).strip().splitlines()[-1]}); its logs are in "
                "/tmp/ray/session_latest/logs; go on with --resume"
            ) from error
