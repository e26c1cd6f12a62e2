"""The processes that run visits: started over the cluster's machines, fed, and replaced when they die."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, suppress
from pathlib import Path
from typing import Any, Protocol

import ray
from ray.exceptions import RayActorError

from shop_r1.errors import ClusterError
from shop_r1.ray_cluster import cause_of_death, failed_to_begin, result_of
from shop_r1.records.visits import VisitEnd
from shop_r1.simulation.cluster.shopper_actor import Ended, Opened, ShopperActor, VisitSetup
from shop_r1.simulation.cluster.visit_queue import VisitQueue
from shop_r1.simulation.loop import Visit

BEGINS_MAX = 3
"""How often a visit is begun whose process dies meanwhile; then it has ended without a step. Ours."""
_STARTS_MAX = 3
"""How often in a row a process may die before it is ready for visits. Ours."""
_NEWS_S, _STOP_S, _CLOSE_S = 0.5, 30.0, 30.0
_CALLS = 8
"""Of an actor at a time, beside those that run visits."""


class Listener(Protocol):
    """Is told what happens, in the process of the command."""

    async def begin(self, visit: Visit) -> None:
        """Take a visit that begins, perhaps again."""
        ...

    async def end(self, visit: Visit, ended: Ended) -> None:
        """Take a visit that has ended."""
        ...

    async def news(self, found: Mapping[str, Any]) -> None:
        """Take what is new of shoppers under way, by session id; it comes twice a second."""
        ...


class ShopperPool:
    """Actors, each with a bounded number of visits under way.

    Attributes:
        died: how many actors have died and were replaced.
        repeated: how many visits were run again for that.
    """

    def __init__(
        self,
        open_setup: Callable[[], AbstractAsyncContextManager[VisitSetup]],
        actors: int,
        concurrency: int,
    ) -> None:
        """Let each of so many actors, which `open_setup` is sent to, run `concurrency` visits at a time."""
        options = {
            "num_cpus": 1,
            "scheduling_strategy": "SPREAD",
            "max_concurrency": concurrency + _CALLS,
        }
        start = ray.remote(ShopperActor).options(**options).remote
        self._seats = [_Seat(number, lambda: start(open_setup)) for number in range(actors)]
        self._concurrency = concurrency
        self.repeated = 0

    @property
    def died(self) -> int:
        """How many actors have died."""
        return sum(seat.died for seat in self._seats)

    async def open(self) -> Sequence[Opened]:
        """Start the actors, and return where they are once all are ready.

        Raises:
            ShopR1Error: the shop or the policy cannot be opened there.
            ClusterError: an actor keeps dying.
        """
        return await asyncio.gather(*(seat.start() for seat in self._seats))

    async def run(self, visits: Iterable[Visit], shards: Path, listener: Listener) -> None:
        """Run the visits, each actor writing to a folder of its own in `shards`.

        A visit whose actor dies is run again by another one. Cancelled, visits under way end as stopped, in
        their shards, before this returns.

        Raises:
            ShopR1Error: no visit can go on; those under way end as stopped.
            ClusterError: an actor keeps dying.
        """
        self._queue = VisitQueue(visits, BEGINS_MAX)
        self._listener = listener
        await asyncio.gather(*(seat.begin(shards) for seat in self._seats))
        places = [seat for _ in range(self._concurrency) for seat in self._seats]  # one each, then the next
        workers = [asyncio.create_task(self._work(seat)) for seat in places]
        telling = asyncio.create_task(self._tell_news())
        try:
            await self._until_ended([*workers, telling])
        except BaseException:
            await self._stop(workers)
            raise
        finally:
            self.repeated += self._queue.repeated
            for task in (*workers, telling):
                task.cancel()
            await asyncio.gather(*workers, telling, return_exceptions=True)

    async def close(self) -> Counter[str]:
        """End the actors, and return what was not kept of visits, in words."""
        closing = [_quietly(seat.handle.close.remote()) for seat in self._seats if seat.is_ready]
        found: Counter[str] = Counter()
        for dropped in await asyncio.gather(*closing):
            found += dropped or Counter()
        for seat in self._seats:
            seat.kill()
        return found

    async def _until_ended(self, doing: Sequence["asyncio.Task[None]"]) -> None:
        """Wait until all visits have ended, or one of the tasks raises."""
        ended = asyncio.create_task(self._queue.all_ended.wait())
        pending: set[asyncio.Task[Any]] = {ended, *doing}
        try:
            while not ended.done():
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    task.result()
        finally:
            ended.cancel()

    async def _work(self, seat: "_Seat") -> None:
        """Run visit after visit on a seat."""
        while True:
            handle = await seat.ready()
            if (visit := await self._queue.next()) is None:
                return
            await self._listener.begin(visit)
            try:
                ended: Ended = await result_of(handle.visit.remote(visit))
            except RayActorError as error:
                if not await self._queue.put_back(visit):
                    await self._give_up(visit, error)
                await seat.replace(handle)
                continue
            await self._listener.end(visit, ended)
            await self._queue.finish()
            if ended.error is not None:
                raise ended.error

    async def _give_up(self, visit: Visit, error: RayActorError) -> None:
        end = VisitEnd(
            session_id=visit.session_id,
            user_id=visit.user_id,
            outcome="no step",
            reason=f"its process in the cluster has died {BEGINS_MAX} times ({cause_of_death(error)})",
            steps=0,
            started=round(time.time(), 3),
            seconds=0.0,
        )
        await self._listener.end(visit, Ended(end, is_written=False))
        await self._queue.finish()

    async def _tell_news(self) -> None:
        while True:
            await asyncio.sleep(_NEWS_S)
            asked = [_quietly(seat.handle.news.remote()) for seat in self._seats if seat.is_ready]
            news = await asyncio.gather(*asked)
            await self._listener.news({id_: each for found in news for id_, each in (found or {}).items()})

    async def _stop(self, workers: Sequence["asyncio.Task[None]"]) -> None:
        """Let the visits under way end as stopped."""
        await self._queue.close()
        await asyncio.gather(*(_quietly(seat.handle.stop.remote()) for seat in self._seats if seat.is_ready))
        await asyncio.wait(workers, timeout=_STOP_S)


class _Seat:
    """One actor at a time: the first, and those that replace it."""

    def __init__(self, number: int, create: Callable[[], Any]) -> None:
        self._number, self._create = number, create
        self._starting = asyncio.Lock()
        self._shards: Path | None = None
        self.handle: Any = None
        self.died = 0
        self.is_ready = False

    async def start(self) -> Opened:
        """Start an actor and wait until it is ready.

        Raises:
            ClusterError: it keeps dying.
        """
        for left in reversed(range(_STARTS_MAX)):
            self.handle = self._create()
            try:
                opened: Opened = await result_of(self.handle.open.remote())
                if self._shards is not None:
                    await self._begin()
                self.is_ready = True
                return opened
            except RayActorError as error:
                self.died += 1
                if not left or failed_to_begin(error):
                    raise ClusterError(
                        f"a process that is to run visits dies before it is ready ({cause_of_death(error)}); "
                        "its logs are in /tmp/ray/session_latest/logs on its machine"
                    ) from None
        raise AssertionError

    async def begin(self, shards: Path) -> None:
        """Let this actor, and those that replace it, write to folders in `shards`."""
        self._shards = shards
        await self._begin()

    async def ready(self) -> Any:
        """Return the actor's handle, once it is ready for visits."""
        async with self._starting:
            return self.handle

    async def replace(self, dead: Any) -> None:
        """Start another actor in the place of this one, unless that was done."""
        async with self._starting:
            if self.handle is not dead:
                return
            self.died += 1
            self.kill()
            await self.start()

    def kill(self) -> None:
        """End the actor."""
        if self.handle is not None:
            ray.kill(self.handle)
            self.handle, self.is_ready = None, False

    async def _begin(self) -> None:
        assert self._shards is not None
        await result_of(self.handle.begin.remote(self._shards / f"{self._number:04d}-{self.died}"))


async def _quietly(running: Any) -> Any:
    """Return what a call returned; None where its process has died, or does not answer."""
    with suppress(RayActorError, TimeoutError):
        async with asyncio.timeout(_CLOSE_S):
            return await result_of(running)
    return None
