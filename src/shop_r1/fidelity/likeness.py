"""How alike whole sessions are: within a crowd, which is its diversity, and between two.

Two sessions are as alike as their sequences of actions: 1 less the insertions, deletions and replacements
that turn one into the other, divided by the longer one's length. The energy distance of two crowds is twice
the mean distance between them less the mean distances within each (G. Székely and M. Rizzo, Energy
statistics, Journal of Statistical Planning and Inference 143, 2013); in the mean it is 0 where both are of
one kind. It is estimated without a session's distance to itself or to the same shopper's, so it can come out
below 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from shop_r1.evaluation.bootstrap import Floats
from shop_r1.fidelity.measures import Ints
from shop_r1.fidelity.visits import Visit

SESSIONS_COMPARED = 250
"""Of each crowd, since pairs are many; drawn at random where there are more. Ours."""


@dataclass(frozen=True)
class Likeness:
    """Distances between N drawn sessions of both crowds, each in [0, 1]."""

    apart: Floats
    """(N, N)."""
    others: Floats
    """(N, N) 1 for two sessions of two shoppers, 0 for those of one."""
    real: Ints
    """The real crowd's visits among the first of the N."""
    simulated: Ints
    """The simulated crowd's visits among the last of the N."""

    @cached_property
    def _kept(self) -> Floats:
        return self.apart * self.others

    @cached_property
    def _equal(self) -> Floats:
        equal: Floats = (self.apart == 0) * self.others
        return equal

    def weigh(self, real: Floats | None = None, simulated: Floats | None = None) -> Floats:
        """Return (N) weights of the drawn sessions from (S) weights of a crowd's visits; None: none of it."""
        parts = ((self.real, real), (self.simulated, simulated))
        return np.concatenate([np.zeros(len(at)) if given is None else given[at] for at, given in parts])

    def mean_apart(self, left: Floats, right: Floats) -> float:
        """Return the mean distance between sessions with these (N) weights; NaN without a pair."""
        return self._mean(self._kept, left, right)

    def share_equal(self, weights: Floats) -> float:
        """Return how probable it is that two shoppers' sessions have the same actions."""
        return self._mean(self._equal, weights, weights)

    def energy(self, left: Floats, right: Floats) -> float:
        """Return the energy distance between sessions with these (N) weights."""
        within = self.mean_apart(left, left) + self.mean_apart(right, right)
        return 2 * self.mean_apart(left, right) - within

    def _mean(self, values: Floats, left: Floats, right: Floats) -> float:
        pairs = float(left @ self.others @ right)
        return float(left @ values @ right) / pairs if pairs > 0 else float("nan")


def compare_sessions(real: Sequence[Visit], simulated: Sequence[Visit], seed: int) -> Likeness:
    """Return the distances between sessions, of each crowd `SESSIONS_COMPARED` at most."""
    rng = np.random.default_rng(seed)
    places = [_draw(len(visits), rng) for visits in (real, simulated)]
    drawn = [visits[at] for visits, chosen in zip((real, simulated), places, strict=True) for at in chosen]
    courses = [visit.labels for visit in drawn]
    apart = cdist(courses, courses, scorer=Levenshtein.normalized_distance, dtype=np.float64)
    shoppers = np.array([visit.cluster for visit in drawn])
    others = (shoppers[:, None] != shoppers[None, :]).astype(float)
    return Likeness(apart, others, *places)


def _draw(count: int, rng: np.random.Generator) -> Ints:
    kept = min(count, SESSIONS_COMPARED)
    return np.sort(rng.choice(count, kept, replace=False)).astype(np.int64)
