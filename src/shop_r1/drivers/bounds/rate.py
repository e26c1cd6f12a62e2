"""How fast a shop is visited: page loads are spaced, over all shoppers together."""

import asyncio
from collections import defaultdict
from typing import Protocol


class HostRate(Protocol):
    """Lets page loads of one host begin one after the other."""

    async def wait(self, host: str, at_least_s: float = 0.0) -> float:
        """Wait for the turn of a host that asks for `at_least_s` between two; return the seconds waited."""
        ...


class Rate:
    """A distance in time between page loads of one host."""

    def __init__(self, per_second: float | None) -> None:
        """Space them so that there are at most so many a second; None leaves them as they come."""
        self._distance_s = 1 / per_second if per_second else 0.0
        self._next: defaultdict[str, float] = defaultdict(float)

    async def wait(self, host: str, at_least_s: float = 0.0) -> float:
        """Wait for the turn of a host that asks for `at_least_s` between two; return the seconds waited."""
        now = asyncio.get_running_loop().time()
        turn = max(now, self._next[host])
        self._next[host] = turn + max(self._distance_s, at_least_s)
        if turn > now:
            await asyncio.sleep(turn - now)
        return turn - now
