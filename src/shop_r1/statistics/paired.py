"""Differences of pairs: the same shopper in two versions, one number of each; a pair is a cluster.

**Yes or no** (bought, or not). With b pairs that say yes in the second version alone, c in the first alone,
of n pairs, p = (b + 1) / (n + 2) and q = (c + 1) / (n + 2), the interval of their difference is

    p - q  ±  z sqrt((p + q - (p - q)²) / (n + 2))

(D. G. Bonett and R. M. Price, Adjusted Wald confidence interval for a difference of binomial proportions
based on paired data, Journal of Educational and Behavioral Statistics 37, 2012). The one pair more on each
side is what a percentile bootstrap lacks: where few pairs differ it covers too seldom, and where none differs
its interval is a point. The p-value is what this interval says of 0.

**Numbers** (steps, money). The bootstrap over pairs, studentized: of each resample the distance of its mean
from the sample's, in its own standard errors (B. Efron and R. Tibshirani, An Introduction to the Bootstrap,
1993, chapter 12), both sides alike, so that p-value and interval agree. Where fewer than `FEW` pairs differ
the interval has no ends: measured, it would cover too seldom (benchmarks/comparison.py).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Literal

import numpy as np
from scipy import stats

from shop_r1.records.results import Interval
from shop_r1.statistics.holm import LEVEL
from shop_r1.statistics.resampling import Floats, resample_clusters

Kind = Literal["share", "mean"]
"""Of yes or no, or of numbers."""
RESAMPLES = 2_000
"""Ours: p-values down to 1/2,001, which Holm's procedure over 30 hypotheses needs."""
_CHUNK = 500
"""Resamples at a time, so that memory stays small."""
FEW = 10
"""Pairs that have to differ in a number before it has an interval. Ours, measured."""
POWER = 0.8
_DECIMALS = 12
"""Beyond them a sum of numbers is rounding."""


@dataclass(frozen=True)
class PairedDifference:
    """The mean difference of pairs, the second version less the first, and how well it is known."""

    kind: Kind
    differences: Floats
    """(n,) of each pair."""
    distances: Floats | None = None
    """(B,) of resamples, in standard errors, 0 or more; of numbers alone."""

    @property
    def pairs(self) -> int:
        """How many pairs there are."""
        return len(self.differences)

    @cached_property
    def value(self) -> float:
        """The mean difference."""
        return float(self.differences.mean())

    @cached_property
    def differing(self) -> int:
        """How many pairs differ."""
        return int((self.differences != 0).sum())

    @property
    def is_known(self) -> bool:
        """Whether there is an interval with ends."""
        return self.pairs > 1 and (self.kind == "share" or (self.differing >= FEW and self.deviation > 0))

    @cached_property
    def _center_and_error(self) -> tuple[float, float]:
        """What the interval lies around, and its standard error."""
        n = self.pairs
        if self.kind == "share":
            p, q = ((int((self.differences == side).sum()) + 1) / (n + 2) for side in (1, -1))
            return p - q, math.sqrt((p + q - (p - q) ** 2) / (n + 2))
        return self.value, self.deviation / math.sqrt(n)

    @cached_property
    def deviation(self) -> float:
        """The standard deviation of the differences; 0 with one pair."""
        found = float(self.differences.std(ddof=1)) if self.pairs > 1 else 0.0
        return round(found, _DECIMALS)

    def interval(self, level: float = LEVEL) -> Interval:
        """Return the difference with its two-sided interval of that level, infinite where it is not known.

        A share's difference may lie off the middle of its interval.
        """
        center, error = self._center_and_error
        if not self.is_known:
            return Interval(low=-math.inf, value=self.value, high=math.inf)
        reach = error * self._quantile(level)
        low, high = center - reach, center + reach
        if self.kind == "share":
            low, high = max(low, -1.0), min(high, 1.0)
        return Interval(low=min(low, self.value), value=self.value, high=max(high, self.value))

    def _quantile(self, level: float) -> float:
        """Return how many standard errors the interval reaches to both sides."""
        if self.kind == "share":
            return float(stats.norm.isf((1 - level) / 2))
        assert self.distances is not None  # what is known has them
        return float(np.quantile(self.distances, level, method="higher"))

    @cached_property
    def p_value(self) -> float:
        """The two-sided p-value of "there is no difference"; 1 where there is no interval with ends."""
        center, error = self._center_and_error
        if not self.is_known:
            return 1.0
        distance = abs(center) / error
        if self.kind == "share":
            return float(2 * stats.norm.sf(distance))
        assert self.distances is not None  # what is known has them
        # One more on both: the sample itself is a resample too (Davison and Hinkley 1997, 4.4).
        return float((1 + (self.distances >= distance).sum()) / (1 + len(self.distances)))

    @property
    def effect(self) -> float | None:
        """The difference in standard deviations of the differences (Cohen's d of pairs); None without any."""
        return self.value / self.deviation if self.deviation else None

    def smallest_found(self, level: float = LEVEL, power: float = POWER) -> float:
        """Return the least true difference that so many pairs find with this power, 0 or more."""
        reach = float(stats.norm.isf((1 - level) / 2) + stats.norm.isf(1 - power))
        return reach * self._center_and_error[1]


def pair_up(
    kind: Kind, first: Sequence[float] | Floats, second: Sequence[float] | Floats, seed: int = 0
) -> PairedDifference:
    """Return the difference of pairs, the second's value less the first's; both (n,), n at least 1.

    `seed` is of the bootstrap. Of shares the values are 0 and 1.
    """
    differences = np.asarray(second, dtype=np.float64) - np.asarray(first, dtype=np.float64)
    if kind == "share" or len(differences) < 2 or not differences.std():
        return PairedDifference(kind, differences)
    return PairedDifference(kind, differences, _distances(differences, seed))


def _distances(differences: Floats, seed: int) -> Floats:
    """Return (B,) how far each resample's mean is from the sample's, in its own standard errors.

    A resample in which nothing varies has none, and counts as infinitely far.
    """
    n, mean = len(differences), differences.mean()
    centered = differences - mean
    found = []
    for chunk in range(0, RESAMPLES, _CHUNK):
        weights = _weights(n, seed * RESAMPLES + chunk)
        means = weights @ centered
        variances = weights @ centered**2 - means**2
        errors = np.sqrt(np.maximum(variances, 0.0) / (n - 1))
        is_known = errors > 10.0**-_DECIMALS
        found.append(np.where(is_known, np.abs(means) / np.where(is_known, errors, 1.0), np.inf))
    return np.concatenate(found)


@lru_cache(maxsize=8)
def _weights(n: int, seed: int) -> Floats:
    """Return (`_CHUNK`, n) each pair's weight in each resample; metrics of the same pairs share them."""
    return resample_clusters(n, _CHUNK, seed)[1:] / n
