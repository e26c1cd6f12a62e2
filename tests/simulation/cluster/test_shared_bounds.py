import asyncio
import time

import pytest

from shop_r1.simulation.cluster import shared_bounds
from shop_r1.simulation.cluster.shared_bounds import BoundsDesk

ADDRESS = "https://shop.example/robots.txt"


def test_one_asks_for_robots_txt_and_the_others_wait_for_what_it_says() -> None:
    async def do() -> None:
        desk = BoundsDesk(None)
        assert await desk.robots_text(ADDRESS) is None
        others = [asyncio.ensure_future(desk.robots_text(ADDRESS)) for _ in range(3)]
        await asyncio.sleep(0.01)
        assert not any(each.done() for each in others)
        assert await desk.robots_text("https://other.example/robots.txt") is None
        await desk.keep_robots_text(ADDRESS, 200, "User-agent: *")
        assert await asyncio.gather(*others) == [(200, "User-agent: *")] * 3
        assert await desk.robots_text(ADDRESS) == (200, "User-agent: *")

    asyncio.run(do())


@pytest.mark.parametrize("status", [None, 503])
def test_a_host_that_did_not_say_is_asked_again(status: int | None) -> None:
    async def do() -> None:
        desk = BoundsDesk(None)
        assert await desk.robots_text(ADDRESS) is None
        waits = asyncio.ensure_future(desk.robots_text(ADDRESS))
        await asyncio.sleep(0.01)
        await desk.keep_robots_text(ADDRESS, status, "")
        assert await waits is None  # the next one gets it

    asyncio.run(do())


def test_a_process_that_died_over_robots_txt_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_bounds, "_FETCH_S", 0.05)

    async def do() -> None:
        desk = BoundsDesk(None)
        assert await desk.robots_text(ADDRESS) is None
        assert await desk.robots_text(ADDRESS) is None

    asyncio.run(do())


def test_page_loads_of_a_host_are_spaced_whoever_asks() -> None:
    async def do() -> float:
        desk = BoundsDesk(20.0)
        began = time.monotonic()
        await asyncio.gather(
            *(desk.wait("shop.example", 0.0) for _ in range(5)), desk.wait("other.example", 0.0)
        )
        return time.monotonic() - began

    assert 0.2 <= asyncio.run(do()) < 1.0  # four distances of 0.05 s
