import math

import pytest
from scipy import stats

from shop_r1.statistics.proportions import ShareDifference, student, wilson


def test_of_none_and_of_all_wilsons_interval_ends_at_the_edge() -> None:
    # Of 0 of n the formula is z² / (n + z²) at its upper end: 3.8415 / 13.8415.
    assert wilson(0, 10) == pytest.approx((0.0, 0.0, 3.841459 / 13.841459), abs=1e-6)
    assert wilson(10, 10) == pytest.approx((10 / 13.841459, 1.0, 1.0), abs=1e-6)


def test_wilsons_interval_is_scipys() -> None:
    for count, total, level in ((3, 7, 0.95), (43, 200, 0.95), (1, 40, 0.99)):
        theirs = stats.binomtest(count, total).proportion_ci(level, method="wilson")
        assert wilson(count, total, level)[::2] == pytest.approx((theirs.low, theirs.high), abs=1e-12)


def test_students_interval_by_hand() -> None:
    # Of 2, 4, 9: mean 5, variance (9 + 1 + 16) / 2 = 13, error sqrt(13/3) = 2.0817; t of 2 degrees 4.3027.
    assert student([2, 4, 9]) == pytest.approx((5 - 8.9567, 5, 5 + 8.9567), abs=1e-3)
    assert student([3]) == (-math.inf, 3, math.inf)


@pytest.mark.parametrize(
    ("one", "other", "low", "high"),
    [  # Newcombe 1998, table II, method 10: (a), (b), (c), (f)
        ((56, 70), (48, 80), 0.0524, 0.3339),
        ((9, 10), (3, 10), 0.1705, 0.8090),
        ((6, 7), (2, 7), 0.0582, 0.8062),
        ((0, 10), (0, 20), -0.1611, 0.2775),
    ],
)
def test_the_difference_is_newcombes(
    one: tuple[int, int], other: tuple[int, int], low: float, high: float
) -> None:
    assert ShareDifference(other, one).interval()[::2] == pytest.approx((low, high), abs=6e-5)


@pytest.mark.parametrize(("first", "second"), [((60, 200), (40, 180)), ((3, 9), (8, 10)), ((5, 50), (0, 50))])
def test_the_p_value_is_that_of_the_interval_that_ends_at_zero(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    found = ShareDifference(first, second)
    low, value, high = found.interval(1 - found.p_value)
    assert (high if value < 0 else low) == pytest.approx(0, abs=1e-9)


def test_equal_shares_and_the_furthest_apart_have_the_p_values_of_the_edge() -> None:
    assert ShareDifference((3, 10), (6, 20)).p_value == 1
    assert ShareDifference((10**6, 10**6), (0, 10**6)).p_value < 1e-9


def test_the_interval_lies_below_zero_in_about_one_in_forty_runs_where_nothing_has_changed() -> None:
    # Exactly: the probability over both binomials, of every pair of counts whose interval lies below 0.
    n, share = 60, 0.3
    chance = stats.binom.pmf(range(n + 1), n, share)
    likely = [count for count in range(n + 1) if chance[count] > 1e-7]
    wrong = sum(
        chance[a] * chance[b]
        for a in likely
        for b in likely
        if ShareDifference((a, n), (b, n)).interval().high < 0
    )
    assert 0.018 < wrong < 0.03


def test_what_would_have_been_found_falls_with_the_number_of_visits() -> None:
    # (1.96 + 0.8416) sqrt(p q (1/200 + 1/200)) with p = 61/202.
    assert ShareDifference((60, 200), (50, 200)).smallest_found() == pytest.approx(0.1286, abs=1e-4)
    assert ShareDifference((60, 200), (500, 2000)).smallest_found() < 0.1
