"""The choice rule where one looks for products: the home page and lists of results."""

from collections.abc import Sequence

import numpy as np

from shop_r1.records.actions import Action, click, terminate
from shop_r1.shoppers.facts import Item
from shop_r1.shoppers.persona import Bools, Floats
from shop_r1.shoppers.situation import Choice, Shares, Situation
from shop_r1.shoppers.wording import (
    BEST,
    CHEAP,
    MODIFIERS,
    money,
    thing,
    with_modifier,
    with_option,
    without_modifier,
    without_word,
)

# All shares and weights are ours, tuned by simulation (docs/crowd.md).
_MODIFIED, _MODIFIED_BY_OTHERS = 0.85, 0.02  # share of first queries with "cheap" or "best"
_OMITTED = 0.05  # share of first queries that leave a wanted word out
_BORED = 0.02  # share that opens nothing although something suits
_GLANCE_PRICE = 1.05  # in a list, prices up to this factor over the budget are still looked at
_GLANCE_RATING = 0.1  # and ratings up to this many stars under the floor
_POSITION_WEIGHT = 1.5  # nats that each place further down costs
_BEST_SELLER_WEIGHT, _SPONSORED_WEIGHT = 0.7, -0.5


def at_home(now: Situation, shares: Shares) -> list[Choice]:
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
        queries.append((now.search(words), (1 - cheap - best) * said, plain))
        queries.append((now.search((CHEAP, *words)), cheap * said, cheaply))
        queries.append((now.search((BEST, *words)), best * said, finest))
    shares.split(queries, 1.0)
    return shares.finish("This page has no search field, so I cannot look for anything.")


def at_results(now: Situation, shares: Shares) -> list[Choice]:
    """Look for titles that hold the query's words; click one of them, or search again, or give up."""
    wanted = set(now.required)
    matches = [i for i in now.facts.page.items if wanted <= set(i.words) and i.slug not in now.facts.seen]
    if now.unspoken:
        exact = [item for item in matches if now.unspoken in item.words]
        if not exact:
            _speak_out(now, shares)
        matches = exact or matches
    if not matches:
        return _nothing_matches(now, shares, any(wanted <= set(item.words) for item in now.facts.page.items))
    fits = _pick(now, shares, matches)
    return _nothing_fits(now, shares, matches, ~fits)


def _speak_out(now: Situation, shares: Shares) -> None:
    """Add the wanted word that was left out of the query."""
    word, words = now.unspoken, list(now.query)
    place = words.index(now.intent.noun) if now.intent.noun in words else len(words)
    words.insert(place, word)
    reason = f"I want {word} and no title says {word}, so I add it to my search."
    shares.take(now.search(words), 0.85, now.can_search, reason)


def _narrow_down(now: Situation, shares: Shares, dear: Bools, other: Bools) -> None:
    """Set a filter, once, now that no match on the page suits and the query says which filter."""
    page = now.facts.page
    if now.facts.has_filtered:
        return
    if CHEAP in now.query and page.price_filter is not None:
        label, name = page.price_filter
        reason = f"These cost more than I want to pay, so I only look at products {label}."
        shares.take(click(name), 0.9, dear, reason)
    if BEST in now.query and page.rating_filter is not None:
        reason = "None of these is good enough, so I only look at products with 4 stars or more."
        shares.take(click(page.rating_filter), 0.9, other, reason)


def _pick(now: Situation, shares: Shares, matches: Sequence[Item]) -> Bools:
    """Click one of the matches that look affordable and well rated; return for whom there is one, (P,)."""
    crowd, intent = now.crowd, now.intent
    price = np.array([max(1, item.price_cents) for item in matches])  # (n,)
    rating = np.array([item.rating or 0.0 for item in matches])
    in_stock = np.array([item.in_stock for item in matches])
    fits = price[None, :] <= now.budget[:, None] * _GLANCE_PRICE  # (P, n)
    fits &= rating[None, :] >= now.rating_floor[:, None] - _GLANCE_RATING
    fits &= in_stock[None, :]
    dearness = np.log(price / intent.cheapest_cents) / np.log(intent.dearest_cents / intent.cheapest_cents)
    look = np.array([_BEST_SELLER_WEIGHT * i.best_seller + _SPONSORED_WEIGHT * i.sponsored for i in matches])
    look = look - _POSITION_WEIGHT * np.arange(len(matches))
    utility = look - crowd.price_weight[:, None] * dearness + crowd.quality_weight[:, None] * (rating - 4)
    utility = np.where(fits, utility, -np.inf)
    peak = utility.max(axis=1, keepdims=True)
    weight = np.exp(utility - np.where(np.isfinite(peak), peak, 0.0))  # (P, n), 0 where it does not fit
    total = weight.sum(axis=1)
    any_fits: Bools = total > 0
    weight /= np.where(any_fits, total, 1.0)[:, None]
    clicks = [(click(i.name), weight[:, n], _why_clicked(i, now)) for n, i in enumerate(matches)]
    shares.split(clicks, 1 - _BORED)
    shares.take(terminate(), 1.0, any_fits, "Nothing here makes me curious enough to open it, so I leave.")
    return any_fits


def _why_clicked(item: Item, now: Situation) -> str:
    title = " ".join(item.words[1:])
    if now.facts.page.is_cheap_only or CHEAP in now.query:
        return f"The {title} matches and costs {money(item.price_cents)}, so I look at it."
    if now.facts.page.is_good_only or BEST in now.query:
        return f"The {title} matches and has {item.rating} stars, so I look at it."
    if item.best_seller:
        return f"The {title} matches and is a best seller, so I look at it."
    return f"The {title} matches what I want, so I look at it."


def _nothing_matches(now: Situation, shares: Shares, is_known: bool) -> list[Choice]:
    """Search for less, or give up; `is_known`: what matches was seen before and turned down."""
    what = f"{'other ' if is_known else ''}result is {thing(without_modifier(now.query))}"
    words = now.required
    if len(words) > 3 or (len(words) == 3 and MODIFIERS & set(now.query)):
        first, last = words[0], words[-2]
        reason = f"No {what}, so I search again without {first}."
        shares.take(now.search(without_word(now.query, first)), 0.92, now.can_search, reason)
        reason = f"No {what}, so I search again without {last}."
        shares.take(now.search(without_word(now.query, last)), 0.3, now.can_search, reason)
    elif len(words) == 2:
        reason = f"No {what}, so I search for any {words[-1]}."
        shares.take(now.search((words[-1],)), 0.15, now.can_search, reason)
    return shares.finish(f"No {what}, so I give up and leave.")


def _nothing_fits(now: Situation, shares: Shares, matches: Sequence[Item], when: Bools) -> list[Choice]:
    """Ask for cheaper or better ones, search for less, or give up: the matches do not suit."""
    cheapest = min(item.price_cents for item in matches)
    highest = max(item.rating or 0.0 for item in matches)
    dear = when & (cheapest > now.budget * _GLANCE_PRICE)
    poor = when & ~dear & (highest < now.rating_floor - _GLANCE_RATING)
    mixed = when & ~dear & ~poor
    can = now.can_search
    too_dear, too_poor = (
        f"{money(cheapest)} is more than I want to pay",
        f"{highest} stars is not good enough for me",
    )
    neither = "None of these is good, affordable and in stock at once"
    if not MODIFIERS & set(now.query):
        cheaper, better = (
            now.search(with_modifier(now.query, CHEAP)),
            now.search(with_modifier(now.query, BEST)),
        )
        shares.take(cheaper, 0.92, dear & can, f"{too_dear}, so I search for cheap ones.")
        shares.take(better, 0.92, poor & can, f"{too_poor}, so I search for the best.")
        shares.take(better, 0.92, mixed & can, f"{neither}, so I search for the best.")
    if len(now.required) > 2:
        first = now.required[0]
        reason = f"None of these suits me, so I search again without {first}."
        shares.take(now.search(without_word(now.query, first)), 0.9, when & can, reason)
    else:
        _narrow_down(now, shares, dear, when & ~dear)
    shares.take(terminate(), 1.0, dear, f"{too_dear}, so I leave.")
    shares.take(terminate(), 1.0, poor, f"{too_poor}, so I leave.")
    return shares.finish(f"{neither}, so I leave.")
