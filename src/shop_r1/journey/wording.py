"""What a journey report says in sentences."""

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from shop_r1.journey.visits import RecordedVisit
from shop_r1.records.journeys import FRICTION_WORDS, FrictionItem, StageFigure
from shop_r1.records.results import Interval, percent
from shop_r1.statistics.proportions import wilson

CAUTION = (
    "“Lost” counts visits that met something and did not reach the goal. That is association, not cause: "
    "shoppers who were about to leave anyway meet things, too. These are simulated shoppers, and no evidence "
    "of what people will do."
)
"""What always stands with the verdict."""
FEW = 30
"""Visits below which a note says that there are few. Ours."""
_PLACE_MAX = 60


def share_words(share: Interval) -> str:
    """Return a share with its interval.

    >>> share_words(Interval(low=0.25, value=0.3, high=0.356))
    '30.0 % [25.0, 35.6]'
    """
    return f"{percent(share.value)} % [{percent(share.low)}, {percent(share.high)}]"


def item_words(item: FrictionItem) -> str:
    """Return what an item is, without its place."""
    return FRICTION_WORDS[item.kind] + (f": {item.thing}" if item.thing else "")


def verdict_sentences(goal: str, reached: int, visits: int, friction: Sequence[FrictionItem]) -> str:
    """Return how many reached the goal, and what cost most."""
    share = share_words(wilson(reached, visits))
    first = f"{reached:,} of {_visits(visits)} reached the goal ({goal}): {share}."
    if not friction or not friction[0].lost:
        return first
    worst, others = friction[0], visits - reached
    return f"{first} Of the {others:,} that did not, {worst.lost:,} {item_words(worst)} on {_place(worst)}."


def warning_sentences(
    visits: Sequence[RecordedVisit],
    left_out: Mapping[str, int],
    stages: Sequence[StageFigure],
    friction: Sequence[FrictionItem],
) -> Iterator[str]:
    """Yield what a reader should know before trusting the figures, without full stops."""
    if left_out:
        told = ", ".join(f"{name} {count}" for name, count in left_out.items())
        yield f"{_visits(sum(left_out.values()))} without a step or an end are in no figure: {told}"
    if len(visits) < FEW:
        yield f"{_visits(len(visits))} are few: look at the intervals"
    shoppers = len({each.user_id or each.session_id for each in visits})
    if shoppers < len(visits):
        yield (
            f"{_visits(len(visits))} are of {shoppers:,} shoppers; intervals take visits as independent, "
            "and are too narrow"
        )
    ended = sum(each.outcome == "error" for each in visits)
    if ended:
        yield f"{_visits(ended)} ended in an error and count as they are"
    for before, stage in pairwise(stages):
        if before.reached and not stage.reached:
            yield f"no visit reached “{stage.words}”; check the stage's rule if some should have"
            break
    refused = sum(each.met for each in friction if each.kind == "blocked_click")
    if refused:
        yield (
            f"in {_visits(refused)} a click had no effect while a request was refused by the shopper's own "
            "bounds: that may not be the shop's doing"
        )


def _place(item: FrictionItem) -> str:
    return item.place if len(item.place) <= _PLACE_MAX else item.place[: _PLACE_MAX - 1] + "…"


def _visits(count: int) -> str:
    return f"{count:,} visit{'' if count == 1 else 's'}"
