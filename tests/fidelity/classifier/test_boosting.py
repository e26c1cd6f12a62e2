"""The classifier against arithmetic and scikit-learn."""

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import roc_auc_score

from shop_r1.evaluation.bootstrap import Floats
from shop_r1.fidelity.classifier.boosting import LEARNING_RATE, PENALTY, TREES, Binning, Booster, Node


def draw(kind: str, rng: np.random.Generator, count: int = 600) -> tuple[Floats, Floats]:
    """Return features and classes that differ in one way."""
    features, classes = rng.normal(size=(count, 6)), (np.arange(count) % 2).astype(float)
    if kind == "shift":
        features[classes == 1, 2] += 1
    elif kind == "spread":
        features[classes == 1, 2] *= 3
    elif kind == "pair":
        features[:, 3] = np.where(classes == 1, 1, -1) * np.sign(features[:, 2])
    elif kind == "missing":
        features[(classes == 1) & (rng.random(count) < 0.6), 2] = np.nan
    return features, classes


@pytest.mark.parametrize("kind", ["shift", "spread", "pair", "missing"])
def test_it_finds_what_scikit_learns_boosting_finds(kind: str) -> None:
    rng = np.random.default_rng(1)
    features, classes = draw(kind, rng)
    others, truth = draw(kind, rng)
    ours = roc_auc_score(truth, Booster(features, classes).scores(others))
    theirs = HistGradientBoostingClassifier(max_depth=2, max_iter=TREES, learning_rate=LEARNING_RATE)
    expected = roc_auc_score(truth, theirs.fit(features, classes).decision_function(others))
    assert ours >= expected - 0.03 and ours > 0.7


def test_where_nothing_differs_held_out_scores_say_nothing() -> None:
    rng = np.random.default_rng(2)
    features, classes = draw("nothing", rng)
    others, truth = draw("nothing", rng)
    assert abs(roc_auc_score(truth, Booster(features, classes).scores(others)) - 0.5) < 0.07


def test_the_first_tree_is_newtons_step() -> None:
    # 40 of 50 with the feature are of class 1, 10 of 50 without: gradients 0.5 - y, curvatures 1/4 each.
    features = np.repeat([[1.0], [0.0]], 50, axis=0)
    classes = np.concatenate([np.repeat([1.0, 0.0], [40, 10]), np.repeat([1.0, 0.0], [10, 40])])
    booster = Booster(features, classes)
    first = booster.trees[0]
    assert booster.start == 0 and isinstance(first, Node)
    step = LEARNING_RATE * (40 * 0.5 - 10 * 0.5) / (50 / 4 + PENALTY)
    assert first.right.value == pytest.approx(step)  # type: ignore[union-attr]
    assert first.left.value == pytest.approx(-step)  # type: ignore[union-attr]


def test_weights_count_examples_several_times() -> None:
    features, classes = draw("shift", np.random.default_rng(3), 200)
    features = np.round(features)  # so that repeating examples leaves the bins as they are
    weights = np.repeat([1.0, 2.0], 100)
    doubled = np.concatenate([features, features[100:]]), np.concatenate([classes, classes[100:]])
    assert Booster(features, classes, weights).scores(features) == pytest.approx(
        Booster(*doubled).scores(features)
    )


def test_a_missing_value_has_a_code_of_its_own() -> None:
    column = np.array([[np.nan], [0.0], [0.0], [1.0], [5.0]])
    assert Binning(column).codes(column).ravel().tolist() == [0, 1, 1, 2, 3]
    assert Binning(column).codes(np.array([[99.0], [-99.0]])).ravel().tolist() == [4, 1]
