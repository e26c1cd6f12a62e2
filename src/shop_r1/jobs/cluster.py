"""The workers of a Ray cluster: a function for each value, by Ray Data."""

import logging
import os
import pickle
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Protocol
from warnings import catch_warnings, simplefilter

from shop_r1.errors import ClusterError, ConfigError, ShopR1Error
from shop_r1.ray_cluster import cause_of_death, joined

LOCAL_STORE_BYTES = 512 << 20
"""Of Ray's shared memory where it is started here: it holds blocks by their place, and results. Ours."""
RESTARTS = 3
"""How often a worker's process is started again, and one block given out again, before the job ends: what
ends a worker is killed from outside or a machine that is gone, since items cannot. Ours."""
_PACKAGE = "shop-r1"


class Function(Protocol):
    """What a worker does to each value it is given; it travels there pickled."""

    def prepare(self) -> Callable[[Any], Any]:
        """Return the function, in the worker's process."""


@dataclass(frozen=True)
class Cluster:
    """A cluster that this process has joined."""

    workers: int
    """Processes that work at once."""
    cpus: float = 1
    """Cores of each."""

    def map(
        self, values: Mapping[int, Any], function: Function, *, ordered: bool = True
    ) -> Iterator[tuple[int, Any]]:
        """Yield (number, result) of each value, in the order given, or else as they come.

        Each worker is an actor that prepares the function once. One that is lost is started again, and its
        value given out again.

        Raises:
            ShopR1Error: the function raised it, or workers were lost too often.
        """
        import ray
        from ray.data import ActorPoolStrategy, DataContext

        if not values:
            return
        context = DataContext.get_current()
        context.enable_progress_bars = False
        context.print_on_execution_start = False
        context.execution_options.preserve_order = ordered
        context.max_errored_blocks = 0
        rows = [{"number": number, "value": pickle.dumps(value)} for number, value in values.items()]
        with catch_warnings():
            simplefilter("ignore")  # Ray 2.60 calls all ways to limit restarts deprecated, and has no other.
            data = ray.data.from_items(rows, override_num_blocks=len(rows)).map_batches(
                _Actor,
                batch_size=1,
                fn_constructor_args=[pickle.dumps(function), version(_PACKAGE)],
                compute=ActorPoolStrategy(size=min(self.workers, len(rows)), max_tasks_in_flight_per_actor=2),
                num_cpus=self.cpus,
                ray_remote_args_fn=lambda: {"max_restarts": RESTARTS, "max_task_retries": RESTARTS},
            )
        try:
            for row in data.iter_rows():
                result = pickle.loads(row["result"])
                if isinstance(result, Exception):
                    raise result
                yield int(row["number"]), result
        except ray.exceptions.RayError as error:
            raise _lost(error) from None


class _Actor:
    """A worker's process."""

    def __init__(self, function: bytes, driver_version: str) -> None:
        self._error: Exception | None = None
        here = version(_PACKAGE)
        if here != driver_version:
            self._error = ConfigError(
                f"a worker of the Ray cluster has {_PACKAGE} {here} and this machine {driver_version}; "
                "install the same version on all machines"
            )
            return
        try:
            self._run = pickle.loads(function).prepare()
        except ShopR1Error as error:
            self._error = error

    def __call__(self, batch: dict[str, Any]) -> dict[str, list[Any]]:
        (number,), (value,) = batch["number"], batch["value"]
        try:
            result = self._error or self._run(pickle.loads(value))
        except ShopR1Error as error:
            result = error
        return {"number": [number], "result": [pickle.dumps(result)]}


def _lost(error: Exception) -> ClusterError:
    return ClusterError(
        f"Ray's workers failed ({cause_of_death(error)}); give the same command again: one that writes a "
        "file goes on where this one ended"
    )


@contextmanager
def joined_workers(address: str, workers: int | None = None, cpus: float = 1) -> Iterator[Cluster]:
    """Join a Ray cluster for its workers, and leave it at the end.

    Args:
        address: as for `ray_cluster.joined`.
        workers: processes that work at once; None: as many as there is room for now.
        cpus: cores of each.

    Raises:
        ConfigError: Ray is not installed, there is no such cluster, or it has no room for a worker.
    """
    # Else Ray prints an error for each actor of Ray Data's that it may start again.
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    with joined(address, object_store_memory=LOCAL_STORE_BYTES):
        import ray
        import ray.data  # it sets up its own loggers

        for name in ("ray", "ray.data"):
            logging.getLogger(name).setLevel(logging.ERROR)
        room = int(ray.cluster_resources().get("CPU", 0) // cpus)
        if not room:
            raise ConfigError(f"--ray {address}: the cluster has no room for a worker with {cpus:g} cores")
        yield Cluster(min(workers or room, room), cpus)
