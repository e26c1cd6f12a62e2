"""What two crowds are compared by: distributions over what shoppers do, and the distance between two of them.

Shapes: S visits, E events, K categories, W weights of visits. Every resample, split and calibration is the
same computation with other weights, so a distance is a function of two vectors of weights.
"""

from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from math import log10
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from shop_r1.evaluation.bootstrap import Floats
from shop_r1.evaluation.related_metrics import kl_divergence, total_variation
from shop_r1.fidelity.visits import END, START, Visit

Ints = npt.NDArray[np.int64]
Kind = Literal["total variation", "KL", "Wasserstein", "transitions", "unseen"]
"""`transitions`: mean total variation of what comes next; `unseen`: share of the simulated events whose
category no real event has."""
_NO_WAIT_S = 0.1
"""Shorter waits between steps count as this long: nobody's clock is that exact. Ours."""
_PLACES = 10
"""Places in a list from here on are one category. Ours."""


@dataclass(frozen=True)
class Measure:
    """One figure: which events of a visit it counts, and how two distributions over them are compared."""

    name: str
    title: str
    """For tables, the unit in it; 34 characters at most."""
    kind: Kind
    events: Callable[[Visit], Iterable[Any]]
    """Categories, for Wasserstein numbers, for transitions pairs."""
    per: str = "steps"
    """What an event is."""


@dataclass(frozen=True)
class Side:
    """The events of one crowd."""

    visits: Ints
    """(E) the visit of each event."""
    categories: Ints
    """(E) its category."""
    size: int
    """K."""
    events: int
    """How many there are."""
    times: Floats
    """(E) how often the visit has it: an event stands once for each visit and category."""

    def counts(self, weights: Floats) -> Floats:
        """Return (K) how much of each category there is with these (S) weights of visits."""
        counted = np.bincount(self.categories, weights[self.visits] * self.times, self.size)
        return counted.astype(np.float64)  # without events bincount returns whole numbers


@dataclass(frozen=True)
class Aligned:
    """One measure of both crowds, over the categories of both."""

    measure: Measure
    labels: tuple[Any, ...]
    """The K categories, in order."""
    real: Side
    simulated: Side

    @property
    def is_known(self) -> bool:
        """Whether both crowds have such events."""
        return self.real.events > 0 and self.simulated.events > 0

    def distance(self, real: Floats, found: Floats) -> float:
        """Return the distance between two distributions as (K) counts; NaN where one is empty."""
        if real.sum() <= 0 or found.sum() <= 0:
            return float("nan")
        match self.measure.kind:
            case "total variation":
                return total_variation(real, found)
            case "KL":
                return kl_divergence(real, found)
            case "Wasserstein":
                return wasserstein(np.asarray(self.labels, float), real, found)
            case "unseen":
                return float(found[real <= 0].sum() / found.sum())
            case "transitions":
                return mean_transition_distance(self._rows, real, found)

    @cached_property
    def _rows(self) -> Ints:
        """Return (K) the number of each transition's first part."""
        firsts = {first: place for place, first in enumerate(dict.fromkeys(a for a, _ in self.labels))}
        return np.array([firsts[first] for first, _ in self.labels], np.int64)


def wasserstein(values: Floats, real: Floats, found: Floats) -> float:
    """Return the area between two cumulative distributions over (K) values in order, in the values' unit."""
    gaps = np.abs(np.cumsum(real / real.sum()) - np.cumsum(found / found.sum()))
    return float((gaps[:-1] * np.diff(values)).sum())


def mean_transition_distance(rows: Ints, real: Floats, found: Floats) -> float:
    """Return the total variation of what comes next, averaged over what real shoppers did before.

    Args:
        rows: (K) the number of what was done before.
        real: (K) how often real shoppers did the second thing after the first.
        found: (K) the same of simulated ones.

    What the other crowd never does before counts 1.
    """
    total, other = np.bincount(rows, real), np.bincount(rows, found)
    p, q = (
        np.divide(counts, sums[rows], out=np.zeros_like(counts), where=sums[rows] > 0)
        for counts, sums in ((real, total), (found, other))
    )
    apart = np.where(other > 0, np.bincount(rows, np.abs(p - q)) / 2, 1.0)
    return float((apart * total).sum() / total.sum())


def align(measure: Measure, real: Sequence[Visit], simulated: Sequence[Visit]) -> Aligned:
    """Return the measure of both crowds."""
    sides = [[Counter(measure.events(visit)) for visit in visits] for visits in (real, simulated)]
    labels = tuple(sorted({label for side in sides for counts in side for label in counts}))
    places = {label: place for place, label in enumerate(labels)}
    return Aligned(measure, labels, *(_make_side(side, places) for side in sides))


def _make_side(visits: Sequence[Counter[Hashable]], places: dict[Any, int]) -> Side:
    rows = [
        (number, places[label], times)
        for number, counts in enumerate(visits)
        for label, times in counts.items()
    ]
    table = np.array(rows, np.int64).reshape(-1, 3)
    return Side(table[:, 0], table[:, 1], len(places), int(table[:, 2].sum()), table[:, 2].astype(float))


def words_of(query: str) -> list[str]:
    """Return a query's words in lower case."""
    return query.lower().split()


def query_relations(queries: Sequence[str]) -> Iterator[str]:
    """Yield how each query but the first stands to those before it.

    >>> list(query_relations(["red mug", "mug", "red mug", "lamp"]))
    ['refined', 'repeated', 'new']
    """
    seen = list[str]()
    for number, query in enumerate(" ".join(words_of(each)) for each in queries):
        if number:
            shared = set(query.split()) & set(seen[-1].split())
            yield "repeated" if query in seen else "refined" if shared else "new"
        seen.append(query)


def _transitions(visit: Visit) -> Iterator[tuple[str, str]]:
    return pairwise((START, *visit.labels, END))


def _waits(visit: Visit) -> list[float]:
    return [round(log10(max(_NO_WAIT_S, each)), 2) for each in visit.waits_s]


def _place(place: int) -> str:
    return f"{place:2d}" if place < _PLACES else f"{_PLACES} and on"


MEASURES: tuple[Measure, ...] = (
    Measure(
        "types", "types of action, TV", "total variation", lambda visit: (act.type for act in visit.acts)
    ),
    Measure("types_kl", "types of action, KL", "KL", lambda visit: (act.type for act in visit.acts)),
    Measure("actions", "actions, TV", "total variation", lambda visit: visit.labels),
    Measure("actions_kl", "actions, KL", "KL", lambda visit: visit.labels),
    Measure(
        "first_action",
        "first action, TV",
        "total variation",
        lambda visit: visit.labels[:1],
        "sessions",
    ),
    Measure("transitions", "what comes next, TV", "transitions", _transitions),
    Measure("outcomes", "outcomes, TV", "total variation", lambda visit: (visit.outcome,), "sessions"),
    Measure("outcomes_kl", "outcomes, KL", "KL", lambda visit: (visit.outcome,), "sessions"),
    Measure(
        "funnel",
        "furthest stage, TV",
        "total variation",
        lambda visit: (visit.stage or "none",),
        "sessions",
    ),
    Measure("length", "steps a session, W1", "Wasserstein", lambda visit: (len(visit.acts),), "sessions"),
    Measure(
        "searches", "queries a session, W1", "Wasserstein", lambda visit: (len(visit.queries),), "sessions"
    ),
    Measure(
        "query_words",
        "words a query, W1",
        "Wasserstein",
        lambda visit: (len(words_of(query)) for query in visit.queries),
        "queries",
    ),
    Measure(
        "vocabulary",
        "words of queries, TV",
        "total variation",
        lambda visit: (word for query in visit.queries for word in words_of(query)),
        "words",
    ),
    Measure(
        "unseen_words",
        "words no real query has",
        "unseen",
        lambda visit: (word for query in visit.queries for word in words_of(query)),
        "words",
    ),
    Measure(
        "repetition",
        "new, refined, repeated, TV",
        "total variation",
        lambda visit: query_relations(visit.queries),
        "later queries",
    ),
    Measure(
        "places",
        "place of opened products, TV",
        "total variation",
        lambda visit: (_place(act.place) for act in visit.acts if act.place is not None),
        "products opened",
    ),
    Measure(
        "heights",
        "height of clicks on the page, W1",
        "Wasserstein",
        lambda visit: (round(act.height, 2) for act in visit.acts if act.height is not None),
        "clicks",
    ),
    Measure("waits", "time between steps, W1, log10 s", "Wasserstein", _waits, "waits"),
)
"""All distances but those between whole sessions (`fidelity.likeness`)."""
