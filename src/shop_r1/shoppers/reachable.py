"""How well scripted shoppers can be predicted: the best reachable accuracy on their sessions.

Their choice rule is known, so Bayes' rule gives the posterior over every persona and intent from the actions
so far, and with it the probability of each next action given all that can be observed. No predictor, of
any size or training, can expect to name the action (or its type) more often than the one that names the
likeliest.
"""

from collections.abc import Iterable, Iterator
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
    sessions: Iterable[Session], market: Market, crowd: CrowdName = "focused"
) -> Reachable:
    """Return what the best predictors predict at every step but the first of scripted shoppers' sessions.

    Raises:
        DataError: an action is impossible under the choice rule, so the session is not a shopper's of this
            crowd; or there is no step to predict.
    """
    pairs = list(forecasts_of(sessions, market, crowd))
    if not pairs:
        raise DataError("there is no step to predict; expected sessions of two steps or more")
    exact, types, chances = [], [], []
    for session, forecast in pairs:
        best, typed = forecast.likeliest, forecast.likeliest_of_type
        place = {"session_id": session.session_id, "step": forecast.step, "target": forecast.target}
        exact.append(Prediction.model_validate(place | {"action": best}))
        types.append(Prediction.model_validate(place | {"action": typed}))
        chances.append((forecast.actions[best], max(forecast.types.values())))
    expected_exact, expected_types = np.mean(chances, axis=0).tolist()
    return Reachable(tuple(exact), tuple(types), expected_exact, expected_types)


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
