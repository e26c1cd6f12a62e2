"""Logs whose kinds of shoppers are known."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from tests.fidelity.crowd import make_act, make_visit

from shop_r1.fidelity.visits import SEARCH
from shop_r1.personas.features import Seen


def make_seen(
    number: int,
    labels: Sequence[str],
    query: str | None = None,
    user: str | None = None,
    paid: float | None = None,
) -> Seen:
    """Return a session with these acts; each search types the query."""
    acts = [make_act(label, query=query if label == SEARCH else None) for label in labels]
    outcome = "purchase" if labels[-1] == "purchase" else "terminate"
    return Seen(number, make_visit(number, acts, user, outcome), paid)


def make_log(buyers: int, lookers: int) -> list[Seen]:
    """Return quick buyers, then lookers who search often, filter and leave, each a shopper of its own."""
    log = [
        make_seen(number, [SEARCH, "product_link", "purchase"], "red mug", paid=10.0 + number)
        for number in range(1, buyers + 1)
    ]
    log += [
        make_seen(
            buyers + number,
            [SEARCH] * (3 + number % 2) + ["filter", "filter", "terminate"],
            "small blue lamp",
        )
        for number in range(1, lookers + 1)
    ]
    return log


def with_users(log: Iterable[Seen], user: str) -> list[Seen]:
    """Return the same sessions, all of one shopper."""
    return [replace(seen, visit=replace(seen.visit, cluster=f"user {user}")) for seen in log]
