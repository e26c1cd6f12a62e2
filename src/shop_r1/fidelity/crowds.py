"""Two crowds ready to be compared: every figure as a function of their visits' weights."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from shop_r1.evaluation.bootstrap import Floats
from shop_r1.fidelity.levels import LEVELS, Level, ratio
from shop_r1.fidelity.likeness import Likeness, compare_sessions
from shop_r1.fidelity.measures import MEASURES, Aligned, align
from shop_r1.fidelity.resampling import Shoppers, list_shoppers
from shop_r1.fidelity.visits import Visit, has_recorded_labels

MIXES = ("types", "actions", "first_action", "outcomes", "funnel", "repetition", "places")
"""Measures whose categories are shown."""
SESSIONS = ("sessions", "whole sessions, energy distance")
UNLIKE = ("unlike", "unlikeness of two sessions")
EQUAL = ("equal", "equal sessions among pairs, %")


@dataclass(frozen=True)
class Crowds:
    """Two crowds."""

    real: Sequence[Visit]
    simulated: Sequence[Visit]
    aligned: tuple[Aligned, ...]
    likeness: Likeness

    @cached_property
    def real_shoppers(self) -> Shoppers:
        """Who made the real visits."""
        return list_shoppers(self.real)

    @cached_property
    def simulated_shoppers(self) -> Shoppers:
        """Who made the simulated visits."""
        return list_shoppers(self.simulated)

    def distances(self, real: Floats, simulated: Floats) -> Floats:
        """Return the distances in order, that of whole sessions last, with these weights of visits."""
        found = [
            each.distance(each.real.counts(real), each.simulated.counts(simulated)) for each in self.aligned
        ]
        whole = self.likeness.energy(self.likeness.weigh(real=real), self.likeness.weigh(simulated=simulated))
        return np.array([*found, whole])

    def distances_within_real(self, left: Floats, right: Floats) -> Floats:
        """Return the same distances between two parts of the real crowd."""
        found = [each.distance(each.real.counts(left), each.real.counts(right)) for each in self.aligned]
        whole = self.likeness.energy(self.likeness.weigh(real=left), self.likeness.weigh(real=right))
        return np.array([*found, whole])

    def levels(self, real: Floats, simulated: Floats) -> Floats:
        """Return the real crowd's levels, then the simulated one's; those of pairs of sessions last."""
        parts = ((self._level_sums[0], real), (self._level_sums[1], simulated))
        weighed = (self.likeness.weigh(real=real), self.likeness.weigh(simulated=simulated))
        found = [
            [
                *(ratio(each, weights) for each in sums),
                self.likeness.mean_apart(drawn, drawn),
                self.likeness.share_equal(drawn),
            ]
            for (sums, weights), drawn in zip(parts, weighed, strict=True)
        ]
        return np.array(found).ravel()

    @property
    def level_list(self) -> list[tuple[str, str, bool]]:
        """Name, title and whether it is a share of each level."""
        return [
            *((each.name, each.title, each.is_share) for each in LEVELS),
            (*UNLIKE, False),
            (*EQUAL, True),
        ]

    def mix(self, aligned: Aligned, real: Floats, simulated: Floats) -> Floats:
        """Return the real crowd's shares of the measure's categories, then the simulated one's."""
        counts = (aligned.real.counts(real), aligned.simulated.counts(simulated))
        return np.concatenate([_shares(each) for each in counts])

    @cached_property
    def _level_sums(self) -> tuple[list[Floats], list[Floats]]:
        return _sums(LEVELS, self.real), _sums(LEVELS, self.simulated)


def make_crowds(real: Sequence[Visit], simulated: Sequence[Visit], seed: int) -> tuple[Crowds, bool]:
    """Return the two crowds, and whether their clicks are told apart by recorded subtypes.

    They are only where both logs give one with every click; else by the names of elements, in both logs.
    """
    is_recorded = has_recorded_labels([*real, *simulated]) and _has_clicks([*real, *simulated])
    if is_recorded:
        real, simulated = ([_with_recorded(each) for each in visits] for visits in (real, simulated))
    aligned = tuple(align(measure, real, simulated) for measure in MEASURES)
    return Crowds(real, simulated, aligned, compare_sessions(real, simulated, seed)), is_recorded


def _has_clicks(visits: Iterable[Visit]) -> bool:
    return any(act.type == "click" for visit in visits for act in visit.acts)


def _with_recorded(visit: Visit) -> Visit:
    return replace(visit, labels=tuple(act.recorded or act.derived for act in visit.acts))


def _sums(levels: Sequence[Level], visits: Sequence[Visit]) -> list[Floats]:
    return [level.sums(visits) for level in levels]


def _shares(counts: Floats) -> Floats:
    total = counts.sum()
    return counts / total if total > 0 else np.full_like(counts, np.nan)
