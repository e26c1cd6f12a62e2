"""Many hypotheses at once: Holm's procedure.

S. Holm, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6, 1979:
the chance that any true hypothesis of the family is rejected stays below alpha, also where they depend on
each other.
"""

from collections.abc import Sequence

LEVEL = 0.95
"""Of an interval, unless another is asked for."""


def adjust_p_values(p_values: Sequence[float]) -> list[float]:
    """Return Holm's adjusted p-values, in the order given.

    The least is multiplied by their number m, the next by m - 1, and so on; none is below one before it.

    >>> adjust_p_values([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, place in enumerate(_order(p_values)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted


def holm_levels(p_values: Sequence[float], level: float = LEVEL) -> list[float]:
    """Return for each p-value the level of the interval that decides as Holm's procedure does.

    With alpha = 1 - level, the i-th least of m p-values is tested at alpha / (m - i + 1), and so wide is its
    interval. The first that passes its test ends the procedure: all behind it get its level, at which they do
    not decide either.

    >>> [round(each, 4) for each in holm_levels([0.01, 0.04, 0.03])]
    [0.9833, 0.975, 0.975]
    """
    levels, step, ended = [level] * len(p_values), level, False
    for rank, place in enumerate(_order(p_values)):
        if not ended:
            alpha = (1 - level) / (len(p_values) - rank)
            step, ended = 1 - alpha, p_values[place] > alpha
        levels[place] = step
    return levels


def _order(p_values: Sequence[float]) -> list[int]:
    return sorted(range(len(p_values)), key=lambda place: p_values[place])
