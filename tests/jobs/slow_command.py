"""`shop-r1 simplify` in blocks of four pages, a tenth of a second each: it can be ended in between."""

import sys
from pathlib import Path

_HERE = Path(__file__).parent
_CODE = f"""
import sys
sys.path.append({str(_HERE)!r})
import poisoned_jobs
from shop_r1.cli.main import main
from shop_r1.jobs import blocks, pages
blocks.PAGES_PER_BLOCK = 4
pages.SimplifyWork = lambda *each: poisoned_jobs.PoisonedPages(*each, pause_s=0.1)
main()
"""


def command(source: Path, out: Path, *more: str) -> list[str]:
    return [sys.executable, "-c", _CODE, "simplify", str(source), "--out", str(out), *more]
