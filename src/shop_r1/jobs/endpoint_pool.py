"""An endpoint that a cluster's workers send requests to; retries, rates, budget and cache stay in one place.

It takes the place of the endpoint in `endpoints.batch.send_all`, which runs where the command was given. So
there is one budget and one rate limit for all workers, and every completion is in the cache before anything
is done with it.
"""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from shop_r1.endpoints.failures import TransientError
from shop_r1.endpoints.protocol import Completion, Endpoint, Request
from shop_r1.endpoints.providers import open_endpoint
from shop_r1.endpoints.retry import RequestConfig
from shop_r1.errors import ClusterError, ShopR1Error
from shop_r1.jobs.cluster import RESTARTS, Cluster
from shop_r1.ray_cluster import cause_of_death


class _Sender:
    """A worker's process: sends requests, many at once, and returns what came."""

    def __init__(self, name: str, config: RequestConfig) -> None:
        self._name, self._config = name, config
        self._endpoint: Endpoint | None = None
        self._notes: list[str] = []

    async def open(self) -> ShopR1Error | None:
        """Open the endpoint; return why it cannot be."""
        try:
            self._endpoint = open_endpoint(self._name, self._config, self._notes.append)
        except ShopR1Error as error:
            return error
        return None

    async def send(self, request: Request) -> tuple[Completion | ShopR1Error, list[str]]:
        """Return the completion of one attempt or why there is none, and what was noted on the way."""
        try:
            if self._endpoint is None:  # This process was started again.
                self._endpoint = open_endpoint(self._name, self._config, self._notes.append)
            found: Completion | ShopR1Error = await self._endpoint.send(request)
        except ShopR1Error as error:
            found = error
        notes, self._notes[:] = [*self._notes], []
        return found, notes


class EndpointPool:
    """An `Endpoint`: each request goes to the worker that has the fewest."""

    def __init__(self, name: str, workers: list[Any], notify: Callable[[str], None]) -> None:
        """Take the actors; `notify` is called once for each different note of theirs."""
        self.name = name
        self._workers, self._open = workers, [0] * len(workers)
        self._notify, self._noted = notify, set[str]()

    async def send(self, request: Request) -> Completion:
        """Return the completion of one attempt, sent by a worker.

        Raises:
            TransientError: another attempt may succeed; a worker that was lost is one cause.
            InvalidRequestError: this request cannot succeed; others may.
            ModelError: no request can succeed.
            ConfigError: a worker has no key, or lacks a package.
        """
        import ray

        worker = min(range(len(self._open)), key=self._open.__getitem__)
        self._open[worker] += 1
        try:
            found, notes = await self._workers[worker].send.remote(request)
        except ray.exceptions.RayError as error:
            await asyncio.sleep(1.0)  # It is started again meanwhile.
            first = str(error).strip().partition("\n")[0]
            raise TransientError(f"a worker of the Ray cluster was lost ({first})", billed=True) from None
        finally:
            self._open[worker] -= 1
        for note in notes:
            if note not in self._noted:
                self._noted.add(note)
                self._notify(note)
        if isinstance(found, ShopR1Error):
            raise found
        return found  # type: ignore[no-any-return]

    async def close(self) -> None:
        """Do nothing: the workers end with `endpoint_pool`."""


@contextmanager
def endpoint_pool(
    cluster: Cluster, name: str, config: RequestConfig, notify: Callable[[str], None]
) -> Iterator[EndpointPool]:
    """Start the workers of an endpoint, and end them afterwards.

    Each opens the endpoint for itself, with the key in its own machine's environment. All have done so before
    the first request, which would else wait for them behind the rate limit, and come in a burst.

    Raises:
        ConfigError: a worker has no key.
        ClusterError: a worker cannot be started.
    """
    import ray

    count = min(cluster.workers, config.concurrency)
    # All may come to one worker while the others are started again.
    options = {"max_concurrency": config.concurrency, "max_restarts": RESTARTS, "num_cpus": cluster.cpus}
    workers = [ray.remote(_Sender).options(**options).remote(name, config) for _ in range(count)]
    try:
        _open_all(workers)
        yield EndpointPool(name, workers, notify)
    finally:
        for worker in workers:
            with suppress(ray.exceptions.RayError, ValueError):
                ray.kill(worker)


def _open_all(workers: Sequence[Any]) -> None:
    import ray

    try:
        errors = ray.get([worker.open.remote() for worker in workers])
    except ray.exceptions.RayError as error:
        problem = f"a worker that sends requests cannot be started: {cause_of_death(error)}"
        raise ClusterError(problem) from None
    for found in errors:
        if found is not None:
            raise found
