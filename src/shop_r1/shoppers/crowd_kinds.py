"""The crowds of scripted shoppers by name: who they are, how they choose, and which shop they need."""

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from shop_r1.records.sessions import Page, Session, Step
from shop_r1.shoppers.focused.belief import forecast_session
from shop_r1.shoppers.focused.choices import choices
from shop_r1.shoppers.forecasts import Forecast
from shop_r1.shoppers.persona import DRIVEN, Market, Persona
from shop_r1.shoppers.situation import Choice
from shop_r1.shoppers.wandering import rule
from shop_r1.shoppers.wandering.belief import Forecaster
from shop_r1.shoppers.wandering.people import Wanderer, Wants

Drive = Literal["none", "price", "quality"]
"""What matters much to a shopper."""
CrowdName = Literal["focused", "wandering"]
Chooser = Callable[[Sequence[Step], Page], list[Choice]]
"""What one shopper may do next, by the steps so far and the page before it; the probabilities sum to 1."""


@dataclass(frozen=True)
class Drawn:
    """A shopper that was drawn."""

    choose: Chooser
    drive: Drive
    """Of its hidden persona."""


@dataclass(frozen=True, slots=True)
class ShopNeeds:
    """What a crowd needs of the built-in store (`store.frame.PageParts`, `store.catalogue.Variety`)."""

    footer: bool = True
    back_link: bool = False
    related: int = 3
    reviews: tuple[int, int] = (3, 9)
    has_all_options: bool = False


@dataclass(frozen=True)
class CrowdKind:
    """One crowd."""

    name: CrowdName
    meaning: str
    """Who its shoppers are, in a few words."""
    drawing: Callable[[Market], Callable[[random.Random], Drawn]]
    """Of a market: what draws a shopper with a hidden persona and intent."""
    forecaster: Callable[[Market], Callable[[Session], Iterator[Forecast]]]
    """Of a market: what forecasts each step of a session from the second on."""
    needs: ShopNeeds
    max_steps: int
    """Steps of a visit at most."""
    draw_key: str
    """What the randomness of drawing a shopper depends on, beside its visit's key."""


def _draw_focused(market: Market) -> Callable[[random.Random], Drawn]:
    def draw(rng: random.Random) -> Drawn:
        persona, intent = market.draw(rng)
        return Drawn(lambda history, page: choices(persona, intent, history, page), _drive(persona))

    return draw


def _draw_wandering(market: Market) -> Callable[[random.Random], Drawn]:
    wants = Wants(market)

    def draw(rng: random.Random) -> Drawn:
        persona, want = wants.draw(rng)
        return Drawn(lambda history, page: rule.choices(persona, want, history, page, wants), _drive(persona))

    return draw


def _drive(persona: Persona | Wanderer) -> Drive:
    if persona.price_weight > DRIVEN:
        return "price"
    return "quality" if persona.quality_weight > DRIVEN else "none"


CROWDS: Mapping[CrowdName, CrowdKind] = {
    "focused": CrowdKind(
        name="focused",
        meaning="they search at once, decide quickly, and leave",
        drawing=_draw_focused,
        forecaster=lambda market: lambda session: forecast_session(session, market),
        needs=ShopNeeds(),
        max_steps=20,
        draw_key="shopper",
    ),
    "wandering": CrowdKind(
        name="wandering",
        meaning="they look around as people do: menus, filters, reviews, options, comparing",
        drawing=_draw_wandering,
        forecaster=lambda market: Forecaster(Wants(market)).forecast,
        needs=ShopNeeds(footer=False, back_link=True, related=2, reviews=(10, 90), has_all_options=True),
        max_steps=rule.MAX_STEPS,
        draw_key="wanderer",
    ),
}
"""The demo's crowd, and one near OPeRA's statistics; a reproduction takes either (docs/crowd.md)."""
