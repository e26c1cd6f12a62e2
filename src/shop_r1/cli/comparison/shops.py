"""The versions of a shop as one, which leads each visit to its own."""

from collections import Counter
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

from shop_r1.cli.comparison.options import CompareOptions
from shop_r1.cli.simulation.shops import Shop, WindowKeeper, open_shops
from shop_r1.drivers.protocol import PageDriver
from shop_r1.records.sessions import Page, Step
from shop_r1.records.visits import VisitEnd
from shop_r1.simulation.loop import Visit


@asynccontextmanager
async def open_versions(
    options: CompareOptions, folder: Path
) -> AsyncIterator[tuple[Shop, Mapping[str, Shop]]]:
    """Open all versions; yield them as one shop, and each by its name.

    Raises:
        ConfigError: there is no Chromium, or an address or a host is none.
        PageError: Chromium cannot be started.
    """
    async with open_shops(list(options.versions.values()), folder) as opened:
        shops = dict(zip(options.versions, opened, strict=True))
        keepers = {name: shop.windows for name, shop in shops.items() if shop.windows is not None}

        def driver_of(visit: Visit) -> PageDriver:
            return shops[visit.version or ""].driver_of(visit)

        windows = _VersionWindows(keepers) if keepers else None
        yield replace(opened[0], driver_of=driver_of, windows=windows), shops


class _VersionWindows:
    """The windows of all versions: each visit's are told of it."""

    def __init__(self, keepers: Mapping[str, WindowKeeper]) -> None:
        self._keepers = keepers

    @property
    def dropped(self) -> Counter[str]:
        """What is in no recording, in words."""
        return sum((each.dropped for each in self._keepers.values()), Counter[str]())

    @dropped.setter
    def dropped(self, value: Counter[str]) -> None:
        raise AttributeError("each version counts its own")

    async def picture_of(self, session_id: str) -> bytes | None:
        """Return a small JPEG of a shopper's window; None where there is none."""
        for each in self._keepers.values():
            if (picture := await each.picture_of(session_id)) is not None:
                return picture
        return None

    def _of(self, visit: Visit) -> WindowKeeper:
        return self._keepers[visit.version or ""]

    async def begin(self, visit: Visit) -> None:
        """Take a visit that begins."""
        await self._of(visit).begin(visit)

    async def before_step(self, visit: Visit, page: Page) -> bool:
        """Take the page that a step is decided on."""
        return await self._of(visit).before_step(visit, page)

    async def after_step(self, visit: Visit, step: Step) -> None:
        """Take a step."""
        await self._of(visit).after_step(visit, step)

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        """Take how a visit ended."""
        await self._of(visit).end(visit, end)
