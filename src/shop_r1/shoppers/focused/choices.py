"""How a scripted shopper chooses: one pure function of persona, intent and what was observed so far.

The rule weighs many personas at once: every probability is a row over P personas, so that the same code
acts (P = 1) and infers (P = the whole grid, `reachable`). Each page's rule reads from the top: a line takes a
share of what the lines above it left, for the personas that its condition holds for.
"""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from shop_r1.records.sessions import Page, Step
from shop_r1.shoppers.facts import PageKind, SessionFacts, read_session
from shop_r1.shoppers.focused.browsing import at_home, at_results
from shop_r1.shoppers.focused.buying import at_cart, at_checkout, at_product, at_reviews, elsewhere
from shop_r1.shoppers.persona import Crowd, Intent, Persona
from shop_r1.shoppers.situation import Choice, Situation

_RULES: Mapping[PageKind, Callable[[Situation], None]] = {
    "home": at_home,
    "results": at_results,
    "product": at_product,
    "reviews": at_reviews,
    "cart": at_cart,
    "checkout": at_checkout,
}


def choices(persona: Persona, intent: Intent, history: Sequence[Step], page: Page) -> list[Choice]:
    """Return what this shopper may do next; the probabilities, arrays of one number, sum to 1."""
    return crowd_choices(Crowd([persona], np.ones(1)), intent, read_session(history, page))


def crowd_choices(crowd: Crowd, intent: Intent, facts: SessionFacts) -> list[Choice]:
    """Return what each persona of the crowd may do next with this intent; for each they sum to 1.

    One action can stand there more than once, for different reasons.
    """
    now = Situation(facts, crowd, intent)
    _RULES.get(facts.page.kind, elsewhere)(now)
    return now.choices
