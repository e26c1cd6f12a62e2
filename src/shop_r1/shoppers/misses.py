"""What kind of miss a wrong prediction is, judged by how likely each action really was."""

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal, get_args

from shop_r1.errors import DataError
from shop_r1.records.actions import CLICK, TERMINATE, Action, exact_match
from shop_r1.records.results import Prediction
from shop_r1.records.sessions import Session
from shop_r1.shoppers.crowd_kinds import CrowdName
from shop_r1.shoppers.forecasts import Forecast
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.reachable import forecasts_of

MissKind = Literal[
    "right",
    "invalid",
    "left too early",
    "left too late",
    "wrong type",
    "wrong query",
    "wrong item among equals",
    "less likely item",
]
MISS_KINDS: tuple[MissKind, ...] = get_args(MissKind)
"""In the order of the tables. `wrong item among equals`: a click that was about as likely as any."""
_ABOUT = 0.9
"""A click of this part of the likeliest click's probability counts as equally likely. Ours."""


@dataclass(frozen=True, slots=True)
class Miss:
    """How one prediction missed its target, or that it did not."""

    kind: MissKind
    is_avoidable: bool
    """Whether another action was likelier than the predicted one; False for what was right."""


def miss_of(predicted: Action | None, forecast: Forecast) -> Miss:
    """Return what kind of miss a prediction is; None stands for an invalid response."""
    kind = _kind_of(predicted, forecast)
    highest = max(forecast.actions.values())
    is_likeliest = predicted is not None and _chance(predicted, forecast) >= highest - 1e-12
    return Miss(kind, kind != "right" and not is_likeliest)


def _kind_of(predicted: Action | None, forecast: Forecast) -> MissKind:
    target = forecast.target
    if predicted is None:
        return "invalid"
    if exact_match(predicted, target):
        return "right"
    if predicted.type != target.type:
        if predicted.type == TERMINATE.name:
            return "left too early"
        return "left too late" if target.type == TERMINATE.name else "wrong type"
    if target.type != CLICK.name:
        return "wrong query"
    clicks = [chance for action, chance in forecast.actions.items() if action.type == CLICK.name]
    equal = _chance(predicted, forecast) >= _ABOUT * max(clicks)
    return "wrong item among equals" if equal else "less likely item"


def _chance(action: Action, forecast: Forecast) -> float:
    return sum(chance for other, chance in forecast.actions.items() if exact_match(action, other))


def count_misses(
    predictions: Iterable[Prediction],
    sessions: Iterable[Session],
    market: Market,
    crowd: CrowdName = "focused",
) -> Counter[Miss]:
    """Return how often each kind of miss occurs among predictions for scripted shoppers' sessions.

    Raises:
        DataError: a prediction's step is not one of the sessions', or a session is not this crowd's.
    """
    forecasts: Mapping[tuple[str, int], Forecast] = {
        (session.session_id, forecast.step): forecast
        for session, forecast in forecasts_of(sessions, market, crowd)
    }
    counts: Counter[Miss] = Counter()
    for prediction in predictions:
        place = prediction.session_id, prediction.step
        if place not in forecasts:
            raise DataError(
                f"session {place[0]}, step {place[1]}: predicted, but not a step of these sessions; "
                "expected predictions for the same sessions, from the second step on"
            )
        counts[miss_of(prediction.action, forecasts[place])] += 1
    return counts
