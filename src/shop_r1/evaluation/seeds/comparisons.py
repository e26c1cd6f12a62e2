"""A setting over its seeds as a record, and how it differs from another on the same steps."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shop_r1.errors import ConfigError, DataError
from shop_r1.evaluation.bootstrap import Floats
from shop_r1.evaluation.seeds.estimates import (
    Covers,
    Estimate,
    difference_over_seeds,
    mean_over_seeds,
    ratio_over_seeds,
)
from shop_r1.evaluation.seeds.figures import SeedFigures
from shop_r1.jsonl import Record
from shop_r1.records.results import Interval
from shop_r1.statistics.holm import adjust_p_values


class FigureOverSeeds(Record):
    """One figure of a setting, a share in [0, 1]."""

    mean: Interval
    """Over the seeds, with its 95 % interval."""
    per_seed: tuple[float, ...]
    """In the order of the setting's seeds."""
    sessions_error: float
    """Standard error of one seed's value that its held-out sessions make alone (root mean square)."""


class SettingOverSeeds(Record):
    """A setting's figures over its seeds: a row of a table."""

    setting: str
    seeds: tuple[int, ...]
    sessions: int
    """Held-out sessions of all seeds."""
    steps: int
    """Held-out steps of all seeds."""
    covers: Covers
    """What the intervals cover."""
    figures: Mapping[str, FigureOverSeeds]
    """By name, as `seeds.figures` has them."""
    missing: Mapping[str, tuple[int, ...]] = {}
    """Figures that some seeds lack, since no shopper did the type, and which seeds; they have no mean."""


class Comparison(Record):
    """One figure of a setting less that of another, on the same steps of the same seeds."""

    setting: str
    baseline: str
    figure: str
    difference: Interval
    """The setting's less the baseline's, in [-1, 1], with its own 95 % interval."""
    gain: Interval | None
    """The setting's mean divided by the baseline's, less 1; None where it is not defined."""
    p_value: float
    """Two-sided, of "there is no difference"."""
    p_adjusted: float | None = None
    """The same by Holm's procedure over the family that `adjust_comparisons` was given."""
    seeds: tuple[int, ...]
    covers: Covers


@dataclass(frozen=True)
class Paired:
    """A figure's difference and ratio between two settings, to be judged."""

    difference: Estimate
    ratio: Estimate | None
    """The setting's mean divided by the baseline's; None where it is not defined."""


def over_seeds(setting: str, runs: Sequence[SeedFigures]) -> SettingOverSeeds:
    """Return the setting's figures over its seeds.

    Raises:
        ConfigError: there is no seed.
        DataError: a seed stands twice.
    """
    seeds = _seeds(setting, runs)
    names = list(dict.fromkeys(name for run in runs for name in run.resamples))
    missing = {name: tuple(run.seed for run in runs if name not in run.resamples) for name in names}
    kept = [name for name in names if not missing[name]]
    return SettingOverSeeds(
        setting=setting,
        seeds=seeds,
        sessions=sum(run.sessions for run in runs),
        steps=sum(len(run.steps) for run in runs),
        covers="sessions" if len(runs) == 1 else "seeds and sessions",
        figures={name: _figure(runs, name) for name in kept},
        missing={name: without for name, without in missing.items() if without},
    )


def estimate_over_seeds(runs: Sequence[SeedFigures], figure: str) -> Estimate:
    """Return the figure's mean over seeds, to be judged against a number.

    Raises:
        ConfigError: there is no seed.
        DataError: a seed lacks the figure.
    """
    return mean_over_seeds(_samples(runs, figure))


def pair_over_seeds(runs: Sequence[SeedFigures], baseline: Sequence[SeedFigures], figure: str) -> Paired:
    """Return how the figure differs between two settings, seed by seed.

    Raises:
        ConfigError: there is no seed.
        DataError: the two have other seeds or other steps, or a seed lacks the figure.
    """
    _check_pairs(runs, baseline)
    left, right = _samples(runs, figure), _samples(baseline, figure)
    return Paired(difference_over_seeds(left, right), ratio_over_seeds(left, right))


def compare_settings(
    setting: tuple[str, Sequence[SeedFigures]],
    baseline: tuple[str, Sequence[SeedFigures]],
    figures: Iterable[str],
) -> list[Comparison]:
    """Return how a setting differs from another in each of these figures; each comes with its name.

    Raises:
        ConfigError: there is no seed.
        DataError: the two have other seeds or other steps, or a seed lacks a figure.
    """
    (name, runs), (other, others) = setting, baseline
    found = []
    for figure in figures:
        pair = pair_over_seeds(runs, others, figure)
        comparison = Comparison(
            setting=name,
            baseline=other,
            figure=figure,
            difference=pair.difference.interval(),
            gain=None if pair.ratio is None else Interval(*(each - 1 for each in pair.ratio.interval())),
            p_value=pair.difference.p_value(0.0),
            seeds=tuple(run.seed for run in runs),
            covers=pair.difference.covers,
        )
        found.append(comparison)
    return found


def adjust_comparisons(family: Sequence[Comparison]) -> list[Comparison]:
    """Return the comparisons with their p-values adjusted for how many there are (Holm 1979)."""
    adjusted = adjust_p_values([each.p_value for each in family])
    return [each.model_copy(update={"p_adjusted": p}) for each, p in zip(family, adjusted, strict=True)]


def _figure(runs: Sequence[SeedFigures], name: str) -> FigureOverSeeds:
    samples = _samples(runs, name)
    variances = [float(np.nanvar(each[1:], ddof=1)) for each in samples]
    return FigureOverSeeds(
        mean=mean_over_seeds(samples).interval(),
        per_seed=tuple(float(each[0]) for each in samples),
        sessions_error=float(np.mean(variances)) ** 0.5,
    )


def _samples(runs: Sequence[SeedFigures], figure: str) -> list[Floats]:
    for run in runs:
        if figure not in run.resamples:
            raise DataError(
                f"seed {run.seed} has no figure {figure!r}; it has {', '.join(sorted(run.resamples))}"
            )
    return [run.resamples[figure] for run in runs]


def _seeds(setting: str, runs: Sequence[SeedFigures]) -> tuple[int, ...]:
    seeds = tuple(run.seed for run in runs)
    if not seeds:
        raise ConfigError(f"{setting}: there is no seed; expected at least one")
    if len(set(seeds)) < len(seeds):
        raise DataError(f"{setting}: the seeds are {_list(seeds)}; expected each once")
    return seeds


def _check_pairs(runs: Sequence[SeedFigures], baseline: Sequence[SeedFigures]) -> None:
    seeds, others = ([run.seed for run in each] for each in (runs, baseline))
    if seeds != others:
        raise DataError(
            f"settings of the seeds {_list(seeds)} and {_list(others)} are no pairs; expected the same seeds "
            "in the same order"
        )
    for run, other in zip(runs, baseline, strict=True):
        if run.steps != other.steps or any(
            len(run.resamples[name]) != len(other.resamples[name])
            for name in run.resamples.keys() & other.resamples
        ):
            raise DataError(
                f"seed {run.seed}: the two settings predicted other steps ({len(run.steps):,} and "
                f"{len(other.steps):,}) or have other resamples; expected the same steps in the same order"
            )


def _list(seeds: Iterable[int]) -> str:
    return ", ".join(map(str, seeds)) or "none"
