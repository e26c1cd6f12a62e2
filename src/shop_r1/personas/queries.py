"""First queries of a log as intents: only what several shoppers typed, and nothing that looks personal."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from shop_r1.importers.masking import is_masked
from shop_r1.personas.entries import Intent
from shop_r1.personas.features import Seen

LONGEST = 100
"""Characters of a query that is kept. Ours."""
_PERSONAL = (
    ("an e-mail address", re.compile(r"\S+@\S+")),
    ("an address of a page", re.compile(r"https?://|www\.", re.IGNORECASE)),
    ("a telephone number or a long number", re.compile(r"(?:\d[\s().+/-]*){7,}")),
)
"""What a query is left out for; nothing finds every name, which is why rare queries are left out too."""


@dataclass(frozen=True)
class Queries:
    """What can be said of the first queries of a log."""

    intents: tuple[Intent, ...]
    """The most frequent first; weights are numbers of sessions."""
    searching: int
    """Sessions with a query."""
    kept: int
    """Of these, sessions whose first query is kept."""
    left_out: dict[str, int]
    """Sessions whose first query is left out, by the reason in words."""


def collect_queries(log: Sequence[Seen], least: int) -> Queries:
    """Return the first queries that at least so many shoppers typed, in lower case and single spaces.

    Only what was typed into a search field is looked at. A session without a `user_id` counts as a shopper.
    """
    left_out: Counter[str] = Counter()
    sessions: Counter[str] = Counter()
    shoppers: dict[str, set[str]] = {}
    for seen in log:
        if not seen.visit.queries:
            continue
        query = " ".join(seen.visit.queries[0].lower().split())
        if reason := _refuse(query):
            left_out[reason] += 1
            continue
        sessions[query] += 1
        shoppers.setdefault(query, set()).add(seen.visit.cluster)
    few = {query for query, who in shoppers.items() if len(who) < least}
    if rare := sum(sessions[query] for query in few):
        left_out[f"fewer than {least} shoppers typed it"] = rare
    kept = sorted(((count, query) for query, count in sessions.items() if query not in few), key=_order)
    return Queries(
        intents=tuple(Intent(query=query, weight=count) for count, query in kept),
        searching=sum(bool(seen.visit.queries) for seen in log),
        kept=sum(count for count, _ in kept),
        left_out=dict(left_out),
    )


def _order(each: tuple[int, str]) -> tuple[int, str]:
    return -each[0], each[1]


def _refuse(query: str) -> str | None:
    """Return why a query is left out, whoever typed it; None for no reason.

    >>> [_refuse(each) for each in ("red mug", "ann@example.org", "0170 555 12 34", "iphone 15 128 gb")]
    [None, 'it has an e-mail address', 'it has a telephone number or a long number', None]
    """
    if not query:
        return "it is empty"
    if is_masked(query):
        return "a recorder masked it"
    if len(query) > LONGEST:
        return f"it is longer than {LONGEST} characters"
    return next((f"it has {what}" for what, pattern in _PERSONAL if pattern.search(query)), None)
