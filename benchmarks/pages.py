"""Time and size of simplifying saved pages, beside what people use to turn pages into text.

`python -m benchmarks.pages [FOLDER] [--json FILE]`; FOLDER is ../shared/data/pages beside the clone unless
given. All times are of one run and one thread: per page each side in turn, `ROUNDS` times; the best counts,
since other work on the machine only ever adds time. The other tools do less: html2text and trafilatura give
text without names, and the two parsers only a tree, which is the least that any of them can take.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import html2text
import trafilatura
from lxml.html import HTMLParser, document_fromstring
from selectolax.lexbor import LexborHTMLParser

from shop_r1.pages import simplify_page
from shop_r1.pages.parse.document import parse_document
from shop_r1.pages.parse.encodings import decode_page

ROUNDS = 3
NEAR = 600_000  # characters: the size that the project's bound on time speaks of
PAGES = Path(__file__).resolve().parents[2] / "shared" / "data" / "pages"
JOBS = {
    "simplify": "simplify_page",
    "our_parsing": "  of it decoding, parsing",
    "html2text": "html2text",
    "trafilatura": "trafilatura",
    "lexbor": "Lexbor, parsing only",
    "lxml": "lxml, parsing only",
}
"""Each job and how the report calls it."""

Row = dict[str, Any]


def main() -> None:
    """Print the figures, and write those of each page to `--json FILE`."""
    parser = argparse.ArgumentParser(description="Times and sizes of simplifying saved pages.")
    parser.add_argument("folder", type=Path, nargs="?", default=PAGES)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    files = sorted(options.folder.rglob("*.html"))
    if not files:
        parser.error(f"{options.folder}: no .html file in it; name a folder of saved pages")
    rows = [measure(file) for file in files]
    for line in report(rows):
        print(line)
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps(rows, indent=1) + "\n", "utf-8")


def measure(file: Path) -> Row:
    """Return a page's sizes in bytes by what was made of it, and times in ms by what was done."""
    raw = file.read_bytes()
    text = decode_page(raw)
    page = simplify_page(raw)
    return {
        "file": f"{file.parent.name}/{file.name}",
        "characters": len(text),
        "elements": len(page.elements),
        "bytes": {
            "raw": len(raw),
            "simplify": len(page.html.encode()),
            "html2text": len(html2text.html2text(text).encode()),
            "trafilatura": len((trafilatura.extract(text) or "").encode()),
        },
        "ms": best_times(raw, text),
    }


def best_times(raw: bytes, text: str) -> dict[str, float]:
    """Return the best of `ROUNDS` times for each job, in ms; the jobs take turns."""
    utf8 = text.encode()
    jobs: dict[str, Callable[[], object]] = {
        "simplify": lambda: simplify_page(raw),
        "our_parsing": lambda: parse_document(raw),
        "html2text": lambda: html2text.html2text(text),
        "trafilatura": lambda: trafilatura.extract(text),
        "lexbor": lambda: LexborHTMLParser(utf8),
        "lxml": lambda: document_fromstring(utf8, parser=HTMLParser(encoding="utf-8")),
    }
    best = dict.fromkeys(jobs, float("inf"))
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            gc.collect()  # no job is to pay for what another one left
            started = time.perf_counter()
            job()
            best[name] = min(best[name], (time.perf_counter() - started) * 1000)
    return best


def report(rows: list[Row]) -> Iterator[str]:
    """Yield the lines to print, each of at most 80 characters."""
    yield f"{len(rows)} pages, {sum(row['elements'] for row in rows):,} named elements"
    yield f"{f'times in ms, best of {ROUNDS}':30}{'median':>8}{'slowest':>10}{'of the raw bytes':>20}"
    for name, title in JOBS.items():
        times = [row["ms"][name] for row in rows]
        line = f"{title:30}{median(times):8.2f}{max(times):10.1f}"
        if name in rows[0]["bytes"]:
            line += f"{median(row['bytes'][name] / row['bytes']['raw'] for row in rows):20.1%}"
        yield line
    yield f"nearest to {NEAR:,} characters:"
    yield from page_lines(sorted(rows, key=lambda row: abs(row["characters"] - NEAR))[:3])
    yield "largest:"
    yield from page_lines(sorted(rows, key=lambda row: row["characters"], reverse=True)[:10])


def page_lines(rows: list[Row]) -> Iterator[str]:
    """Yield a line per page: characters, elements, time, time per 100 kB, and its file's name."""
    for row in rows:
        took = row["ms"]["simplify"]
        counts = f"{row['characters']:11,} {row['elements']:6,} el."
        speed = f"{took:7.1f} ms {took * 100_000 / row['bytes']['raw']:6.2f} ms/100 kB"
        yield f"{counts} {speed}  {row['file'][:24]}"


if __name__ == "__main__":
    gc.freeze()  # what the imports made need not be looked through at each collection
    main()
