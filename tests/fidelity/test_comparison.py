"""Known truths: one crowd against itself, and crowds with one difference."""

import numpy as np
import pytest
from tests.fidelity.crowd import draw_crowd, in_capitals

from shop_r1.cli.pipeline.stores import create_store
from shop_r1.fidelity.classifier.tells import classify
from shop_r1.fidelity.comparison import (
    measure_distances,
    measure_levels,
    measure_mixes,
    measure_quantiles,
)
from shop_r1.fidelity.crowds import Crowds, make_crowds
from shop_r1.fidelity.visits import Visit, read_visit
from shop_r1.shoppers.crowd_kinds import CrowdName
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.scripted import generate_sessions
from shop_r1.store.kinds import KINDS


def crowds_of(real: list[Visit], simulated: list[Visit]) -> Crowds:
    return make_crowds(real, simulated, 0)[0]


def test_two_halves_of_one_crowd_are_within_the_noise_floor() -> None:
    crowd = draw_crowd(300, seed=1)
    found = measure_distances(crowds_of(crowd[:150], crowd[150:]), bootstrap=100, splits=100, seed=0)
    known = [each for each in found if each.is_beyond is not None]
    assert len(known) >= 15
    # One of twenty lies beyond the 95th percentile by chance.
    assert sum(bool(each.is_beyond) for each in known) <= 2
    for each in known:
        assert each.distance is not None and each.floor is not None
        assert each.distance.low == pytest.approx(0, abs=0.02), each.name


def test_two_halves_of_one_crowd_are_not_told_apart() -> None:
    crowd = draw_crowd(300, seed=1)
    found = classify(crowds_of(crowd[:150], crowd[150:]), bootstrap=200, splits=10, seed=0)
    assert found is not None and found.floor is not None
    assert found.auc.low < 0.5 < found.auc.high
    assert found.auc.value <= found.floor.most
    assert abs(found.floor.median - 0.5) < 0.05


def test_one_difference_is_found_and_named_first() -> None:
    simulated = in_capitals(draw_crowd(100, seed=2))
    crowds = crowds_of(draw_crowd(100, seed=1), simulated)
    found = classify(crowds, bootstrap=50, splits=3, seed=0)
    assert found is not None and found.auc.value == 1
    first = found.tells[0]
    assert (first.feature, first.real, first.simulated, first.alone) == (
        "capitals among queries' letters, %",
        0,
        100,
        1,
    )
    assert len(found.tells) == 1, "nothing else differs"
    beyond = [each.name for each in measure_distances(crowds, 20, 100, 0) if each.is_beyond]
    assert len(beyond) <= 2, "words are compared without their case"


def test_levels_and_mixes_are_those_of_the_crowds() -> None:
    real, simulated = draw_crowd(80, seed=1, buys=0.8), draw_crowd(80, seed=2, buys=0.2)
    crowds = crowds_of(real, simulated)
    levels = {each.name: each for each in measure_levels(crowds, 100, 0)}
    bought = [np.mean([visit.outcome == "purchase" for visit in visits]) for visits in (real, simulated)]
    purchases = levels["purchases"]
    assert (purchases.real, purchases.simulated) == pytest.approx(tuple(bought))
    assert purchases.difference is not None and purchases.difference.high < -0.3
    assert levels["waits_s"].real is None and levels["waits_s"].difference is None
    mixes = measure_mixes(crowds, 50, 0)
    outcomes = {row.label: row for row in mixes["outcomes"]}
    assert outcomes["purchase"].real == pytest.approx(bought[0])
    assert [row.label for row in mixes["places"]][:3] == ["1", "2", "3"]
    for rows in mixes.values():
        assert sum(row.real for row in rows) == pytest.approx(1)


def test_quantiles_are_of_lengths() -> None:
    crowds = crowds_of(draw_crowd(50, seed=1), draw_crowd(50, seed=2))
    quantiles = measure_quantiles(crowds)
    lengths = sorted(len(visit.acts) for visit in crowds.real)
    assert (quantiles[0][0], quantiles[-1][0]) == (lengths[0], lengths[-1])
    assert len(quantiles) == 21


def test_weights_of_the_simulated_sessions_count_everywhere() -> None:
    real, simulated = draw_crowd(40, seed=1), draw_crowd(80, seed=2)
    crowds = crowds_of(real, simulated)
    weights = np.array([2.0 * (visit.outcome == "purchase") for visit in simulated])
    levels = {each.name: each for each in measure_levels(crowds, 20, 0, weights)}
    assert levels["purchases"].simulated == 1
    assert {row.label: row.simulated for row in measure_mixes(crowds, 10, 0, weights)["outcomes"]} == {
        "purchase": 1,
        "terminate": 0,
    }
    found = classify(crowds, 20, 3, 0, weights)
    assert found is not None and found.auc.value > 0.6


def test_too_few_shoppers_get_no_classifier() -> None:
    assert classify(crowds_of(draw_crowd(19, seed=1), draw_crowd(50, seed=2)), 10, 3, 0) is None
    weights = np.repeat([1.0, 0.0], [19, 31])
    crowds = crowds_of(draw_crowd(50, seed=1), draw_crowd(50, seed=2))
    assert classify(crowds, 10, 3, 0, weights) is None, "nobody sees a session without weight"


def test_the_same_seed_gives_the_same_figures() -> None:
    crowds = crowds_of(draw_crowd(30, seed=1), draw_crowd(30, seed=2))
    first, again = (measure_distances(crowds, 20, 20, 3) for _ in range(2))
    assert first == again
    assert classify(crowds, 20, 3, 3) == classify(crowds, 20, 3, 3)


def test_the_focused_crowd_is_told_from_the_wandering_one() -> None:
    """In the wandering one seven of ten begin by the menu, the cart or a popular product (docs/crowd.md)."""

    def visit_store(crowd: CrowdName, seed: int) -> list[Visit]:
        sessions = generate_sessions(create_store(crowd), Market(KINDS), 40, seed, crowd=crowd)
        return [read_visit(session) for session in sessions]

    crowds = crowds_of(visit_store("wandering", 1), visit_store("focused", 2))
    found = classify(crowds, 50, 5, 0)
    assert found is not None and found.floor is not None
    assert found.auc.value > 0.9 and found.auc.low > 0.8 > found.floor.most
    beyond = {each.name for each in measure_distances(crowds, 20, 50, 0) if each.is_beyond}
    assert {"types", "actions", "first_action", "transitions", "sessions"} <= beyond
    levels = {each.name: each for each in measure_levels(crowds, 20, 0)}
    assert levels["unlike"].difference is not None and levels["unlike"].difference.high < 0
