"""Scripted shoppers: a hidden persona and intent that decide by the choice rule."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp

from shop_r1.drivers.in_process import InProcessDriver
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.shoppers.choices import choices
from shop_r1.shoppers.persona import Intent, Market, Persona
from shop_r1.simulation.loop import Limits, Progress, Tally, run_sessions


@dataclass(frozen=True)
class ScriptedPolicy:
    """A policy with a persona and an intent that only its actions show."""

    persona: Persona
    intent: Intent

    async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step:
        """Return a choice drawn from the rule's probabilities."""
        options = choices(self.persona, self.intent, history, page)
        chosen = rng.choices(options, weights=[float(option.probability[0]) for option in options])[0]
        return Step(page=page, action=chosen.action, rationale=chosen.rationale)


def generate_sessions(
    app: ASGIApp,
    market: Market,
    count: int,
    seed: int,
    *,
    limits: Limits | None = None,
    progress: Progress | None = None,
    tally: Tally | None = None,
) -> Iterator[Session]:
    """Yield sessions of scripted shoppers, the same for the same store, market and seed (`run_sessions`).

    `market` is what there is to want: `Market(store.kinds.KINDS)`.
    """
    return run_sessions(
        lambda key: scripted_policy(market, key),
        InProcessDriver(app),
        count,
        seed,
        names=("store", "shopper"),
        limits=limits,
        progress=progress,
        tally=tally,
    )


def scripted_policy(market: Market, key: str) -> ScriptedPolicy:
    """Return the scripted shopper of a session's key (`seed-index`)."""
    return ScriptedPolicy(*market.draw(random.Random(f"shop-r1 shopper {key}")))
