"""A session as numbers that say how somebody shops; nothing that anyone typed or bought is among them."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import numpy as np

from shop_r1.datasets.session_files import read_sessions
from shop_r1.fidelity.visits import Visit, has_recorded_labels, read_visit
from shop_r1.jsonl import Moved
from shop_r1.records.page_kinds import STAGES
from shop_r1.records.prices import paid_price
from shop_r1.records.sessions import Session
from shop_r1.statistics.resampling import Floats

BUYERS_MIN = 2
"""Visits with a known price that it takes before prices are compared."""


@dataclass(frozen=True, slots=True)
class Seen:
    """One session of the log."""

    number: int
    """In the file, from 1."""
    visit: Visit
    paid: float | None
    """What was bought cost; None without a purchase, or where the page says no price."""

    @property
    def bought(self) -> bool:
        """Whether something was bought."""
        return self.visit.outcome == "purchase"

    @property
    def words(self) -> float:
        """Words of a query on average; 0 without one."""
        return fmean(len(query.split()) for query in self.visit.queries) if self.visit.queries else 0.0

    @property
    def products(self) -> int:
        """How often a product's page was opened from another page."""
        pages = [None, *(act.page for act in self.visit.acts)]
        return sum(after == "product" != before for before, after in pairwise(pages))

    def count(self, label: str) -> int:
        """Return how many of its acts have this label."""
        return self.visit.labels.count(label)


def read_log(path: Path, moved: Moved | None = None) -> list[Seen]:
    """Return the sessions of a file; their pages are read and not kept.

    Clicks are told apart by recorded subtypes where every click has one, else by the names of elements.

    Raises:
        DataError: as for `read_sessions`.
    """
    found = [_see(number, session) for number, session in enumerate(read_sessions(path, moved), 1)]
    if not has_recorded_labels([each.visit for each in found]):
        return found
    return [replace(each, visit=_with_recorded(each.visit)) for each in found]


def _see(number: int, session: Session) -> Seen:
    visit = read_visit(session)
    is_bought = visit.outcome == "purchase"
    return Seen(number, visit, paid_price(session.steps[-1].page) if is_bought else None)


def _with_recorded(visit: Visit) -> Visit:
    return replace(visit, labels=tuple(act.recorded or act.derived for act in visit.acts))


@dataclass(frozen=True)
class Feature:
    """One number of a session."""

    name: str
    value: Callable[[Seen], float]
    few: str
    """What those are called who have little of it, as part of a name."""
    many: str


def _log_count(label: str) -> Callable[[Seen], float]:
    return lambda seen: float(np.log1p(seen.count(label)))


FEATURES = (
    Feature("bought", lambda seen: float(seen.bought), "leaves", "buys"),
    Feature("steps", lambda seen: float(np.log1p(len(seen.visit.acts))), "quick", "long"),
    Feature(
        "searches", lambda seen: float(np.log1p(len(seen.visit.queries))), "few-searches", "many-searches"
    ),
    Feature("words", lambda seen: seen.words, "short-queries", "long-queries"),
    Feature("filters", _log_count("filter"), "no-filters", "filters"),
    Feature("products", lambda seen: float(np.log1p(seen.products)), "few-products", "many-products"),
    Feature("reviews", _log_count("review"), "no-reviews", "reviews"),
    Feature("options", _log_count("product_option"), "no-options", "options"),
    Feature(
        "stage",
        lambda seen: STAGES.index(seen.visit.stage) / (len(STAGES) - 1) if seen.visit.stage else 0.0,
        "stays-outside",
        "goes-far",
    ),
)
"""Counts are log(1 + n), so that the difference of 1 and 2 weighs as much as that of 5 and 8. Ours."""
PRICE = "price"


@dataclass(frozen=True)
class Table:
    """The sessions as numbers of a like size."""

    names: tuple[str, ...]
    """(F) of the features that vary."""
    values: Floats
    """(S, F) each with mean 0 and standard deviation 1."""
    constant: tuple[str, ...]
    """Features that are the same in all sessions, and left out."""


def tabulate(log: Sequence[Seen]) -> Table:
    """Return the features of the sessions, standardised; the price is among buyers, 0 for all others."""
    columns = {each.name: np.array([each.value(seen) for seen in log]) for each in FEATURES}
    columns[PRICE] = _prices(log)
    kept, constant = {}, []
    for name, column in columns.items():
        spread = float(column.std())
        if spread < 1e-9:
            constant.append(name)
        else:
            kept[name] = (column - column.mean()) / spread
    values = np.column_stack(list(kept.values())) if kept else np.zeros((len(log), 0))
    return Table(tuple(kept), values, tuple(constant))


def _prices(log: Sequence[Seen]) -> Floats:
    """Return (S) the log of what was paid less its mean among buyers; 0 where that is not known."""
    known = [float(np.log(seen.paid)) for seen in log if seen.paid]
    if len(known) < BUYERS_MIN:
        return np.zeros(len(log))
    middle = fmean(known)
    return np.array([float(np.log(seen.paid)) - middle if seen.paid else 0.0 for seen in log])
