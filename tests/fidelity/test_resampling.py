"""Resamples of shoppers, halves of a log, and what their intervals cover."""

import numpy as np
import pytest
from tests.fidelity.crowd import draw_crowd

from shop_r1.evaluation.bootstrap import Floats
from shop_r1.evaluation.related_metrics import total_variation
from shop_r1.fidelity.resampling import (
    Shoppers,
    distance_interval,
    list_shoppers,
    percentile_interval,
    resample,
    split_shoppers,
)


def test_a_shoppers_visits_are_drawn_together() -> None:
    shoppers = list_shoppers(draw_crowd(10, seed=0, visits=3))
    drawn = shoppers.draw(np.random.default_rng(0)).reshape(10, 3)
    assert (drawn == drawn[:, :1]).all() and drawn[:, 0].sum() == 10


def test_the_first_row_is_the_sample_itself_and_weights_stay_in_every_resample() -> None:
    shoppers = list_shoppers(draw_crowd(6, seed=0))
    weights = np.array([0.0, 0, 0, 1, 1, 1])
    rows = resample(lambda real, simulated: simulated, shoppers, shoppers, 50, 0, weights)
    assert rows.shape == (51, 6)
    assert rows[0].tolist() == weights.tolist() and (rows[:, :3] == 0).all()


@pytest.mark.parametrize(("others", "expected"), [(3, 3), (10, 10), (500, 10)])
def test_parts_of_a_log_share_no_shopper_and_the_first_is_as_large_as_the_crowd(
    others: int, expected: int
) -> None:
    shoppers = list_shoppers(draw_crowd(20, seed=0, visits=2))
    for left, right in split_shoppers(shoppers, others, 5, seed=1):
        assert left.sum() == 2 * expected and ((left + right) == 1).all()
        assert set(shoppers.of_visit[left > 0]) & set(shoppers.of_visit[right > 0]) == set()


def test_a_distances_interval_lies_on_both_sides_of_it() -> None:
    # The 97.5th percentile of 0.3 to 0.5 is 0.495.
    values = np.concatenate([[0.4], np.linspace(0.3, 0.5, 1001)])
    found = distance_interval(values)
    assert found is not None and found == pytest.approx(((2 * 0.4**2 - 0.495**2) ** 0.5, 0.4, 0.495))
    square = distance_interval(values, is_square=True)
    assert square is not None and square == pytest.approx((2 * 0.4 - 0.495, 0.4, 0.495))
    near_zero = distance_interval(np.concatenate([[0.01], np.linspace(0.0, 0.1, 101)]))
    assert near_zero is not None and near_zero.low == 0


def test_what_is_not_defined_has_no_interval() -> None:
    assert distance_interval(np.array([np.nan, 1, 2])) is None
    assert percentile_interval(np.array([1.0, np.nan, 2.0])) is None


@pytest.mark.parametrize("shift", [0.0, 0.15])
@pytest.mark.parametrize("kinds", [2, 10])
def test_intervals_of_a_known_distance_hold_it_at_least_as_often_as_they_say(
    shift: float, kinds: int
) -> None:
    """Each shopper makes three visits, all alike; the simulated do the first thing more often by `shift`."""
    rng, held, runs, count = np.random.default_rng(5), 0, 100, 80
    shoppers = Shoppers(np.repeat(np.arange(count), 3), count)
    truth = np.full(kinds, 1 / kinds)
    moved = truth * (1 - shift / (1 - 1 / kinds)) + shift / (1 - 1 / kinds) * np.eye(kinds)[0]
    assert total_variation(truth, moved) == pytest.approx(shift)
    for run in range(runs):
        real, simulated = (
            np.repeat(rng.multinomial(1, p, count), 3, axis=0).astype(float) for p in (truth, moved)
        )

        def distance(left: Floats, right: Floats, real: Floats = real, other: Floats = simulated) -> Floats:
            return np.array([total_variation(left @ real, right @ other)])

        found = distance_interval(resample(distance, shoppers, shoppers, 200, run)[:, 0])
        assert found is not None
        held += found.low <= shift <= found.high
    assert held >= 0.92 * runs
