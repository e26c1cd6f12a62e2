"""How well a classifier tells two crowds apart, beside its noise floor, and the features that betray one."""

from collections.abc import Sequence

import numpy as np

from shop_r1.errors import DataError
from shop_r1.evaluation.bootstrap import Floats
from shop_r1.fidelity.classifier.features import FeatureTable, make_features
from shop_r1.fidelity.classifier.held_out import (
    FOLDS,
    SHOPPERS_MIN,
    count_wins,
    make_examples,
    measure_drops,
    score_held_out,
)
from shop_r1.fidelity.crowds import Crowds
from shop_r1.fidelity.resampling import (
    Done,
    Shoppers,
    list_shoppers,
    percentile_interval,
    resample,
    split_shoppers,
    summarize_floor,
)
from shop_r1.fidelity.results import Classified, Floor, Tell
from shop_r1.fidelity.visits import Visit

CLASSIFIED_MAX = 2000
"""Sessions of each crowd that the classifier sees, drawn at random where there are more. Ours."""
CLASSIFIER_SPLITS = 20
"""Splits of the real log by which the classifier's own noise floor is known, since each is a whole fit."""
TELLS = 10
_LEAST_RANK = 0.01
"""Of the AUC: features that make less of a difference are not named. Ours."""


def classify(
    crowds: Crowds,
    bootstrap: int,
    splits: int,
    seed: int,
    weights: Floats | None = None,
    done: Done = lambda: None,
) -> Classified | None:
    """Return how well a classifier tells the crowds apart; None where one has too few shoppers.

    The noise floor takes `splits` of the real log, `CLASSIFIER_SPLITS` at most; `done` is called after each.
    """
    real, simulated, weights = _draw_classified(crowds, seed, weights)
    if min(list_shoppers(visits).count for visits in (real, simulated)) < SHOPPERS_MIN:
        return None
    table = make_features(real, simulated)
    if not table.names:
        raise DataError("no feature differs within the two logs; expected sessions that are not all alike")
    found = score_held_out(make_examples(table, real, simulated, seed, weights))
    drops = measure_drops(found, seed)
    of_real, of_simulated = list_shoppers(real), list_shoppers(simulated)
    aucs = resample(
        lambda left, right: np.array([found.auc(np.concatenate([left, right]))]),
        of_real,
        of_simulated,
        bootstrap,
        seed,
        weights,
    )
    interval = percentile_interval(aucs[:, 0])
    assert interval is not None
    return Classified(
        auc=interval,
        floor=_classifier_floor(
            real, of_real, of_simulated.count, min(splits, CLASSIFIER_SPLITS), seed, done
        ),
        real=len(real),
        simulated=len(simulated),
        folds=FOLDS,
        features=table.names,
        left_out=table.left_out,
        tells=tuple(_list_tells(table, drops, weights)),
    )


def _draw_classified(
    crowds: Crowds, seed: int, weights: Floats | None
) -> tuple[list[Visit], list[Visit], Floats | None]:
    """Return the visits that the classifier sees, and the simulated ones' weights, which are above 0."""
    rng = np.random.default_rng(seed)
    kept = np.arange(len(crowds.simulated)) if weights is None else np.flatnonzero(weights > 0)
    places, others = (
        np.sort(rng.choice(each, min(len(each), CLASSIFIED_MAX), replace=False))
        for each in (np.arange(len(crowds.real)), kept)
    )
    real, simulated = [crowds.real[at] for at in places], [crowds.simulated[at] for at in others]
    return real, simulated, None if weights is None else weights[others]


def _classifier_floor(
    real: Sequence[Visit], shoppers: Shoppers, others: int, splits: int, seed: int, done: Done
) -> Floor | None:
    """Return the AUC between two parts of the real crowd."""
    if shoppers.count < 2 * SHOPPERS_MIN:
        return None
    found = []
    for number, halves in enumerate(split_shoppers(shoppers, others, splits, seed)):
        left, right = ([visit for visit, own in zip(real, half, strict=True) if own] for half in halves)
        table = make_features(right, left)
        found.append(score_held_out(make_examples(table, right, left, number)).auc() if table.names else 0.5)
        done()
    return summarize_floor(np.array(found))


def _list_tells(table: FeatureTable, drops: Floats, weights: Floats | None) -> list[Tell]:
    """Return the features that the classifier needs most or that tell the crowds apart best alone.

    Both are differences of AUC, so the larger one ranks a feature.
    """
    own = np.ones(len(table.simulated)) if weights is None else weights
    ranked = list[tuple[float, Tell]]()
    for at, name in enumerate(table.names):
        real, simulated = table.real[:, at], table.simulated[:, at]
        tell = Tell(
            feature=name,
            real=_mean(real, np.ones(len(real))),
            simulated=_mean(simulated, own),
            alone=_auc_alone(real, simulated, own),
            drop=max(0.0, float(drops[at])),
        )
        ranked.append((max(tell.drop, _weigh_alone(tell.alone, real, simulated)), tell))
    ranked.sort(key=lambda each: -each[0])
    return [tell for rank, tell in ranked if rank >= _LEAST_RANK][:TELLS]


def _weigh_alone(auc: float, real: Floats, simulated: Floats) -> float:
    """Return how far a feature's own AUC is from 0.5, by the share of sessions that have it; 0 if by chance.

    Chance makes it as large as three standard errors of a Mann-Whitney statistic.
    """
    columns = (real, simulated)
    known = min(float(np.mean(~np.isnan(column))) for column in columns)
    m, n = (int(np.sum(~np.isnan(column))) for column in columns)
    error = ((m + n + 1) / (12 * m * n)) ** 0.5
    return known * abs(auc - 0.5) if abs(auc - 0.5) > 3 * error else 0.0


def _mean(values: Floats, weights: Floats) -> float | None:
    known = ~np.isnan(values) & (weights > 0)
    return float(np.average(values[known], weights=weights[known])) if known.any() else None


def _auc_alone(real: Floats, simulated: Floats, weights: Floats) -> float:
    kept, own = real[~np.isnan(real)], ~np.isnan(simulated)
    won, pairs = count_wins(
        np.concatenate([kept, simulated[own]]),
        np.repeat([0.0, 1.0], [len(kept), int(own.sum())]),
        np.concatenate([np.ones(len(kept)), weights[own]]),
    )
    return won / pairs if pairs > 0 else 0.5
