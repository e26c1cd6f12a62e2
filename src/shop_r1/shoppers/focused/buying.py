"""The choice rule where one decides on a product: its page, its reviews, the cart and the checkout."""

import numpy as np

from shop_r1.records.actions import click, terminate
from shop_r1.shoppers.persona import Bools
from shop_r1.shoppers.situation import HURRIED_DAYS, Situation
from shop_r1.shoppers.wording import BEST, CHEAP, money

# All shares and thresholds are ours, tuned by simulation (docs/crowd.md).
_LIKED_RATING = 4.2  # from this rating on a loyal shopper remembers the brand
_LOW_STARS = 2  # a review with as few stars puts its reader off


def at_product(now: Situation) -> None:
    """Reject what does not suit; read reviews, choose the option, buy."""
    page, crowd = now.page, now.crowd
    cost = page.price_cents + page.delivery_cents
    dear: Bools = cost > now.budget
    poor = page.is_rated_below(now.rating_floor)
    if not {"buy now", "add to cart"} & page.names.keys():
        _turn_down(now, "", np.ones_like(dear), "It is out of stock")
    else:
        _turn_down(now, CHEAP, dear, f"{money(cost)} is more than I want to pay")
        _turn_down(now, BEST, poor & ~dear, f"{page.rating} stars is not good enough for me")
    slow = now.is_hurried & (page.delivery_days >= HURRIED_DAYS)
    reason = f"It takes {page.delivery_days} days and I need it sooner, so I leave."
    now.take(terminate(), 0.9, slow, reason)
    if page.slug not in now.facts.reviewed and page.review_count != 0:
        reason = "It looks right, but I want to know what others say, so I read the reviews."
        now.press("reviews", 0.9, crowd.reads_reviews, reason)
    option = now.intent.option
    if option not in page.selected:
        now.press(option, 0.95, True, f"It looks right and I need {option}, so I choose {option}.")
    reason = f"It fits at {money(page.price_cents)}{page.rated_words}, so I"
    now.press("add to cart", 0.97, crowd.careful, f"{reason} put it in the cart.")
    now.press("buy now", 0.97, True, f"{reason} buy it now.")
    now.leave("I am not sure that I really need it, so I leave without buying.")


def _turn_down(now: Situation, modifier: str, when: Bools, problem: str) -> None:
    """Turn a product down: search for its brand, with the modifier or for less, or leave."""
    brand = now.page.slug.split("-")[0]
    is_liked = now.page.rating is not None and now.page.rating >= _LIKED_RATING
    if brand and brand not in now.query and is_liked:
        reason = f"{problem}, but I like {brand}, so I search for {brand}."
        now.search((brand, now.intent.noun), 0.8, when & now.crowd.loyal, reason)
    if modifier:
        now.search_modified(modifier, when, problem)
    if len(now.required) > 2:
        now.search_without(now.required[0], 0.9, when, problem)
    now.leave(f"{problem}, so I give up and leave.", when)


def at_reviews(now: Situation) -> None:
    """Turn down what buyers were unhappy with; else go back to the product."""
    page = now.page
    low = min(page.stars, default=5)
    if low <= _LOW_STARS:
        everybody = np.ones_like(now.can_search)
        _turn_down(now, BEST, everybody, f"A buyer gave it only {low} star{'s' if low > 1 else ''}")
    title = next((name for label, name in page.names.items() if "-".join(label.split()) == page.slug), None)
    reason = "The reviews are good enough for me, so I go back to buy it."
    now.take(click(title) if title else None, 0.96, True, reason)
    now.leave("The reviews do not convince me, so I leave.")


def at_cart(now: Situation) -> None:
    """Go on to the checkout."""
    now.press("checkout", 0.97, True, "My cart holds what I wanted, so I go to the checkout.")
    now.leave("I change my mind about what is in my cart, so I leave.")


def at_checkout(now: Situation) -> None:
    """Place the order."""
    now.press("place order", 0.98, True, "The total is fine for me, so I place the order.")
    now.leave("I change my mind about this order, so I leave.")


def elsewhere(now: Situation) -> None:
    """Search again from a page that offers nothing else, or leave."""
    if now.query:
        now.search(now.query, 0.7, True, "This page does not help me, so I search again.")
    now.leave("This page does not help me, so I leave.")
