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

    With a `mix` (a number for each type, such as the paper's 690, 677 and 512) they are the best where steps
    are drawn so that the types of the targets come in these proportions; so is what they can expect.

    Raises:
        DataError: an action is impossible under the choice rule, so the session is not a shopper's of this
            crowd; or there is no step to predict.
    """
    return reachable_in_mixes(sessions, market, crowd, [mix])[0]


def reachable_in_mixes(
    sessions: Iterable[Session],
    market: Market,
    crowd: CrowdName,
    mixes: Sequence[Mapping[str, float] | None],
) -> list[Reachable]:
    """Return `reachable_predictions` for each of the mixes; None is the mix of the sessions themselves.

    What takes long, the inference, is done once.

    Raises:
        DataError: as there.
    """
    sessions = list(sessions)
    types = [step.action.type for session in sessions for step in session.steps[1:]]
    if not types:
        raise DataError("there is no step to predict; expected sessions of two steps or more")
    weights = [type_weights(types, mix) if mix else {} for mix in mixes]
    found: list[list[_Best]] = [[] for _ in mixes]
    for session, forecast in forecasts_of(sessions, market, crowd):
        for each, weight in zip(found, weights, strict=True):
            each.append(_weigh(session, forecast, weight))
    return [_put_together(each) for each in found]


@dataclass(frozen=True, slots=True)
class _Best:
    """The best predictions at one step; chances are weighted by type."""

    exact: Prediction
    types: Prediction
    chances: tuple[float, float, float]
    """Of the likeliest action, of the likeliest type, and of all together."""


def _weigh(session: Session, forecast: Forecast, weights: Mapping[str, float]) -> _Best:
    actions = {action: chance * weights.get(action.type, 1.0) for action, chance in forecast.actions.items()}
    weighed = Forecast(forecast.step, forecast.target, actions)
    best, typed = weighed.likeliest, weighed.likeliest_of_type
    place = {"session_id": session.session_id, "step": forecast.step, "target": forecast.target}
    return _Best(
        Prediction.model_validate(place | {"action": best}),
        Prediction.model_validate(place | {"action": typed}),
        (actions[best], max(weighed.types.values()), sum(actions.values())),
    )


def _put_together(found: Sequence[_Best]) -> Reachable:
    sums = np.sum([each.chances for each in found], axis=0)
    return Reachable(
        tuple(each.exact for each in found),
        tuple(each.types for each in found),
        float(sums[0] / sums[2]),
        float(sums[1] / sums[2]),
    )


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
