"""Scripted shoppers: a hidden persona and intent that decide by the choice rule."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from starlette.types import ASGIApp

from shop_r1.drivers.in_process import InProcessDriver
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.shoppers.crowd_kinds import CROWDS, Chooser, CrowdName, Drive
from shop_r1.shoppers.persona import Market
from shop_r1.simulation.loop import Limits, Progress, Tally, run_sessions


@dataclass(frozen=True)
class ScriptedPolicy:
    """A policy with a persona and an intent that only its actions show."""

    choose: Chooser
    drive: Drive = "none"
    """What matters much to the persona."""

    async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step:
        """Return a choice drawn from the rule's probabilities."""
        options = self.choose(history, page)
        chosen = rng.choices(options, weights=[float(option.probability[0]) for option in options])[0]
        return Step(page=page, action=chosen.action, rationale=chosen.rationale)


def generate_sessions(
    app: ASGIApp,
    market: Market,
    count: int,
    seed: int,
    *,
    crowd: CrowdName = "focused",
    limits: Limits | None = None,
    progress: Progress | None = None,
    tally: Tally | None = None,
) -> Iterator[Session]:
    """Yield sessions of scripted shoppers, the same for the same store, market, crowd and seed.

    `market` is what there is to want: `Market(store.kinds.KINDS)`. The store is to have what the crowd needs
    (`CROWDS[crowd].needs`). The limits are the crowd's own by default.
    """
    return run_sessions(
        scripted_policies(market, crowd),
        InProcessDriver(app),
        count,
        seed,
        names=("store", "shopper"),
        limits=limits or Limits(max_steps=CROWDS[crowd].max_steps),
        progress=progress,
        tally=tally,
    )


def scripted_policies(market: Market, crowd: CrowdName = "focused") -> Callable[[str], ScriptedPolicy]:
    """Return what makes the scripted shopper of a session by the session's key (`seed-index`)."""
    kind = CROWDS[crowd]
    draw = kind.drawing(market)

    def policy_of(key: str) -> ScriptedPolicy:
        drawn = draw(random.Random(f"shop-r1 {kind.draw_key} {key}"))
        return ScriptedPolicy(drawn.choose, drawn.drive)

    return policy_of
