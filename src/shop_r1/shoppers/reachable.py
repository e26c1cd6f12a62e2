"""The best accuracy that any predictor can reach on scripted shoppers' sessions, by exact inference.

The choice rule is known, so Bayes' rule gives the posterior over every persona and intent from the actions
so far, and with it the probability of each next action given all that can be observed. No predictor, of
any size or training, can expect to name the action (or its type) more often than the one that names the
likeliest.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shop_r1.errors import DataError
from shop_r1.records.actions import Action, exact_match
from shop_r1.records.results import Prediction
from shop_r1.records.sessions import Session
from shop_r1.shoppers.choices import crowd_choices
from shop_r1.shoppers.facts import read_session
from shop_r1.shoppers.persona import Crowd, Floats, Intent, Market, persona_grid
from shop_r1.shoppers.situation import Choice
from shop_r1.shoppers.wording import MODIFIERS

Belief = Mapping[Intent, Floats]
"""For each intent how likely each persona is to have it, (P,), up to a common factor."""


@dataclass(frozen=True)
class Forecast:
    """What a session so far says about its next step."""

    step: int
    """Index in the session, from 1: nothing comes before the first action."""
    target: Action
    """What the shopper did."""
    actions: Mapping[Action, float]
    """The probability of each action that any persona may take; they sum to 1."""

    @property
    def likeliest(self) -> Action:
        """The action to name for the best exact accuracy."""
        return max(self.actions, key=self.actions.__getitem__)

    @property
    def types(self) -> dict[str, float]:
        """The probability of each type."""
        totals: dict[str, float] = defaultdict(float)
        for action, probability in self.actions.items():
            totals[action.type] += probability
        return dict(totals)

    @property
    def likeliest_of_type(self) -> Action:
        """The likeliest action of the likeliest type: to name for the best type accuracy."""
        types = self.types
        best = max(types, key=types.__getitem__)
        return max((a for a in self.actions if a.type == best), key=self.actions.__getitem__)


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


def reachable_predictions(sessions: Iterable[Session], market: Market) -> Reachable:
    """Return what the best predictors predict at every step but the first of scripted shoppers' sessions.

    Raises:
        DataError: an action is impossible under the choice rule, so the session is not a scripted shopper's;
            or there is no step to predict.
    """
    exact, types, chances = [], [], []
    for session in sessions:
        for forecast in forecast_session(session, market):
            best, typed = forecast.likeliest, forecast.likeliest_of_type
            place = {"session_id": session.session_id, "step": forecast.step, "target": forecast.target}
            exact.append(Prediction.model_validate(place | {"action": best}))
            types.append(Prediction.model_validate(place | {"action": typed}))
            chances.append((forecast.actions[best], max(forecast.types.values())))
    if not chances:
        raise DataError("there is no step to predict; expected sessions of two steps or more")
    expected_exact, expected_types = np.mean(chances, axis=0).tolist()
    return Reachable(tuple(exact), tuple(types), expected_exact, expected_types)


def forecast_session(session: Session, market: Market, crowd: Crowd | None = None) -> Iterator[Forecast]:
    """Yield the posterior predictive of each step from the second on.

    `market` has the intents to consider, `crowd` the personas (the whole grid by default).

    Raises:
        DataError: an action is impossible under the choice rule.
    """
    crowd = crowd if crowd is not None else persona_grid()
    intents = possible_intents(session.steps[0].action, market)
    belief: Belief = {intent: share * crowd.prior for intent, share in intents}
    for index, step in enumerate(session.steps):
        facts = read_session(session.steps[:index], step.page)
        options = {intent: crowd_choices(crowd, intent, facts) for intent in belief}
        if index > 0:
            yield Forecast(index, step.action, _predict(belief, options))
        belief = _update(belief, options, step.action)
        if not belief:
            action = step.action
            done = " ".join(filter(None, (action.type, action.name, action.text and repr(action.text))))
            raise DataError(
                f"session {session.session_id}, step {index}: no scripted shopper would "
                f"{done} here; expected scripted shoppers' sessions with this market"
            )


def possible_intents(first: Action, market: Market) -> list[tuple[Intent, float]]:
    """Return every intent that may begin with this search, with its prior; a few may be impossible after all.

    All of a first query's words come from the intent, so intents without one of them are left out beforehand.
    """
    words = set(first.value("text").split()) - MODIFIERS
    return [
        (intent, share)
        for noun, intents in market.by_noun.items()
        if noun in words
        for intent, share in intents
        if words <= {intent.noun, intent.option, *intent.wanted}
    ]


def _predict(belief: Belief, options: Mapping[Intent, Sequence[Choice]]) -> dict[Action, float]:
    total = sum(float(weight.sum()) for weight in belief.values())
    actions: dict[Action, float] = defaultdict(float)
    for intent, weight in belief.items():
        for option in options[intent]:
            actions[option.action] += float(weight @ option.probability) / total
    return {action: probability for action, probability in actions.items() if probability > 0}


def _update(belief: Belief, options: Mapping[Intent, Sequence[Choice]], done: Action) -> Belief:
    """Return the belief after an action; what it rules out is dropped."""
    after = {}
    for intent, weight in belief.items():
        likely = [option.probability for option in options[intent] if exact_match(option.action, done)]
        posterior = weight * sum(likely, np.zeros_like(weight))
        if posterior.any():
            after[intent] = posterior
    return after
