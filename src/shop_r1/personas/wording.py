"""A group of sessions in words, from its numbers alone."""

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from statistics import fmean, median

import numpy as np

from shop_r1.personas.features import FEATURES, PRICE, Seen
from shop_r1.statistics.resampling import Floats

_OFTEN, _SELDOM = 1.5, 1 / 1.5
"""Times the mean of all sessions from which somebody does a thing often, or seldom. Ours."""
_KNOWN = 0.05
"""Below it on average, a thing is not done."""
_SOMETIMES = 0.5
"""Below it on average, a thing is done seldom."""
_BUDGET_SHARE = 0.9
"""The share of what was bought that is within the budget. Ours."""
_LEFT = {
    "home": "the home page",
    "search": "a list of products",
    "product": "a product's page",
    "cart": "the cart",
    "checkout": "the checkout",
}


@dataclass(frozen=True)
class Summary:
    """The numbers of a group."""

    sessions: int
    shoppers: int
    steps: float
    searches: float
    words: float
    filters: float
    products: float
    reviews: float
    buys: float
    """A share."""
    paid: float | None
    """The median price of what was bought."""


def summarize(log: Sequence[Seen]) -> Summary:
    """Return the means over the sessions; words are of sessions with a query."""
    paid = [seen.paid for seen in log if seen.paid]
    words = [seen.words for seen in log if seen.visit.queries]
    return Summary(
        sessions=len(log),
        shoppers=len({seen.visit.cluster for seen in log}),
        steps=fmean(len(seen.visit.acts) for seen in log),
        searches=fmean(len(seen.visit.queries) for seen in log),
        words=fmean(words) if words else 0.0,
        filters=fmean(seen.count("filter") for seen in log),
        products=fmean(seen.products for seen in log),
        reviews=fmean(seen.count("review") for seen in log),
        buys=fmean(seen.bought for seen in log),
        paid=median(paid) if paid else None,
    )


def describe(group: Sequence[Seen], everybody: Sequence[Seen]) -> str:
    """Return who the shoppers of a group are, in one sentence from their numbers."""
    own, all_ = summarize(group), summarize(everybody)
    parts = list(_habits(own, all_))
    parts.append(_ending(own, group))
    return f"A shopper who {', '.join(parts[:-1])} and {parts[-1]}."


def _habits(own: Summary, all_: Summary) -> Iterator[str]:
    if own.searches < _KNOWN:
        yield "does not search"
    else:
        words = f" with about {own.words:.0f} word{'' if round(own.words) == 1 else 's'} each time"
        yield f"searches{_level(own.searches, all_.searches)} ({_times(own.searches)} a visit{words})"
    if _KNOWN <= own.filters < _SOMETIMES:
        yield "seldom uses filters"
    elif own.filters >= _SOMETIMES:
        yield f"uses filters{_level(own.filters, all_.filters)} ({_times(own.filters)})"
    elif all_.filters >= _KNOWN:
        yield "uses no filters"
    if own.products < _KNOWN:
        yield "opens no product"
    elif own.products < _SOMETIMES:
        yield "seldom opens a product"
    else:
        number = "a product" if 0.95 <= own.products < 1.05 else f"{own.products:.1f} products"
        yield f"opens {number}"
    if own.reviews >= _KNOWN:
        yield f"reads reviews{_level(own.reviews, all_.reviews)}"
    elif all_.reviews >= _KNOWN:
        yield "reads no reviews"
    yield f"takes about {max(1, round(own.steps))} step{'' if round(own.steps) == 1 else 's'}"


def _level(own: float, everybody: float) -> str:
    if own >= _OFTEN * everybody:
        return " often"
    return " seldom" if own <= _SELDOM * everybody else ""


def _times(mean: float) -> str:
    return "once" if 0.95 <= mean < 1.05 else f"{mean:.1f} times"


def _ending(own: Summary, group: Sequence[Seen]) -> str:
    share = f"{100 * own.buys:.0f} % of visits"
    ends = Counter(seen.visit.acts[-1].page for seen in group if not seen.bought)
    place = _LEFT.get(ends.most_common(1)[0][0], "another page") if ends else ""
    if own.buys >= 0.95:
        return "buys"
    if own.buys >= 0.5:
        return f"mostly buys ({share}), else leaves from {place}"
    if own.buys >= _KNOWN:
        return f"buys in {share}, else leaves, mostly from {place}"
    return f"leaves without buying, mostly from {place}"


def budget(group: Sequence[Seen], least: int) -> float | None:
    """Return what 90 % of purchases are within, rounded up to two digits; None where few shoppers bought."""
    known = [seen for seen in group if seen.paid]
    if len({seen.visit.cluster for seen in known}) < least:
        return None
    value = float(np.quantile([seen.paid or 0.0 for seen in known], _BUDGET_SHARE))
    size = 10.0 ** (math.floor(math.log10(value)) - 1)
    return round(math.ceil(value / size - 1e-9) * size, 6)


def patience(group: Sequence[Seen], least: int) -> int | None:
    """Return the median steps of the visits that bought nothing; None where few shoppers left so."""
    left = [seen for seen in group if seen.visit.outcome == "terminate"]
    if len({seen.visit.cluster for seen in left}) < least:
        return None
    return max(1, round(median(len(seen.visit.acts) for seen in left)))


def name_groups(centers: Floats, names: Sequence[str], shares: Sequence[float]) -> list[str]:
    """Return a name for each group, (K): whether it buys, and what sets it apart most from all sessions.

    `centers` is (K, F) in standard deviations from the mean of all, `names` are of the features, and
    `shares` (K) say how many of its sessions buy.
    """
    words = {each.name: (each.few, each.many) for each in FEATURES} | {PRICE: ("cheap", "dear")}
    found: list[str] = []
    for center, share in zip(centers, shares, strict=True):
        parts = ["buys" if share >= 0.5 else "leaves"]
        order = sorted(range(len(names)), key=lambda place: -abs(center[place]))
        parts += [
            words[names[place]][int(center[place] > 0)]
            for place in order
            if names[place] not in ("bought", "stage")
        ][:1]
        name, number = "-".join(parts), 2
        while name in found:
            name, number = f"{'-'.join(parts)}-{number}", number + 1
        found.append(name)
    return found
