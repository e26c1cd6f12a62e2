import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest
from tests.simulation.watch.watching import page, visit

from shop_r1.simulation.watch import pictures as watch_pictures
from shop_r1.simulation.watch.board import Board
from shop_r1.simulation.watch.pictures import Pictures

JPEG = b"\xff\xd8\xff\xe0" + bytes(36)  # 40 bytes


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_pictures, "EVERY_S", 0.05)
    monkeypatch.setattr(watch_pictures, "AGAIN_S", 0.2)
    monkeypatch.setattr(watch_pictures, "_REST_S", 0.005)


def taken(
    count: int, picture_of: Callable[[str], Awaitable[bytes | None]], enough: Callable[[], bool]
) -> Pictures:
    """Take pictures of so many shoppers until that is enough."""

    async def take() -> Pictures:
        board = Board()
        for number in range(1, count + 1):
            await board.before_step(visit(number), page())
        found = Pictures(board, picture_of, lambda: True)
        taking = asyncio.create_task(found.take())
        async with asyncio.timeout(20):
            while not enough():
                await asyncio.sleep(0.005)
        taking.cancel()
        return found

    return asyncio.run(take())


def test_what_is_too_large_or_no_jpeg_is_not_kept_and_the_oldest_pictures_make_room(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(watch_pictures, "_BYTES_MAX", 40)
    monkeypatch.setattr(watch_pictures, "_ALL_BYTES_MAX", 100)  # two of 40
    monkeypatch.setattr(watch_pictures, "AGAIN_S", 3600)
    asked = list[str]()

    async def picture_of(session_id: str) -> bytes | None:
        asked.append(session_id)
        return {"visit-4": JPEG + b"!", "visit-5": b"<svg onload='alert(1)'>"}.get(session_id, JPEG)

    found = taken(6, picture_of, lambda: len(asked) == 6)
    assert asked == [f"visit-{number}" for number in range(1, 7)]
    assert [number for number in range(1, 7) if found.of(number)] == [3, 6]


def test_a_window_that_gives_none_in_time_is_left_for_the_next(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch_pictures, "_TAKES_S", 0.02)
    asked = list[str]()

    async def picture_of(session_id: str) -> bytes | None:
        asked.append(session_id)
        if session_id == "visit-1":
            await asyncio.sleep(3600)
        return JPEG

    found = taken(2, picture_of, lambda: asked.count("visit-2") == 2)
    assert found.of(1) is None and found.of(2) == JPEG


def test_a_page_that_stays_is_pictured_less_often() -> None:
    times, begun = list[float](), time.monotonic()

    async def picture_of(session_id: str) -> bytes | None:
        times.append(asyncio.get_running_loop().time())
        return JPEG

    taken(1, picture_of, lambda: len(times) == 2)
    assert times[1] - begun >= watch_pictures.AGAIN_S
