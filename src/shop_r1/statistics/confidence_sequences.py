"""Confidence sequences: intervals that hold at all times at once, so that one may look after every pair.

An interval of 95 % that is looked at again and again misses the truth sooner or later far more often than
once in twenty. The intervals here miss it once in twenty over the whole run, however often one looks and
whenever one stops.

**Bounded numbers**, by betting: against every possible mean m a capital is bet on values above it, and
another on values below it,

    K±(m) = product over t of (1 ± λ_t (x_t - m)),   x_t in [0, 1],

which stays small if m is the mean (Ville's inequality); the means against which half the sum of both stays
below 1/alpha are the interval. The bets λ_t are the predictable plug-in of I. Waudby-Smith and A. Ramdas,
Estimating means of bounded random variables by betting, Journal of the Royal Statistical Society B 86, 2024
(hedged capital), made for the number of pairs that are planned.

**Numbers without a bound** (money, time), by a strong approximation: the asymptotic confidence sequence of
I. Waudby-Smith, D. Arbour, R. Sinha, E. Kennedy and A. Ramdas, Time-uniform central limit theory and
asymptotic confidence sequences, Annals of Statistics 52, 2024 (its Gaussian mixture), from `FIRST` values on.
"""

import math
from dataclasses import dataclass

import numpy as np

from shop_r1.records.results import Interval
from shop_r1.statistics.holm import LEVEL
from shop_r1.statistics.resampling import Floats

_GRID = 2_001
"""Means that are bet against; 0 and both ends are among them. Ours."""
_CAP = 0.75
"""Of the bet that could lose all; between 0 and 1, as the source proposes it."""
FIRST = 30
"""Values before an asymptotic sequence says anything. Ours."""


@dataclass(frozen=True)
class Sequential:
    """What is known of a mean after each look, for all looks together."""

    value: float
    """The mean of all values."""
    log_wealth: Floats | None
    """(grid,) log of the highest capital so far against each mean; None for numbers without a bound."""
    means: Floats
    """(grid,) the means that were bet against; of numbers without a bound the running means (n,)."""
    spreads: Floats | None = None
    """(n,) of numbers without a bound, the running variance times the number of values."""
    horizon: int = 1

    def interval(self, level: float = LEVEL) -> Interval:
        """Return the mean with the interval that holds at all times together, at the last look."""
        if self.log_wealth is not None:
            kept = self.means[self.log_wealth < -math.log(1 - level)]
            step = float(self.means[1] - self.means[0])
            if not len(kept):  # all grid points are refuted: the truth lies between two of them
                kept = self.means[[int(self.log_wealth.argmin())]]
            low = max(float(kept[0]) - step, float(self.means[0]))
            high = min(float(kept[-1]) + step, float(self.means[-1]))
        else:
            if len(self.means) < FIRST:
                return Interval(low=-math.inf, value=self.value, high=math.inf)
            reach = self._reach(1 - level)
            low = float((self.means - reach)[FIRST - 1 :].max())
            high = float((self.means + reach)[FIRST - 1 :].min())
        return Interval(low=min(low, self.value), value=self.value, high=max(high, self.value))

    @property
    def p_value(self) -> float:
        """The p-value of "the mean is 0" that holds at all times together."""
        if self.log_wealth is not None:
            at_zero = float(self.log_wealth[int(np.abs(self.means).argmin())])
            return min(1.0, math.exp(-at_zero))
        assert self.spreads is not None
        if len(self.means) < FIRST or not self.spreads[-1]:
            return 1.0
        counts = np.arange(1, len(self.means) + 1)
        mixed = self.spreads * self._rho2 + 1
        logs = 0.5 * np.log(mixed) - (self.means * counts) ** 2 * self._rho2 / (2 * mixed)
        return min(1.0, float(np.exp(logs[FIRST - 1 :].min())))

    @property
    def _rho2(self) -> float:
        """The mixture's variance, such that the interval is narrowest at the planned number of values.

        It follows from the first `FIRST` values alone: one that changed from look to look would be another
        sequence at each, and the guarantee is one sequence's.
        """
        assert self.spreads is not None
        variance = float(self.spreads[FIRST - 1]) / FIRST or 1.0
        alpha = 1 - LEVEL
        return (-2 * math.log(alpha) + math.log(-2 * math.log(alpha) + 1)) / (self.horizon * variance)

    def _reach(self, alpha: float) -> Floats:
        assert self.spreads is not None
        counts = np.arange(1, len(self.means) + 1)
        mixed = self.spreads * self._rho2 + 1
        found: Floats = np.sqrt(2 * mixed / self._rho2 * (0.5 * np.log(mixed) - math.log(alpha))) / counts
        return found


def follow(values: Floats, bound: float | None, horizon: int) -> Sequential:
    """Return what is known of the mean of values that came in this order; (n,), n at least 1.

    `bound` is the most that a value may be, to both sides of 0; None where there is none. `horizon` is how
    many values there will be at most, for which the interval is made narrow; it holds for any number.
    """
    value = float(values.mean())
    if bound is None:
        counts = np.arange(1, len(values) + 1)
        means = values.cumsum() / counts
        spreads = np.maximum((values**2).cumsum() - counts * means**2, 0.0)
        return Sequential(value, None, means, spreads, horizon)
    means = np.linspace(-bound, bound, _GRID)
    return Sequential(value, _bet((values + bound) / (2 * bound), horizon), means)


def _bet(values: Floats, horizon: int) -> Floats:
    """Return (grid,) the log of the highest hedged capital against each mean; the values are in [0, 1]."""
    means = np.linspace(0.0, 1.0, _GRID)
    bets = _plug_in(values, horizon)
    with np.errstate(divide="ignore"):
        most_up, most_down = _CAP / np.maximum(means, 1e-12), _CAP / np.maximum(1 - means, 1e-12)
    up = down = np.zeros(_GRID)
    highest = np.full(_GRID, -np.inf)
    for value, bet in zip(values, bets, strict=True):
        up = up + np.log1p(np.minimum(bet, most_up) * (value - means))
        down = down + np.log1p(-np.minimum(bet, most_down) * (value - means))
        highest = np.maximum(highest, np.logaddexp(up, down) - math.log(2))
    return highest


def _plug_in(values: Floats, horizon: int) -> Floats:
    """Return (n,) the bet on each value, from the values before it alone."""
    counts = np.arange(1, len(values) + 1)
    means = (0.5 + values.cumsum()) / (counts + 1)
    squares = (values - means) ** 2
    variances = (0.25 + squares.cumsum()) / (counts + 1)
    before = np.concatenate([[0.25], variances[:-1]])
    found: Floats = np.sqrt(2 * math.log(2 / (1 - LEVEL)) / (before * horizon))
    return found
