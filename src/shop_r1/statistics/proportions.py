"""Shares of independent visits: Wilson's interval of one, Newcombe's of the difference of two.

Wilson's interval holds the shares p for which the observed one is no surprise,

    (p̂ + z²/2n ± z sqrt(p̂(1 - p̂)/n + z²/4n²)) / (1 + z²/n)

(E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal of the American
Statistical Association 22, 1927). Newcombe's has, with Wilson's ends l and u of both shares,

    d - sqrt((p₂ - l₂)² + (u₁ - p₁)²)  to  d + sqrt((u₂ - p₂)² + (p₁ - l₁)²),   d = p₂ - p₁

(R. G. Newcombe, Interval estimation for the difference between independent proportions: comparison of eleven
methods, Statistics in Medicine 17, 1998, method 10). The p-value is what this interval says of 0.
"""

import math
from dataclasses import dataclass

from scipy import optimize, stats

from shop_r1.records.results import Interval
from shop_r1.statistics.holm import LEVEL

POWER = 0.8
_Z_MAX = 37.0
"""Beyond it a normal tail is 0 to a computer."""


def wilson(count: int, total: int, level: float = LEVEL) -> Interval:
    """Return a share with its two-sided interval, in [0, 1]; `total` is at least 1.

    >>> wilson(0, 10)
    Interval(low=0.0, value=0.0, high=0.2775327998628892)
    """
    low, high = _wilson(count, total, _quantile(level))
    return Interval(low=low, value=count / total, high=high)


def student(values: list[float], level: float = LEVEL) -> Interval:
    """Return a mean with its two-sided interval by Student's t; of one value it is infinite.

    >>> [round(each, 2) for each in student([1.0, 2.0, 3.0])]
    [-0.48, 2.0, 4.48]
    """
    n, mean = len(values), sum(values) / len(values)
    if n < 2:
        return Interval(low=-math.inf, value=mean, high=math.inf)
    error = math.sqrt(sum((each - mean) ** 2 for each in values) / (n - 1) / n)
    reach = float(stats.t.isf((1 - level) / 2, n - 1)) * error
    return Interval(low=mean - reach, value=mean, high=mean + reach)


@dataclass(frozen=True)
class ShareDifference:
    """The difference of two independent shares, the second less the first; each total is at least 1."""

    first: tuple[int, int]
    """Count and total."""
    second: tuple[int, int]

    @property
    def value(self) -> float:
        """The difference, in [-1, 1]."""
        return self.second[0] / self.second[1] - self.first[0] / self.first[1]

    def interval(self, level: float = LEVEL) -> Interval:
        """Return the difference with its two-sided interval."""
        low, high = self._ends(_quantile(level))
        return Interval(low=low, value=self.value, high=high)

    @property
    def p_value(self) -> float:
        """The two-sided p-value of "there is no difference"."""
        if not self.value:
            return 1.0
        end = 1 if self.value < 0 else 0  # of the interval, the one towards 0

        def reach(z: float) -> float:
            return abs(self._ends(z)[end] - self.value) - abs(self.value)

        if reach(_Z_MAX) < 0:
            return 0.0
        return float(2 * stats.norm.sf(optimize.brentq(reach, 0.0, _Z_MAX)))

    def smallest_found(self, level: float = LEVEL, power: float = POWER) -> float:
        """Return about the least true difference from the first share that is found with this power."""
        count, total = self.first
        share = (count + 1) / (total + 2)  # of 0 or all, too, something could differ
        error = math.sqrt(share * (1 - share) * (1 / total + 1 / self.second[1]))
        return (_quantile(level) + float(stats.norm.isf(1 - power))) * error

    def _ends(self, z: float) -> tuple[float, float]:
        (low1, high1), (low2, high2) = _wilson(*self.first, z), _wilson(*self.second, z)
        first, second = self.first[0] / self.first[1], self.second[0] / self.second[1]
        return (
            self.value - math.hypot(second - low2, high1 - first),
            self.value + math.hypot(high2 - second, first - low1),
        )


def _wilson(count: int, total: int, z: float) -> tuple[float, float]:
    share = count / total
    center = share + z * z / (2 * total)
    reach = z * math.sqrt(share * (1 - share) / total + z * z / (4 * total * total))
    low, high = (center - reach) / (1 + z * z / total), (center + reach) / (1 + z * z / total)
    return (0.0 if count == 0 else low), (1.0 if count == total else high)


def _quantile(level: float) -> float:
    """Return how many standard errors a two-sided interval of this level reaches to both sides."""
    return float(stats.norm.isf((1 - level) / 2))
