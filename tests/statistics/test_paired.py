import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from shop_r1.statistics.paired import FEW, PairedDifference, pair_up

CANDIDATES = (0.5, 0.05, 0.01)


def of_counts(b: int, c: int, n: int) -> PairedDifference:
    """Return n pairs of yes or no: b that say yes in the second alone, c in the first alone."""
    first, second = np.zeros(n), np.zeros(n)
    second[:b] = 1
    first[b : b + c] = 1
    return pair_up("share", first, second)


def test_shares_have_the_adjusted_walds_interval() -> None:
    # b = 12, c = 4, n = 100: p = 13/102, q = 5/102, z = 1.95996; half = z sqrt((18/102 - (8/102)^2) / 102).
    found = of_counts(12, 4, 100).interval()
    half = 1.959964 * math.sqrt((18 / 102 - (8 / 102) ** 2) / 102)
    assert found.value == pytest.approx(0.08)
    assert (found.low, found.high) == pytest.approx((8 / 102 - half, 8 / 102 + half))


def test_where_no_pair_differs_the_interval_of_shares_still_has_a_width() -> None:
    found = of_counts(0, 0, 100)
    assert found.interval().low < 0 < found.interval().high
    assert found.p_value == 1.0 and found.effect is None
    assert found.interval(0.99).high > found.interval().high


@given(st.integers(0, 30), st.integers(0, 30), st.sampled_from(CANDIDATES))
def test_a_p_value_of_shares_is_what_the_interval_says_of_zero(b: int, c: int, alpha: float) -> None:
    found = of_counts(b, c, 80)
    low, _, high = found.interval(1 - alpha)
    if abs(found.p_value - alpha) > 1e-9:
        assert (low > 0 or high < 0) == (found.p_value < alpha)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from((0.0, 0.3, 0.6)))
def test_a_p_value_of_numbers_is_what_the_interval_says_of_zero(seed: int, shift: float) -> None:
    rng = np.random.default_rng(seed)
    found = pair_up("mean", np.zeros(60), rng.exponential(1, 60) - 1 + shift)
    low, _, high = found.interval()
    if abs(found.p_value - 0.05) > 2e-3:  # a resample more or less
        assert (low > 0 or high < 0) == (found.p_value < 0.05)


def test_numbers_have_nearly_students_interval_where_they_are_normal() -> None:
    differences = np.random.default_rng(2).normal(0.4, 2.0, 200)
    found = pair_up("mean", np.zeros(200), differences, seed=1)
    theirs = stats.ttest_1samp(differences, 0).confidence_interval(0.95)
    assert found.interval().low == pytest.approx(theirs.low, abs=0.03)
    assert found.interval().high == pytest.approx(theirs.high, abs=0.03)
    assert found.p_value == pytest.approx(stats.ttest_1samp(differences, 0).pvalue, abs=0.02)
    assert found.effect == pytest.approx(differences.mean() / differences.std(ddof=1))


def test_numbers_that_differ_in_hardly_a_pair_have_no_interval() -> None:
    few = np.zeros(100)
    few[: FEW - 1] = np.arange(1, FEW)
    found = pair_up("mean", np.zeros(100), few)
    assert math.isinf(found.interval().high) and found.p_value == 1.0 and found.value == few.mean()
    few[FEW] = 3.0
    assert math.isfinite(pair_up("mean", np.zeros(100), few).interval().high)
    same = pair_up("mean", np.ones(50), np.ones(50))
    assert same.p_value == 1.0 and math.isinf(same.interval().high) and same.differing == 0
    assert pair_up("share", [0.0], [1.0]).interval().high == math.inf


def test_the_smallest_difference_is_found_four_times_in_five() -> None:
    rng = np.random.default_rng(4)
    smallest = pair_up("mean", np.zeros(2000), rng.normal(0, 1.5, 2000)).smallest_found() * math.sqrt(20)
    hits = 0
    for _ in range(400):
        values = rng.normal(smallest, 1.5, 100)
        hits += stats.ttest_1samp(values, 0).pvalue < 0.05
    assert 0.75 < hits / 400 < 0.85


@pytest.mark.parametrize(("b", "c"), [(0.01, 0.01), (0.05, 0.02), (0.2, 0.1)])
@pytest.mark.parametrize("n", [50, 200])
def test_intervals_of_shares_cover_the_truth_also_where_few_pairs_differ(n: int, b: float, c: float) -> None:
    rng = np.random.default_rng(n)
    counts = rng.multinomial(n, [b, c, 1 - b - c], size=500)
    found = [of_counts(int(x), int(y), n).interval() for x, y, _ in counts]
    covered = sum(each.low <= b - c <= each.high for each in found) / 500
    assert 0.93 <= covered <= (0.98 if n * (b + c) > 20 else 1.0)
