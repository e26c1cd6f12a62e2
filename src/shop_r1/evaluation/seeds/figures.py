"""One seed's predictions to its figures, and to those of resamples of its sessions.

A seed stands for a whole run: its own sessions to train on, its own held-out sessions, its own training. The
figures' names are paths: `exact`, `type_accuracy`, `type_f1_macro`, `unparsable`, and by rule of similar
meaning `similar/normalized_words`, `similar/rouge_l`; per type `exact/click`, `type_accuracy/click`,
`type_f1/click`, `similar/rouge_l/type_and_submit`; the mix `predicted/click`; and what of these is over all
types once more behind `paper_mix/`, in the mix of the paper's test set. B counts resamples (row 0 is the
sample itself).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shop_r1.errors import ConfigError, DataError
from shop_r1.evaluation.bootstrap import (
    Counts,
    Floats,
    Resampled,
    headline_figures,
    resample_counts,
)
from shop_r1.evaluation.metrics import RULES, UNPARSABLE, count_predictions, paper_mix
from shop_r1.evaluation.similarity.rules import Rule
from shop_r1.records.actions import Action, ActionSpace
from shop_r1.records.results import Prediction
from shop_r1.statistics.resampling import resample_clusters

PAPER_MIX = "paper_mix"
"""What the names of the figures in the paper's test mix begin with."""


@dataclass(frozen=True)
class SeedFigures:
    """The figures of one seed's predictions."""

    seed: int
    steps: tuple[tuple[str, int, Action], ...]
    """Each step's session, index and target, in order; where these are equal, figures may be compared."""
    sessions: int
    resamples: Mapping[str, Floats]
    """By figure (B): the sample's own value, then those of resamples of its sessions; NaN in a resample that
    holds no step of the figure's type."""


def measure_seed(
    seed: int,
    predictions: Sequence[Prediction],
    space: ActionSpace,
    *,
    bootstrap: int = 1000,
    rules: Sequence[Rule] = RULES,
) -> SeedFigures:
    """Return the figures of one seed's predictions.

    The resamples depend on the number of sessions alone: of two settings that predicted the same steps, each
    resample holds the same sessions, so that their figures can be subtracted one by one.

    Raises:
        DataError: there is no prediction, a shopper's action is outside the space, or all are of one session,
            which says nothing about how sessions differ.
        ConfigError: `bootstrap` is below 2.
    """
    if bootstrap < 2:
        raise ConfigError(f"bootstrap is {bootstrap}; expected at least 2 resamples")
    if not predictions:
        raise DataError(f"seed {seed} has no predictions; expected those of its held-out steps")
    counts = count_predictions(predictions, space, rules)
    sessions = len(counts.confusion)
    if sessions < 2:
        raise DataError(f"seed {seed} has one held-out session; an interval needs at least 2")
    totals = resample_clusters(sessions, bootstrap, seed=0)
    found = resample_counts(counts, totals)
    figures = dict(_figures_of_all(found, counts)) | dict(_figures_per_type(found, counts))
    if mix := paper_mix(counts.types):
        reweighted = resample_counts(counts, totals, list(mix.values()))
        figures |= {
            f"{PAPER_MIX}/{name}": each for name, each in dict(_figures_of_all(reweighted, counts)).items()
        }
    steps = tuple((each.session_id, each.step, each.target) for each in predictions)
    return SeedFigures(seed, steps, sessions, figures)


def average_settings(settings: Sequence[Sequence[SeedFigures]], figures: Sequence[str]) -> list[SeedFigures]:
    """Return these figures' mean over settings, seed by seed; all settings have the same seeds in order.

    Resamples (B for each figure, as in `SeedFigures`) are averaged one by one. Those of the same number of
    sessions hold the same sessions, so what the settings have in common by their sessions stays in the mean's
    interval. The steps are those of all settings; the sessions are counted once, as the largest setting has
    them.

    Raises:
        ValueError: the settings have different numbers of seeds.
    """
    return [
        SeedFigures(
            seed=runs[0].seed,
            steps=tuple(step for run in runs for step in run.steps),
            sessions=max(run.sessions for run in runs),
            resamples={name: np.mean([run.resamples[name] for run in runs], axis=0) for name in figures},
        )
        for runs in zip(*settings, strict=True)
    ]


def _figures_of_all(found: Resampled, counts: Counts) -> Iterator[tuple[str, Floats]]:
    yield from headline_figures(found).items()
    for rule, hits in found.similar.items():
        yield f"similar/{rule}", hits.sum(axis=1) / found.steps
    mix = found.confusion.sum(axis=1) / found.steps[:, None]
    for label, share in zip(counts.labels, mix.T, strict=True):
        yield label if label == UNPARSABLE else f"predicted/{label}", share


def _figures_per_type(found: Resampled, counts: Counts) -> Iterator[tuple[str, Floats]]:
    present = found.support > 0
    figures = {"exact": found.exact, "type_accuracy": found.hits}
    figures |= {f"similar/{rule}": hits for rule, hits in found.similar.items()}
    shares = {
        name: np.divide(each, found.support, out=np.full_like(each, np.nan), where=present)
        for name, each in figures.items()
    }
    shares["type_f1"] = np.where(present, found.f1, np.nan)
    for name, share in shares.items():
        for kind, column in zip(counts.types, share.T, strict=True):
            yield f"{name}/{kind}", column
