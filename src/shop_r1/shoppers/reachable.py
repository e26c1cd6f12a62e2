"""How well scripted shoppers can be predicted: the best reachable accuracy on their sessions.

Their choice rule is known, so Bayes' rule gives the posterior over every persona and intent from the actions
so far, and with it the probability of each next action given all that can be observed. No predictor, of
any size or training, can expect to name the action (or its type) more often than the one that names the
likeliest.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shop_r1.errors import DataError
from shop_r1.records.results import Prediction
from shop_r1.records.sessions import Session
from shop_r1.shoppers.crowd_kinds import CROWDS, CrowdName
from shop_r1.shoppers.forecasts import Forecast
from shop_r1.shoppers.persona import Market


@dataclass(frozen=True)
class Reachable:
    """Predictions of the best predictors, for the metrics that score models too."""

    exact: tuple[Prediction, ...]
    """The likeliest action at each step from the second on."""
    types: tuple[Prediction, ...]
    """An action of the likeliest type at each of these steps."""
    expected_exact: float
    """Mean probability of the likeliest action: the accuracy to expect, less noisy than what came true."""
    expected_types: float
    """The same for types."""


def reachable_predictions(
    sessions: Iterable[Session],
    market: Market,
    crowd: CrowdName = "focused",
    mix: Mapping[str, float] | None = None,
) -> Reachable:
    """Return what the best predictors predict at every step but the first of scripted shoppers' sessions.

    `mix` is as in `best_predictions`.

    Raises:
        DataError: an action is impossible under the choice rule, so the session is not a shopper's of this
            crowd; or there is no step to predict.
    """
    return best_predictions(list(forecasts_of(sessions, market, crowd)), mix)


def best_predictions(
    pairs: Sequence[tuple[Session, Forecast]], mix: Mapping[str, float] | None = None
) -> Reachable:
    """Return what the best predictors predict, of forecasts that were made before (`forecasts_of`).

    With a `mix` (a number for each type, such as the paper's 690, 677 and 512) they are the best where steps
    are drawn so that the types of the targets come in these proportions; so is what they can expect.

    Raises:
        DataError: there is no step to predict.
    """
    if not pairs:
        raise DataError("there is no step to predict; expected sessions of two steps or more")
    weights = type_weights([forecast.target.type for _, forecast in pairs], mix) if mix else {}
    exact, types, chances = [], [], []
    for session, forecast in pairs:
        actions = {
            action: chance * weights.get(action.type, 1.0) for action, chance in forecast.actions.items()
        }
        weighed = Forecast(forecast.step, forecast.target, actions)
        best, typed = weighed.likeliest, weighed.likeliest_of_type
        place = {"session_id": session.session_id, "step": forecast.step, "target": forecast.target}
        exact.append(Prediction.model_validate(place | {"action": best}))
        types.append(Prediction.model_validate(place | {"action": typed}))
        chances.append((actions[best], max(weighed.types.values()), sum(actions.values())))
    sums = np.sum(chances, axis=0)
    return Reachable(tuple(exact), tuple(types), float(sums[0] / sums[2]), float(sums[1] / sums[2]))


def type_weights(types: Sequence[str], mix: Mapping[str, float]) -> dict[str, float]:
    """Return what steps of each type have to count for, so that the types come in these proportions.

    A type that does not occur, or that the mix leaves out, counts for nothing.
    """
    counts, whole = Counter(types), sum(mix.values())
    return {
        kind: mix.get(kind, 0.0) / whole * len(types) / counts[kind] if counts[kind] else 0.0
        for kind in {*counts, *mix}
    }


def forecasts_of(
    sessions: Iterable[Session], market: Market, crowd: CrowdName = "focused"
) -> Iterator[tuple[Session, Forecast]]:
    """Yield the posterior predictive of each step from the second on, with its session, in order.

    Raises:
        DataError: an action is impossible under the choice rule.
    """
    forecast = CROWDS[crowd].forecaster(market)
    for session in sessions:
        for each in forecast(session):
            yield session, each
