"""The words of queries: each shopper puts what it wants in its own manner, and keeps it while it searches."""

import math
from collections.abc import Mapping, Sequence

from shop_r1.shoppers.wandering.people import LIMITED, MANNERS, Want

_IRREGULAR = frozenset({"knife", "mouse"})  # their plurals have another stem, which finds nothing
_JOINING = frozenset({"in", "of", "and", "that", "is"})
_MODIFYING = frozenset({"cheap", "best", "under", "reviews"})
_PLACES = {
    "kitchen": "my kitchen",
    "home": "my home",
    "electronics": "daily use",
    "clothing": "daily wear",
    "sports": "training",
    "toys": "a gift",
    "office": "my desk",
    "garden": "my garden",
}
AT_THE_END = frozenset({MANNERS.index(name) for name in ("cheap", "priced", "in", "that is", "long")})
"""Manners, by their places in `MANNERS`, that add to a query's end."""


def opening(want: Want, manner: str) -> str:
    """Return a shopper's first query for what it wants.

    >>> mug = Want("mug", "kitchen", "large", "red", "ceramic", 600, 2500)
    >>> opening(mug, "in"), opening(mug, "long")
    ('large ceramic mug in red', 'a large red ceramic mug for my kitchen')
    >>> opening(mug, "that is"), opening(mug, "short")
    ('large mug that is red and ceramic', 'mug')
    """
    return want.noun if manner == "short" else full(want, manner)


def full(want: Want, manner: str) -> str:
    """Return the query that says all of what is wanted."""
    plain = " ".join((*want.words, want.noun))
    match manner:
        case "noun first":
            return " ".join((want.noun, *want.words))
        case "plural":
            return plural(plain)
        case "cheap" | "priced":
            return f"{plain} under ${_limit(want, LIMITED[manner])}"
        case "in" if want.colour:
            return " ".join(filter(None, (want.feature, want.material, want.noun, "in", want.colour)))
        case "that is" if want.colour or want.material:
            last = " and ".join(filter(None, (want.colour, want.material)))
            return " ".join(filter(None, (want.feature, want.noun, "that is", last)))
        case "long":
            article = "" if want.noun.endswith("s") and not want.noun.endswith("ss") else "a "
            return f"{article}{plain} for {_PLACES.get(want.department, 'me')}"
    return plain


def _limit(want: Want, budget: float) -> int:
    """Return the price at a place of the kind's usual range, in dollars, up to the next multiple of 5."""
    cents: float = want.cheapest_cents * (want.dearest_cents / want.cheapest_cents) ** budget
    return math.ceil(cents / 500) * 5


def plural(text: str) -> str:
    """Return a query's last word in the plural.

    >>> plural("red mug"), plural("silk dress"), plural("steel knife"), plural("blue gloves")
    ('red mugs', 'silk dresses', 'steel knife', 'blue gloves')
    """
    last = text.split()[-1]
    if last in _IRREGULAR or (last.endswith("s") and not last.endswith("ss")):
        return text
    return text + ("es" if last.endswith(("ss", "ch")) else "s")


def noun_of(query: Sequence[str], nouns: Mapping[str, object]) -> str:
    """Return the kind that a query names, singular or plural; empty where it names none."""
    for word in query:
        for form in (word, word.removesuffix("s"), word.removesuffix("es")):
            if form in nouns:
                return form
    return ""


def without(query: Sequence[str], word: str) -> str:
    """Return the query without this word and what joined it.

    >>> without("large mug in red".split(), "red"), without("mug that is red and small".split(), "red")
    ('large mug', 'mug that is small')
    """
    place = list(query).index(word)
    before, after = list(query[:place]), list(query[place + 1 :])
    if after[:1] == ["and"]:
        after = after[1:]
    else:
        while before and before[-1] in _JOINING:
            before.pop()
    return " ".join((*before, *after))


def is_modified(query: Sequence[str]) -> bool:
    """Return whether the query asks for a low price or for quality."""
    return bool(_MODIFYING & set(query))


def cheaper(query: Sequence[str], limit: str, *, at_the_end: bool) -> str:
    """Return the query for less money; `limit` is the store's own, such as "under $25"."""
    text = " ".join(query)
    return f"{text} {limit}" if at_the_end and limit else f"cheap {text}"


def better(query: Sequence[str], *, at_the_end: bool) -> str:
    """Return the query for better ones."""
    text = " ".join(query)
    return f"{text} with top reviews" if at_the_end else f"best {text}"
