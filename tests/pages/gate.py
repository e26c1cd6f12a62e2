"""The simplifier's quality on real shop pages, measured from outside: `python tests/pages/gate.py [--write]`.

Prints each figure beside its floor in gate.json and what fails; `--write` makes today's figures the floors.
What can be seen and acted on (visible.py), and what a product is called and costs (facts.py), is found
without the simplifier's code.
"""

import csv
import hashlib
import json
import math
import re
import statistics
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from selectolax.lexbor import LexborHTMLParser, LexborNode

if __name__ == "__main__":  # run as a script, only its own folder would be looked in
    sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
    sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "src"))

from tests.pages.facts import (
    ProductFacts,
    cart_controls,
    cart_forms,
    has_price,
    has_title,
    output_text,
    read_product,
)
from tests.pages.visible import Visibility, find_actionable, find_toggle_labels, read_text

from shop_r1.errors import PageError
from shop_r1.pages.elements import Element, SimplifiedPage
from shop_r1.pages.parse.document import locate, parse_document
from shop_r1.pages.simplify import simplify_page

_REPOSITORY = Path(__file__).resolve().parents[2]
FLOORS = Path(__file__).with_suffix(".json")
RISING_IS_WORSE = frozenset({"size_median", "size_mean", "counters"})
PATHS_TRIED = 12  # a page, by the parser's own selector engine too; spread over the page
NAME_MAX = 80  # docs/pages.md
_SHOWN = 5  # failing pages a figure names
_DIGITS = 4  # of a figure in gate.json

_COUNTER = re.compile(r"_([2-9]|[1-9]\d+)$")
_WORD = re.compile(r"[^\W_]+")
_WORD_MIN = 3  # characters
_NUMBER = re.compile(r"\d+")
_MARK = "/gate-inserted/"  # begins each address and value of what the gate puts into a page


@dataclass
class Tally:
    """How many of how many, and what failed.

    Attributes:
        good: how many are as they should be.
        total: how many were looked at.
        misses: what is wrong, as kind or short description.
    """

    good: int = 0
    total: int = 0
    misses: list[str] = field(default_factory=list)

    def add(self, good: bool, miss: str) -> None:
        """Count one."""
        self.total += 1
        self.good += good
        if not good:
            self.misses.append(miss)

    @property
    def share(self) -> float:
        """How many are good, 0 to 1; 1 of nothing."""
        return self.good / self.total if self.total else 1.0


@dataclass
class PageMeasure:
    """One page's part of every figure."""

    file: str
    size: float = 0.0
    elements: int = 0
    tallies: dict[str, Tally] = field(default_factory=dict)
    not_shown: list[str] = field(default_factory=list)

    def tally(self, figure: str) -> Tally:
        """Return the page's tally of a figure."""
        return self.tallies.setdefault(figure, Tally())


@dataclass
class Measures:
    """All pages' measures, and the figures made of them."""

    pages: list[PageMeasure]
    digest: str

    @property
    def elements(self) -> int:
        """How many elements all pages have."""
        return sum(page.elements for page in self.pages)

    def share(self, figure: str) -> float:
        """Return good among all, over all pages."""
        tallies = self.of(figure)
        return sum(t.good for t in tallies) / max(1, sum(t.total for t in tallies))

    def mean(self, figure: str) -> float:
        """Return the mean of the pages' shares."""
        return statistics.fmean(t.share for t in self.of(figure))

    def lowest(self, figure: str) -> float:
        """Return the lowest page's share."""
        return min(t.share for t in self.of(figure))

    def of(self, figure: str) -> list[Tally]:
        """Return the tallies of the pages that have something to count."""
        return [page.tallies[figure] for page in self.pages if page.tally(figure).total]

    def failing(self, figure: str) -> list[PageMeasure]:
        """Return the pages with a miss, the worst first."""
        pages = [page for page in self.pages if page.tally(figure).misses]
        return sorted(pages, key=lambda page: (page.tallies[figure].share, page.file))

    def misses(self, figure: str) -> Counter[str]:
        """Return how often each kind of miss occurs."""
        return Counter(miss for tally in self.of(figure) for miss in tally.misses)

    def figures(self) -> dict[str, float]:
        """Return every figure under its name."""
        return {name: measure(self) for name, measure in FIGURES.items()}


def _share(figure: str) -> Callable[[Measures], float]:
    return lambda measures: measures.share(figure)


FIGURES: dict[str, Callable[[Measures], float]] = {
    "named": _share("named"),
    "named_lowest": lambda m: m.lowest("named"),
    "labels_named": _share("labels_named"),
    "unique": _share("unique"),
    "names_ok": _share("names_ok"),
    "counters": lambda m: 1 - m.share("counters"),
    "found_again": _share("found_again"),
    "idempotent": _share("idempotent"),
    "links_found": _share("links_found"),
    "size_median": lambda m: statistics.median(page.size for page in m.pages),
    "size_mean": lambda m: statistics.fmean(page.size for page in m.pages),
    "stable_banner": lambda m: m.mean("stable_banner"),
    "stable_banner_lowest": lambda m: m.lowest("stable_banner"),
    "stable_moved": lambda m: m.mean("stable_moved"),
    "stable_moved_lowest": lambda m: m.lowest("stable_moved"),
    "words_kept": _share("words_kept"),
    "title_kept": _share("title_kept"),
    "price_kept": _share("price_kept"),
    "cart_named": _share("cart_named"),
}
"""Each figure and how it is made of the pages' measures."""


def measure_pages(folder: Path) -> Measures:
    """Return the measures of all pages that the folder's index.csv lists."""
    with (folder / "index.csv").open(newline="", encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    moves: dict[str, list[str]] = {}
    for move in json.loads((folder / "links.json").read_text(encoding="utf-8")):
        moves.setdefault(move["from_file"], []).append(move["href"])
    pages = [
        _measure_page(row, (folder / row["file"]).read_bytes(), moves.get(row["file"], [])) for row in rows
    ]
    return Measures(pages, corpus_digest(folder))


def corpus_digest(folder: Path) -> str:
    """Return the SHA-256 over the sorted SHA-256 of all pages and of what is said of them."""
    files = [*folder.rglob("*.html"), folder / "index.csv", folder / "links.json"]
    digests = sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files)
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()


def _measure_page(row: dict[str, str], raw: bytes, moves: Sequence[str]) -> PageMeasure:
    measure = PageMeasure(row["file"])
    page = simplify_page(raw)
    document = parse_document(raw)
    measure.size = len(page.html.encode()) / len(raw)
    measure.elements = len(page.elements)
    visibility = Visibility(document)
    own, further = _find_again(measure, page, document)
    _count_named(measure, visibility, own | further)
    _count_names(measure, page)
    again = simplify_page(page.html)
    same = again.html == page.html and _names(again.elements) == _names(page.elements)
    measure.tally("idempotent").add(same, "another result")
    hrefs = {element.href for element in page.elements}
    for href in moves:
        measure.tally("links_found").add(href.strip() in hrefs, href)
    read = output_text(page.html)
    _count_words(measure, read, read_text(visibility, apart=True))
    if row["kind"] == "product":
        _count_facts(measure, read, read_product(document), visibility)
    _count_carts(measure, visibility, row["note"], own)
    _count_stable(measure, page, document)
    return measure


def _find_again(
    measure: PageMeasure, page: SimplifiedPage, document: LexborHTMLParser
) -> tuple[set[int], set[int]]:
    """Count the paths that lead to their element; return the nodes behind names, and behind `also`.

    A name's counter is looked for here too, since the node says what else its words may come from.
    """
    own: set[int] = set()
    further: set[int] = set()
    tally = measure.tally("found_again")
    step = max(1, len(page.elements) // PATHS_TRIED)
    for index, element in enumerate(page.elements):
        node = _node_at(document, element.path)
        good = node is not None and node.tag == element.tag
        if node is not None and good:
            own.add(node.mem_id)
            if index % step == 0:
                selected = document.css_first(element.path)
                good = selected is not None and selected.mem_id == node.mem_id
        tally.add(good, element.path)
        said = " ".join(filter(None, node.attributes.values())) if node is not None else ""
        measure.tally("counters").add(not has_counter(element, said), element.name)
        for path in element.also:
            other = _node_at(document, path)
            tally.add(other is not None, path)
            if other is not None:
                further.add(other.mem_id)
    return own, further


def _node_at(document: LexborHTMLParser, path: str) -> LexborNode | None:
    try:
        return locate(document, path)
    except PageError:
        return None


def _count_named(measure: PageMeasure, visibility: Visibility, named: set[int]) -> None:
    for actionable in find_actionable(visibility):
        measure.tally("named").add(actionable.node.mem_id in named, actionable.kind)
    for label in find_toggle_labels(visibility):
        kind = "label of a visible one" if label.own_visible else "label of a hidden one"
        measure.tally("labels_named").add(label.node.mem_id in named, kind)


def _count_names(measure: PageMeasure, page: SimplifiedPage) -> None:
    names = _names(page.elements)
    twice = [name for name, times in Counter(names).items() if times > 1]
    measure.tally("unique").add(not twice, ", ".join(twice[:_SHOWN]))
    for element in page.elements:
        measure.tally("names_ok").add(is_tidy(element.name), element.name)


def is_tidy(name: str) -> bool:
    """Return whether a name is short enough and free of upper-case ASCII letters and blanks."""
    return 0 < len(name) <= NAME_MAX and re.search(r"[A-Z\s]", name) is None


def has_counter(element: Element, said: str = "") -> bool:
    """Return whether a name ends in a number that neither the element's label nor its attributes say."""
    match = _COUNTER.search(element.name)
    if match is None:
        return False
    return match.group(1) not in _NUMBER.findall(f"{element.label} {element.value} {said}")


def _names(elements: Iterable[Element]) -> list[str]:
    return [element.name for element in elements]


def _count_words(measure: PageMeasure, read: str, seen: str) -> None:
    """Count the page's different words that are still there; short ones would be found in others."""
    folded = read.casefold()
    for word in sorted({word for word in _WORD.findall(seen.casefold()) if len(word) >= _WORD_MIN}):
        measure.tally("words_kept").add(word in folded, word)


def _count_facts(measure: PageMeasure, read: str, facts: ProductFacts, visibility: Visibility) -> None:
    """Count whether title and price came through; what the page itself shows nowhere is no loss."""
    if not facts.titles and not facts.prices:
        return
    seen = read_text(visibility)
    if facts.titles:
        if any(has_title(seen, title) for title in facts.titles):
            kept = any(has_title(read, title) for title in facts.titles)
            measure.tally("title_kept").add(kept, facts.titles[0])
        else:
            measure.not_shown.append(f"title {facts.titles[0]!r}")
    if facts.prices:
        shown = [price for price in facts.prices if _shows(seen, price)]
        if shown:
            kept = any(has_price(read, price) for price in shown)
            measure.tally("price_kept").add(kept, f"{shown[0]}{_other_form(read, shown)}")
        else:
            measure.not_shown.append(f"price {facts.prices[0]}")


def _shows(text: str, price: Decimal) -> bool:
    return has_price(text, price) or has_price(text, price, split=True)


def _other_form(text: str, prices: Sequence[Decimal]) -> str:
    return " (cents set apart)" if any(has_price(text, price, split=True) for price in prices) else ""


def _count_carts(measure: PageMeasure, visibility: Visibility, note: str, named: set[int]) -> None:
    """Count the labelled order forms whose every visible submit control has a name of its own."""
    for form in cart_forms(visibility.document, note) or ():
        controls = cart_controls(visibility, form)
        if controls:
            missing = [control for control in controls if control.mem_id not in named]
            measure.tally("cart_named").add(not missing, (missing[0].html or "")[:200] if missing else "")
        else:
            measure.not_shown.append("a button in an order form")


def _count_stable(measure: PageMeasure, page: SimplifiedPage, document: LexborHTMLParser) -> None:
    """Count the names that stay when a banner comes in, and when three advertisements change places."""
    if document.body is None or document.body.first_child is None:
        return
    html = document.html or ""
    with_banner = simplify_page(_with_blocks(html, [_BANNER], [0.0]))
    _compare(measure.tally("stable_banner"), page, with_banner)
    places = [0.0, 0.5, 1.0]
    moved = [simplify_page(_with_blocks(html, ads, places)) for ads in (_ADS, [*_ADS[1:], _ADS[0]])]
    _compare(measure.tally("stable_moved"), *moved)


_BANNER = f"""<section class="promo"><h2>Quarterly lottery</h2><a href="{_MARK}1">Take part in the lottery</a>
<a href="{_MARK}2">Winners of the lottery</a><a href="{_MARK}3">Lottery conditions</a>
<form action="{_MARK}4"><input type="text" name="ticket" value="{_MARK}5" placeholder="Ticket number">
<button value="{_MARK}6">Check my ticket</button></form></section>"""

_ADS = [
    f"""<div class="ad"><h3>Roof repairs</h3><a href="{_MARK}7">Learn more</a>
<a href="{_MARK}8">Add to cart</a></div>""",
    f"""<div class="ad"><a href="{_MARK}9"><img src="x.gif" alt="Tax advice"></a>
<a href="javascript:open('{_MARK}10')"><i class="arrow"></i></a></div>""",
    f"""<section class="ad"><h2>Piano lessons</h2><p>From 9.99 an hour</p><a href="{_MARK}11">Learn more</a>
<form action="{_MARK}12"><input type="email" name="email" value="{_MARK}13" aria-label="Email">
<button value="{_MARK}14">Subscribe</button></form></section>""",
]
"""Advertisements with words that shops use too, and a link without any, so that namesakes move about."""


def _with_blocks(html: str, blocks: Sequence[str], places: Sequence[float]) -> str:
    """Return the page with each block as a child of body, at a place from 0 (first) to 1 (last)."""
    document = LexborHTMLParser(html)
    child = document.body.first_child if document.body is not None else None
    children: list[LexborNode] = []
    while child is not None:
        children.append(child)
        child = child.next
    for block, place in zip(blocks, places, strict=True):
        node = LexborHTMLParser(block).css_first("body > *")
        assert node is not None, "each block is an element"
        if place < 1:
            children[int(place * len(children))].insert_before(node)
        else:
            children[-1].insert_after(node)
    return document.html or ""


def _compare(tally: Tally, before: SimplifiedPage, after: SimplifiedPage) -> None:
    """Count the names of the page's own elements that are the same on both."""
    old, new = _own_names(before), _own_names(after)
    if len(old) != len(new):  # an element came or went: what is left is compared without order
        new = [name if name in set(new) else "(gone)" for name in old]
    for name, now in zip(old, new, strict=True):
        tally.add(name == now, f"{name} -> {now}")


def _own_names(page: SimplifiedPage) -> list[str]:
    return [e.name for e in page.elements if _MARK not in f"{e.href} {e.value}"]


def read_floors() -> dict[str, object]:
    """Return what gate.json holds: `figures`, `digest`, `pages`, `elements`."""
    floors: dict[str, object] = json.loads(FLOORS.read_text(encoding="utf-8"))
    return floors


def write_floors(measures: Measures) -> None:
    """Make today's figures the floors, rounded to the side that today's pass."""
    rounded = {
        name: (math.ceil if name in RISING_IS_WORSE else math.floor)(value * 10**_DIGITS) / 10**_DIGITS
        for name, value in measures.figures().items()
    }
    floors = {
        "figures": rounded,
        "pages": len(measures.pages),
        "elements": measures.elements,
        "digest": measures.digest,
    }
    FLOORS.write_text(json.dumps(floors, indent=1) + "\n", encoding="utf-8")


def render_table(measures: Measures, floors: dict[str, float]) -> str:
    """Return the figures beside their floors, and under each what fails, in 80 columns."""
    lines = [
        f"{len(measures.pages)} pages, {measures.elements} elements",
        "",
        "figure                today   floor",
    ]
    for name, value in measures.figures().items():
        floor = floors.get(name)
        shown = math.floor(value * 10**_DIGITS) / 10**_DIGITS  # 1.0000 is not said of less than all
        lines.append(f"{name:20} {shown:.4f}  {'' if floor is None else f'{floor:.4f}'}".rstrip())
        lines.extend(failures(measures, name) if not name.endswith("_lowest") else ())
    gone = [f"{page.file}: {what}" for page in measures.pages for what in page.not_shown]
    lines += ["", f"said by the page's data, shown nowhere: {len(gone)}", *(f"  {text}" for text in gone)]
    return "\n".join(line if len(line) <= 80 else line[:79] + "…" for line in lines)


def failures(measures: Measures, figure: str) -> list[str]:
    """Return a figure's worst pages, each with its first miss; nothing where a figure is no share."""
    figure = figure.removesuffix("_lowest")
    lines = []
    kinds = measures.misses(figure)
    if kinds and figure in ("named", "labels_named"):
        lines.append("  missed: " + ", ".join(f"{kind} {times}" for kind, times in kinds.most_common()))
    for page in measures.failing(figure)[:_SHOWN]:
        tally = page.tallies[figure]
        name = page.file.rpartition("/")[2].removeprefix("Formasaurus__")
        lines.append(f"  {tally.good}/{tally.total} {name}: {' '.join(tally.misses[0].split())}")
    return lines


def main(arguments: Sequence[str]) -> None:
    """Measure, print, and write the floors if asked to."""
    measures = measure_pages(_REPOSITORY.parent / "shared" / "data" / "pages")
    figures = read_floors()["figures"] if FLOORS.exists() else {}
    assert isinstance(figures, dict)
    sys.stdout.write(render_table(measures, figures) + "\n")
    if "--write" in arguments:
        write_floors(measures)


if __name__ == "__main__":
    main(sys.argv[1:])
