"""What is counted of one visit, from its record alone."""

import re
from collections.abc import Sequence
from itertools import pairwise, zip_longest
from statistics import fmean

from shop_r1.patterns import matches
from shop_r1.records.click_types import derive_click_type
from shop_r1.records.comparisons import VisitMeasures
from shop_r1.records.page_kinds import adds_to_cart, page_kind
from shop_r1.records.prices import paid_price
from shop_r1.records.sessions import Page, Step

GOALS = ("product", "cart", "checkout", "purchase")
"""Goals by name. Any other is an address as `patterns.matches` takes it, such as `/delivery*`, of a page that
the shopper acted on: an order ends the visit, and its page is in no record."""
_TYPED = ("type_and_submit", "input")
_SEARCH_FIELD = re.compile(r"search|query|keyword", re.IGNORECASE)
_SORTS = re.compile(r"(?:^|\.)(?:sort|sort_by|order_by)(?:\.|$)")


def measure_visit(
    user_id: str, version: str, steps: Sequence[Step], outcome: str, goal: str = "purchase"
) -> VisitMeasures:
    """Return what is counted of a visit; `goal` is one of `GOALS` or an address with `*`."""
    bought = outcome == "purchase"
    done = [step for step in steps if step.error is None]
    searches = sum(is_search(step, following) for step, following in _with_next(done))
    reached = _pages_to(goal, steps, bought)
    kinds = [page_kind(step.page) for step in steps]
    return VisitMeasures(
        user_id=user_id,
        version=version,
        outcome=outcome,
        goal=reached is not None,
        add_to_cart=bought or any(adds_to_cart(step.action) for step in done),
        checkout=bought or "checkout" in kinds,
        purchase=bought,
        steps=len(steps),
        searches=searches,
        refinements=max(0, searches - 1),
        filters=sum(is_filter(step) for step in done),
        pages_to_goal=reached,
        left_at="purchase" if bought else kinds[-1] if kinds else "nowhere",
        seconds_per_step=_seconds_per_step(steps),
        revenue=paid_price(steps[-1].page) if bought and steps else 0.0,
    )


def is_search(step: Step, following: Page | None) -> bool:
    """Return whether the step typed a search: by its field's name, or by the list that came of it."""
    if step.action.type not in _TYPED:
        return False
    if _SEARCH_FIELD.search(step.action.value("name")):
        return True
    is_submitted = step.action.type == "type_and_submit"
    return is_submitted and following is not None and page_kind(following) == "search"


def is_filter(step: Step) -> bool:
    """Return whether the step set, cleared or chose a filter or a sort."""
    name = step.action.value("name")
    if step.action.type not in ("click", "select"):
        return False
    return derive_click_type(name) == "filter" or _SORTS.search(name) is not None


def _with_next(steps: Sequence[Step]) -> list[tuple[Step, Page | None]]:
    following = [step.page for step in steps[1:]]
    return list(zip_longest(steps, following))


def _pages_to(goal: str, steps: Sequence[Step], bought: bool) -> int | None:
    """Return how many pages were seen until the goal was reached; None where it was not."""
    if goal == "purchase":
        return len(steps) if bought else None
    for number, step in enumerate(steps, 1):
        kind = page_kind(step.page)
        is_reached = kind == goal or (goal not in GOALS and matches(goal, step.page.url))
        if is_reached or (goal == "cart" and step.error is None and adds_to_cart(step.action)):
            return number
    return len(steps) if bought and goal in GOALS else None


def _seconds_per_step(steps: Sequence[Step]) -> float | None:
    """Return the mean time from one action to the next, without deciding; None where it is not recorded."""
    found = []
    for before, step in pairwise(steps):
        if before.time is None or step.time is None:
            return None
        decide = step.timing.decide if step.timing is not None else None
        found.append(max(0.0, step.time - before.time - (decide or 0.0)))
    return fmean(found) if found else None
