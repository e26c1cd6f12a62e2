"""Crowds whose differences are known: visits drawn from a small model of a shopper."""

from collections.abc import Iterable, Sequence
from dataclasses import replace

import numpy as np

from shop_r1.fidelity.visits import SEARCH, Act, Visit

WORDS = ("red", "blue", "green", "mug", "lamp", "chair", "small", "large", "wool", "steel")


def make_act(
    label: str, query: str | None = None, place: int | None = None, time: float | None = None
) -> Act:
    kind = {"terminate": "terminate", SEARCH: "type_and_submit"}.get(label, "click")
    return Act(
        type=kind,
        derived=label,
        recorded=label,
        page="product" if label in ("review", "purchase") else "search",
        place=place,
        height=0.5 if kind == "click" else None,
        query=query,
        time=time,
    )


def make_visit(
    number: int | str, acts: Iterable[Act], user: int | str | None = None, outcome: str = "terminate"
) -> Visit:
    acts = tuple(acts)
    return Visit(
        session_id=f"visit {number}",
        cluster=f"session {number}" if user is None else f"user {user}",
        persona=None,
        space="shop",
        outcome=outcome,
        stage="purchase" if outcome == "purchase" else "search",
        acts=acts,
        labels=tuple(act.derived for act in acts),
    )


def draw_visit(name: str, rng: np.random.Generator, user: str | None = None, buys: float = 0.4) -> Visit:
    acts = list[Act]()
    for _ in range(int(rng.integers(1, 4))):
        query = " ".join(rng.choice(WORDS, int(rng.integers(1, 4)), replace=False))
        acts.append(make_act(SEARCH, query=query))
        if rng.random() < 0.7:
            acts.append(make_act("product_link", place=int(rng.geometric(0.4))))
            acts += [make_act("review")] * int(rng.integers(0, 3))
    is_bought = rng.random() < buys
    acts.append(make_act("purchase" if is_bought else "terminate"))
    return make_visit(name, acts, user, "purchase" if is_bought else "terminate")


def draw_crowd(count: int, seed: int, visits: int = 1, buys: float = 0.4) -> list[Visit]:
    """Return so many shoppers' visits, each with so many."""
    rng = np.random.default_rng(seed)
    return [
        draw_visit(f"{seed}-{shopper}-{visit}", rng, f"{seed}-{shopper}", buys)
        for shopper in range(count)
        for visit in range(visits)
    ]


def in_capitals(visits: Sequence[Visit]) -> list[Visit]:
    """Return the same visits, every query in capitals."""
    return [
        replace(
            visit,
            acts=tuple(
                act if act.query is None else replace(act, query=act.query.upper()) for act in visit.acts
            ),
        )
        for visit in visits
    ]


def without(label: str, visits: Sequence[Visit]) -> list[Visit]:
    """Return the same visits without the acts of a label."""
    found = []
    for visit in visits:
        acts = tuple(act for act in visit.acts if act.derived != label)
        found.append(replace(visit, acts=acts, labels=tuple(act.derived for act in acts)))
    return found
