"""What queries look like in numbers, beside those that people typed."""

from collections.abc import Iterable, Mapping
from statistics import fmean, quantiles

from shop_r1.records.sessions import Session
from shop_r1.shoppers.subtypes import subtype

FUNCTION_WORDS = frozenset(
    [
        "a",
        "an",
        "and",
        "are",
        "for",
        "from",
        "i",
        "in",
        "is",
        "it",
        "my",
        "of",
        "on",
        "or",
        "that",
        "the",
        "to",
        "with",
    ]
)

REAL_QUERIES: Mapping[str, float] = {
    "words, mean": 6.40,
    "words, first decile": 3,
    "words, median": 6,
    "words, last decile": 10,
    "one or two words": 0.026,
    "three words": 0.079,
    "four to six words": 0.484,
    "seven words and more": 0.411,
    "with a price": 0.058,
    "with a function word": 0.388,
    "function words among all words": 0.091,
    "in the plural": 0.220,
}
"""Of the 2,197 queries of people in WebShop's `goal_query_map.json` (MIT), measured by `describe_queries`."""


def queries_of(sessions: Iterable[Session]) -> list[str]:
    """Return every query that was searched for."""
    return [
        step.action.value("text")
        for session in sessions
        for step in session.steps
        if subtype(step) == "search"
    ]


def describe_queries(queries: Iterable[str]) -> dict[str, float]:
    """Return what `REAL_QUERIES` has, of these queries; there are two or more."""
    split = [query.lower().split() for query in queries]
    lengths = [len(words) for words in split]
    deciles = quantiles(lengths, n=10, method="inclusive")
    words = [word for query in split for word in query]
    return {
        "words, mean": fmean(lengths),
        "words, first decile": deciles[0],
        "words, median": deciles[4],
        "words, last decile": deciles[8],
        "one or two words": fmean(length <= 2 for length in lengths),
        "three words": fmean(length == 3 for length in lengths),
        "four to six words": fmean(4 <= length <= 6 for length in lengths),
        "seven words and more": fmean(length >= 7 for length in lengths),
        "with a price": fmean(any("$" in word or "dollar" in word for word in query) for query in split),
        "with a function word": fmean(bool(FUNCTION_WORDS & set(query)) for query in split),
        "function words among all words": fmean(word in FUNCTION_WORDS for word in words),
        "in the plural": fmean(_is_plural(query[-1]) for query in split),
    }


def _is_plural(word: str) -> bool:
    return word.endswith("s") and not word.endswith("ss")
