"""Small pictures of the shoppers' windows, taken only while somebody watches, and never many at once."""

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from threading import Lock

from shop_r1.simulation.watch.board import Board

PictureOf = Callable[[str], Awaitable[bytes | None]]
"""Returns a JPEG of what the shopper of a session id sees; None where there is none."""
EVERY_S, AGAIN_S = 1.0, 3.0
"""A shopper's picture is taken anew at most so often: where it was shown another page, and where not."""
_TAKES_S = 3.0  # at most
_REST_S = 0.05  # between two, and never shorter than the last one took
_BYTES_MAX, _ALL_BYTES_MAX = 500_000, 64_000_000
_JPEG = b"\xff\xd8\xff"


class Pictures:
    """The last picture of each shopper, by number."""

    def __init__(self, board: Board, picture_of: PictureOf, is_watched: Callable[[], bool]) -> None:
        self._board, self._picture_of, self._is_watched = board, picture_of, is_watched
        self._lock = Lock()
        self._taken: OrderedDict[int, bytes] = OrderedDict()
        self._bytes = 0
        self._tried: dict[int, tuple[float, int]] = {}
        """When a picture was last tried, in the loop's time, and how many pages had been shown by then."""

    def of(self, number: int) -> bytes | None:
        """Return the last picture of a shopper, from any thread."""
        with self._lock:
            return self._taken.get(number)

    async def take(self) -> None:
        """Take pictures, one at a time, until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            begun = loop.time()
            if self._is_watched() and (due := self._due(begun)) is not None:
                await self._take(*due, begun)
            await asyncio.sleep(max(_REST_S, loop.time() - begun))

    def _due(self, now: float) -> tuple[int, str, int] | None:
        """Return the shopper whose picture is the oldest of those that may be taken."""
        due = []
        for number, session_id, pages in self._board.under_way():
            tried, shown = self._tried.get(number, (-AGAIN_S, 0))
            if now - tried >= (EVERY_S if pages > shown else AGAIN_S):
                due.append((tried, number, session_id, pages))
        return min(due)[1:] if due else None

    async def _take(self, number: int, session_id: str, pages: int, now: float) -> None:
        self._tried[number] = now, pages
        try:
            async with asyncio.timeout(_TAKES_S):
                jpeg = await self._picture_of(session_id)
        except TimeoutError:
            return
        if jpeg is None or not jpeg.startswith(_JPEG) or len(jpeg) > _BYTES_MAX:
            return
        with self._lock:
            self._bytes += len(jpeg) - len(self._taken.pop(number, b""))
            self._taken[number] = jpeg
            while self._bytes > _ALL_BYTES_MAX:
                self._bytes -= len(self._taken.popitem(last=False)[1])
        self._board.note_picture(number)
