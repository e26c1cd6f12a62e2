"""What runs visits in a process of the cluster, and writes them to a shard of the run's folder."""

import asyncio
import socket
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from importlib.metadata import version
from pathlib import Path
from typing import Any

from shop_r1.drivers.protocol import PageDriver
from shop_r1.errors import ShopR1Error
from shop_r1.records.sessions import Page, Step
from shop_r1.records.visits import VisitEnd
from shop_r1.simulation.concurrent import Observers, run_visits
from shop_r1.simulation.loop import Limits, Observer, Policy, Visit
from shop_r1.simulation.run_folder import SimulationFolder, shard


@dataclass(frozen=True)
class VisitSetup:
    """All that visits need in one process; see `run_visits`."""

    policy_of: Callable[[Visit], Policy]
    driver_of: Callable[[Visit], PageDriver]
    limits: Limits
    timed: bool = False
    cost_of: Callable[[Visit], float | None] = lambda visit: None
    kept: tuple[Observer, ...] = ()
    """Observers that keep something of a visit; they are told of its end before it counts as ended."""
    shown: tuple[Observer, ...] = ()
    """Observers that are told last."""
    news: Callable[[], Mapping[str, Any]] = dict
    """What is new of shoppers under way, by session id, for who watches; each thing once."""
    dropped: Counter[str] = field(default_factory=Counter)
    """What is not kept of visits, in words."""
    browser: str | None = None
    """Which browser shoppers go by; None for none."""


@dataclass(frozen=True)
class Opened:
    """A process that is ready for visits."""

    host: str
    version: str
    """Of this package there."""
    browser: str | None


@dataclass(frozen=True)
class Ended:
    """A visit that has ended."""

    end: VisitEnd | None
    """None where it could not be written."""
    steps: tuple[Step, ...] = ()
    """Without their pages' contents."""
    error: ShopR1Error | None = None
    """Why no visit can go on; None where others can."""
    is_written: bool = True
    """Whether it is in a shard; else its processes have died."""


class ShopperActor:
    """Runs visits, any number at a time, on its process's event loop; a Ray actor is made of it."""

    def __init__(self, open_setup: Callable[[], AbstractAsyncContextManager[VisitSetup]]) -> None:
        self._open_setup = open_setup
        self._stack = AsyncExitStack()
        self._under_way: set[asyncio.Task[None]] = set()

    async def open(self) -> Opened:
        """Open the shop and the policy.

        Raises:
            ShopR1Error: one of them cannot be opened; the message begins with this machine's name.
        """
        host = socket.gethostname()
        try:
            self._setup = await self._stack.enter_async_context(self._open_setup())
        except ShopR1Error as error:
            raise type(error)(f"{host}: {error}") from None
        return Opened(host, version("shop-r1"), self._setup.browser)

    async def begin(self, path: Path) -> None:
        """Open the shard that visits are written to.

        Raises:
            DataError: it cannot be written here; the message begins with this machine's name.
        """
        try:
            self._folder: SimulationFolder = self._stack.enter_context(shard(path))
        except ShopR1Error as error:
            raise type(error)(f"{socket.gethostname()}: {error}") from None

    async def visit(self, visit: Visit) -> Ended:
        """Run a visit; it is in the shard when this returns."""
        setup, summary = self._setup, _Summary()
        running = asyncio.ensure_future(
            run_visits(
                [visit],
                setup.policy_of,
                setup.driver_of,
                Observers(*setup.kept, self._folder, summary, *setup.shown),
                concurrency=1,
                limits=setup.limits,
                timed=setup.timed,
                cost_of=setup.cost_of,
            )
        )
        self._under_way.add(running)
        try:
            await running
        except ShopR1Error as error:
            return Ended(summary.end_, tuple(summary.steps), error)
        except asyncio.CancelledError:
            if not running.cancelled():
                raise
        finally:
            self._under_way.discard(running)
        return Ended(summary.end_, tuple(summary.steps))

    async def news(self) -> Mapping[str, Any]:
        """Return what is new of shoppers under way."""
        return self._setup.news()

    async def stop(self) -> None:
        """End all visits under way as stopped; the calls that run them return."""
        for task in self._under_way:
            task.cancel()

    async def close(self) -> Counter[str]:
        """Close the shop, the policy and the shard, and return what was not kept of visits, in words."""
        await self._stack.aclose()
        return self._setup.dropped


class _Summary:
    """An observer that keeps what is counted of a visit."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.end_: VisitEnd | None = None

    async def begin(self, visit: Visit) -> None:
        """Nothing is counted yet."""

    async def before_step(self, visit: Visit, page: Page) -> bool:
        """Let it go on."""
        return True

    async def after_step(self, visit: Visit, step: Step) -> None:
        """Keep the step without its page's content."""
        page = step.page.model_copy(update={"html": ""})
        self.steps.append(step.model_copy(update={"page": page}))

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        """Keep the end."""
        self.end_ = end
