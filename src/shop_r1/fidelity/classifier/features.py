"""A session as numbers by which a classifier can tell crowds apart, each with a name for readers.

Shapes: N visits, F features.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import nan
from statistics import fmean, median
from typing import TypeVar

import numpy as np

from shop_r1.evaluation.bootstrap import Floats
from shop_r1.fidelity.measures import query_relations, words_of
from shop_r1.fidelity.visits import Visit
from shop_r1.records.page_kinds import STAGES

_TRANSITIONS = 20
"""The commonest pairs of actions, and words of queries, are features. Ours."""
_WORDS = 20
_LEAST_VISITS = 10
"""A pair or word that fewer visits have is none. Ours."""

_Number = Callable[[Visit], float]
Key = TypeVar("Key", str, tuple[str, str])


@dataclass(frozen=True)
class FeatureTable:
    """The features of both crowds."""

    names: tuple[str, ...]
    """F names, those of which most visits have the same value included."""
    real: Floats
    """(N, F), NaN where a visit has no such value."""
    simulated: Floats
    left_out: tuple[str, ...]
    """Features that one crowd has and the other nowhere, such as times: they would say how the logs were
    recorded."""


def make_features(real: Sequence[Visit], simulated: Sequence[Visit]) -> FeatureTable:
    """Return the features of both crowds' visits, without those that do not vary."""
    both = [*real, *simulated]
    functions = _list_features(both)
    values = np.array([[number(visit) for number in functions.values()] for visit in both], float)
    values = values.reshape(len(both), len(functions))
    known = ~np.isnan(values)
    in_real, in_simulated = known[: len(real)].any(axis=0), known[len(real) :].any(axis=0)
    varies = np.array([len(np.unique(column)) > 1 for column in values.T])  # all NaN count as one value
    kept = in_real & in_simulated & varies
    names = np.array(list(functions))
    return FeatureTable(
        names=tuple(names[kept].tolist()),
        real=values[: len(real), kept],
        simulated=values[len(real) :, kept],
        left_out=tuple(names[in_real != in_simulated].tolist()),
    )


def _list_features(visits: Sequence[Visit]) -> dict[str, _Number]:
    labels = sorted({label for visit in visits for label in visit.labels})
    features: dict[str, _Number] = {
        "steps": lambda visit: len(visit.acts),
        "bought": lambda visit: visit.outcome == "purchase",
        "left": lambda visit: visit.outcome == "terminate",
        "furthest stage, of 5": lambda visit: nan if visit.stage is None else STAGES.index(visit.stage) + 1,
        "same action again, % of steps": lambda visit: _share(a == b for a, b in pairwise(visit.labels)),
    }
    features |= {f"{label}, % of steps": _label_share(label) for label in labels}
    features |= {f"first action: {label}": _first_is(label) for label in labels}
    features |= {f"last action: {label}": _last_is(label) for label in labels}
    for pair in _commonest(set(pairwise(visit.labels)) for visit in visits)[:_TRANSITIONS]:
        features[f"{pair[1]} after {pair[0]}, % of steps"] = _pair_share(pair)
    for kind in sorted({act.page for visit in visits for act in visit.acts}):
        features[f"pages: {kind}, %"] = _page_share(kind)
    return features | _query_features(visits) | _place_features()


def _query_features(visits: Sequence[Visit]) -> dict[str, _Number]:
    features: dict[str, _Number] = {
        "queries": lambda visit: len(visit.queries),
        "words a query": lambda visit: _mean(len(words_of(query)) for query in visit.queries),
        "letters a word of a query": lambda visit: _mean(
            len(word) for query in visit.queries for word in words_of(query)
        ),
        "capitals among queries' letters, %": lambda visit: _share(
            each.isupper() for query in visit.queries for each in query if each.isalpha()
        ),
        "digits among queries' characters, %": lambda visit: _share(
            each.isdigit() for query in visit.queries for each in query
        ),
        "signs among queries' characters, %": lambda visit: _share(
            not each.isalnum() and not each.isspace() for query in visit.queries for each in query
        ),
        "later queries that repeat one, %": lambda visit: _share(
            each == "repeated" for each in query_relations(visit.queries)
        ),
        "later queries that refine one, %": lambda visit: _share(
            each == "refined" for each in query_relations(visit.queries)
        ),
    }
    words = _commonest({word for query in visit.queries for word in words_of(query)} for visit in visits)
    features |= {f"queries with “{word}”, %": _word_share(word) for word in words[:_WORDS]}
    return features


def _place_features() -> dict[str, _Number]:
    return {
        "place of opened products": lambda visit: _mean(_places(visit)),
        "opened products in first place, %": lambda visit: _share(each == 1 for each in _places(visit)),
        "height of clicks on the page": lambda visit: _mean(
            act.height for act in visit.acts if act.height is not None
        ),
        "seconds between steps, median": lambda visit: median(visit.waits_s) if visit.waits_s else nan,
    }


def _commonest(sets: Iterable[set[Key]]) -> list[Key]:
    """Return what the most visits have, the commonest first."""
    counts = Counter(each for found in sets for each in found)
    order = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return [key for key, count in order if count >= _LEAST_VISITS]


def _label_share(label: str) -> _Number:
    return lambda visit: 100 * visit.labels.count(label) / len(visit.labels)


def _first_is(label: str) -> _Number:
    return lambda visit: visit.labels[0] == label


def _last_is(label: str) -> _Number:
    return lambda visit: visit.labels[-1] == label


def _pair_share(pair: tuple[str, str]) -> _Number:
    return lambda visit: 100 * list(pairwise(visit.labels)).count(pair) / len(visit.labels)


def _page_share(kind: str) -> _Number:
    return lambda visit: _share(act.page == kind for act in visit.acts)


def _word_share(word: str) -> _Number:
    return lambda visit: _share(word in words_of(query) for query in visit.queries)


def _places(visit: Visit) -> list[int]:
    return [act.place for act in visit.acts if act.place is not None]


def _share(values: Iterable[bool]) -> float:
    """Return how many are true, in per cent; NaN of none."""
    return 100 * _mean(map(float, values))


def _mean(values: Iterable[float]) -> float:
    found = list(values)
    return fmean(found) if found else nan
