"""The page in real Chromium: hostile texts, a person's clicks, the end, narrow windows."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from playwright.async_api import Page as BrowserPage
from playwright.async_api import expect
from tests.simulation.watch.watching import Corridor, Walker, end, page, step, visit
from tests.window import Chromium

from shop_r1.drivers.browser.picture import take_picture
from shop_r1.records.actions import type_and_submit
from shop_r1.records.sessions import StepEvent
from shop_r1.simulation.concurrent import run_visits
from shop_r1.simulation.loop import Limits, Visit
from shop_r1.simulation.watch.app import Viewers, create_app
from shop_r1.simulation.watch.board import Board
from shop_r1.simulation.watch.serve import _served, watched

HOSTILE = (
    "<img src=x onerror='hacked=1'><script>hacked=1</script><svg onload='hacked=1'></svg>"
    "<iframe srcdoc='<script>parent.hacked=1</script>'></iframe>"
    '" onmouseover="hacked=1" style="background:url(http://evil.example/)" javascript:hacked=1'
)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    with Chromium() as started:
        yield started


@asynccontextmanager
async def opened(chromium: Chromium, address: str, **options: Any) -> AsyncIterator[BrowserPage]:
    """Open the page in a window of its own; at the end, no script has failed and nothing was refused."""
    given = {"viewport": {"width": 1440, "height": 900}, **options}
    context = await chromium.pool._browser.new_context(**given)
    context.set_default_timeout(15_000)
    window = await context.new_page()
    said, asked = list[str](), list[str]()
    window.on("console", lambda message: said.append(message.text))
    window.on("pageerror", lambda error: said.append(str(error)))
    window.on("request", lambda request: asked.append(request.url))
    try:
        await window.goto(address)
        await expect(window.locator(".tile").first).to_be_visible()
        yield window
        assert [url for url in asked if not url.startswith(address)] == []
        assert [text for text in said if "ERR_CONNECTION" not in text and "ERR_INCOMPLETE" not in text] == []
    finally:
        await context.close()


async def jpeg_of(chromium: Chromium) -> bytes:
    context = await chromium.pool._browser.new_context(viewport={"width": 1280, "height": 800})
    try:
        window = await context.new_page()
        await window.set_content("<h1>A shop</h1>")
        taken = await take_picture(window)
        assert taken is not None
        return taken
    finally:
        await context.close()


def test_hostile_texts_are_shown_and_nothing_of_them_runs_or_loads(chromium: Chromium) -> None:
    hostile = Visit("0", f"visit-{HOSTILE}", persona=HOSTILE)

    async def check() -> None:
        board = Board([hostile, visit(2)])
        await board.begin(hostile)
        await board.before_step(
            hostile, page(f"/{HOSTILE}", f"<page>\n<h1>{HOSTILE.replace('<', '&lt;')}</h1>")
        )
        await board.after_step(
            hostile,
            step(
                rationale=HOSTILE,
                error=HOSTILE,
                action=type_and_submit(f"a.{HOSTILE}", HOSTILE),
                events=(StepEvent(kind="dialog", detail=HOSTILE),),
            ),
        )
        async with watched(board) as served, opened(chromium, served.address) as window:
            tile = window.locator(".tile").first
            parts = ["heading", "url", "action", "rationale", "trouble", "events", "persona"]
            for part in parts:
                await expect(tile.locator(f".{part}")).to_contain_text("<img src=x onerror=")
            await tile.hover()
            plain = await window.locator(".tile").nth(1).evaluate("tile => tile.querySelectorAll('*').length")
            assert await tile.evaluate("tile => tile.querySelectorAll('*').length") == plain
            assert await window.evaluate("typeof hacked") == "undefined"
            await board.end(hostile, end(1, "error", reason=HOSTILE).model_copy(update={"session_id": "x"}))
            await expect(tile.locator(".trouble")).to_contain_text("<img src=x onerror=")
            assert await window.evaluate("typeof hacked") == "undefined"

    chromium.run(check())


def test_a_person_pauses_goes_on_stops_one_and_stops_all(chromium: Chromium) -> None:
    async def check() -> None:
        visits = [visit(number) for number in (1, 2, 3, 4)]
        board, drivers = Board(visits), {each.session_id: Corridor(0.02) for each in visits}

        def acted() -> list[int]:
            return [driver.acted for driver in drivers.values()]

        async with watched(board) as served, opened(chromium, served.address) as window:
            running = asyncio.create_task(
                run_visits(
                    board.not_stopped(visits),
                    lambda _: Walker(),
                    lambda it: drivers[it.session_id],
                    board,
                    concurrency=3,
                    limits=Limits(max_steps=10**6),
                )
            )
            tiles = window.locator(".tile")
            await expect(tiles.nth(0).locator(".action")).to_have_text("Clicked “Next”")
            await expect(tiles.nth(3).locator(".chip")).to_have_text("Waiting")
            await window.get_by_role("button", name="Pause all").click()
            await expect(tiles.nth(2).locator(".chip")).to_have_text("Paused")
            await expect(tiles.nth(0).locator(".chip")).to_have_text("Paused")
            await expect(tiles.nth(1).locator(".chip")).to_have_text("Paused")
            before = acted()
            await expect(window.get_by_role("status")).to_contain_text("Paused")
            await window.evaluate("fetch('tokens.css')")
            assert acted() == before
            await window.get_by_role("button", name="Go on").click()
            await until(lambda: all(now > then for now, then in zip(acted()[:3], before, strict=False)))
            await window.get_by_role("button", name="Stop shopper 2", exact=True).click()
            await expect(tiles.nth(1).locator(".chip")).to_have_text("Stopped")
            await expect(tiles.nth(3).locator(".chip")).to_have_text("Shopping")  # it took the place
            assert board.changes().totals.done == 1
            window.once("dialog", lambda dialog: asyncio.ensure_future(dialog.accept()))
            await window.get_by_role("button", name="Stop all").click()
            await asyncio.wait_for(running, 20)
            await expect(window.locator("#done")).to_have_text("4")
            await window.get_by_role("button", name="Stopped").click()
            assert await tiles.locator("visible=true").count() >= 4

    chromium.run(check())


def test_all_steps_of_a_shopper_are_read_and_grow_while_they_are_open(chromium: Chromium) -> None:
    async def check() -> None:
        board = Board([visit(number) for number in (1, 2, 3)])
        for number in (1, 2):
            await board.begin(visit(number))
            await board.before_step(visit(number), page())
            await board.after_step(visit(number), step(rationale=HOSTILE, error=HOSTILE))
        async with watched(board) as served, opened(chromium, served.address) as window:
            await window.get_by_role("button", name="All steps of shopper 1").click()
            details = window.get_by_role("dialog")
            steps = details.locator("#trail li")
            await expect(steps).to_have_count(1)
            await expect(steps.first).to_contain_text("Tried to click “red mug”")
            await expect(steps.first.locator(".rationale")).to_have_text(" ".join(HOSTILE.split()))
            await board.after_step(visit(1), step("/cart", rationale="Now to the cart."))
            await expect(steps).to_have_count(2)
            await expect(steps.last).to_contain_text("Now to the cart.")
            await window.keyboard.press("ArrowRight")
            await expect(details.locator("h2")).to_have_text("Shopper 2")
            await expect(steps).to_have_count(1)
            await window.keyboard.press("Escape")
            await expect(details).to_be_hidden()
            assert await window.evaluate("typeof hacked") == "undefined"

    chromium.run(check())


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():
            await asyncio.sleep(0.01)


def test_pictures_come_filters_hide_and_the_end_is_told_and_stays(chromium: Chromium) -> None:
    async def check() -> None:
        jpeg = await jpeg_of(chromium)
        board = Board([visit(number) for number in (1, 2, 3)])

        async def picture_of(session_id: str) -> bytes | None:
            return jpeg

        manager = watched(board, picture_of, command="shop-r1 report runs/simulation")
        served = await manager.__aenter__()
        async with opened(chromium, served.address) as window:
            await board.begin(visit(1))
            await board.before_step(visit(1), page("/search?q=mug", "<page>\n<h1>Mugs</h1>"))
            image = window.locator(".tile img").first
            await expect(image).to_be_visible()
            assert await image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [640, 400]
            await board.end(visit(1), end(1, "purchase", cost_usd=0.5))
            await window.get_by_role("button", name="Bought").click()
            await expect(window.locator(".tile:visible")).to_have_count(1)
            await expect(window.locator("#funnel tr").nth(4)).to_contain_text("Bought1")
            await expect(window.locator("#cost")).to_have_text("$0.5000")
            await manager.__aexit__(None, None, None)
            await expect(window.get_by_role("status")).to_have_text("Finished")
            over = window.locator("#over")
            await expect(over).to_contain_text("2 visits of 3 did not come to an end")
            await expect(over).to_contain_text("shop-r1 report runs/simulation")
            await window.locator("#filters button").first.click()
            await expect(window.locator(".tile").nth(2).locator(".chip")).to_have_text("Not begun")
            await window.get_by_role("button", name="Bought").click()
            await expect(window.get_by_role("button", name="Stop all")).to_be_disabled()
            await expect(image).to_be_visible()
            assert await window.locator("a").count() == 0  # nothing leads to what is no longer there

    chromium.run(check())


def test_a_simulation_that_is_gone_without_a_word_leaves_a_page_that_says_so(chromium: Chromium) -> None:
    async def check() -> None:
        board = Board([visit()])
        serving = _served(create_app(board, "key", Viewers(), lambda _: None), 0)
        port = serving.__enter__()
        async with opened(chromium, f"http://127.0.0.1:{port}/key/") as window:
            await expect(window.get_by_role("button", name="Pause all")).to_be_enabled()
            serving.__exit__(None, None, None)
            await expect(window.get_by_role("status")).to_have_text("Disconnected")
            await expect(window.locator("#over")).to_contain_text("its last known state")
            await expect(window.get_by_role("button", name="Pause all")).to_be_disabled()
            await expect(window.locator(".tile .end")).to_be_disabled()
            assert (await window.title()).startswith("Disconnected")

    chromium.run(check())


def test_two_hundred_shoppers_on_a_narrow_window_by_keyboard_alone(chromium: Chromium) -> None:
    async def check() -> None:
        board = Board([visit(number, persona="A student in a hurry") for number in range(1, 201)])
        for number in range(1, 201):
            await board.begin(visit(number))
            await board.before_step(visit(number), page("/search?q=" + "mug" * 40, "<page>\n<h1>Mugs</h1>"))
            await board.after_step(visit(number), step(rationale="w" * 300))
        options = {"viewport": {"width": 390, "height": 844}, "reduced_motion": "reduce"}
        async with watched(board) as served, opened(chromium, served.address, **options) as window:
            await expect(window.locator(".tile")).to_have_count(200)
            await expect(window.get_by_role("button", name="Small tiles")).to_have_attribute(
                "aria-pressed", "true"
            )
            assert await window.evaluate("document.documentElement.scrollWidth") == 390
            await window.get_by_role("button", name="Small tiles").click()
            assert await window.evaluate("document.documentElement.scrollWidth") == 390
            assert await window.evaluate("document.getAnimations().length") == 0
            await window.reload()
            await expect(window.get_by_role("button", name="Pause all")).to_be_enabled()
            await press_until(window, "Tab", lambda: window.evaluate("document.activeElement.id === 'pause'"))
            await window.keyboard.press("Enter")
            await expect(window.get_by_role("button", name="Go on")).to_be_enabled()
            assert board.changes().totals.state == "paused"

    chromium.run(check())


async def press_until(window: BrowserPage, key: str, holds: Callable[[], Awaitable[Any]]) -> None:
    for _ in range(20):
        await window.keyboard.press(key)
        if await holds():
            return
    raise AssertionError(f"{key} does not lead there")
