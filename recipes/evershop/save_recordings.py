"""Record visits to a running EverShop for the tests.

python -m recipes.evershop.save_recordings [ADDRESS]
"""

import asyncio
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path

from recipes.evershop.walks import WALKS, Walk

from shop_r1.drivers.bounds.hosts import Hosts
from shop_r1.drivers.browser.driver import Bounds, BrowserDriver
from shop_r1.drivers.browser.pool import BrowserPool
from shop_r1.drivers.recording.assets import SharedAssets
from shop_r1.drivers.recording.recorder import Recorder
from shop_r1.records.recordings import VisitBegun
from shop_r1.records.sessions import Page, Step
from shop_r1.records.visits import RECORDINGS_FOLDER, VisitEnd
from shop_r1.simulation.loop import Limits, Visit, run_session

OUT = Path(__file__).resolve().parents[2] / "tests" / "pages" / "evershop" / RECORDINGS_FOLDER
_WALKS = {"checkout": "desk/desk-lamp-green", "filters": "desk", "search": ""}
"""By the name of the visit: the start of the walk that it takes."""


@dataclass
class _Kept:
    """An observer that hands a visit's steps to its recorder."""

    recorder: Recorder

    async def begin(self, visit: Visit) -> None:
        """Nothing is to be done."""

    async def before_step(self, visit: Visit, page: Page) -> bool:
        """Let it go on."""
        return True

    async def after_step(self, visit: Visit, step: Step) -> None:
        """Record a step."""
        self.recorder.finish_step(step)

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        """Nothing is to be done."""


async def record(address: str) -> None:
    """Record the visits, one after the other."""
    assets, bounds = SharedAssets(OUT), Bounds(Hosts.of(address))
    async with BrowserPool() as pool:
        for name, start in _WALKS.items():
            visit = Visit(name, f"evershop-{name}", start=address + start, source="live", space="live")
            recorder = Recorder(OUT, assets, VisitBegun(session_id=visit.session_id))
            driver = BrowserDriver(pool, bounds, recorder)
            session = await run_session(
                Walk(WALKS[start]),
                driver,
                visit,
                Limits(max_steps=30),
                observer=_Kept(recorder),
                timed=True,
            )
            await driver.close()
            await recorder.write(session.outcome)


def main(address: str = "http://127.0.0.1:8300/") -> None:
    """Record them anew."""
    shutil.rmtree(OUT, ignore_errors=True)
    asyncio.run(record(address))
    files = [path for path in OUT.rglob("*") if path.is_file()]
    print(len(files), "files,", sum(path.stat().st_size for path in files), "bytes in", OUT)


if __name__ == "__main__":
    main(*sys.argv[1:])
