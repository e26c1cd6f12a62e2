"""How well the focused crowd can be predicted: Bayes' rule over every persona and intent."""

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from shop_r1.records.actions import Action, exact_match
from shop_r1.records.sessions import Session
from shop_r1.shoppers.facts import read_session
from shop_r1.shoppers.focused.choices import crowd_choices
from shop_r1.shoppers.forecasts import Forecast, impossible_step
from shop_r1.shoppers.persona import Crowd, Floats, Intent, Market, persona_grid
from shop_r1.shoppers.situation import Choice
from shop_r1.shoppers.wording import MODIFIERS

Belief = Mapping[Intent, Floats]
"""For each intent how likely each persona is to have it, (P,), up to a common factor."""


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
            raise impossible_step(session, index)


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
