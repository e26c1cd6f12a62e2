"""A simulation from its first line to its last: shop and policy opened, visits run, all of it written."""

import asyncio
import signal
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from shop_r1.cli.simulation import messages
from shop_r1.cli.simulation.live import LiveView, Totals
from shop_r1.cli.simulation.options import Options
from shop_r1.cli.simulation.planned import FREE, is_timed, limits_of, plan_visits, run_record
from shop_r1.cli.simulation.policies import Deciders, open_policy
from shop_r1.cli.simulation.shops import Shop, open_shop
from shop_r1.cli.simulation.watch_page import watch_page
from shop_r1.errors import Terminated, file_errors
from shop_r1.ray_cluster import joined
from shop_r1.records.visits import SESSIONS_FILE
from shop_r1.simulation.concurrent import Observers, run_visits
from shop_r1.simulation.loop import Observer, Visit
from shop_r1.simulation.run_folder import SimulationFolder, opened, sort_by_visit

ResultT = TypeVar("ResultT")
Runner = Callable[[Iterator[Visit], Observer], Awaitable[None]]
"""Runs visits and tells an observer all that happens."""


def simulate_visits(options: Options, out: Path) -> None:
    """Run the visits that the options ask for, write them to `out`, and print what came of them.

    Raises:
        ShopR1Error: the shop, the policy or the place cannot be used, or no visit gave a session.
        KeyboardInterrupt: it was interrupted; what was done is in the folder.
    """
    totals = Totals()
    if options.is_one_file:
        with file_errors(out, "written"):
            out.parent.mkdir(parents=True, exist_ok=True)
        with TemporaryDirectory(prefix=f".{out.name[:40]}.", dir=out.parent) as place:
            _run_all(options, Path(place), totals)
            messages.check_sessions(totals, out, Path(place))
            _copy_sessions(Path(place) / SESSIONS_FILE, out)
    else:
        try:
            _run_all(options, out, totals)
        except BaseException:
            messages.print_unfinished(options, out, totals)
            raise
        messages.check_sessions(totals, out, out)
    messages.print_result(options, out, totals)


def _run_all(options: Options, folder: Path, totals: Totals) -> None:
    if options.ray is not None:
        with joined(options.ray):
            from shop_r1.cli.simulation.cluster.run import run_on_cluster

            asyncio.run(until_terminated(run_on_cluster(options, folder, totals)))
        return
    asyncio.run(until_terminated(_run(options, folder, totals)))


async def until_terminated(doing: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Return its result; SIGTERM cancels it, as asyncio does at Ctrl-C, and a second one ends the process.

    Raises:
        Terminated: SIGTERM came.
    """
    loop, task = asyncio.get_running_loop(), asyncio.ensure_future(doing)
    before = signal.getsignal(signal.SIGTERM)
    terminated = False

    def stop() -> None:
        nonlocal terminated
        terminated = True
        task.cancel()
        loop.remove_signal_handler(signal.SIGTERM)

    with suppress(ValueError, RuntimeError, NotImplementedError):  # no main thread, or no signals at all
        loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        return await task
    except asyncio.CancelledError:
        if terminated:
            raise Terminated from None
        raise
    finally:
        with suppress(ValueError):
            loop.remove_signal_handler(signal.SIGTERM)
            signal.signal(signal.SIGTERM, before)


async def _run(options: Options, path: Path, totals: Totals) -> None:
    """Run what is missing in the folder."""
    async with open_shop(options, path) as shop, open_policy(options, shop, path) as deciders:
        visits = plan_visits(options, shop, deciders)
        with opened(path, run_record(options, shop, deciders), resume=options.resume, free=FREE) as folder:
            left = [visit for visit in visits if visit.session_id not in folder.finished]
            messages.print_plan(options, shop, deciders, path, len(visits) - len(left))
            await run_left(options, shop, deciders, folder, left, totals)
        sort_by_visit(path, [visit.session_id for visit in visits])


async def run_left(
    options: Options,
    shop: Shop,
    deciders: Deciders,
    folder: SimulationFolder,
    left: Sequence[Visit],
    totals: Totals,
    *,
    observers: Sequence[Observer] = (),
    goes_on: Callable[[], bool] = lambda: True,
    runner: Runner | None = None,
    timed: bool | None = None,
) -> None:
    """Run the visits that are left, shown on the terminal and on the page of `--watch`, into the folder.

    No visit begins once `goes_on` says no. `observers` are told after the folder; a `runner` runs the visits
    in another way than here; `timed` is as for `run_session`.
    """
    totals.cost = deciders.total_cost
    kept = [shop.windows] if shop.windows is not None else []
    async with watch_page(options, shop, deciders, left, folder.path) as watch:
        with LiveView(len(left), totals) as view:
            # A recording is there before its visit counts as finished.
            told = Observers(*kept, folder, totals, *observers, view, *watch.observers)
            visits = takewhile(lambda _: goes_on(), watch.visits)
            if runner is not None:
                await runner(visits, told)
            else:
                await run_visits(
                    visits,
                    watch.policy_of,
                    shop.driver_of,
                    told,
                    concurrency=options.concurrency,
                    limits=limits_of(options),
                    timed=is_timed(options) if timed is None else timed,
                    cost_of=deciders.cost_of,
                )
    messages.print_dropped(shop.windows.dropped if shop.windows is not None else Counter())


def _copy_sessions(source: Path, out: Path) -> None:
    """Write the sessions of a folder's file to another file, in the form that its name asks for."""
    from shop_r1.datasets.session_files import line_writer, read_session_lines

    with line_writer(out) as write:
        for number, line in read_session_lines(source):
            write(line, source, number)
