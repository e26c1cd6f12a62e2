"""Groups of like sessions: k-means from several starts, and how many groups there are by the mean silhouette.

k-means by D. Arthur and S. Vassilvitskii, k-means++: the advantages of careful seeding, SODA 2007. A
session's silhouette is (b - a) / max(a, b), a being its mean distance to the others of its group and b the
least mean distance to another group's (P. Rousseeuw, Silhouettes, Journal of Computational and Applied
Mathematics 20, 1987); below 0.25 on average, groups are cuts through one crowd rather than kinds of their
own (L. Kaufman and P. Rousseeuw, Finding Groups in Data, 1990). scikit-learn would be a large dependency for
the silhouette; tests hold it beside ours.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.cluster.vq import kmeans2

from shop_r1.statistics.resampling import Floats

Ints = npt.NDArray[np.int64]
MOST = 8
"""Groups at most where their number is chosen. Ours: a person can still tell so many apart."""
_STARTS = 8
"""Runs of k-means, of which the best counts. Ours."""
_ROUNDS = 100
_SILHOUETTES = 2_000
"""Sessions of which silhouettes are computed; of more, so many are drawn. Ours."""
STRUCTURE = 0.25


@dataclass(frozen=True)
class Groups:
    """Groups of sessions."""

    labels: Ints
    """(S) the group of each, from 0, the largest group first."""
    centers: Floats
    """(K, F)"""
    silhouette: float | None
    """The mean; None for one group."""

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.centers)


def group(values: Floats, count: int, seed: int = 0) -> Groups:
    """Return so many groups of the sessions.

    `values` is (S, F), and `count` at most the number of unlike rows.
    """
    labels, centers = _cluster(values, count, np.random.default_rng(seed))
    order = np.argsort(-np.bincount(labels, minlength=count), kind="stable")
    labels = np.argsort(order)[labels]
    return Groups(labels, centers[order], silhouette(values, labels, seed) if count > 1 else None)


def choose_groups(
    values: Floats, is_allowed: Callable[[Groups], bool], seed: int = 0
) -> tuple[Groups, dict[int, float]]:
    """Return the groups with the highest mean silhouette among those allowed, and it by their number.

    From 2 to `MOST` groups are tried; one where none of them is allowed. Of equals the fewest are chosen.
    """
    most = min(MOST, len(np.unique(values, axis=0)) if values.shape[1] else 1)
    found = [group(values, count, seed) for count in range(2, most + 1)]
    allowed = [each for each in found if is_allowed(each)]
    tried = {each.count: each.silhouette for each in allowed if each.silhouette is not None}
    best = max(allowed, key=lambda each: (each.silhouette or 0.0, -each.count), default=None)
    return best or group(values, 1, seed), tried


def _cluster(values: Floats, count: int, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Return the (S) groups and (K, F) centres with the least sum of squared distances of several runs."""
    if count == 1:
        return np.zeros(len(values), np.int64), values.mean(axis=0, keepdims=True)
    runs = (kmeans2(values, count, iter=_ROUNDS, minit="++", rng=rng) for _ in range(_STARTS))
    centers, labels = min(runs, key=lambda run: float(((values - run[0][run[1]]) ** 2).sum()))
    return labels.astype(np.int64), centers


def _distances(values: Floats, centers: Floats) -> Floats:
    """Return (S, K) Euclidean distances."""
    squares = (values**2).sum(axis=1)[:, None] + (centers**2).sum(axis=1) - 2 * values @ centers.T
    found: Floats = np.sqrt(np.maximum(squares, 0.0))
    return found


def silhouette(values: Floats, labels: Ints, seed: int = 0) -> float:
    """Return the mean silhouette, of a group of one 0; of many sessions that of some drawn at random."""
    if len(values) > _SILHOUETTES:
        chosen = np.random.default_rng(seed).choice(len(values), _SILHOUETTES, replace=False)
        values, labels = values[chosen], labels[chosen]
    names, places = np.unique(labels, return_inverse=True)
    if len(names) < 2:
        return 0.0
    members = np.eye(len(names))[places]
    sizes = members.sum(axis=0)
    sums = _distances(values, values) @ members
    rows = np.arange(len(values))
    own = sums[rows, places] / np.maximum(sizes[places] - 1, 1)
    others = sums / sizes
    others[rows, places] = np.inf
    other = others.min(axis=1)
    largest = np.maximum(np.maximum(own, other), 1e-12)
    found = np.where(sizes[places] > 1, (other - own) / largest, 0.0)
    return float(found.mean())
