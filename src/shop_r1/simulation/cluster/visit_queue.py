"""Visits that wait for a process, and come again where theirs has died."""

import asyncio
from collections import Counter, deque
from collections.abc import Iterable

from shop_r1.simulation.loop import Visit


class VisitQueue:
    """Hands out visits until each has ended; of one event loop.

    Attributes:
        all_ended: set when none waits and none is under way.
        repeated: how often a visit was put back.
    """

    def __init__(self, visits: Iterable[Visit], most_begins: int) -> None:
        """Begin each of these visits so often at most."""
        self._waiting = deque(visits)
        self._most_begins = most_begins
        self._begins: Counter[str] = Counter()
        self._under_way = 0
        self._changed = asyncio.Condition()
        self._is_closed = False
        self.all_ended = asyncio.Event()
        self.repeated = 0
        self._note_end()

    async def next(self) -> Visit | None:
        """Return a visit to begin, waiting while some may come again; None where all have ended."""
        async with self._changed:
            while not self._waiting and self._under_way and not self._is_closed:
                await self._changed.wait()
            if self._is_closed or not self._waiting:
                return None
            self._under_way += 1
            visit = self._waiting.popleft()
            self._begins[visit.session_id] += 1
            return visit

    async def finish(self) -> None:
        """Note that a visit under way has ended."""
        async with self._changed:
            self._under_way -= 1
            self._note_end()
            self._changed.notify_all()

    async def put_back(self, visit: Visit) -> bool:
        """Let a visit under way wait again, before the others; False where it has begun too often."""
        if self._begins[visit.session_id] >= self._most_begins:
            return False
        async with self._changed:
            self._under_way -= 1
            self.repeated += 1
            self._waiting.appendleft(visit)
            self._changed.notify_all()
        return True

    async def close(self) -> None:
        """Hand out nothing more."""
        async with self._changed:
            self._is_closed = True
            self._changed.notify_all()

    def _note_end(self) -> None:
        if not self._waiting and not self._under_way:
            self.all_ended.set()
