"""Where a visit goes round in circles: back and forth between what it has seen, or one query again and again.

**Between pages.** A page is arrived at where a step's page is unlike the one before it, or where a text was
sent. It is known if the visit has seen the same address (without its fragment) with the same elements before.
`TIMES` arrivals in a row at known pages make a circle: that often nothing new was seen. Whoever looks at one
product of a list after another is in none, for each of them is new.

**One query.** The same query, letter case and spaces apart, sent for the third time in a visit.

What follows a circle may be another one: counting begins anew.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from shop_r1.comparison.measures import is_search
from shop_r1.records.page_kinds import element_names
from shop_r1.records.sessions import Page, Step

TIMES = 3
"""Arrivals at known pages in a row, and times that one query is sent. Ours."""


class Circle(NamedTuple):
    """A circle that a visit went round."""

    step: int
    """At which it was closed: the page that was arrived at, or the query that was sent; from 0."""
    way: Literal["pages", "query"]
    query: str = ""


def find_circles(steps: Sequence[Step]) -> list[Circle]:
    """Return the circles of a visit, in order."""
    return sorted([*_between_pages(steps), *_same_queries(steps)])


def _between_pages(steps: Sequence[Step]) -> list[Circle]:
    circles, known, in_a_row = [], set[object](), 0
    for index, step in enumerate(steps):
        page = _identity(step.page)
        if index and _is_arrival(steps[index - 1], step):
            in_a_row = in_a_row + 1 if page in known else 0
            if in_a_row == TIMES:
                circles.append(Circle(index, "pages"))
                in_a_row = 0
        known.add(page)
    return circles


def _is_arrival(before: Step, step: Step) -> bool:
    if before.error is not None:
        return False
    is_sent = before.action.type == "type_and_submit"
    return is_sent or (before.page.url, before.page.html) != (step.page.url, step.page.html)


def _identity(page: Page) -> object:
    return page.url.partition("#")[0], tuple(element_names(page))


def _same_queries(steps: Sequence[Step]) -> list[Circle]:
    circles, sent = [], Counter[str]()
    for index, step in enumerate(steps):
        following = steps[index + 1].page if index + 1 < len(steps) else None
        if step.error is None and is_search(step, following):
            query = " ".join(step.action.value("text").split()).casefold()
            sent[query] += 1
            if sent[query] % TIMES == 0:
                circles.append(Circle(index, "query", query))
    return circles
