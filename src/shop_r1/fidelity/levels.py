"""Figures that a crowd has on its own, such as the share of sessions that buy, of both crowds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from shop_r1.evaluation.bootstrap import Floats
from shop_r1.fidelity.measures import query_relations, words_of
from shop_r1.fidelity.visits import Visit
from shop_r1.records.page_kinds import STAGES, Stage

_Count = Callable[[Visit], float]


@dataclass(frozen=True)
class Level:
    """A ratio of two sums over visits."""

    name: str
    title: str
    """For tables; 34 characters at most."""
    top: _Count
    bottom: _Count
    is_share: bool
    """In [0, 1], and shown in per cent."""

    def sums(self, visits: Sequence[Visit]) -> Floats:
        """Return (2, S) what is divided, and by what."""
        return np.array([[self.top(each) for each in visits], [self.bottom(each) for each in visits]], float)


def ratio(sums: Floats, weights: Floats) -> float:
    """Return the level of (2, S) sums with (S) weights; NaN where nothing is divided by."""
    top, bottom = sums @ weights
    return float(top / bottom) if bottom > 0 else float("nan")


def _one(visit: Visit) -> float:
    return 1.0


def _characters(visit: Visit, holds: Callable[[str], bool]) -> float:
    return sum(holds(each) for query in visit.queries for each in query)


def _later(visit: Visit) -> float:
    return max(0, len(visit.queries) - 1)


def _places(visit: Visit) -> list[int]:
    return [act.place for act in visit.acts if act.place is not None]


def _reach(stage: Stage) -> Level:
    at = STAGES.index(stage)
    name = {"search": "a list", "product": "a product", "cart": "the cart"}[stage]
    return Level(
        f"reach_{stage}",
        f"sessions that reach {name}, %",
        lambda visit: visit.stage is not None and STAGES.index(visit.stage) >= at,
        _one,
        is_share=True,
    )


LEVELS: tuple[Level, ...] = (
    Level("steps", "steps a session", lambda visit: len(visit.acts), _one, False),
    _reach("search"),
    _reach("product"),
    _reach("cart"),
    Level("purchases", "sessions that buy, %", lambda visit: visit.outcome == "purchase", _one, True),
    Level("searches", "queries a session", lambda visit: len(visit.queries), _one, False),
    Level(
        "query_words",
        "words a query",
        lambda visit: sum(len(words_of(query)) for query in visit.queries),
        lambda visit: len(visit.queries),
        False,
    ),
    Level(
        "query_capitals",
        "capitals among queries' letters, %",
        lambda visit: _characters(visit, str.isupper),
        lambda visit: _characters(visit, str.isalpha),
        True,
    ),
    Level(
        "query_digits",
        "queries with a number, %",
        lambda visit: sum(any(map(str.isdigit, query)) for query in visit.queries),
        lambda visit: len(visit.queries),
        True,
    ),
    Level(
        "repeated",
        "later queries that repeat one, %",
        lambda visit: list(query_relations(visit.queries)).count("repeated"),
        _later,
        True,
    ),
    Level(
        "refined",
        "later queries that refine one, %",
        lambda visit: list(query_relations(visit.queries)).count("refined"),
        _later,
        True,
    ),
    Level(
        "first_place",
        "opened products in first place, %",
        lambda visit: _places(visit).count(1),
        lambda visit: len(_places(visit)),
        True,
    ),
    Level(
        "waits_s",
        "seconds between steps",
        lambda visit: sum(visit.waits_s),
        lambda visit: len(visit.waits_s),
        False,
    ),
)
"""In the order of tables. `likeness` adds what pairs of sessions say."""
