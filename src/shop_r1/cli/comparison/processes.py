"""Visits to the built-in store in several processes: batches, told of in the order of the plan."""

import asyncio
import os
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path

from shop_r1.cli.comparison.options import CompareOptions
from shop_r1.cli.comparison.shops import open_versions
from shop_r1.cli.simulation.planned import is_timed, limits_of
from shop_r1.cli.simulation.policies import Deciders, open_policy
from shop_r1.cli.simulation.shops import Shop
from shop_r1.errors import ModelError
from shop_r1.records.sessions import Page, Step
from shop_r1.records.visits import VisitEnd
from shop_r1.simulation.concurrent import run_visits
from shop_r1.simulation.loop import Observer, Visit

PROCESSES_MAX = 8
"""Without `--processes` there are as many as cores, but no more. Ours."""
_BATCH = 10
"""Visits that a process is given at a time: half a second's work. Ours."""
_FEW = 40
"""Visits that are not worth another process's start. Ours."""
Done = list[tuple[Visit, tuple[Step, ...], VisitEnd]]


def choose_processes(options: CompareOptions, visits: int) -> int:
    """Return how many processes run so many visits."""
    if options.in_one_process is not None or visits < _FEW:
        return 1
    return options.processes or min(PROCESSES_MAX, os.cpu_count() or 1)


async def run_in_processes(
    options: CompareOptions, processes: int, visits: Iterator[Visit], observer: Observer
) -> None:
    """Run the visits in so many processes, and tell the observer of each in the order given.

    What is under way when it is cancelled is lost: those visits are unfinished.

    Raises:
        ModelError: a process ended by itself.
    """
    executor = ProcessPoolExecutor(processes, get_context("spawn"), _begin, (options,))
    waiting: deque[asyncio.Future[Done]] = deque()
    try:
        while True:
            # Few batches ahead of those that are told of: no visit begins long after the run is to end.
            while len(waiting) < 2 * processes and (batch := _take(visits, _BATCH)):
                waiting.append(asyncio.wrap_future(executor.submit(_run_batch, batch)))
            if not waiting:
                return
            for visit, steps, end in await waiting.popleft():
                await _tell(observer, visit, steps, end)
    except BrokenProcessPool:
        raise ModelError(
            "a process of the comparison ended by itself, for instance for want of memory; go on with "
            "--resume --processes 1"
        ) from None
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _take(visits: Iterator[Visit], count: int) -> list[Visit]:
    return [visit for _, visit in zip(range(count), visits, strict=False)]


async def _tell(observer: Observer, visit: Visit, steps: Sequence[Step], end: VisitEnd) -> None:
    await observer.begin(visit)
    for step in steps:
        await observer.before_step(visit, step.page)
        await observer.after_step(visit, step)
    await observer.end(visit, end)
    await asyncio.sleep(0)  # let an interruption in


@dataclass(frozen=True)
class _Opened:
    """What a process of visits has open until it ends."""

    runner: asyncio.Runner
    options: CompareOptions
    shop: Shop
    deciders: Deciders


_opened: list[_Opened] = []
"""Of this process; empty in the one that was asked for."""


def _begin(options: CompareOptions) -> None:
    """Open the versions and the policy, once for all batches of this process.

    Ctrl-C is left to the process that was asked for, which lets the batches under way end.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    runner = asyncio.Runner()
    nowhere = Path()  # scripted and random shoppers in this process leave nothing beside their steps

    async def open_all() -> _Opened:
        stack = AsyncExitStack()  # never closed: it holds nothing that outlives the process
        shop, _ = await stack.enter_async_context(open_versions(options, nowhere))
        deciders = await stack.enter_async_context(open_policy(options.first, shop, nowhere))
        return _Opened(runner, options, shop, deciders)

    _opened.append(runner.run(open_all()))


def _run_batch(visits: Sequence[Visit]) -> Done:
    (found,) = _opened
    return found.runner.run(_run_visits(found, visits))


async def _run_visits(found: _Opened, visits: Sequence[Visit]) -> Done:
    options, kept = found.options, _Kept()
    await run_visits(
        visits,
        found.deciders.policy_of,
        found.shop.driver_of,
        kept,
        concurrency=options.base.concurrency,
        limits=limits_of(options.first),
        timed=any(map(is_timed, options.versions.values())),
    )
    return [(visit, tuple(kept.steps[visit.session_id]), kept.ends[visit.session_id]) for visit in visits]


@dataclass
class _Kept:
    """An observer that keeps everything."""

    steps: dict[str, list[Step]] = field(default_factory=dict)
    ends: dict[str, VisitEnd] = field(default_factory=dict)

    async def begin(self, visit: Visit) -> None:
        self.steps[visit.session_id] = []

    async def before_step(self, visit: Visit, page: Page) -> bool:
        return True

    async def after_step(self, visit: Visit, step: Step) -> None:
        self.steps[visit.session_id].append(step)

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        self.ends[visit.session_id] = end
