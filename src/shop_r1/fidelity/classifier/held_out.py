"""How well a classifier tells simulated sessions from real ones, and by which features.

AUC is the chance that of a simulated and a real session, both held out, the simulated one has the higher
score: 0.5 where nothing tells them apart, 1 where everything does. Folds keep a shopper's visits together.
Scores of two folds come from two classifiers, so only pairs within a fold count.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shop_r1.evaluation.bootstrap import Floats
from shop_r1.fidelity.classifier.boosting import Booster, Leaf, Node
from shop_r1.fidelity.classifier.features import FeatureTable
from shop_r1.fidelity.measures import Ints
from shop_r1.fidelity.visits import Visit

FOLDS = 5
SHOPPERS_MIN = 20
"""Of each crowd: with fewer, four and less in a fold, an AUC says nothing. Ours."""
_SHUFFLES = 3


@dataclass(frozen=True)
class Examples:
    """N sessions of both crowds."""

    features: Floats
    """(N, F)."""
    classes: Floats
    """(N) 1 for a simulated one."""
    weights: Floats
    """(N)."""
    folds: Ints
    """(N) in [0, FOLDS)."""


@dataclass(frozen=True)
class HeldOutScores:
    """What classifiers say of sessions that they were not fitted to."""

    scores: Floats
    """(N)."""
    examples: Examples
    boosters: tuple[Booster, ...]
    """For each fold, the one that was fitted without it."""

    def auc(self, weights: Floats | None = None) -> float:
        """Return the AUC with (N) weights, or the examples' own; NaN where no fold has both crowds."""
        examples = self.examples
        weights = examples.weights if weights is None else weights
        won = pairs = 0.0
        for fold in range(FOLDS):
            at = examples.folds == fold
            more, of = count_wins(self.scores[at], examples.classes[at], weights[at])
            won, pairs = won + more, pairs + of
        return won / pairs if pairs > 0 else float("nan")


def count_wins(scores: Floats, classes: Floats, weights: Floats) -> tuple[float, float]:
    """Return the weight of pairs in which the example of class 1 scores higher, ties half, and of all pairs.

    All are (N).
    """
    levels, places = np.unique(scores, return_inverse=True)
    zeros, ones = (np.bincount(places, weights * (classes == each), minlength=len(levels)) for each in (0, 1))
    below = np.cumsum(zeros) - zeros
    return float((ones * (below + zeros / 2)).sum()), float(ones.sum() * zeros.sum())


def make_examples(
    table: FeatureTable,
    real: Sequence[Visit],
    simulated: Sequence[Visit],
    seed: int,
    weights: Floats | None = None,
) -> Examples:
    """Return the sessions of both crowds; `weights` are of the simulated ones, None: all count 1."""
    own = np.ones(len(simulated)) if weights is None else weights
    return Examples(
        features=np.vstack([table.real, table.simulated]),
        classes=np.repeat([0.0, 1.0], [len(real), len(simulated)]),
        weights=np.concatenate([np.ones(len(real)), own]),
        folds=assign_folds(real, simulated, seed),
    )


def assign_folds(real: Sequence[Visit], simulated: Sequence[Visit], seed: int) -> Ints:
    """Return (N) folds: each has as many shoppers of each crowd as any other, and a shopper is in one."""
    rng = np.random.default_rng(seed)
    folds: dict[str, int] = {}
    for visits in (real, simulated):
        new = [each for each in dict.fromkeys(visit.cluster for visit in visits) if each not in folds]
        folds |= {new[at]: place % FOLDS for place, at in enumerate(rng.permutation(len(new)).tolist())}
    return np.array([folds[visit.cluster] for visits in (real, simulated) for visit in visits], np.int64)


def score_held_out(examples: Examples) -> HeldOutScores:
    """Return the scores of all sessions by classifiers that were fitted to the other folds."""
    scores, boosters = np.zeros(len(examples.classes)), list[Booster]()
    for fold in range(FOLDS):
        out = examples.folds == fold
        booster = Booster(examples.features[~out], examples.classes[~out], examples.weights[~out])
        scores[out] = booster.scores(examples.features[out])
        boosters.append(booster)
    return HeldOutScores(scores, examples, tuple(boosters))


def measure_drops(found: HeldOutScores, seed: int) -> Floats:
    """Return (F) how much the AUC falls when a feature's values are shuffled among the held-out sessions.

    A feature that no tree uses costs 0; so does one that another feature can stand in for.
    """
    rng = np.random.default_rng(seed)
    examples, whole = found.examples, found.auc()
    drops = np.zeros(examples.features.shape[1])
    used = [_used_features(booster) for booster in found.boosters]
    for feature in sorted(set().union(*used)):
        for _ in range(_SHUFFLES):
            scores = found.scores.copy()
            for fold, booster in enumerate(found.boosters):
                out = np.flatnonzero(examples.folds == fold)
                if feature in used[fold]:
                    shuffled = examples.features[out]
                    shuffled[:, feature] = rng.permutation(shuffled[:, feature])
                    scores[out] = booster.scores(shuffled)
            drops[feature] += whole - HeldOutScores(scores, examples, ()).auc()
    return drops / _SHUFFLES


def _used_features(booster: Booster) -> set[int]:
    found, left = set[int](), list[Node | Leaf](booster.trees)
    while left:
        node = left.pop()
        if isinstance(node, Node):
            found.add(node.split.feature)
            left += [node.left, node.right]
    return found
