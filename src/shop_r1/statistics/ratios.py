"""Relative changes of pairs: the second version's mean over the first one's, less 1.

On the log scale, by the delta method: with means m1 and m2 of n pairs, log(m2 / m1) has the variance of
y / m2 - x / m1 over the pairs (x, y), divided by n. Of shares that is (b + c) / (x1 x2), with b and c pairs
that say yes in one version alone, and x1 and x2 pairs that say it in each; as in the interval of the
difference (`paired`) a pair more is counted on each side, so that few pairs do not make it too narrow.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from shop_r1.records.results import Interval
from shop_r1.statistics.holm import LEVEL
from shop_r1.statistics.paired import FEW, Kind
from shop_r1.statistics.resampling import Floats


def relative_change(
    kind: Kind, first: Sequence[float] | Floats, second: Sequence[float] | Floats, level: float = LEVEL
) -> Interval | None:
    """Return (mean of `second`) / (mean of `first`) - 1 with its interval; both (n,), 0.1 stands for +10 %.

    None where a mean is not above 0, or, of numbers, where fewer than `FEW` pairs differ.

    >>> relative_change("share", [1, 1, 0, 0], [1, 1, 1, 0]).value
    0.5
    """
    x, y = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if not len(x) or x.mean() <= 0 or y.mean() <= 0:
        return None
    value = float(y.mean() / x.mean())
    if kind == "share":
        center, error = _of_shares(x, y)
    else:
        if (x != y).sum() < FEW:
            return None
        center = math.log(value)
        error = float((y / y.mean() - x / x.mean()).std(ddof=1)) / math.sqrt(len(x))
    reach = float(stats.norm.isf((1 - level) / 2)) * error
    low, high = math.exp(center - reach), math.exp(center + reach)
    return Interval(low=min(low, value) - 1, value=value - 1, high=max(high, value) - 1)


def _of_shares(x: Floats, y: Floats) -> tuple[float, float]:
    """Return the log of the ratio and its standard error, a pair more counted on each side."""
    in_first, in_second, differing = float(x.sum()) + 1, float(y.sum()) + 1, float((x != y).sum()) + 2
    return math.log(in_second / in_first), math.sqrt(differing / (in_first * in_second))
