"""Commands over much data: their option `--ray`, and where it runs."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from typer import Option

from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.console import count_of
from shop_r1.errors import ConfigError

if TYPE_CHECKING:
    from shop_r1.endpoints.protocol import Endpoint
    from shop_r1.endpoints.retry import RequestConfig
    from shop_r1.jobs.cluster import Cluster

Ray = Annotated[
    str | None,
    Option(
        "--ray",
        metavar="ADDRESS",
        help="Work on a Ray cluster: local starts one here, auto joins this machine's, or HOST:PORT.",
    ),
]
RayWorkers = Annotated[
    int | None,
    Option("--ray-workers", min=1, metavar="N", help="Workers of Ray at most; else as many as have room."),
]


@dataclass(frozen=True)
class RayOptions:
    """What the two options were given."""

    address: str | None = None
    workers: int | None = None


NO_RAY = RayOptions()


@contextmanager
def joined_cluster(
    address: str | None, workers: int | None = None, cpus: float = 1
) -> "Iterator[Cluster | None]":
    """Join the cluster that `--ray` names, say what it is, and leave it at the end; None without the option.

    Raises:
        ConfigError: there is none, or workers are named without it.
    """
    if address is None:
        if workers is not None:
            raise ConfigError("--ray-workers is for --ray, which is not given")
        yield None
        return
    from shop_r1.jobs.cluster import joined_workers

    with joined_workers(address, workers, cpus) as cluster:
        console.note(f"Ray, {address}: {count_of(cluster.workers, 'worker')}")
        yield cluster


@contextmanager
def opened_endpoint(
    name: str,
    config: "RequestConfig",
    open_here: "Callable[[], Endpoint]",
    notify: Callable[[str], None],
    cluster: "Cluster | None",
) -> "Iterator[Endpoint]":
    """Yield the endpoint, opened here, or on each worker of a cluster; the caller closes it."""
    if cluster is None:
        yield open_here()
        return
    from shop_r1.jobs.endpoint_pool import endpoint_pool

    with endpoint_pool(cluster, name, config, notify) as pool:
        yield pool
