"""Record visits to a running EverShop for the tests.

python -m recipes.evershop.save_recordings [ADDRESS]
"""

import asyncio
import shutil
import sys
from pathlib import Path

from recipes.evershop.walks import WALKS, Walk

from shop_r1.drivers.bounds.hosts import Hosts
from shop_r1.drivers.browser.driver import Bounds, BrowserDriver
from shop_r1.drivers.browser.pool import BrowserPool
from shop_r1.records.visits import RECORDINGS_FOLDER
from shop_r1.simulation.concurrent import run_visits
from shop_r1.simulation.loop import Limits, Visit
from shop_r1.simulation.recordings import Recordings

OUT = Path(__file__).resolve().parents[2] / "tests" / "pages" / "evershop" / RECORDINGS_FOLDER
_WALKS = {"checkout": "desk/desk-lamp-green", "filters": "desk", "search": ""}
"""By the name of the visit: the start of the walk that it takes."""


async def record(address: str) -> None:
    """Record the visits, one after the other."""
    visits = [
        Visit(name, f"evershop-{name}", start=address + start, source="live", space="live")
        for name, start in _WALKS.items()
    ]
    recordings = Recordings(OUT)
    async with BrowserPool() as pool:
        bounds = Bounds(Hosts.of(address))
        await run_visits(
            visits,
            lambda visit: Walk(WALKS[_WALKS[visit.key]]),
            lambda visit: BrowserDriver(pool, bounds, recordings.recorder_of(visit)),
            recordings,
            concurrency=1,
            limits=Limits(max_steps=30),
            timed=True,
        )


def main(address: str = "http://127.0.0.1:8300/") -> None:
    """Record them anew."""
    shutil.rmtree(OUT, ignore_errors=True)
    asyncio.run(record(address))
    files = [path for path in OUT.rglob("*") if path.is_file()]
    print(len(files), "files,", sum(path.stat().st_size for path in files), "bytes in", OUT)


if __name__ == "__main__":
    main(*sys.argv[1:])
