"""The wandering crowd's rule where one decides on a product: its page and its reviews."""

from collections.abc import Sequence

import numpy as np

from shop_r1.records.actions import click
from shop_r1.shoppers.persona import Bools, Floats
from shop_r1.shoppers.wandering.scene import SLOW_DAYS, Scene
from shop_r1.shoppers.wording import money

# All shares and thresholds are ours, tuned by simulation (docs/crowd.md).
_LOW_STARS = 2


def at_product(now: Scene) -> None:
    """Turn down what does not suit; else read reviews, try options, compare, look at related items, buy."""
    _try_options(now)
    _turn_down(now)
    page, course = now.page, now.course
    if course.last != "review" and page.slug not in course.reviewed and page.review_count != 0:
        _read_reviews(now)
    _begin_options(now)
    _choose_size(now)
    _look_around(now)
    _buy(now)
    now.leave("I am not sure that I need it, so I leave without buying.")


def _turn_down(now: Scene) -> None:
    page, crowd = now.page, now.crowd
    cost = page.price_cents + page.delivery_cents
    gone: Bools = np.full(len(crowd), not {"buy now", "add to cart"} & page.names.keys())
    dear = ~gone & (cost > now.budget)
    poor = ~gone & ~dear & page.is_rated_below(crowd.rating_floor)
    slow = ~gone & ~dear & ~poor & (page.delivery_days >= SLOW_DAYS) & now.is_hurried
    for when, problem in (
        (gone, "It is out of stock"),
        (dear, f"{money(cost)} is more than I want to pay"),
        (poor, f"{page.rating} stars is not good enough for me"),
        (slow, f"It takes {page.delivery_days} days and I need it sooner"),
    ):
        if not when.any():
            continue
        now.leave_some(0.8, when & now.spent, f"{problem} and I have looked enough, so I leave.")
        now.press("back to results", 0.75, when, f"{problem}, so I go back to the results.")
        _relate(now, 0.25, when, problem)
        now.wish("opening", 0.15, when, f"{problem}, so I search for what I want.")
        now.leave(f"{problem}, so I leave.", when)


def _relate(now: Scene, share: Floats | float, when: Bools | bool, why: str) -> None:
    """Open the first related item that was not open before."""
    known = {product.slug for product in now.course.opened}
    for item in now.page.items:
        if item.slug not in known:
            now.take(click(item.name), share, when, f"{why}, so I look at the {' '.join(item.words[1:])}.")
            return


def _try_options(now: Scene) -> None:
    """After an option, try the next one that was not tried."""
    if now.course.last == "product_option":
        _next_option(now, np.where(_has_settled(now), 0.3, np.where(now.at_ease, 0.98, 0.85)))


def _has_settled(now: Scene) -> Bools:
    """Return who has just chosen the size or the pack that fits, (P,)."""
    chosen = [
        place
        for group in now.course.groups
        for place, (label, name) in enumerate(group, 1)
        if name == now.course.last_name and label in now.page.selected and _fits_people(group)
    ]
    return np.isin(now.crowd.size, chosen)


def _fits_people(group: Sequence[tuple[str, str]]) -> bool:
    """Return whether an option is one of which a certain value fits a shopper: sizes and packs."""
    return not group[0][1].startswith("colour.")


def _begin_options(now: Scene) -> None:
    course = now.course
    if course.last == "product_option" or now.page.slug in course.tried:
        return
    share = 0.5 if course.tried else np.where(now.at_ease, 0.6, 0.2)
    _next_option(now, share)


def _next_option(now: Scene, share: Floats | float) -> None:
    chosen = now.page.selected
    groups = now.course.groups
    if not groups:
        return
    for group in groups:
        labels = {label for label, _ in group}
        for label, name in group:
            if label not in chosen and (chosen - labels) | {label} not in now.course.combinations:
                now.take(click(name), share, True, f"I want to see it in {label} too, so I choose {label}.")
                return


def _read_reviews(now: Scene) -> None:
    course = now.course
    share = 0.6 if course.reviewed else np.where(now.at_ease, 0.6, 0.12)
    now.press("reviews", share, True, "I want to know what others say, so I read the reviews.")


def _choose_size(now: Scene) -> None:
    """Choose the size or the pack that fits."""
    for group in now.course.groups:
        if _fits_people(group):
            for place, (label, name) in enumerate(group, 1):
                if label not in now.page.selected:
                    when = now.crowd.size == place
                    now.take(click(name), 0.9, when, f"I need {label}, so I choose {label}.")


def _look_around(now: Scene) -> None:
    course = now.course
    if course.last == "product_link" and course.kinds.count("back") == 0:
        reason = "It looks right, but I want to compare it with others, so I go back to the results."
        now.press("back to results", np.where(now.at_ease, 0.4, 0.1), True, reason)
    if course.last == "product_link":
        reason = "It looks right, but I want to see what is like it"
        _relate(now, np.where(now.at_ease, 0.35, 0.08), True, reason)


def _buy(now: Scene) -> None:
    page = now.page
    reason = f"It fits at {money(page.price_cents)}{page.rated_words}, so I"
    if page.delivery_cents:
        now.press("add to cart", 0.88, True, f"{reason} put it in the cart to see the total.")
    now.press("add to cart", 0.06, True, f"{reason} put it in the cart.")
    now.press("buy now", 0.94, True, f"{reason} buy it now.")


def at_reviews(now: Scene) -> None:
    """Read on, go back to the product, or leave."""
    page = now.page
    low = sum(stars <= _LOW_STARS for stars in page.stars)
    if low >= 2:
        reason = f"{low} of these buyers were not happy, so I leave."
        is_poor = page.is_rated_below(now.crowd.rating_floor)
        now.leave_some(0.25, now.crowd.quality_driven | is_poor, reason)
    if page.page_number < page.page_count:
        reason = "I want to read more, so I go on to the next reviews."
        now.press("next", np.where(now.at_ease, 0.96, 0.7), True, reason)
    title = next((e.name for e in page.elements if "-".join(e.label.split()) == page.slug), None)
    reason = "I have read enough reviews, so I go back to the product."
    now.take(click(title) if title else None, 0.93, True, reason)
    now.leave("The reviews do not convince me, so I leave.")
