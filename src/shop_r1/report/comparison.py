"""The page of a comparison: verdict, differences with their intervals, exits, segments; one file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shop_r1.jsonl import write_text
from shop_r1.records.comparison_words import change_words, interval_words, p_words, value_words
from shop_r1.records.comparisons import Difference, VersionComparison
from shop_r1.report.html_page import render_page

_ROOM = 1.08
"""How much wider than the widest interval a picture is. Ours."""


@dataclass(frozen=True)
class Line:
    """One difference as it is drawn: places in per cent of the picture's width."""

    difference: Difference
    values: tuple[str, str]
    """Of both versions, the first one's first."""
    change: str
    interval: str
    p: str
    smallest: str
    low: float
    middle: float
    high: float
    is_found: bool


@dataclass(frozen=True)
class Drawing:
    """The differences of one version of one kind."""

    version: str
    title: str
    lines: tuple[Line, ...]
    end: str
    """What the picture's right end stands for; empty where each line has a scale of its own."""


def build_comparison_page(path: Path, found: VersionComparison, title: str | None = None) -> Path:
    """Write the page and return its path; it appears whole or not at all, and needs no network to be read.

    Raises:
        DataError: the file cannot be written.
    """
    write_text(path, render_comparison(found, title))
    return path


def render_comparison(found: VersionComparison, title: str | None = None) -> str:
    """Return the page."""
    drawings = [
        drawing
        for version in found.versions[1:]
        for drawing in (_draw_shares(found, version), _draw_numbers(found, version))
        if drawing.lines
    ]
    kinds = list(dict.fromkeys(kind for each in found.exits for kind in each.counts))
    return render_page(
        "comparison.html.jinja",
        title or "Shop-R1: comparison",
        styles=("pictures.css", "comparison.css"),
        found=found,
        drawings=drawings,
        kinds=kinds,
        segments=[
            (each, [_line(line, _reach([line])) for line in each.differences]) for each in found.segments
        ],
        p_words=p_words,
    )


def _draw_shares(found: VersionComparison, version: str) -> Drawing:
    shares = [each for each in found.differences if each.version == version and each.kind == "share"]
    reach = _reach(shares)
    lines = tuple(_line(each, reach) for each in shares)
    return Drawing(version, "Shares of shoppers, in points", lines, f"{100 * reach:.1f}")


def _draw_numbers(found: VersionComparison, version: str) -> Drawing:
    numbers = [each for each in found.differences if each.version == version and each.kind == "mean"]
    lines = tuple(_line(each, _reach([each])) for each in numbers)
    return Drawing(version, "Numbers, each on a scale of its own", lines, "")


def _reach(differences: Sequence[Difference]) -> float:
    """Return how far the widest interval reaches from 0, with some room."""
    known = [each.difference for each in differences if each.difference is not None]
    furthest = max((max(-each.low, each.high) for each in known), default=0.0)
    return _ROOM * furthest or 1.0


def _line(each: Difference, reach: float) -> Line:
    interval = each.difference
    low, value, high = interval if interval is not None else (0.0, 0.0, 0.0)
    is_known = each.of_baseline is not None and each.of_version is not None
    change = (each.of_version or 0.0) - (each.of_baseline or 0.0)
    smallest = "–" if each.smallest_found is None else change_words(each, each.smallest_found).lstrip("+")
    return Line(
        difference=each,
        values=(value_words(each, each.of_baseline), value_words(each, each.of_version)),
        change=change_words(each, change) if is_known else "–",
        interval=interval_words(each, interval),
        p=p_words(each.p_adjusted),
        smallest=smallest,
        low=_place(low, reach),
        middle=_place(value, reach),
        high=_place(high, reach),
        is_found=each.finding in ("more", "less"),
    )


def _place(value: float, reach: float) -> float:
    return round(50 + 50 * value / reach, 3)
