"""The page of a journey report: verdict, gate, funnel, and what it cost, with replays and what was said."""

from dataclasses import dataclass
from pathlib import Path

from shop_r1.jsonl import write_text
from shop_r1.records.journeys import FRICTION_WORDS, Change, FrictionItem, FrictionKind, JourneyReport
from shop_r1.records.results import Interval, percent
from shop_r1.report.html_page import render_page
from shop_r1.report.simulation.wording import OUTCOMES

ITEMS = 40
"""Of what was met, shown."""
_OPEN = 3
"""Of these, unfolded at first."""
RULES: dict[FrictionKind, str] = {
    "left": "the visit ended here by leaving, without a purchase",
    "step_limit": "the visit came to its limit of steps here",
    "error_end": "the visit ended here since it could not go on",
    "circle": "three arrivals in a row at pages that the visit knew, or one query sent for the third time",
    "dead_click": "a click after which address and page are the same; no dialog, tab or download came of it",
    "blocked_click": "the same, while the shopper's own bounds refused a request",
    "unreachable": "the mouse did not reach the element in two seconds",
    "empty_search": "the page after a search says that it found nothing",
    "http_error": "a page with status 400 or more",
    "page_error": "an uncaught error of a script, a page that crashed or did not answer",
    "failed_action": "any other action that could not be carried out",
}
"""What was met, as it is counted."""
ENDS: tuple[FrictionKind, ...] = ("left", "step_limit", "error_end")
"""Of these, the ends of visits."""


@dataclass(frozen=True)
class ShownItem:
    """One thing that visits met, as it is drawn."""

    item: FrictionItem
    words: str
    width: float
    """Of its bar, in per cent of the widest."""
    is_open: bool


def build_journey_page(path: Path, found: JourneyReport, has_replays: bool = True) -> Path:
    """Write the page and return its path; it appears whole or not at all, and needs no network to be read.

    Without `has_replays` it names the moments and links to none.

    Raises:
        DataError: the file cannot be written.
    """
    write_text(path, render_journey(found, has_replays))
    return path


def render_journey(found: JourneyReport, has_replays: bool = True) -> str:
    """Return the page."""
    lost = [item for item in found.friction if item.lost]
    widest = max((item.lost for item in lost), default=1)
    shown = [
        ShownItem(item, FRICTION_WORDS[item.kind], round(100 * item.lost / widest, 2), at < _OPEN)
        for at, item in enumerate(lost[:ITEMS])
    ]
    return render_page(
        "journey.html.jinja",
        f"Shop-R1: journeys through {found.shop}",
        styles=("pictures.css", "journey.css"),
        found=found,
        items=shown,
        more=len(lost) - len(shown) + found.more_friction,
        harmless=sum(not item.lost for item in found.friction),
        outcomes=OUTCOMES,
        ends=ENDS,
        rules=[(FRICTION_WORDS[kind], rule) for kind, rule in RULES.items()],
        has_replays=has_replays,
        bounds=bounds_words,
        change=change_words,
    )


def bounds_words(share: Interval) -> str:
    """Return a share's interval in brackets.

    >>> bounds_words(Interval(low=0.25, value=0.3, high=0.356))
    '[25.0, 35.6]'
    """
    return f"[{percent(share.low)}, {percent(share.high)}]"


def change_words(change: Change) -> str:
    """Return a change in points with its interval."""
    low, value, high = (f"{100 * each:+.1f}".replace("-0.0", "+0.0") for each in change.difference)
    return f"{value} [{low}, {high}]"
