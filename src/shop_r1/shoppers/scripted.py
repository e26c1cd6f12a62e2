"""Scripted shoppers: a hidden persona and intent that decide by the choice rule."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp

from shop_r1.drivers.in_process import InProcessDriver
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.shoppers.choices import choices
from shop_r1.shoppers.persona import Intent, Market, Persona
from shop_r1.simulation.loop import MAX_STEPS, Decision, Tally, run_session

Progress = Callable[[int, int], None]
"""Called with how many sessions are done and how many there will be."""


@dataclass(frozen=True)
class ScriptedShopper:
    """A policy that knows what it wants; nothing but its actions shows it."""

    persona: Persona
    intent: Intent

    def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Decision:
        """Return a choice drawn from the rule's probabilities."""
        options = choices(self.persona, self.intent, history, page)
        chosen = rng.choices(options, weights=[float(option.probability[0]) for option in options])[0]
        return Decision(chosen.rationale, chosen.action)


def generate_sessions(
    app: ASGIApp,
    market: Market,
    count: int,
    seed: int,
    *,
    max_steps: int = MAX_STEPS,
    progress: Progress | None = None,
    tally: Tally | None = None,
) -> Iterator[Session]:
    """Yield sessions of scripted shoppers in a store, the same for the same store, market and seed.

    Session `k` depends on the seed and `k` alone, so a larger count only adds sessions.

    Args:
        app: the store.
        market: what there is to want (`Market.of(store.kinds.KINDS)`).
        count: how many sessions.
        seed: of personas, intents and choices.
        max_steps: per session.
        progress: told after each session.
        tally: counts outcomes and faults.
    """
    with InProcessDriver(app) as driver:
        for index in range(count):
            key = f"{seed}-{index:05d}"
            persona, intent = market.draw(random.Random(f"shop-r1 shopper {key}"))
            shopper = ScriptedShopper(persona, intent)
            yield run_session(
                shopper,
                driver,
                key,
                max_steps,
                session_id=f"store-{key}",
                user_id=f"shopper-{key}",
                tally=tally,
            )
            if progress is not None:
                progress(index + 1, count)
