"""What the focused crowd does on average in a version of the store, exactly: all courses of a visit.

The choice rule gives the probability of each action on each page for all personas at once, so the chance of
every outcome is a sum over the tree of courses. Branches that no persona takes with a chance of `NEGLIGIBLE`
are not followed; how much is left out so is said.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from starlette.types import ASGIApp

from shop_r1.drivers.in_process import InProcessDriver
from shop_r1.drivers.protocol import ActionResult, Observation
from shop_r1.errors import DataError
from shop_r1.records.actions import Action
from shop_r1.records.sessions import Step
from shop_r1.shoppers.facts import read_session
from shop_r1.shoppers.focused.choices import crowd_choices
from shop_r1.shoppers.persona import Crowd, Floats, Intent, persona_grid

NEGLIGIBLE = 1e-6
"""Chances below it are not followed. Ours."""
_CART = ".add_to_cart"


@dataclass(frozen=True)
class Expected:
    """What each persona does with one intent."""

    purchase: Floats
    """(P,) the chance that it buys."""
    steps: Floats
    """(P,) how many steps it takes on average."""
    left_out: float
    """The largest chance, over personas, of a course that was not followed."""


async def expect(
    app: ASGIApp, intents: Iterable[Intent], max_steps: int, crowd: Crowd | None = None
) -> list[Expected]:
    """Return what the focused crowd's personas, (P,), do with each of these intents in this store.

    Raises:
        DataError: an action cannot be carried out.
    """
    crowd = crowd if crowd is not None else persona_grid()
    courses = _Courses(app)
    return [await _Tree(crowd, intent, courses, max_steps).follow() for intent in intents]


class _Courses:
    """Pages that follow on actions: the same from the same page with the same cart."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._known: dict[tuple[str, tuple[Action, ...], Action], ActionResult] = {}

    async def home(self) -> Observation:
        async with InProcessDriver(self._app) as driver:
            return await driver.open()

    async def after(self, url: str, done: Sequence[Action], action: Action) -> ActionResult:
        """Return what comes of the action after these actions, which led to that address."""
        cart = tuple(each for each in done if each.value("name").endswith(_CART))
        key = url, cart, action
        if key not in self._known:
            async with InProcessDriver(self._app) as driver:
                await driver.open()
                for each in done:
                    await driver.act(each)
                self._known[key] = await driver.act(action)
        return self._known[key]


class _Tree:
    """All courses of the visits with one intent."""

    def __init__(self, crowd: Crowd, intent: Intent, courses: _Courses, max_steps: int) -> None:
        self._crowd, self._intent, self._courses, self._max_steps = crowd, intent, courses, max_steps
        self._purchase, self._steps, self._left_out = (np.zeros(len(crowd)) for _ in range(3))

    async def follow(self) -> Expected:
        await self._branch([], await self._courses.home(), np.ones(len(self._crowd)))
        return Expected(self._purchase, self._steps, float(self._left_out.max()))

    async def _branch(self, history: list[Step], seen: Observation, chance: Floats) -> None:
        """Follow on from this page, to which each persona comes with this chance, (P,)."""
        facts = read_session(history, seen.page)
        chances: dict[Action, Floats] = defaultdict(lambda: np.zeros(len(self._crowd)))
        for choice in crowd_choices(self._crowd, self._intent, facts):
            chances[choice.action] = chances[choice.action] + choice.probability * chance
        for action, each in chances.items():
            if each.max() < NEGLIGIBLE:
                self._left_out += each
                continue
            self._steps += each
            if action.type == "terminate":
                continue
            done = [step.action for step in history]
            result = await self._courses.after(seen.page.url, done, action)
            if result.error is not None:
                raise DataError(f"{seen.page.url}: {action} cannot be carried out: {result.error}")
            if result.is_purchase:
                self._purchase += each
            elif len(history) + 1 < self._max_steps:
                await self._branch([*history, Step(page=seen.page, action=action)], result.seen, each)


def run_expect(
    app: ASGIApp, intents: Iterable[Intent], max_steps: int, crowd: Crowd | None = None
) -> list[Expected]:
    """Return what `expect` returns, from outside of an event loop."""
    return asyncio.run(expect(app, intents, max_steps, crowd))
