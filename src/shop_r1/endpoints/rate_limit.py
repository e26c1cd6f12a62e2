"""When a try may start: request and token rates, and a rest when an endpoint asks for one."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Clock:
    """Time, so that a test need not wait for it."""

    now: Callable[[], float] = time.monotonic
    """Seconds, from anywhere."""
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    """Wait so many seconds."""


class Pace:
    """Spaces tries evenly, so that in no minute more start than are allowed.

    A try of so many tokens keeps the next one back for as long as the token rate takes to allow as many. No
    credit is saved up: after an idle hour the next tries are spaced as ever.
    """

    def __init__(self, requests_per_minute: float, tokens_per_minute: float, clock: Clock) -> None:
        """Take the rates; 0 is no limit."""
        self._clock = clock
        self._request_s = 60 / requests_per_minute if requests_per_minute else 0.0
        self._token_s = 60 / tokens_per_minute if tokens_per_minute else 0.0
        self._next_s = self._rest_until_s = clock.now()

    async def wait(self, tokens: int) -> None:
        """Return when a try of so many tokens may start."""
        start = max(self._clock.now(), self._next_s)
        self._next_s = start + max(self._request_s, tokens * self._token_s)
        while (left := max(start, self._rest_until_s) - self._clock.now()) > 0:
            await self._clock.sleep(left)

    def rest(self, seconds: float) -> None:
        """Let no further try start for so long."""
        self._rest_until_s = max(self._rest_until_s, self._clock.now() + seconds)
