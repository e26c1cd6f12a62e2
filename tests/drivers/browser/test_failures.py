"""Pages that crash or hang, a Chromium that is killed, a shop that goes away: others go on."""

import asyncio
import gc
import os
import signal
import time
from collections import Counter
from typing import Any

import pytest
from playwright.async_api import Browser, CDPSession
from tests.window import SHOP, Chromium, Window, as_app

from shop_r1.drivers.bounds.hosts import Hosts
from shop_r1.drivers.browser import background, driver
from shop_r1.drivers.browser.driver import Bounds, BrowserDriver
from shop_r1.drivers.protocol import ActionResult
from shop_r1.errors import PageError
from shop_r1.records.actions import Action, click, terminate
from shop_r1.store.serve import served

TWO = "<h1>Two</h1><a href='/'>Home</a>"
PAGES = {
    "/": "<a href='/two'>Two</a><button onclick='for (;;) ;'>Hang</button>",
    "/two": TWO,
}


def kinds(result: ActionResult) -> list[str]:
    return [event.kind for event in result.events]


def test_a_crashed_page_ends_its_visit_and_no_other(chromium: Chromium) -> None:
    with Window(chromium, PAGES) as window, Window(chromium, PAGES) as other:
        window.open()
        other.open()

        async def crash() -> None:
            crashed = asyncio.Event()
            window.page.on("crash", lambda _: crashed.set())
            session = await window.page.context.new_cdp_session(window.page)
            crashing = asyncio.ensure_future(session.send("Page.crash"))
            await crashed.wait()
            crashing.cancel()

        window.run(crash())
        result = window.act(click("two"))
        assert result.has_ended and result.error == "the page has crashed" and "crash" in kinds(result)
        assert result.seen.page.url == SHOP
        assert other.act(click("two")).seen.page.url == f"{SHOP}two"
        assert window.open().page.url == SHOP  # a new visit has a new page


def test_a_page_that_hangs_ends_its_visit_within_the_limits(
    chromium: Chromium, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "ACT_S", 1.0)
    monkeypatch.setattr(driver, "READ_S", 1.0)
    with Window(chromium, PAGES) as window, Window(chromium, PAGES) as other:
        window.open()
        other.open()
        began = time.monotonic()

        async def both() -> tuple[ActionResult, ActionResult]:
            return await asyncio.gather(window.driver.act(click("hang")), other.driver.act(click("two")))

        hung, fine = window.run(both())
        assert time.monotonic() - began < 15
        assert hung.has_ended and hung.error == "the page did not answer within 1 s"
        assert "no_answer" in kinds(hung)
        assert fine.seen.page.url == f"{SHOP}two" and fine.error is None
        assert window.open().page.url == SHOP


def test_a_killed_chromium_ends_the_visits_and_the_next_have_another() -> None:
    with Chromium() as chromium, Window(chromium, PAGES) as window, Window(chromium, PAGES) as other:
        window.open()
        other.open()
        _kill(chromium)
        result = window.act(click("two"))
        assert result.has_ended and result.error == "Chromium has died"
        assert result.seen.page.url == SHOP
        with pytest.raises(PageError):
            other.page.url  # noqa: B018
        assert other.act(terminate()).error is None
        assert window.open().page.url == SHOP and window.act(click("two")).error is None
        assert chromium.pool.restarts == 1
        assert other.open().page.url == SHOP and chromium.pool.restarts == 1


def test_chromium_is_not_started_for_ever(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shop_r1.drivers.browser.pool.RESTARTS_MAX", 1)
    with Chromium() as chromium, Window(chromium, PAGES) as window:
        window.open()
        for _ in range(2):
            _kill(chromium)
            if chromium.pool.restarts == 0:
                window.open()
        with pytest.raises(PageError, match="has died 1 times"):
            window.open()


def test_a_chromium_that_dies_as_it_starts_ends_the_visit(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Browser.new_browser_cdp_session

    async def dies(browser: Browser) -> CDPSession:
        await browser.close()
        return await asked(browser)

    with Chromium() as chromium, Window(chromium, PAGES) as window:
        _kill(chromium)
        monkeypatch.setattr(Browser, "new_browser_cdp_session", dies)
        with pytest.raises(PageError, match="could not be started"):
            window.open()
        monkeypatch.undo()
        assert window.open().page.url == SHOP


def test_a_shop_that_goes_away_and_comes_back(chromium: Chromium) -> None:
    app = as_app(PAGES)
    with served(app) as port:
        bounds = Bounds(Hosts.of(SHOP), routes={"shop.test": ("127.0.0.1", port)})
        shopper = BrowserDriver(chromium.pool, bounds)
        chromium.run(shopper.open(SHOP))
    away = chromium.run(shopper.act(click("two")))
    assert (away.error, away.has_ended, away.seen.page.status) == (None, False, None)
    assert "HTTP ERROR 502" in away.seen.page.html and kinds(away) == ["no_answer"]
    assert chromium.run(shopper.act(click("two"))).error is not None
    with pytest.raises(PageError, match="no page"):
        chromium.run(shopper.open(SHOP))
    with served(app) as port:
        bounds.routes["shop.test"] = ("127.0.0.1", port)  # type: ignore[index]
        chromium.run(shopper.open(SHOP))
        assert chromium.run(shopper.act(click("two"))).seen.page.url == f"{SHOP}two"
        chromium.run(shopper.close())


def test_nothing_is_left_of_many_visits(chromium: Chromium) -> None:
    home = "<a href='/two'>Two</a><a href='/two' target='_blank'>Tab</a><iframe src='/two'></iframe>"
    pages = PAGES | {"/": home}

    async def visits(shopper: BrowserDriver, count: int) -> None:
        for index in range(count):
            await shopper.open(SHOP)
            await shopper.act(click("tab" if index % 2 else "two"))
            await shopper.close()

    with served(as_app(pages)) as port:
        bounds = Bounds(Hosts.of(SHOP), routes={"shop.test": ("127.0.0.1", port)})
        shoppers = [BrowserDriver(chromium.pool, bounds) for _ in range(3)]

        async def measure(count: int) -> Counter[str]:
            await asyncio.gather(*(visits(shopper, count) for shopper in shoppers))
            found = await _left(chromium)
            for _ in range(100):  # Chromium takes its processes down a little later
                if found["processes"] <= idle["processes"] and not found["background tasks"]:
                    break
                await asyncio.sleep(0.05)
                found = await _left(chromium)
            return found

        idle = chromium.run(_left(chromium))
        first = chromium.run(measure(1))
        last = chromium.run(measure(4))
    assert last["contexts"] == last["background tasks"] == 0
    assert (last["tasks"], last["files"]) == (first["tasks"], first["files"])
    assert last["processes"] <= first["processes"]


def test_an_action_without_a_page_is_refused(chromium: Chromium) -> None:
    with Window(chromium, PAGES) as window:
        with pytest.raises(PageError, match=r"call open\(url\) first"):
            window.act(Action(type="scroll"))
        with pytest.raises(PageError, match="out of bounds"):
            window.run(window.driver.open("http://elsewhere.test/"))
        with pytest.raises(PageError, match="out of bounds"):
            window.run(window.driver.open("file:///etc/passwd"))


async def _processes(chromium: Chromium) -> list[dict[str, Any]]:
    """Return Chromium's own list of its processes."""
    session = await chromium.pool.browser.new_browser_cdp_session()
    found = await session.send("SystemInfo.getProcessInfo")
    await session.detach()
    processes: list[dict[str, Any]] = found["processInfo"]
    return processes


async def _left(chromium: Chromium) -> Counter[str]:
    """Return how many there are of what a visit takes."""
    gc.collect()
    contexts = chromium.pool.browser.contexts
    return Counter(
        {
            "contexts": len(contexts),
            "background tasks": background.running(),
            "tasks": len(asyncio.all_tasks()),
            "files": len(os.listdir("/dev/fd")),  # noqa: PTH208
            "processes": len(await _processes(chromium)),
        }
    )


def _kill(chromium: Chromium) -> None:
    """Kill the Chromium of these tests, and wait until that is known."""

    async def kill() -> None:
        (program,) = [each["id"] for each in await _processes(chromium) if each["type"] == "browser"]
        os.kill(program, signal.SIGKILL)
        while chromium.pool.is_alive:
            await asyncio.sleep(0.01)

    chromium.run(kill())
