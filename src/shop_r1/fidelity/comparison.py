"""Two crowds to their figures: distances with intervals and noise floor, levels, mixes and quantiles."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from shop_r1.evaluation.bootstrap import Floats
from shop_r1.fidelity.crowds import MIXES, SESSIONS, Crowds
from shop_r1.fidelity.resampling import (
    Done,
    distance_interval,
    percentile_interval,
    resample,
    split_shoppers,
    summarize_floor,
)
from shop_r1.fidelity.results import DistanceFigure, LevelFigure, MixRow
from shop_r1.records.page_kinds import STAGES

_QUANTILES = 21


def measure_distances(
    crowds: Crowds,
    bootstrap: int,
    splits: int,
    seed: int,
    weights: Floats | None = None,
    done: Done = lambda: None,
) -> list[DistanceFigure]:
    """Return all distances; `weights` are of the simulated visits, `done` is called after each resample."""
    of_real, of_simulated = crowds.real_shoppers, crowds.simulated_shoppers
    values = resample(crowds.distances, of_real, of_simulated, bootstrap, seed, weights, done)
    parts = [
        crowds.distances_within_real(*halves)
        for halves in split_shoppers(of_real, of_simulated.count, splits, seed)
    ]
    floors = np.array(parts).reshape(splits, -1).T
    figures = [
        DistanceFigure(
            name=each.measure.name,
            title=each.measure.title,
            distance=distance_interval(values[:, place], each.measure.kind == "KL")
            if each.is_known
            else None,
            floor=summarize_floor(floors[place]),
            real=each.real.events,
            simulated=each.simulated.events,
            per=each.measure.per,
        )
        for place, each in enumerate(crowds.aligned)
    ]
    whole = DistanceFigure(
        name=SESSIONS[0],
        title=SESSIONS[1],
        distance=distance_interval(values[:, -1], is_square=True),
        floor=summarize_floor(floors[-1]),
        real=len(crowds.likeness.real),
        simulated=len(crowds.likeness.simulated),
        per="sessions",
    )
    return [*figures, whole]


def measure_levels(
    crowds: Crowds, bootstrap: int, seed: int, weights: Floats | None = None
) -> list[LevelFigure]:
    """Return the levels of both crowds."""
    values = resample(
        crowds.levels, crowds.real_shoppers, crowds.simulated_shoppers, bootstrap, seed, weights
    )
    real, simulated = np.split(values, 2, axis=1)
    return [
        LevelFigure(
            name=name,
            title=title,
            is_share=is_share,
            real=_known(real[0, place]),
            simulated=_known(simulated[0, place]),
            difference=percentile_interval(simulated[:, place] - real[:, place]),
        )
        for place, (name, title, is_share) in enumerate(crowds.level_list)
    ]


def measure_mixes(
    crowds: Crowds, bootstrap: int, seed: int, weights: Floats | None = None
) -> dict[str, tuple[MixRow, ...]]:
    """Return the shares of what both crowds do, by measure."""
    known = [each for each in crowds.aligned if each.measure.name in MIXES and each.is_known]
    found = {}
    for each in known:
        values = resample(
            lambda real, simulated, each=each: crowds.mix(each, real, simulated),  # type: ignore[misc]
            crowds.real_shoppers,
            crowds.simulated_shoppers,
            bootstrap,
            seed,
            weights,
        )
        rows = _mix_rows(each.labels, values)
        order = _ORDERS.get(each.measure.name)
        key = (lambda row: (-row.real, -row.simulated)) if order is None else order
        found[each.measure.name] = tuple(sorted(rows, key=key))
    return found


def _stage_order(row: MixRow) -> int:
    known: Sequence[str] = STAGES
    return known.index(row.label) if row.label in known else -1


_ORDERS: Mapping[str, Callable[[MixRow], int]] = {
    "funnel": _stage_order,
    "places": lambda row: int(row.label.split()[0]),
}
"""Mixes whose categories have an order of their own; of others the commonest comes first."""


def _mix_rows(labels: Sequence[Any], values: Floats) -> list[MixRow]:
    real, simulated = np.split(values, 2, axis=1)
    return [
        MixRow(
            label=str(label).strip(),
            real=float(real[0, place]),
            simulated=float(simulated[0, place]),
            difference=percentile_interval(simulated[:, place] - real[:, place]),
        )
        for place, label in enumerate(labels)
    ]


def measure_quantiles(crowds: Crowds, weights: Floats | None = None) -> tuple[tuple[float, float], ...]:
    """Return the quantiles of session lengths, the real crowd's and the simulated one's."""
    own = np.ones(len(crowds.simulated)) if weights is None else weights
    parts = ((crowds.real, np.ones(len(crowds.real))), (crowds.simulated, own))
    shares = np.linspace(0, 1, _QUANTILES)
    columns = [
        np.quantile([len(visit.acts) for visit in visits], shares, weights=each, method="inverted_cdf")
        for visits, each in parts
    ]
    return tuple(zip(*(column.tolist() for column in columns), strict=True))


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
