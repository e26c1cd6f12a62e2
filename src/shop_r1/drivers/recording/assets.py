"""Pictures and style sheets as they come from the shop: each read once in a simulation, within limits."""

import asyncio
from collections import Counter
from pathlib import Path
from urllib.parse import urldefrag

from playwright.async_api import BrowserContext, Error, Request, Response

from shop_r1.errors import DataError
from shop_r1.records.recordings import ASSETS_FOLDER, MAX_ASSET_BYTES, Asset, Assets

VISIT_MAX = 5000
"""Addresses of one visit that are followed: a page may invent as many as it likes. Ours."""
TOTAL_MAX_BYTES = 2_000_000_000
"""Of one simulation. Ours."""
_BODY_S = 10.0
_GONE = "pictures and style sheets that were gone before they were read"
_KINDS = frozenset({"image", "stylesheet"})


class SharedAssets:
    """What the visits of a simulation have fetched so far, by address.

    An address is read once: a shop that shows another picture in the same place later has the first one in
    all recordings.
    """

    def __init__(self, recordings: Path) -> None:
        """Store in the `assets` of this folder."""
        self.files = Assets(recordings / ASSETS_FOLDER)
        self._reads: dict[str, asyncio.Task[Asset | str]] = {}
        self._left_bytes = TOTAL_MAX_BYTES

    async def read(self, response: Response, address: str) -> Asset | str:
        """Return the asset at an address, or in words why there is none; then the next visit tries again."""
        if address not in self._reads:
            self._reads[address] = asyncio.create_task(self._read(response, address))
        return await asyncio.shield(self._reads[address])

    async def _read(self, response: Response, address: str) -> Asset | str:
        found: Asset | str = _GONE
        try:
            async with asyncio.timeout(_BODY_S):
                found = await self._stored(await response.body(), response)
        except (Error, TimeoutError):  # the page went on before it was there
            pass
        if isinstance(found, str):
            del self._reads[address]
        return found

    async def _stored(self, data: bytes, response: Response) -> Asset | str:
        if len(data) > min(MAX_ASSET_BYTES, self._left_bytes):
            return "pictures and style sheets that are too large"
        self._left_bytes -= len(data)
        try:
            sha256 = await asyncio.to_thread(self.files.add, data)
        except DataError:
            return "pictures and style sheets that could not be written"
        return Asset(sha256=sha256, media_type=response.headers.get("content-type", "")[:100])


class VisitAssets:
    """What one visit's pages fetch."""

    def __init__(self, shared: SharedAssets) -> None:
        self._shared = shared
        self._tasks: set[asyncio.Task[None]] = set()
        self._seen: set[str] = set()
        self.found: dict[str, Asset] = {}
        """By address, without fragment."""
        self.dropped: Counter[str] = Counter()
        """What is not among them, in words."""

    def follow(self, context: BrowserContext) -> None:
        """Take what the window's pages fetch from now on."""
        context.on("response", self._take)

    async def settle(self, limit_s: float) -> None:
        """Wait until what is under way has been read, for so many seconds at most."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=limit_s)
            self.dropped["pictures and style sheets that came too late"] += len(late)
            for task in late:
                task.cancel()

    def _take(self, response: Response) -> None:
        request = response.request
        if request.resource_type not in _KINDS or response.status != 200:
            return
        if not response.url.startswith(("http:", "https:")):
            return
        addresses = [urldefrag(url).url for url in _asked_for(request)]
        if not set(addresses) - self._seen:
            return
        if len(self._seen) + len(addresses) > VISIT_MAX:
            self.dropped["pictures and style sheets past the most that are kept"] += 1
            return
        self._seen.update(addresses)
        task = asyncio.get_running_loop().create_task(self._read(response, addresses))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _read(self, response: Response, addresses: list[str]) -> None:
        found = await self._shared.read(response, addresses[-1])
        if isinstance(found, str):
            self.dropped[found] += 1
            self._seen.difference_update(addresses)
        else:
            self.found |= dict.fromkeys(addresses, found)


def _asked_for(request: Request) -> list[str]:
    """Return the addresses that led to a response: the one that the page names, and where it was sent on."""
    found = [request.url]
    while (before := request.redirected_from) is not None:
        request = before
        found.insert(0, request.url)
    return found
