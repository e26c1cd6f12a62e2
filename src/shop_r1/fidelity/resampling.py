"""Resamples and halves of crowds, as weights of their visits: shoppers are drawn, not visits or steps.

Shapes: S visits, C shoppers, B resamples (row 0 is the sample itself), F figures.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from shop_r1.evaluation.bootstrap import Floats
from shop_r1.fidelity.measures import Ints
from shop_r1.fidelity.results import Floor
from shop_r1.fidelity.visits import Visit
from shop_r1.records.results import Interval

Figures = Callable[[Floats, Floats], Floats]
"""Of the real visits' and the simulated visits' weights: (F) figures, NaN where one is not defined."""
Done = Callable[[], object]
"""Called when one more resample or split is computed."""


_MOST = 95
"""The percentile of the splits that is the floor's upper end."""


@dataclass(frozen=True)
class Shoppers:
    """Which visits are of one shopper."""

    of_visit: Ints
    """(S) the shopper's number."""
    count: int
    """C."""

    def weigh(self, weights: Floats) -> Floats:
        """Return (S) the visits' weights from the shoppers' (C)."""
        return weights[self.of_visit]

    def draw(self, rng: np.random.Generator) -> Floats:
        """Return (S) how often a resample of shoppers has each visit."""
        return self.weigh(rng.multinomial(self.count, np.full(self.count, 1 / self.count)).astype(float))


def list_shoppers(visits: Sequence[Visit]) -> Shoppers:
    """Return who made the visits."""
    numbers: dict[str, int] = {}
    of_visit = [numbers.setdefault(visit.cluster, len(numbers)) for visit in visits]
    return Shoppers(np.array(of_visit, np.int64), len(numbers))


def resample(
    figures: Figures,
    real: Shoppers,
    simulated: Shoppers,
    bootstrap: int,
    seed: int,
    weights: Floats | None = None,
    done: Done = lambda: None,
) -> Floats:
    """Return (1 + B, F) the figures of the sample and of resamples of both crowds' shoppers.

    `weights` (S) of the simulated visits stay theirs in every resample; None: all count 1.
    """
    rng = np.random.default_rng(seed)
    own = np.ones(len(simulated.of_visit)) if weights is None else weights
    rows = [figures(np.ones(len(real.of_visit)), own)]
    for _ in range(bootstrap):
        rows.append(figures(real.draw(rng), simulated.draw(rng) * own))
        done()
    return np.array(rows)


def split_shoppers(
    shoppers: Shoppers, others: int, splits: int, seed: int
) -> Iterator[tuple[Floats, Floats]]:
    """Yield (S) weights, 0 or 1, of two parts of a crowd that share no shopper.

    The first stands for a crowd of so many `others` and has that many shoppers, half of all at most; the
    second has the rest. So two parts differ by chance about as much as a crowd as good as real would differ
    from all, or somewhat more: √2 times as much where the crowds are equally large.
    """
    rng = np.random.default_rng(seed)
    size = max(1, min(others, shoppers.count // 2))
    for _ in range(splits):
        chosen = np.zeros(shoppers.count)
        chosen[rng.permutation(shoppers.count)[:size]] = 1
        yield shoppers.weigh(chosen), shoppers.weigh(1 - chosen)


def distance_interval(values: Floats, is_square: bool = False) -> Interval | None:
    """Return a distance and its 95 % interval from (1 + B) values; None where it is not defined.

    Noise makes distances larger: that of a sample lies above the truth, and that of a resample above the
    sample's by as much again, in squares, since the squares of differences and of noise add up. So the lower
    end mirrors the 97.5th percentile at the value (the basic bootstrap) in squares, or as it is where the
    distance `is_square` itself, as KL is; it is 0 at least. The upper end is that percentile, which is too
    high rather than too low.
    """
    value = float(values[0])
    kept = values[1:][~np.isnan(values[1:])]
    if np.isnan(value) or len(kept) < 2:
        return None
    high, power = max(value, float(np.percentile(kept, 97.5))), 1 if is_square else 2
    low = max(0.0, 2 * max(0.0, value) ** power - max(0.0, high) ** power) ** (1 / power)
    return Interval(min(value, low), value, high)


def percentile_interval(values: Floats) -> Interval | None:
    """Return a figure and its 95 % percentile interval from (1 + B) values; None where it is not defined."""
    value = float(values[0])
    kept = values[1:][~np.isnan(values[1:])]
    if np.isnan(value) or len(kept) < 2:
        return None
    low, high = np.percentile(kept, [2.5, 97.5])
    return Interval(float(low), value, float(high))


def summarize_floor(values: Floats) -> Floor | None:
    """Return the median and the 95th percentile of what splits gave; None where none is defined."""
    known = values[~np.isnan(values)]
    if not len(known):
        return None
    return Floor(median=float(np.median(known)), most=float(np.percentile(known, _MOST)))
