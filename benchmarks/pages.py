"""Time and size of simplifying saved pages: `python benchmarks/pages.py [FOLDER]` (../shared/data/pages)."""

import statistics
import sys
import time
from pathlib import Path

from shop_r1.pages.document import parse_document
from shop_r1.pages.simplify import simplify_page

ROUNDS = 3  # the best of so many counts: other work on the machine only ever adds time


def milliseconds(html: bytes, what: object) -> float:
    """Return the best time of `ROUNDS` calls in ms."""
    best = float("inf")
    for _ in range(ROUNDS):
        started = time.perf_counter()
        what(html)  # type: ignore[operator]
        best = min(best, time.perf_counter() - started)
    return best * 1000


def main() -> None:
    """Print medians and the slowest pages."""
    default = Path(__file__).resolve().parents[2] / "shared" / "data" / "pages"
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else default
    rows = []
    for file in sorted(folder.rglob("*.html")):
        raw = file.read_bytes()
        page = simplify_page(raw)
        took, parsing = milliseconds(raw, simplify_page), milliseconds(raw, parse_document)
        rows.append((took, parsing, len(raw), len(page.html.encode()), len(page.elements), file.name))
    if not rows:
        sys.exit(f"{folder}: no .html file in it; name a folder of saved pages")
    print(f"{len(rows)} pages, {sum(row[4] for row in rows)} named elements")
    print(f"median time {statistics.median(row[0] for row in rows):.1f} ms, of it parsing ", end="")
    print(f"{statistics.median(row[1] for row in rows):.1f} ms")
    print(f"median size {statistics.median(row[3] / row[2] for row in rows):.1%} of the raw page's bytes")
    print("slowest:")
    for took, _, size, short, count, name in sorted(rows, reverse=True)[:8]:
        print(f"  {took:6.1f} ms  {size:9,} -> {short:7,} bytes  {count:5} elements  {name}")


if __name__ == "__main__":
    main()
