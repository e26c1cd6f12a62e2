import math

import numpy as np
import pytest
from scipy import stats

from shop_r1.comparison.backtest import figures
from shop_r1.records.results import Interval


def around(value: float, error: float) -> Interval:
    return Interval(value - 1.959964 * error, value, value + 1.959964 * error)


def test_the_combined_interval_of_symmetric_ones_is_that_of_a_difference() -> None:
    found = figures.combine(around(5, 3), around(1, 4))  # sqrt(3² + 4²) = 5
    assert found.value == 4
    assert (found.low, found.high) == pytest.approx((4 - 1.959964 * 5, 4 + 1.959964 * 5))


def test_the_plain_interval_of_a_perfect_crowd_holds_the_measured_lift_as_often_as_is_said() -> None:
    rng, predicted, measured = np.random.default_rng(0), around(0, 2), around(0, 1)
    draws = rng.normal(0, 2, 20_000) - rng.normal(0, 1, 20_000)
    expected = figures.expected_coverage(predicted, measured)
    assert expected == pytest.approx(float(np.mean(np.abs(draws) < 1.959964 * 2)), abs=0.01)
    assert figures.expected_coverage(around(0, 1), around(0, 1e-9)) == pytest.approx(0.95)


def test_confidence_is_the_chance_of_its_own_direction() -> None:
    assert figures.claimed_confidence(around(-1.959964, 1)) == pytest.approx(0.975)
    assert figures.claimed_confidence(around(0, 1)) == 0.5


def test_a_share_has_the_exact_interval() -> None:
    found = figures.count([True] * 3 + [False])
    assert found.share is not None
    # P(X >= 3 | p) = 4p³(1 - p) + p⁴ is 2.5 % at the lower end, P(X <= 3 | p) = 1 - p⁴ at the upper one.
    low, high = found.share.low, found.share.high
    assert 4 * low**3 * (1 - low) + low**4 == pytest.approx(0.025, abs=1e-6)
    assert 1 - high**4 == pytest.approx(0.025, abs=1e-6)
    assert figures.count([]).share is None


@pytest.mark.parametrize("n", [6, 8, 9, 17, 40])
def test_the_interval_of_a_median_is_the_narrowest_of_ranks_that_holds_95_percent(n: int) -> None:
    found = figures.median_interval(list(range(1, n + 1)))
    assert found is not None
    rank = round(found.low)
    outside = [stats.binom.cdf(k - 1, n, 0.5) for k in (rank, rank + 1)]
    assert outside[0] <= 0.025 < outside[1] and found.high == n + 1 - rank
    assert figures.median_interval([1.0] * 5) is None


def test_a_perfect_crowd_s_median_error_is_that_of_the_half_normal() -> None:
    median, most = figures.perfect_median([2.0] * 201)
    assert median == pytest.approx(2 * 0.6745, abs=0.02)  # the third quartile of a normal
    assert median < most < 2 * median


def test_rank_correlation() -> None:
    # Ranks 1 2 3 4 5 and 2 1 4 3 5: 1 - 6 * (1 + 1 + 1 + 1) / (5 * 24) = 0.8.
    r, interval = figures.rank_correlation([1, 2, 3, 4, 5], [20, 10, 40, 30, 500])
    assert r == pytest.approx(0.8) and interval is not None
    assert interval.low == pytest.approx(math.tanh(math.atanh(0.8) - 1.959964 * math.sqrt(1.32 / 2)))
    assert figures.rank_correlation([1, 2, 3], [1, 2, 3]) == (1.0, None)
    assert figures.rank_correlation([1, 2], [1, 2]) == (None, None)
    assert figures.rank_correlation([1, 1, 1], [1, 2, 3]) == (None, None)


def test_a_crowd_that_is_right_agrees_in_95_of_100_and_one_that_is_not_does_not() -> None:
    rng, agrees, off = np.random.default_rng(1), 0, 0
    for _ in range(2_000):
        truth = rng.normal(0, 5)
        measured, predicted = around(rng.normal(truth, 1), 1), around(rng.normal(truth, 2), 2)
        combined = figures.combine(predicted, measured)
        agrees += combined.low <= 0 <= combined.high
        combined = figures.combine(around(rng.normal(truth + 6, 2), 2), measured)
        off += combined.low <= 0 <= combined.high
    assert 0.935 <= agrees / 2_000 <= 0.965  # three standard errors are 1.5 points
    # 6 is 2.68 standard errors of sqrt(5): Φ(1.96 - 2.68) = 23.5 %.
    assert off / 2_000 == pytest.approx(0.235, abs=0.03)
