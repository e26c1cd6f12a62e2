"""Time and size of simplifying saved pages, beside the same job on BeautifulSoup and the parsers alone.

`python -m benchmarks.pages [FOLDER] [--json FILE]`; FOLDER is ../shared/data/pages beside the clone unless
given. All times are of one run and one thread: per page each side in turn, `ROUNDS` times; the best counts,
since other work on the machine only ever adds time.
"""

import argparse
import gc
import json
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks.soup import simplify_with_soup
from bs4 import BeautifulSoup
from lxml import etree
from lxml.html import HTMLParser, document_fromstring
from selectolax.lexbor import LexborHTMLParser, LexborNode

from shop_r1.pages.parse.document import decode_page, parse_document
from shop_r1.pages.simplify import simplify_page

ROUNDS = 3
NEAR = 600_000  # characters: the size that the project's bound on time speaks of
SCRIPTS = ["script", "style"]
PAGES = Path(__file__).resolve().parents[2] / "shared" / "data" / "pages"

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
    """Return a page's sizes, and times in ms by what was done."""
    raw = file.read_bytes()
    text = decode_page(raw)
    page, (html, names) = simplify_page(raw), simplify_with_soup(raw)
    ours = {element.name for element in page.elements}
    return {
        "file": f"{file.parent.name}/{file.name}",
        "characters": len(text),
        "bytes": len(raw),
        "short_bytes": len(page.html.encode()),
        "soup_bytes": len(html.encode()),
        "elements": len(page.elements),
        "shared_names": len(ours.intersection(names)) / max(1, len(ours)),
        "moved_links": moved_links(text, flat_tables=False),
        "moved_links_flat": moved_links(text, flat_tables=True),
        "ms": best_times(raw, text),
    }


def best_times(raw: bytes, text: str) -> dict[str, float]:
    """Return the best of `ROUNDS` times for each job, in ms; the jobs take turns."""
    utf8 = text.encode()
    lexbor_root: Any = LexborHTMLParser(utf8).root
    lxml_root = parse_lxml(utf8)
    jobs: dict[str, Callable[[], object]] = {
        "ours": lambda: simplify_page(raw),
        "soup": lambda: simplify_with_soup(raw),
        "our_parsing": lambda: parse_document(raw),
        "parse_lexbor": lambda: LexborHTMLParser(utf8),
        "parse_lxml": lambda: parse_lxml(utf8),
        "parse_soup": lambda: BeautifulSoup(text, "lxml"),
        "strip_lexbor": lambda: LexborHTMLParser(utf8).strip_tags(SCRIPTS),
        "strip_lxml": lambda: etree.strip_elements(parse_lxml(utf8), *SCRIPTS, with_tail=False),
        "strip_soup": lambda: [tag.decompose() for tag in BeautifulSoup(text, "lxml")(SCRIPTS)],
        "walk_lexbor": lambda: [(node.tag, node.attributes) for node in lexbor_root.traverse()],
        "walk_lxml": lambda: [(node.tag, dict(node.attrib)) for node in lxml_root.iter(etree.Element)],
    }
    best = dict.fromkeys(jobs, float("inf"))
    for _ in range(ROUNDS):
        for name, job in jobs.items():
            gc.collect()  # BeautifulSoup's trees are cycles: no one else is to pay for them
            started = time.perf_counter()
            job()
            best[name] = min(best[name], (time.perf_counter() - started) * 1000)
    return best


def parse_lxml(utf8: bytes) -> Any:
    """Return lxml's tree; from bytes, since it refuses text that declares an encoding."""
    return document_fromstring(utf8, parser=HTMLParser(encoding="utf-8"))


def moved_links(text: str, *, flat_tables: bool) -> int:
    """Return how many links have a CSS path in lxml's tree that leads elsewhere in the standard's.

    With `flat_tables`, rows count as children of their table: the <tbody> that lxml leaves out matters not.
    """
    utf8 = text.encode()
    standard = dict(links_by_path(LexborHTMLParser(utf8).root, lexbor_children, flat_tables))
    found = links_by_path(parse_lxml(utf8), lxml_children, flat_tables)
    # Up to the first &: what follows one in an address, the two read by different rules.
    return sum(standard.get(path, "").partition("&")[0] != href.partition("&")[0] for path, href in found)


def links_by_path(
    root: Any, children: Callable[[Any], Iterable[Any]], flat_tables: bool
) -> Iterator[tuple[tuple[str, ...], str]]:
    """Yield each link's path, as `tag:position` steps, and its address."""
    stack: list[tuple[Any, tuple[str, ...]]] = [(root, ())]
    while stack:
        node, path = stack.pop()
        href = node.attrs.get("href") if isinstance(node, LexborNode) else node.get("href")
        if node.tag == "a" and href:
            yield path, href
        below = list(children(node))
        if flat_tables:
            below = [row for child in below for row in (children(child) if child.tag == "tbody" else [child])]
        stack.extend((child, (*path, f"{child.tag}:{n}")) for n, child in enumerate(below, 1))


def lexbor_children(node: Any) -> Iterator[Any]:
    """Yield a node's child elements; `iter` yields comments too."""
    return (child for child in node.iter() if child.is_element_node)


def lxml_children(node: Any) -> Iterator[Any]:
    """Yield a node's child elements, without comments."""
    return iter(node.iterchildren(etree.Element))


def report(rows: list[Row]) -> Iterator[str]:
    """Yield the lines to print, each of at most 80 characters."""
    yield f"{len(rows)} pages, {sum(row['elements'] for row in rows):,} named elements"
    yield f"times in ms, best of {ROUNDS}        median   slowest"
    for name, title in (
        ("ours", "ours"),
        ("our_parsing", "  of it decoding, parsing"),
        ("soup", "BeautifulSoup"),
    ):
        times = times_of(rows, name)
        yield f"{title:30}{median(times):8.1f}{max(times):10.1f}"
    ratios = [row["ms"]["soup"] / row["ms"]["ours"] for row in rows]
    yield f"BeautifulSoup takes {median(ratios):.2f} times ours at the median, {min(ratios):.2f} at least"
    shared = median(row["shared_names"] for row in rows)
    size = median(row["soup_bytes"] / row["short_bytes"] for row in rows)
    yield f"  and gives {shared:.1%} of our names on {size:.3f} times our bytes (medians)"
    short = median(row["short_bytes"] / row["bytes"] for row in rows)
    yield f"short page: {short:.1%} of the raw page's bytes at the median"
    yield from parser_lines(rows)
    yield f"nearest to {NEAR:,} characters:"
    yield from page_lines(sorted(rows, key=lambda row: abs(row["characters"] - NEAR))[:3])
    yield "largest:"
    yield from page_lines(sorted(rows, key=lambda row: row["characters"], reverse=True)[:10])


def parser_lines(rows: list[Row]) -> Iterator[str]:
    """Yield what the parsers take alone, and how often lxml's tree is another."""
    yield f"{'parsers alone, medians':30}{'Lexbor':>8}{'lxml':>10}{'BeautifulSoup':>15}"
    for job, title in (("parse", "parse"), ("strip", "parse and drop scripts")):
        values = [median(times_of(rows, f"{job}_{parser}")) for parser in ("lexbor", "lxml", "soup")]
        yield f"{'  ' + title:30}{values[0]:8.2f}{values[1]:10.2f}{values[2]:15.2f}"
    walks = [median(times_of(rows, f"walk_{parser}")) for parser in ("lexbor", "lxml")]
    yield f"{'  read all tags, attributes':30}{walks[0]:8.2f}{walks[1]:10.2f}"
    moved = [sum(row[key] > 0 for row in rows) for key in ("moved_links", "moved_links_flat")]
    yield f"a link's CSS path from lxml's tree fails in the standard's on {moved[0]} pages,"
    yield f"  on {moved[1]} of them not only for the <tbody> that lxml leaves out"


def page_lines(rows: list[Row]) -> Iterator[str]:
    """Yield a line per page: characters, elements, time, time per 100 kB, and its file's name."""
    for row in rows:
        took = row["ms"]["ours"]
        counts = f"{row['characters']:11,} {row['elements']:6,} el."
        speed = f"{took:7.1f} ms {took * 100_000 / row['bytes']:6.2f} ms/100 kB"
        yield f"{counts} {speed}  {row['file'][:24]}"


def times_of(rows: list[Row], name: str) -> list[float]:
    """Return one job's time on each page."""
    return [row["ms"][name] for row in rows]


if __name__ == "__main__":
    gc.freeze()  # what the imports made need not be looked through at each collection
    main()
