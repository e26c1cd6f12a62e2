import math

import numpy as np
import numpy.typing as npt
import pytest
from scipy import stats

from shop_r1.errors import ConfigError
from shop_r1.evaluation.seeds.estimates import (
    Estimate,
    difference_over_seeds,
    mean_over_seeds,
    ratio_over_seeds,
)
from shop_r1.statistics.resampling import resample_clusters

Floats = npt.NDArray[np.float64]


def sample(value: float, spread: float = 0.0) -> Floats:
    """Return a value and four resamples at plus and minus the spread: their variance is 4/3 spread²."""
    return np.array([value, value - spread, value + spread, value - spread, value + spread])


def test_where_seeds_differ_more_than_sessions_the_interval_is_students() -> None:
    values = [0.2, 0.3, 0.4]
    found = mean_over_seeds([sample(each, 1e-4) for each in values])
    # S² = 0.01 over 3 seeds, t(0.975, 2) = 4.3027: 0.3 ± 4.3027 · 0.1 / √3.
    low, value, high = found.interval()
    assert value == pytest.approx(0.3) and found.covers == "seeds and sessions"
    assert (low, high) == pytest.approx((0.3 - 0.24841, 0.3 + 0.24841), abs=1e-5)
    theirs = stats.ttest_1samp(values, 0.1, alternative="greater")
    assert found.p_above(0.1) == pytest.approx(theirs.pvalue)
    assert found.p_below(0.1) == pytest.approx(1 - theirs.pvalue)
    assert found.p_value(0.1) == pytest.approx(2 * theirs.pvalue)
    wide = stats.ttest_1samp(values, 0).confidence_interval(0.9)
    assert found.interval(0.9)[::2] == pytest.approx((wide.low, wide.high))


def test_where_only_sessions_vary_the_interval_is_normal() -> None:
    # S² = 0, and the sessions make 4/3 · 0.03² = 0.0012 in each seed: 0.5 ± 1.95996 · √(0.0012 / 3).
    found = mean_over_seeds([sample(0.5, 0.03)] * 3)
    assert found.interval()[::2] == pytest.approx((0.5 - 0.0391992, 0.5 + 0.0391992), abs=1e-6)
    assert found.p_above(0.46) == pytest.approx(stats.norm.sf(2.0))


@pytest.mark.parametrize(("between", "within"), [(0.0004, 0.0001), (0.0004, 0.0004), (0.0001, 0.0004)])
def test_in_between_the_interval_is_that_of_the_draws_it_stands_for(between: float, within: float) -> None:
    # The mean is off by N(0, max(V, S² (k - 1) / chi²) / k); here by plain simulation.
    found = Estimate(0.5, between, within, 3, (0.0, 1.0))
    rng = np.random.default_rng(1)
    variance = np.maximum(within, 2 * between / rng.chisquare(2, 400_000))
    errors = rng.normal(0, np.sqrt(variance / 3))
    assert found.interval().high - 0.5 == pytest.approx(np.quantile(np.abs(errors), 0.95), rel=0.02)
    assert found.p_above(0.48) == pytest.approx((errors > 0.02).mean(), abs=0.002)
    assert found.p_value(found.interval(0.9).low) == pytest.approx(0.1)


def test_a_share_ends_at_0_and_1() -> None:
    assert mean_over_seeds([sample(each, 0.3) for each in (0.2, 0.5, 0.8)]).interval()[::2] == (0.0, 1.0)


def test_one_seed_has_the_percentiles_of_its_sessions_and_says_so() -> None:
    resamples = np.linspace(0.0, 0.1, 101)
    found = mean_over_seeds([np.concatenate([[0.05], resamples])])
    assert found.interval() == pytest.approx((0.0025, 0.05, 0.0975))
    assert found.covers == "sessions"
    # Of 101 resamples, 21 are at most 0.02: (1 + 21) / 102.
    assert found.p_above(0.0201) == pytest.approx(22 / 102)
    assert found.p_below(0.0201) == pytest.approx(81 / 102)


def test_differences_are_paired_seed_by_seed() -> None:
    first, second = [0.30, 0.35, 0.50], [0.20, 0.22, 0.41]
    found = difference_over_seeds([sample(each) for each in first], [sample(each) for each in second])
    theirs = stats.ttest_rel(first, second)
    bounds = theirs.confidence_interval(0.95)
    assert found.interval()[::2] == pytest.approx((bounds.low, bounds.high))
    assert found.p_value(0.0) == pytest.approx(theirs.pvalue)


def test_sessions_that_two_settings_share_drop_out_of_their_difference() -> None:
    # Both move by ±0.2 with the sessions drawn, and their difference not at all.
    pairs = [(sample(0.5, 0.2), sample(0.4, 0.2)), (sample(0.6, 0.2), sample(0.48, 0.2))]
    found = difference_over_seeds([left for left, _ in pairs], [right for _, right in pairs])
    # Differences 0.10 and 0.12: S² = 0.0002.
    assert found.value == pytest.approx(0.11)
    assert found.between == pytest.approx(0.0002) and found.within == pytest.approx(0.0)


def test_the_error_of_a_ratio_is_its_logarithms() -> None:
    found = ratio_over_seeds([sample(0.2), sample(0.4)], [sample(0.1), sample(0.1)])
    assert found is not None and found.value == pytest.approx(3.0)
    # a/ā - b/b̄ is 2/3 - 1 and 4/3 - 1: S² = 2/9, √(2/9 / 2) = 1/3; t(0.975, 1) = 12.7062.
    assert found.between == pytest.approx(2 / 9)
    reach = 12.7062 / 3
    assert list(found.interval()) == pytest.approx((3 * math.exp(-reach), 3.0, 3 * math.exp(reach)), rel=1e-4)
    assert found.p_above(1.0) == pytest.approx(stats.t.sf(3 * math.log(3), 1))
    assert (found.p_above(0.0), found.p_below(0.0)) == (0.0, 1.0)


def test_a_ratios_interval_is_near_fiellers() -> None:
    # Fieller's exact interval for a ratio of means of normal pairs: roots of
    # (ā - r b̄)² = t² (s_aa - 2 r s_ab + r² s_bb) / k.
    first, second = np.array([0.30, 0.33, 0.28, 0.31]), np.array([0.20, 0.21, 0.19, 0.20])
    found = ratio_over_seeds([sample(each) for each in first], [sample(each) for each in second])
    assert found is not None
    (aa, ab), (_, bb) = np.cov(first, second) / 4 * stats.t.ppf(0.975, 3) ** 2
    roots = np.roots(
        [second.mean() ** 2 - bb, -2 * (first.mean() * second.mean() - ab), first.mean() ** 2 - aa]
    )
    assert found.interval()[::2] == pytest.approx(sorted(roots), abs=0.01)


def test_a_gain_over_nothing_is_not_defined() -> None:
    assert ratio_over_seeds([sample(0.2), sample(0.4)], [sample(0.0), sample(0.0)]) is None
    assert ratio_over_seeds([sample(0.2)], [sample(0.1, 0.1)]) is None
    nothing = ratio_over_seeds([sample(0.0), sample(0.0)], [sample(0.1), sample(0.2)])
    assert nothing is not None and nothing.interval() == (0.0, 0.0, 0.0)
    with pytest.raises(ConfigError, match="no seed"):
        mean_over_seeds([])


def test_a_resample_without_the_type_is_left_out() -> None:
    with_gap = np.array([0.5, 0.4, math.nan, 0.6])
    assert mean_over_seeds([with_gap, with_gap]).within == pytest.approx(0.02)
    ratio = ratio_over_seeds([with_gap], [sample(0.25)[:4]])
    assert ratio is not None and ratio.interval()[1] == 2.0


def test_no_variation_at_all_leaves_no_doubt() -> None:
    found = mean_over_seeds([sample(0.5), sample(0.5)])
    assert (found.p_above(0.4), found.p_above(0.5), found.p_below(0.5)) == (0.0, 1.0, 1.0)


@pytest.mark.parametrize("between_seeds", [0.0, 0.02, 0.06])
def test_intervals_of_three_seeds_cover_the_truth(between_seeds: float) -> None:
    # 3 seeds of 40 sessions of 1 to 5 steps; sessions are easy or hard, seeds better or worse, around 0.3.
    rng, totals = np.random.default_rng(5), resample_clusters(40, 200, seed=0)
    covered = 0
    for _ in range(400):
        samples = []
        for skill in 0.3 + rng.normal(0, between_seeds, 3):
            steps = rng.integers(1, 6, 40)
            hits = rng.binomial(steps, rng.beta(3 * skill, 3 * (1 - skill), 40))
            samples.append((totals @ hits) / (totals @ steps))
        low, _, high = mean_over_seeds(samples).interval()
        covered += low <= 0.3 <= high
    assert covered / 400 >= 0.94
