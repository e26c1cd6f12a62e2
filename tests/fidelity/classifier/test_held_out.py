"""AUC against scikit-learn, folds, and features whose truth is known."""

from collections.abc import Sequence

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score
from tests.fidelity.crowd import draw_crowd, in_capitals, make_act, make_visit, without

from shop_r1.fidelity.classifier.features import make_features
from shop_r1.fidelity.classifier.held_out import (
    FOLDS,
    assign_folds,
    count_wins,
    make_examples,
    measure_drops,
    score_held_out,
)
from shop_r1.fidelity.visits import Visit


def auc_and_worst(real: Sequence[Visit], simulated: Sequence[Visit]) -> tuple[float, str]:
    """Return the AUC, and the feature without which it falls most."""
    table = make_features(real, simulated)
    found = score_held_out(make_examples(table, real, simulated, seed=0))
    return found.auc(), table.names[int(np.argmax(measure_drops(found, seed=0)))]


def test_wins_are_scikit_learns_auc() -> None:
    rng = np.random.default_rng(0)
    scores, classes = np.round(rng.normal(size=200), 1), rng.integers(0, 2, 200).astype(float)
    weights = rng.random(200)
    won, pairs = count_wins(scores, classes, weights)
    assert won / pairs == pytest.approx(roc_auc_score(classes, scores, sample_weight=weights))


def test_a_shoppers_visits_are_in_one_fold_also_across_the_logs() -> None:
    real, simulated = draw_crowd(30, seed=1, visits=2), draw_crowd(40, seed=2)
    folds = assign_folds(real, [*simulated, *real[:2]], seed=0)
    assert (folds[:60:2] == folds[1:60:2]).all()
    assert folds[-2] == folds[-1] == folds[0]
    assert np.bincount(folds[60:100], minlength=FOLDS).tolist() == [8] * FOLDS


def test_two_crowds_of_one_kind_are_not_told_apart() -> None:
    auc, _ = auc_and_worst(draw_crowd(200, seed=1), draw_crowd(200, seed=2))
    assert abs(auc - 0.5) < 0.08


def test_capitals_are_found_and_named() -> None:
    auc, worst = auc_and_worst(draw_crowd(150, seed=1), in_capitals(draw_crowd(150, seed=2)))
    assert auc == 1 and worst == "capitals among queries' letters, %"


def test_missing_reviews_are_found_and_named() -> None:
    auc, worst = auc_and_worst(draw_crowd(200, seed=1), without("review", draw_crowd(200, seed=2)))
    assert auc > 0.7 and worst == "review, % of steps"


def test_what_one_log_alone_has_is_left_out_and_named() -> None:
    real = [
        make_visit(number, [make_act("search", query="mug", time=time) for time in (0.0, 2.0 + number)])
        for number in range(3)
    ]
    simulated = [make_visit(f"s{number}", [make_act("search", query="big mug")]) for number in range(3)]
    table = make_features(real, simulated)
    assert "seconds between steps, median" in table.left_out
    assert "steps" in table.names and "seconds between steps, median" not in table.names
