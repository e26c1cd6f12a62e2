"""What is kept of visits in a browser beside their sessions: recordings, pictures, Playwright's traces."""

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from shop_r1.cli.simulation.options import Options
from shop_r1.drivers.in_process import HOME
from shop_r1.errors import file_errors
from shop_r1.records.sessions import Page, Step
from shop_r1.records.visits import RECORDINGS_FOLDER, SCREENSHOTS_FOLDER, TRACES_FOLDER, VisitEnd
from shop_r1.simulation.loop import Visit

if TYPE_CHECKING:
    from shop_r1.drivers.bounds.rules import Bounds
    from shop_r1.drivers.browser.driver import BrowserDriver
    from shop_r1.drivers.browser.pool import BrowserPool
    from shop_r1.drivers.edits.in_window import ShopEdits

_PICTURE_WIDTH, _PICTURE_QUALITY = 1280, 70
"""Of screenshots, in pixels and in JPEG's per cent. Ours."""


def shop_edits(options: Options) -> "ShopEdits | None":
    """Return the edits of the version that the options name; None where there are none."""
    from shop_r1.drivers.bounds.hosts import Hosts
    from shop_r1.drivers.edits.in_window import ShopEdits

    variant = options.page_variant
    return ShopEdits(variant, Hosts.of(options.url or HOME)) if variant is not None else None


@dataclass
class Windows:
    """The windows of visits under way, and an observer that keeps what the options ask for of each."""

    pool: "BrowserPool"
    bounds: "Bounds"
    options: Options
    folder: Path
    open: "dict[str, BrowserDriver]" = field(default_factory=dict)
    """By session id."""
    dropped: Counter[str] = field(default_factory=Counter)
    """What is in no recording, in words."""
    _steps: Counter[str] = field(default_factory=Counter)

    def __post_init__(self) -> None:
        from shop_r1.simulation.recordings import Recordings

        self.edits = shop_edits(self.options)
        self._recordings: Recordings | None = None
        if not self.options.no_recording:
            self._recordings = Recordings(self.folder / RECORDINGS_FOLDER, self.bounds.profile.conceal)

    def driver_of(self, visit: Visit) -> "BrowserDriver":
        """Return a visit's driver; its window opens with its first page."""
        from shop_r1.drivers.browser.driver import BrowserDriver

        name = visit.session_id
        recorder = self._recordings.recorder_of(visit) if self._recordings is not None else None
        trace = self.folder / TRACES_FOLDER / f"{name}.zip" if self.options.trace else None
        driver = BrowserDriver(self.pool, self.bounds, recorder, trace, self.edits)
        self.open[name] = driver
        return driver

    async def picture_of(self, session_id: str) -> bytes | None:
        """Return a small JPEG of a shopper's window; None where there is none."""
        driver = self.open.get(session_id)
        return await driver.picture() if driver is not None else None

    # As an observer

    async def begin(self, visit: Visit) -> None:
        """Take a visit that begins: its window opens later."""

    async def before_step(self, visit: Visit, page: Page) -> bool:
        """Take a picture of the page that a step is decided on, unless it shows a secret."""
        driver = self.open.get(visit.session_id)
        if self.options.screenshots and driver is not None:
            if any(f"{{{{{name}}}}}" in page.html for name in self.bounds.profile.names):
                self.dropped["screenshots of pages that showed what --test-profile holds"] += 1
                return True
            jpeg = await driver.picture(_PICTURE_WIDTH, _PICTURE_QUALITY)
            name = f"{self._steps[visit.session_id]}.jpg"
            path = self.folder / SCREENSHOTS_FOLDER / visit.session_id / name
            if jpeg is None:
                self.dropped["screenshots that the browser did not give in time"] += 1
                return True
            with file_errors(path, "written"):
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(jpeg)
        return True

    async def after_step(self, visit: Visit, step: Step) -> None:
        """Let the recording have the step."""
        self._steps[visit.session_id] += 1
        if self._recordings is not None:
            await self._recordings.after_step(visit, step)

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        """Write the recording of a visit that has a step; the window is closed."""
        self.open.pop(visit.session_id, None)
        self._steps.pop(visit.session_id, None)
        if self._recordings is not None:
            await self._recordings.end(visit, end)
            self.dropped += self._recordings.dropped
            self._recordings.dropped.clear()
