"""The choice rule where one looks for products: the home page and lists of results."""

from collections.abc import Sequence

import numpy as np

from shop_r1.records.actions import Action, click
from shop_r1.shoppers.facts import Item
from shop_r1.shoppers.persona import Bools, Floats
from shop_r1.shoppers.situation import HURRIED_DAYS, Situation
from shop_r1.shoppers.wording import BEST, CHEAP, MODIFIERS, money, thing, with_option

# All shares and weights are ours, tuned by simulation (docs/crowd.md).
_MODIFIED, _MODIFIED_BY_OTHERS = 0.85, 0.02  # share of first queries with "cheap" or "best"
_OMITTED = 0.05  # share of first queries that leave a wanted word out
_BORED = 0.02  # share that opens nothing although something suits
_GLANCE_PRICE = 1.05  # in a list, prices up to this factor over the budget are still looked at
_GLANCE_RATING = 0.1  # and ratings up to this many stars under the floor
_POSITION_WEIGHT = 1.5  # nats that each place further down costs
_BEST_SELLER_WEIGHT, _SPONSORED_WEIGHT = 0.7, -0.5


def at_home(now: Situation) -> None:
    """Search for what is wanted; one word of it may stay unspoken."""
    intent, crowd = now.intent, now.crowd
    cheap = np.where(crowd.price_driven, _MODIFIED, _MODIFIED_BY_OTHERS)
    best = np.where(crowd.quality_driven, _MODIFIED, _MODIFIED_BY_OTHERS)
    omitted = _OMITTED if len(intent.wanted) > 1 else 0.0
    queries: list[tuple[Action | None, Floats, str]] = []
    for wanted, said in ((intent.wanted[:-1], omitted), (intent.wanted, 1 - omitted)):
        words = with_option((*wanted, intent.noun), intent.option)
        what = thing(words)
        plain = f"I am looking for {what}, so I search for that first."
        cheaply = f"I want {what} at a low price, so I search for cheap ones."
        finest = f"I want {what} of high quality, so I search for the best."
        queries += [
            (now.searching(words), (1 - cheap - best) * said, plain),
            (now.searching((CHEAP, *words)), cheap * said, cheaply),
            (now.searching((BEST, *words)), best * said, finest),
        ]
    now.split(queries, 1.0)
    now.leave("This page has no search field, so I cannot look for anything.")


def at_results(now: Situation) -> None:
    """Look for titles that hold the query's words; click one of them, or search again, or give up."""
    wanted = set(now.required)
    matches = [item for item in now.page.items if wanted <= set(item.words)]
    fresh = [item for item in matches if item.slug not in now.facts.seen]
    spoken = {word for query in now.facts.queries for word in query}
    unspoken = next((word for word in now.intent.wanted if word not in spoken), "")
    if unspoken:
        exact = [item for item in fresh if unspoken in item.words]
        if not exact:
            _speak_out(now, unspoken)
        fresh = exact or fresh
    if fresh:
        _nothing_fits(now, fresh, ~_pick(now, fresh))
    else:
        _nothing_matches(now, is_known=bool(matches))


def _speak_out(now: Situation, word: str) -> None:
    """Add the wanted word that no query held yet."""
    words = list(now.query)
    place = words.index(now.intent.noun) if now.intent.noun in words else len(words)
    words.insert(place, word)
    now.search(words, 0.85, True, f"I want {word} and no title says {word}, so I add it to my search.")


def _narrow_down(now: Situation, dear: Bools, other: Bools) -> None:
    """Set a filter, once, now that no match on the page suits and the query says which filter."""
    page = now.page
    if now.facts.has_filtered:
        return
    if CHEAP in now.query and page.price_filter is not None:
        label, name = page.price_filter
        reason = f"These cost more than I want to pay, so I only look at products {label}."
        now.take(click(name), 0.9, dear, reason)
    if BEST in now.query and page.rating_filter is not None:
        reason = "None of these is good enough, so I only look at products with 4 stars or more."
        now.take(click(page.rating_filter), 0.9, other, reason)


def _pick(now: Situation, matches: Sequence[Item]) -> Bools:
    """Click one of the matches that look affordable and well rated; return for whom there is one, (P,)."""
    crowd, intent = now.crowd, now.intent
    price = np.array([max(1, item.cost_cents) for item in matches])  # (n,)
    rating = np.array([item.stars for item in matches])  # not a number where it is not shown
    in_stock = np.array([item.in_stock for item in matches])
    fits = price[None, :] <= now.budget[:, None] * _GLANCE_PRICE  # (P, n)
    fits &= ~(rating[None, :] < now.rating_floor[:, None] - _GLANCE_RATING)
    fits &= in_stock[None, :]
    fits &= ~(now.is_hurried[:, None] & np.array([_is_slow(item) for item in matches])[None, :])
    dearness = np.log(price / intent.cheapest_cents) / np.log(intent.dearest_cents / intent.cheapest_cents)
    look = np.array([_BEST_SELLER_WEIGHT * i.best_seller + _SPONSORED_WEIGHT * i.sponsored for i in matches])
    look = look - _POSITION_WEIGHT * np.arange(len(matches))
    utility = (
        look
        - crowd.price_weight[:, None] * dearness
        + crowd.quality_weight[:, None] * (np.nan_to_num(rating, nan=4.0) - 4)
    )
    utility = np.where(fits, utility, -np.inf)
    peak = utility.max(axis=1, keepdims=True)
    weight = np.exp(utility - np.where(np.isfinite(peak), peak, 0.0))  # (P, n), 0 where it does not fit
    total = weight.sum(axis=1)
    any_fits: Bools = total > 0
    weight /= np.where(any_fits, total, 1.0)[:, None]
    now.split(
        [(click(i.name), weight[:, n], _why_clicked(i, now)) for n, i in enumerate(matches)], 1 - _BORED
    )
    now.leave("Nothing here makes me curious enough to open it, so I leave.", any_fits)
    return any_fits


def _is_slow(item: Item) -> bool:
    return item.delivery_days is not None and item.delivery_days >= HURRIED_DAYS


def _why_clicked(item: Item, now: Situation) -> str:
    reason = "matches what I want"
    if now.page.is_cheap_only or CHEAP in now.query:
        reason = f"matches and costs {money(item.cost_cents)}"
    elif (now.page.is_good_only or BEST in now.query) and item.rating is not None:
        reason = f"matches and has {item.rating} stars"
    elif item.best_seller:
        reason = "matches and is a best seller"
    return f"The {' '.join(item.words[1:])} {reason}, so I look at it."


def _nothing_matches(now: Situation, *, is_known: bool) -> None:
    """Search for less, or give up; `is_known`: what matches was seen before and turned down."""
    what = thing([word for word in now.query if word not in MODIFIERS])
    problem = f"No {'other ' if is_known else ''}result is {what}"
    words = now.required
    if len(words) > 3 or (len(words) == 3 and MODIFIERS & set(now.query)):
        now.search_without(words[0], 0.92, True, problem)
        now.search_without(words[-2], 0.3, True, problem)
    elif len(words) == 2:
        now.search(words[-1:], 0.15, True, f"{problem}, so I search for any {words[-1]}.")
    now.leave(f"{problem}, so I give up and leave.")


def _nothing_fits(now: Situation, matches: Sequence[Item], when: Bools) -> None:
    """Ask for cheaper or better ones, search for less, or give up: the matches do not suit."""
    cheapest = min(item.cost_cents for item in matches)
    highest = max(item.stars for item in matches)  # not a number where ratings are not shown
    dear = when & (cheapest > now.budget * _GLANCE_PRICE)
    poor = when & ~dear & (highest < now.rating_floor - _GLANCE_RATING)
    problems = (
        (CHEAP, dear, f"{money(cheapest)} is more than I want to pay"),
        (BEST, poor, f"{highest} stars is not good enough for me"),
        (BEST, when & ~dear & ~poor, "None of these is good, affordable and in stock at once"),
    )
    for modifier, whose, problem in problems:
        now.search_modified(modifier, whose, problem)
    if len(now.required) > 2:
        now.search_without(now.required[0], 0.9, when, "None of these suits me")
    else:
        _narrow_down(now, dear, when & ~dear)
    for _, whose, problem in problems:
        now.leave(f"{problem}, so I leave.", whose)
