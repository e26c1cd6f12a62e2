"""The wandering crowd's rule where one looks for products: home, departments and lists of results."""

from collections.abc import Sequence
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from shop_r1.records.actions import Action, click
from shop_r1.shoppers.facts import Item
from shop_r1.shoppers.persona import Bools, Floats
from shop_r1.shoppers.wandering import phrases
from shop_r1.shoppers.wandering.scene import GLANCE, Scene
from shop_r1.shoppers.wording import count, money, thing

# All shares and weights are ours, tuned by simulation (docs/crowd.md).
_POSITION_WEIGHT = 1.2  # nats that each place further down costs
_BEST_SELLER_WEIGHT, _SPONSORED_WEIGHT = 0.7, -0.5
_MATCH_WEIGHT = 2.0  # nats that each wanted word in the title is worth
_MOST_PAGES = 6  # nobody turns more pages of a list
_MOST_FILTERS = 3
_NEXT = "I want to see more, so I go on to the next page."


def at_home(now: Scene) -> None:
    """Begin by a search, by the menu, by the cart or by a popular product."""
    now.press("cart", 0.12, True, "I want to see first what is in my cart.")
    cheapness = np.array([-np.log(item.price_cents) for item in now.page.items])
    if now.page.items:
        utility = now.crowd.price_weight[:, None] * 0.5 * cheapness[None, :]
        utility = utility - 0.5 * np.arange(len(now.page.items))[None, :]
        parts = now.pick(utility, np.ones_like(utility, dtype=bool))
        _open(now, now.page.items, parts, 0.34, "is popular")
    department = now.view.department
    now.press(department, 0.5, True, f"What I want is in {department}, so I look there first.")
    now.wish("opening", 1.0, True, "I know what I want, so I search for it.")
    now.leave("This page has no search field, so I leave.")


def at_departments(now: Scene) -> None:
    """Go to the department of what is wanted, or to another out of curiosity."""
    own = now.view.department
    if own in now.course.departments:
        others = [name for name in now.page.names if _is_department(now, name) and name != own]
        fresh = [name for name in others if name not in now.course.departments]
        for name in fresh[:1]:
            now.press(name, 0.3, True, f"I have time, so I look at {name} too.")
    else:
        now.press(own, 0.93, True, f"What I want is in {own}, so I look there.")
    now.leave("I do not see what I want here, so I leave.")


def _is_department(now: Scene, label: str) -> bool:
    return now.page.names[label].startswith("departments.")


def at_department(now: Scene) -> None:
    """Go to the kind of product that is wanted."""
    noun = now.view.noun
    now.press(noun, 0.72, True, f"I want {thing([noun])}, so I look at all of them.")
    now.wish("opening", 0.35, True, "The list is long, so I search for what I want.")
    now.press("departments", 0.75, True, "This is not what I want to see, so I look at the departments.")
    now.leave("I do not see what I want here, so I leave.")


def at_results(now: Scene) -> None:
    """Look through a list: refine it, turn its pages, open a product, search again, or give up."""
    items, matches = now.page.items, np.array(now.view.matches, dtype=int)
    required = set(now.required)
    known = {product.slug for product in now.course.opened}
    suits = np.array([required <= set(item.words) for item in items], dtype=bool)
    suits &= matches >= (0 if required else 1)
    fresh = np.array([item.slug not in known for item in items], dtype=bool)
    good = now.fitting(items) & (suits & fresh)[None, :]
    has: Bools = np.asarray(good.any(axis=1))
    _have_enough(now, has)
    _go_on_as_before(now, has)
    _refine(now)
    _compare(now, suits & ~fresh)
    if items:
        _open(now, items, now.pick(_utility(now, items, matches), good), 0.98, "")
    now.leave("Nothing here makes me curious, so I leave.", has)
    shown = [item for item, shows in zip(items, suits & fresh, strict=True) if shows]
    _nothing_here(now, shown, had_some=bool(suits.any()))


def _have_enough(now: Scene, has: Bools) -> None:
    """Leave once all the effort is made that one cares to make."""
    searches, looked = len(now.course.queries), len(now.course.opened)
    done = f"I made {count(searches, 'search', 'es')} and opened {count(looked, 'product')}"
    if now.course.in_cart:
        now.press("cart", 0.9, now.spent, f"{done}, and that is enough, so I go to my cart.")
    now.leave_some(0.85, now.spent & ~has, f"{done}, and nothing here suits me, so I leave.")
    now.leave_some(0.15, now.spent & has, f"{done}, so I have looked enough and leave.")


def _go_on_as_before(now: Scene, has: Bools) -> None:
    """Set the next filter after a filter, turn the next page after a page."""
    page = now.page
    if now.course.last == "filter" and sum(element.is_current for element in page.elements) < _MOST_FILTERS:
        filters = (e for e in page.elements if e.name.startswith("refine.") and not e.is_current)
        for element in islice(filters, 1):
            reason = f"The list is still long, so I choose {element.label} too."
            now.take(click(element.name), 0.5, True, reason)
    if now.course.last == "page_related" and page.page_number < _MOST_PAGES:
        now.press("next", np.where(has, 0.4, 0.6), True, _NEXT)


def _refine(now: Scene) -> None:
    """Filter or sort a list that one sees for the first time."""
    if now.course.last not in ("search", "suggested_term"):
        return
    crowd, page = now.crowd, now.page
    now.press("lowest price", 0.1, crowd.price_driven, "I want a low price, so I sort by the lowest price.")
    now.press("top rated", 0.1, crowd.quality_driven, "I want high quality, so I sort by rating.")
    if page.price_filter is not None:
        label, name = page.price_filter
        now.take(click(name), 0.05, crowd.price_driven, f"I do not want to pay much, so I choose {label}.")
    if page.rating_filter is not None:
        reason = "I want a good one, so I choose 4 stars up."
        now.take(click(page.rating_filter), 0.05, crowd.quality_driven, reason)


def _compare(now: Scene, opened: Bools) -> None:
    """After two products of a list return to the better one."""
    items = [item for item, seen in zip(now.page.items, opened, strict=True) if seen]
    if now.course.last != "back" or len(items) < 2:
        return
    known = {product.slug: product for product in now.course.opened}
    cheapest = min(items, key=lambda item: known[item.slug].cost_cents)
    finest = max(items, key=lambda item: known[item.slug].rating or 0.0)
    compared = f"I looked at {len(items)} products and this"
    by_price = (cheapest, now.crowd.price_driven, "costs the least")
    by_rating = (finest, ~now.crowd.price_driven, f"has {known[finest.slug].rating} stars")
    # Where ratings are not shown, nothing says which one is the finest.
    for item, who, most in (by_price, by_rating) if known[finest.slug].rating is not None else (by_price,):
        product = known[item.slug]
        suits = product.cost_cents <= now.budget
        if product.rating is not None:
            suits &= product.rating >= now.crowd.rating_floor
        now.take(click(item.name), 0.6, who & suits, f"{compared} {most}, so I go back to it.")


def _utility(now: Scene, items: Sequence[Item], matches: NDArray[np.int_]) -> Floats:
    """Return how much each item draws each persona, in nats, (P, n)."""
    low, high = now.wants.price_range(now.noun) if now.noun else (100, 10_000)
    price = np.array([max(1, item.cost_cents) for item in items])
    rating = np.nan_to_num([item.stars for item in items], nan=4.0)
    dearness = np.log(price / low) / np.log(high / low)
    look = np.array([_BEST_SELLER_WEIGHT * i.best_seller + _SPONSORED_WEIGHT * i.sponsored for i in items])
    look = look - _POSITION_WEIGHT * np.arange(len(items)) + _MATCH_WEIGHT * matches
    crowd = now.crowd
    utility: Floats = look[None, :] - crowd.price_weight[:, None] * dearness[None, :]
    utility += crowd.quality_weight[:, None] * (rating[None, :] - 4)
    return utility


def _open(now: Scene, items: Sequence[Item], parts: Floats, share: float, why: str) -> None:
    """Open one of the items; `parts` is (P, n)."""
    among: list[tuple[Action | None, Floats, str]] = []
    for place, item in enumerate(items):
        reason = f"The {' '.join(item.words[1:])} {why or _why(now, item)}, so I look at it."
        among.append((click(item.name), parts[:, place], reason))
    now.split(among, share)


def _why(now: Scene, item: Item) -> str:
    if item.best_seller:
        return "is what I want and a best seller"
    if now.page.is_good_only and item.rating is not None:
        return f"is what I want and has {item.rating} stars"
    return f"is what I want and costs {money(item.cost_cents)}"


def _nothing_here(now: Scene, shown: Sequence[Item], *, had_some: bool) -> None:
    """Go on from a page on which nothing suits; `shown` are the items that match but cannot be had.

    Ask for less money or for quality, turn the page, search for more or for less, or give up.
    """
    if now.view.unsaid and not now.required:
        now.wish("full", 0.4, True, "The list is long, so I search with more words.")
    lowest = min((item.cost_cents for item in shown), default=0)
    highest = max((item.stars for item in shown), default=0.0)
    what = thing((*now.required, now.noun)).removeprefix("an ").removeprefix("a ")
    dear: Bools = np.asarray(lowest > now.budget * GLANCE)
    if shown:
        _too_dear(now, dear, f"{money(lowest)} is more than I want to pay")
        if np.isnan(highest):  # ratings are not shown, so they are no reason
            _next_page(now, 0.25, ~dear)
            _search_for_less(now, ~dear, "I can have none of these")
        else:
            _too_poor(now, ~dear, f"{highest} stars is not good enough for me")
        return
    everybody = np.ones_like(dear)
    _next_page(now, 0.4 if had_some else 0.12, everybody)
    _search_for_less(now, everybody, f"I see no {'other ' if had_some else ''}{what} here")


def _next_page(now: Scene, share: float, when: Bools) -> None:
    if now.page.page_number < _MOST_PAGES:
        now.press("next", share, when, _NEXT)


def _too_dear(now: Scene, when: Bools, problem: str) -> None:
    page, query = now.page, now.course.query
    limit, name = page.price_filter or ("", "")
    if name and not page.is_cheap_only:
        share = np.where(now.crowd.price_driven, 0.7, 0.1)
        now.take(click(name), share, when, f"{problem}, so I choose {limit}.")
    _next_page(now, 0.25, when)
    if query and not phrases.is_modified(query):
        texts = {end: phrases.cheaper(query, limit, at_the_end=end) for end in (False, True)}
        now.search_either(texts, 0.8, when, f"{problem}, so I search for a lower price.")
    _search_for_less(now, when, problem)


def _too_poor(now: Scene, when: Bools, problem: str) -> None:
    page, query = now.page, now.course.query
    if page.rating_filter is not None and not page.is_good_only:
        share = np.where(now.crowd.quality_driven, 0.7, 0.1)
        now.take(click(page.rating_filter), share, when, f"{problem}, so I choose 4 stars up.")
    _next_page(now, 0.25, when)
    if query and not phrases.is_modified(query):
        texts = {end: phrases.better(query, at_the_end=end) for end in (False, True)}
        now.search_either(texts, 0.8, when, f"{problem}, so I search for better ones.")
    _search_for_less(now, when, problem)


def _search_for_less(now: Scene, when: Bools, problem: str) -> None:
    """Search without the first attribute word while there are two; else turn the page, or give up."""
    if now.required:
        word = now.required[0]
        text = phrases.without(now.course.query, word)
        share = 0.85 if len(now.required) > 1 else 0.3
        now.search(text, share, when, f"{problem}, so I search again without {word}.")
    _next_page(now, 0.2, when)
    if now.course.in_cart:
        now.press("cart", 0.9, when, f"{problem}, so I go to my cart.")
    now.leave(f"{problem}, so I leave.", when)
