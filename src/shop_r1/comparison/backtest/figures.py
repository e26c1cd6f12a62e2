"""The statistics of a backtest, on pairs of a predicted and a measured lift with their 95 % intervals.

**Coverage.** The measured lift m is itself uncertain, so a prediction's own interval holds it in fewer than
95 % of cases even where crowd and people are the same: with standard errors s of both, m - d varies by
sqrt(s_d² + s_m²), and the interval of d reaches 1.96 s_d only, so that the share is
2 Φ(1.96 s_d / sqrt(s_d² + s_m²)) - 1; 83 % where both are as uncertain. Hence two figures: the plain share
beside what it would be then, and the share of *combined* intervals, of d - m, that hold 0, which would be
95 %. The combined interval joins the two that are given, neither of which need be symmetric, by the method of
variance estimates recovery (G. Y. Zou and A. Donner, Construction of confidence limits about effect
measures, Statistics in Medicine 27, 2008).

**Errors.** |d - m| is above 0 by chance alone. What its median would be so, and at most in 95 of 100
backtests, is drawn from normal errors of the sizes that the intervals say.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from shop_r1.records.backtests import Count
from shop_r1.records.results import Interval
from shop_r1.statistics.holm import LEVEL
from shop_r1.statistics.resampling import Floats

_Z = float(stats.norm.isf((1 - LEVEL) / 2))
_DRAWS = 4_000
"""Backtests of a perfect crowd that are drawn. Ours."""
_LEAST_MEDIAN = 6
"""Numbers below which no two of their ranks hold the median in 95 %."""
_LEAST_RANKS, _LEAST_RANKS_INTERVAL = 3, 5


def combine(predicted: Interval, measured: Interval) -> Interval:
    """Return predicted less measured with the interval that both give it.

    >>> combine(Interval(-3, 1, 5), Interval(-1, 2, 5))
    Interval(low=-6.0, value=-1, high=4.0)
    """
    value = predicted.value - measured.value
    below = math.hypot(predicted.value - predicted.low, measured.high - measured.value)
    above = math.hypot(predicted.high - predicted.value, measured.value - measured.low)
    return Interval(low=value - below, value=value, high=value + above)


def standard_error(interval: Interval) -> float:
    """Return the standard error that a 95 % interval says."""
    return (interval.high - interval.low) / (2 * _Z)


def expected_coverage(predicted: Interval, measured: Interval) -> float:
    """Return how often the predicted interval alone holds the measured lift if both measure the same.

    >>> round(expected_coverage(Interval(-2, 0, 2), Interval(-2, 0, 2)), 3)
    0.834
    """
    own, other = standard_error(predicted), standard_error(measured)
    return float(2 * stats.norm.cdf(_Z * own / math.hypot(own, other)) - 1)


def claimed_confidence(predicted: Interval) -> float:
    """Return the chance of its own direction that an interval claims, in [0.5, 1]."""
    error = standard_error(predicted)
    return float(stats.norm.cdf(abs(predicted.value) / error)) if error else 1.0


def count(found: Sequence[bool]) -> Count:
    """Return how many are true, with the exact interval of their share."""
    if not found:
        return Count(count=0, of=0, share=None)
    hits, total = sum(found), len(found)
    ends = stats.binomtest(hits, total).proportion_ci(LEVEL, "exact")
    return Count(
        count=hits, of=total, share=Interval(low=float(ends.low), value=hits / total, high=float(ends.high))
    )


def median_interval(values: Sequence[float]) -> Interval | None:
    """Return the median with the interval of ranks that holds it in 95 % or more; None below six values.

    Of n values, the k-th least and the k-th largest, k being the largest rank for which a fair coin shows
    fewer than k heads in n throws with a chance of 2.5 % at most.

    >>> median_interval([6, 1, 5, 2, 4, 3])
    Interval(low=1.0, value=3.5, high=6.0)
    """
    if len(values) < _LEAST_MEDIAN:
        return None
    ordered = sorted(float(each) for each in values)
    rank = int(stats.binom.ppf((1 - LEVEL) / 2, len(ordered), 0.5))
    if stats.binom.cdf(rank, len(ordered), 0.5) <= (1 - LEVEL) / 2:
        rank += 1
    return Interval(low=ordered[rank - 1], value=float(np.median(ordered)), high=ordered[-rank])


def perfect_median(errors: Sequence[float], seed: int = 0) -> tuple[float, float]:
    """Return the median and the 95th percentile of a crowd's median absolute error by chance alone.

    `errors` are the standard errors of each predicted less measured lift, (n,), n at least 1.
    """
    draws = np.random.default_rng(seed).standard_normal((_DRAWS, len(errors))) * np.asarray(errors)
    medians = np.median(np.abs(draws), axis=1)
    return float(np.median(medians)), float(np.quantile(medians, LEVEL))


def rank_correlation(first: Sequence[float], second: Sequence[float]) -> tuple[float | None, Interval | None]:
    """Return Spearman's rank correlation, and it with its interval; None where it is not known.

    The interval is Fisher's with the variance of Bonett and Wright (Psychometrika 65, 2000),
    (1 + r² / 2) / (n - 3).
    """
    n = len(first)
    if n < _LEAST_RANKS or len(set(first)) == 1 or len(set(second)) == 1:
        return None, None
    r = _pearson(stats.rankdata(first), stats.rankdata(second))
    if n < _LEAST_RANKS_INTERVAL or abs(r) >= 1:
        return r, None
    reach = _Z * math.sqrt((1 + r**2 / 2) / (n - 3))
    low, high = (math.tanh(math.atanh(r) + side) for side in (-reach, reach))
    return r, Interval(low=low, value=r, high=high)


def _pearson(first: Floats, second: Floats) -> float:
    return float(np.clip(np.round(np.corrcoef(first, second)[0, 1], 12), -1, 1))
