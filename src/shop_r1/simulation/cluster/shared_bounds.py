"""What bounds the shoppers of all processes together: the rate of page loads, and each host's robots.txt."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from shop_r1.drivers.bounds.rate import Rate
from shop_r1.drivers.bounds.robots import Robots
from shop_r1.ray_cluster import result_of

_FETCH_S = 60.0
"""How long others wait for one process's robots.txt before another gets it. Ours."""


class BoundsDesk:
    """Gives out turns at hosts and keeps what their robots.txt said; a Ray actor is made of it."""

    def __init__(self, per_second: float | None) -> None:
        """Space page loads of one host by so many a second; None leaves them as they come."""
        self._rate = Rate(per_second)
        self._texts: dict[str, tuple[int, str]] = {}
        self._fetching: dict[str, asyncio.Event] = {}

    async def wait(self, host: str, at_least_s: float) -> float:
        """Return the seconds waited when it is the turn of a page load; see `Rate.wait`."""
        return await self._rate.wait(host, at_least_s)

    async def robots_text(self, address: str) -> tuple[int, str] | None:
        """Return the status and text that came from an address; None where the caller is to get them.

        Others who ask meanwhile wait for `keep_robots_text`.
        """
        while address not in self._texts and (fetching := self._fetching.get(address)) is not None:
            try:
                async with asyncio.timeout(_FETCH_S):
                    await fetching.wait()
            except TimeoutError:  # its process may have died
                break
        if address not in self._texts:
            self._fetching[address] = asyncio.Event()
        return self._texts.get(address)

    async def keep_robots_text(self, address: str, status: int | None, text: str) -> None:
        """Take what came from an address; a host that did not say is asked again."""
        if status is not None and status < 500:
            self._texts[address] = status, text
        if (fetching := self._fetching.pop(address, None)) is not None:
            fetching.set()


class SharedRate:
    """The rate of all processes together."""

    def __init__(self, desk: Any) -> None:
        """Ask the `BoundsDesk` behind this handle."""
        self._desk = desk

    async def wait(self, host: str, at_least_s: float = 0.0) -> float:
        """Wait for the turn of a host; see `Rate.wait`."""
        return float(await result_of(self._desk.wait.remote(host, at_least_s)))


class SharedRobots(Robots):
    """The rules of each host, read once for all processes."""

    def __init__(self, agent: str, desk: Any) -> None:
        """Ask the `BoundsDesk` behind this handle before a shop is asked."""
        super().__init__(agent)
        self._desk = desk

    async def ask(self, url: str, fetch: Callable[[str], Awaitable[tuple[int | None, str]]]) -> None:
        """Learn the rules of the address's host; see `Robots.ask`."""

        async def get(address: str) -> tuple[int | None, str]:
            known: tuple[int, str] | None = await result_of(self._desk.robots_text.remote(address))
            if known is not None:
                return known
            found: tuple[int | None, str] = None, ""
            try:
                found = await fetch(address)
            finally:
                await result_of(self._desk.keep_robots_text.remote(address, *found))
            return found

        await super().ask(url, get)
