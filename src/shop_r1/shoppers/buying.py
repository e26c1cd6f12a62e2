"""The choice rule where one decides on a product: its page, its reviews, the cart and the checkout."""

import numpy as np

from shop_r1.records.actions import click, terminate
from shop_r1.shoppers.persona import Bools
from shop_r1.shoppers.situation import Choice, Shares, Situation
from shop_r1.shoppers.wording import BEST, CHEAP, MODIFIERS, money, with_modifier, without_word

# All shares and thresholds are ours, tuned by simulation (docs/crowd.md).
_HURRIED_DAYS, _HURRIED_PATIENCE = 6, 3  # so many days of delivery put off shoppers of this patience or less
_LIKED_RATING = 4.2  # from this rating on a loyal shopper remembers the brand
_LOW_STARS = 2  # a review with as few stars puts its reader off


def at_product(now: Situation, shares: Shares) -> list[Choice]:
    """Reject what does not suit; read reviews, choose the option, buy."""
    page, crowd = now.facts.page, now.crowd
    cost = page.price_cents + page.delivery_cents
    dear = cost > now.budget
    poor = page.rating < now.rating_floor
    if not (now.press("buy now") or now.press("add to cart")):
        _refine(now, shares, "", "It is out of stock", np.ones(len(crowd), dtype=bool))
    else:
        _refine(now, shares, CHEAP, f"{money(cost)} is more than I want to pay", dear)
        _refine(now, shares, BEST, f"{page.rating} stars is not good enough for me", poor & ~dear)
    slow = (crowd.patience <= _HURRIED_PATIENCE) & (page.delivery_days >= _HURRIED_DAYS)
    shares.take(
        terminate(), 0.9, slow, f"It takes {page.delivery_days} days and I need it sooner, so I leave."
    )
    if page.slug not in now.facts.reviewed and page.review_count:
        reason = "It looks right, but I want to know what others say, so I read the reviews."
        shares.take(now.press("reviews"), 0.9, crowd.reads_reviews, reason)
    option = now.intent.option
    if option in page.names and option not in page.selected:
        reason = f"It looks right and I need {option}, so I choose {option}."
        shares.take(now.press(option), 0.95, True, reason)
    reason = f"It fits at {money(page.price_cents)} with {page.rating} stars, so I"
    shares.take(now.press("add to cart"), 0.97, crowd.careful, f"{reason} put it in the cart.")
    shares.take(now.press("buy now"), 0.97, True, f"{reason} buy it now.")
    return shares.finish("I am not sure that I really need it, so I leave without buying.")


def _refine(now: Situation, shares: Shares, modifier: str, problem: str, when: Bools) -> None:
    """Turn a product down: search for its brand, with the modifier or for less, or leave."""
    page, can = now.facts.page, now.can_search
    brand = page.slug.split("-")[0]
    if brand and brand not in now.query and page.rating >= _LIKED_RATING:
        reason = f"{problem}, but I like {brand}, so I search for {brand}."
        shares.take(now.search((brand, now.intent.noun)), 0.8, when & can & now.crowd.loyal, reason)
    if modifier and not MODIFIERS & set(now.query):
        reason = f"{problem}, so I search for {'cheap ones' if modifier == CHEAP else 'the best'}."
        shares.take(now.search(with_modifier(now.query, modifier)), 0.92, when & can, reason)
    if len(now.required) > 2:
        first = now.required[0]
        reason = f"{problem}, so I search again without {first}."
        shares.take(now.search(without_word(now.query, first)), 0.9, when & can, reason)
    shares.take(terminate(), 1.0, when, f"{problem}, so I give up and leave.")


def at_reviews(now: Situation, shares: Shares) -> list[Choice]:
    """Turn down what buyers were unhappy with; else go back to the product."""
    page = now.facts.page
    low = min(page.stars, default=5)
    everybody = np.ones(len(now.crowd), dtype=bool)
    if low <= _LOW_STARS:
        _refine(now, shares, BEST, f"A buyer gave it only {low} star{'s' if low > 1 else ''}", everybody)
    title = next((name for label, name in page.names.items() if "-".join(label.split()) == page.slug), None)
    back = click(title) if title else None
    shares.take(back, 0.96, True, "The reviews are good enough for me, so I go back to buy it.")
    return shares.finish("The reviews do not convince me, so I leave.")


def at_cart(now: Situation, shares: Shares) -> list[Choice]:
    """Go on to the checkout."""
    shares.take(now.press("checkout"), 0.97, True, "My cart holds what I wanted, so I go to the checkout.")
    return shares.finish("I change my mind about what is in my cart, so I leave.")


def at_checkout(now: Situation, shares: Shares) -> list[Choice]:
    """Place the order."""
    shares.take(now.press("place order"), 0.98, True, "The total is fine for me, so I place the order.")
    return shares.finish("I change my mind about this order, so I leave.")


def elsewhere(now: Situation, shares: Shares) -> list[Choice]:
    """Search again from a page that offers nothing else, or leave."""
    if now.facts.query:
        reason = "This page does not help me, so I search again."
        shares.take(now.search(now.facts.query), 0.7, now.can_search, reason)
    return shares.finish("This page does not help me, so I leave.")
