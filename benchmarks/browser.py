"""Shoppers in Chromium: what a step, a window and many visits cost, beside a plain script of Playwright's.

`python -m benchmarks.browser [--sessions N] [--concurrency C] [--rounds N] [--json FILE]`. Nothing else
should run meanwhile. Scripted shoppers' visits to the built-in store are done in this process first, which
says where each of their clicks goes; then both sides do these clicks in one Chromium, taking turns by visit:
ours with all that it reads, holds back and waits for, and a script that clicks and waits until the page has
loaded. Then `--sessions` visits (200) at once at concurrency 8 with their recordings, and five times as many
in this process, while memory and handles are counted. Medians count.
"""

import argparse
import asyncio
import gc
import json
import os
import statistics
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.machine import describe_machine
from starlette.applications import Starlette

from shop_r1.drivers.bounds.hosts import Hosts
from shop_r1.drivers.browser import background
from shop_r1.drivers.browser.driver import Bounds, BrowserDriver
from shop_r1.drivers.browser.pool import BrowserPool
from shop_r1.drivers.browser.window import OPTIONS, Window
from shop_r1.drivers.in_process import HOME, HOST, PURCHASES, InProcessDriver
from shop_r1.drivers.recording.assets import SharedAssets
from shop_r1.drivers.recording.recorder import Recorder
from shop_r1.pages.elements import find_element
from shop_r1.records.recordings import VisitBegun
from shop_r1.records.sessions import Session, Timing
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.scripted import generate_sessions, scripted_policies
from shop_r1.simulation.loop import Visit, run_session
from shop_r1.store.app import create_app
from shop_r1.store.catalogue import Catalogue, generate_catalogue
from shop_r1.store.kinds import KINDS
from shop_r1.store.serve import served

SEED, TIMED = 7, 12
"""Of the shoppers; and how many of their visits are timed step by step on both sides, each round."""
EVERY = 10
"""Visits after which memory and handles are counted."""
MARKET = Market(KINDS)


@dataclass(frozen=True)
class Done:
    """One action of a visit as a plain script does it."""

    path: str
    text: str | None


Plan = list[Done]


async def plan(app: Starlette, session: Session) -> Plan:
    """Return the actions of a session by their elements' CSS paths, those of the pages as served."""
    found = []
    async with InProcessDriver(app) as driver:
        seen = await driver.open(HOME)
        for step in session.steps:
            if step.action.type in ("click", "type_and_submit"):
                element = find_element(seen.simplified, step.action.value("name"))
                found.append(Done(element.path, step.action.text))
            seen = (await driver.act(step.action)).seen
    return found


async def ours(pool: BrowserPool, bounds: Bounds, session: Session) -> list[dict[str, float]]:
    """Do a session's actions by the driver, and return what each took, in seconds."""
    driver = BrowserDriver(pool, bounds)
    took = []
    try:
        await driver.open(HOME)
        for step in session.steps:
            timing = (await driver.act(step.action)).timing
            if timing is not None:
                took.append(_parts(timing))
    finally:
        await driver.close()
    return took


def _parts(timing: Timing) -> dict[str, float]:
    parts = {name: getattr(timing, name) or 0.0 for name in ("act", "settle", "observe")}
    return parts | {"step": sum(parts.values())}


async def plain(pool: BrowserPool, home: str, actions: Plan, state: str) -> list[float]:
    """Do the same by a plain script, which waits for a state of loading, and return what each took."""
    context = await pool.new_context(**OPTIONS)
    page = await context.new_page()
    await page.goto(home)
    took = []
    for action in actions:
        begun = time.perf_counter()
        target = page.locator(f"css={action.path}")
        if action.text is None:
            await target.click()
        else:
            await target.fill(action.text)
            await target.press("Enter")
        await page.wait_for_load_state(state)  # type: ignore[arg-type]
        took.append(time.perf_counter() - begun)
    await context.close()
    return took


async def time_windows(pool: BrowserPool, bounds: Bounds, count: int, folder: Path) -> dict[str, float]:
    """Return the median seconds to open and to close windows, ours and plain ones, taking turns."""
    assets = SharedAssets(folder)

    def recorded() -> Window:
        recorder = Recorder(folder, assets, VisitBegun(session_id="window", source="store", space="shop"))
        return Window(pool, bounds, recorder)

    times: dict[str, list[float]] = {}

    async def measure(name: str, opening: Callable[[], Awaitable[Callable[[], Awaitable[Any]]]]) -> None:
        begun = time.perf_counter()
        close = await opening()
        opened = time.perf_counter()
        await close()
        times.setdefault(f"{name}_open", []).append(opened - begun)
        times.setdefault(f"{name}_close", []).append(time.perf_counter() - opened)

    async def open_ours(window: Window) -> Callable[[], Awaitable[Any]]:
        await window.__aenter__()
        return window.__aexit__

    async def open_plain() -> Callable[[], Awaitable[Any]]:
        context = await pool.new_context(**OPTIONS)
        await context.new_page()
        return context.close

    for _ in range(count):
        await measure("ours", lambda: open_ours(Window(pool, bounds)))
        await measure("recorded", lambda: open_ours(recorded()))
        await measure("plain", open_plain)
    return {name: statistics.median(values) for name, values in times.items()}


async def count_left(pool: BrowserPool) -> dict[str, float]:
    """Return memory and handles that are held now, Chromium's and Playwright's included."""
    session = await pool.browser.new_browser_cdp_session()
    processes = (await session.send("SystemInfo.getProcessInfo"))["processInfo"]
    await session.detach()
    gc.collect()
    helpers = [pid for pid in _children(os.getpid()) if _program(pid) == "node"]
    return {
        "chromium_mib": sum(_pss_mib(each["id"]) for each in processes),
        "processes": len(processes),
        "playwright_mib": sum(_pss_mib(pid) for pid in helpers),
        "playwright_files": sum(_files(pid) for pid in helpers),
        "own_mib": _pss_mib(os.getpid()),
        "own_files": _files(os.getpid()),
        "contexts": len(pool.browser.contexts),
        "tasks": len(asyncio.all_tasks()) + background.running(),
    }


async def run_many(
    pool: BrowserPool, bounds: Bounds, count: int, concurrency: int, folder: Path
) -> dict[str, Any]:
    """Do many visits at once, with recordings; return rates, and what was held after every few of them."""
    todo, held = list(range(count)), [await count_left(pool)]
    steps: list[float] = []
    assets, done, begun = SharedAssets(folder), 0, time.perf_counter()

    async def shop() -> None:
        nonlocal done
        while todo:
            key = f"{SEED}-{todo.pop(0):05d}"
            visit = Visit(key, f"store-{key}")
            recorder = Recorder(
                folder, assets, VisitBegun(session_id=visit.session_id, source="store", space="shop")
            )
            driver = BrowserDriver(pool, bounds, recorder)
            try:
                session = await run_session(scripted_policies(MARKET)(key), driver, visit, timed=True)
            finally:
                await driver.close()
            steps.extend(_parts(step.timing)["step"] for step in session.steps if step.timing is not None)
            done += 1
            if done % EVERY == 0:
                held.append(await count_left(pool))

    await asyncio.gather(*(shop() for _ in range(concurrency)))
    seconds = time.perf_counter() - begun
    return {
        "sessions": count,
        "concurrency": concurrency,
        "steps": len(steps),
        "seconds": seconds,
        "sessions_a_minute": 60 * count / seconds,
        "steps_a_second": len(steps) / seconds,
        "median_step_s": statistics.median(steps),
        "held": held,
        "left": await _settled(pool),
    }


async def _settled(pool: BrowserPool) -> dict[str, float]:
    """Return what is left once Chromium has taken its processes down."""
    found = await count_left(pool)
    for _ in range(50):
        await asyncio.sleep(0.1)
        now = await count_left(pool)
        if now["processes"] == found["processes"] and now["contexts"] == 0:
            return now
        found = now
    return found


def run_in_process(app: Starlette, count: int) -> dict[str, float]:
    """Return the rate of visits in this process, and what they leave."""
    list(generate_sessions(app, MARKET, 20, SEED))
    gc.collect()
    memory, files, begun = _pss_mib(os.getpid()), _files(os.getpid()), time.perf_counter()
    for _ in generate_sessions(app, MARKET, count, SEED):
        pass
    seconds = time.perf_counter() - begun
    gc.collect()
    return {
        "sessions": count,
        "sessions_a_second": count / seconds,
        "grown_mib": _pss_mib(os.getpid()) - memory,
        "grown_files": _files(os.getpid()) - files,
    }


def time_resets(catalogue: Catalogue, count: int) -> dict[str, float]:
    """Return the median seconds until a store is new: for a new visitor, and the whole store."""
    app = create_app(catalogue)
    times: dict[str, list[float]] = {"visitor_s": [], "store_s": []}

    async def visit() -> None:
        async with InProcessDriver(app) as driver:
            await driver.open(HOME)

    for _ in range(count):
        begun = time.perf_counter()
        asyncio.run(visit())
        times["visitor_s"].append(time.perf_counter() - begun)
        begun = time.perf_counter()
        create_app(catalogue)
        times["store_s"].append(time.perf_counter() - begun)
    return {name: statistics.median(values) for name, values in times.items()}


async def measure(
    catalogue: Catalogue, visits: list[Session], sessions: int, concurrency: int, rounds: int
) -> dict[str, Any]:
    """Return all that is measured in Chromium; `visits` are timed step by step."""
    app = create_app(catalogue)
    plans = [await plan(create_app(catalogue), session) for session in visits]
    parts: dict[str, list[float]] = {}
    with served(app) as port, TemporaryDirectory() as recordings:
        bounds = Bounds(Hosts.of(HOME), {HOST: ("127.0.0.1", port)}, purchase_labels=PURCHASES)
        async with BrowserPool() as pool:
            for number in range(rounds + 1):
                for session, actions in zip(visits, plans, strict=True):
                    found = await ours(pool, bounds, session)
                    beside = {
                        state: await plain(pool, f"http://127.0.0.1:{port}/", actions, state)
                        for state in ("load", "networkidle")
                    }
                    if number == 0:  # warms up
                        continue
                    for each in found:
                        for name, value in each.items():
                            parts.setdefault(name, []).append(value)
                    for state, values in beside.items():
                        parts.setdefault(f"plain_{state}", []).extend(values)
            windows = await time_windows(pool, bounds, 5 * rounds, Path(recordings))
            many = await run_many(pool, bounds, sessions, concurrency, Path(recordings))
            name = pool.name
    step = {name: statistics.median(values) for name, values in parts.items()}
    return {"browser": name, "step_s": step, "steps": len(parts["step"]), "window_s": windows, "many": many}


def _children(pid: int) -> list[int]:
    return [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def _program(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/exe").readlink().name
    except OSError:
        return ""


def _pss_mib(pid: int) -> float:
    """Return a process's memory, what it shares in proportion; 0 where it is gone."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def _files(pid: int) -> int:
    try:
        return len(list(Path(f"/proc/{pid}/fd").iterdir()))
    except OSError:
        return 0


def main() -> None:
    """Measure, print and, where it is asked for, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=200)
    parser.add_argument("--concurrency", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--json", type=Path)
    arguments = parser.parse_args()
    catalogue = generate_catalogue(0)
    load = os.getloadavg()[0]
    visits = list(generate_sessions(create_app(catalogue), MARKET, TIMED, SEED))
    doing = measure(catalogue, visits, arguments.sessions, arguments.concurrency, arguments.rounds)
    result = asyncio.run(doing) | {
        "in_process": run_in_process(create_app(catalogue), 5 * arguments.sessions),
        "reset_s": time_resets(catalogue, 20),
        "machine": describe_machine() | {"cores": os.cpu_count(), "load_before": round(load, 2)},
    }
    print(json.dumps(result, indent=1))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
