"""Gradient boosting of small trees for two classes, in numpy: what tells two crowds apart.

Each tree has two levels of splits on binned features, fitted to the logistic loss by its gradient and
curvature (J. Friedman, Greedy function approximation, Annals of Statistics 29, 2001; second order and with a
penalty as in T. Chen and C. Guestrin, XGBoost, 2016). Written here since the package needs no other learner:
scikit-learn would be a large dependency for some hundred lines, and tests hold it beside ours. Shapes: N
examples, F features.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from shop_r1.evaluation.bootstrap import Floats

Codes = npt.NDArray[np.int64]
BINS = 32
"""Of a feature, one of them for what is missing. Ours."""
TREES = 40
LEARNING_RATE = 0.3
PENALTY = 1.0
"""Added to the curvature of a leaf."""
LEAST_CURVATURE = 2.0
"""Of a leaf: about eight examples where the two classes are equally likely. Ours."""


@dataclass(frozen=True)
class Split:
    """Examples whose code of a feature is above a threshold go right."""

    feature: int
    threshold: int
    gain: float


@dataclass(frozen=True)
class Leaf:
    """What a tree adds to the score."""

    value: float


@dataclass(frozen=True)
class Node:
    """A split and what stands below it."""

    split: Split
    left: "Node | Leaf"
    right: "Node | Leaf"


class Binning:
    """Numbers to codes: code 0 for what is missing, then the quantiles of what it was made of."""

    def __init__(self, features: Floats) -> None:
        """Args: (N, F), NaN where a value is missing."""
        shares = np.linspace(0, 1, BINS)[1:-1]
        self.edges = [np.unique(_quantiles(column, shares)) for column in features.T]

    def codes(self, features: Floats) -> Codes:
        """Return (N, F) codes in [0, BINS)."""
        columns = [
            np.where(np.isnan(column), 0, 1 + np.searchsorted(edges, column, side="left"))
            for edges, column in zip(self.edges, features.T, strict=True)
        ]
        return np.stack(columns, axis=1).astype(np.int64)


class Booster:
    """A fitted classifier."""

    def __init__(self, features: Floats, classes: Floats, weights: Floats | None = None) -> None:
        """Fit it.

        Args:
            features: (N, F), NaN where a value is missing.
            classes: (N) 0 or 1; both occur.
            weights: (N) of the examples; None: all count 1.
        """
        self._binning = Binning(features)
        codes = self._binning.codes(features)
        places = codes + np.arange(codes.shape[1]) * BINS
        weights = np.ones(len(classes)) if weights is None else weights
        share = float(np.average(classes, weights=weights))
        self.start = float(np.log(share / (1 - share)))
        scores = np.full(len(classes), self.start)
        self.trees = list[Node | Leaf]()
        for _ in range(TREES):
            chances = 1 / (1 + np.exp(-scores))
            gradients, curvatures = weights * (chances - classes), weights * chances * (1 - chances)
            tree = _grow(codes, places, gradients, curvatures, np.arange(len(classes)), depth=2)
            self.trees.append(tree)
            scores += _add(tree, codes)

    def scores(self, features: Floats) -> Floats:
        """Return (N) log odds of class 1."""
        codes = self._binning.codes(features)
        total: Floats = np.sum([_add(tree, codes) for tree in self.trees], axis=0)
        return self.start + total


def _quantiles(column: Floats, shares: Floats) -> Floats:
    known = column[~np.isnan(column)]
    return np.quantile(known, shares, method="inverted_cdf") if len(known) else np.empty(0)


def _grow(
    codes: Codes, places: Codes, gradients: Floats, curvatures: Floats, rows: Codes, depth: int
) -> Node | Leaf:
    split = _best_split(places[rows], gradients[rows], curvatures[rows]) if depth else None
    if split is None:
        value = -gradients[rows].sum() / (curvatures[rows].sum() + PENALTY)
        return Leaf(LEARNING_RATE * float(value))
    right = codes[rows, split.feature] > split.threshold
    below = (_grow(codes, places, gradients, curvatures, rows[side], depth - 1) for side in (~right, right))
    return Node(split, *below)


def _best_split(places: Codes, gradients: Floats, curvatures: Floats) -> Split | None:
    """Return the split with the most gain, the first feature's among equals; None where none gains.

    `places` are (N, F): each code, moved by its feature's place among all bins.
    """
    count = places.shape[1]
    left, curved = (
        np.bincount(places.ravel(), np.repeat(each, count), count * BINS).reshape(count, BINS).cumsum(axis=1)
        for each in (gradients, curvatures)
    )
    whole, total = gradients.sum(), curvatures.sum()
    gain = left**2 / (curved + PENALTY) + (whole - left) ** 2 / (total - curved + PENALTY)
    gain -= whole**2 / (total + PENALTY)
    gain[(curved < LEAST_CURVATURE) | (total - curved < LEAST_CURVATURE)] = 0
    # Rounding must not decide between two features that split alike.
    feature, threshold = divmod(int(np.argmax(np.round(gain, 9))), BINS)
    best = float(gain[feature, threshold])
    return Split(feature, threshold, best) if best > 1e-6 else None


def _add(tree: Node | Leaf, codes: Codes) -> Floats:
    """Return (N) what a tree adds to the scores."""
    if isinstance(tree, Leaf):
        return np.full(len(codes), tree.value)
    right = codes[:, tree.split.feature] > tree.split.threshold
    return np.where(right, _add(tree.right, codes), _add(tree.left, codes))
