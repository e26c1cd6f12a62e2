"""Visits for tests of the page for people: pages, steps and shoppers that only look round."""

import asyncio
from typing import Any

from shop_r1.drivers.protocol import ActionResult, Observation
from shop_r1.pages.simplify import simplify_page
from shop_r1.records.actions import Action, click
from shop_r1.records.sessions import Page, Step
from shop_r1.records.visits import VisitEnd
from shop_r1.simulation.loop import Visit

SHOP = "http://shop.test"


def visit(number: int = 1, **values: Any) -> Visit:
    return Visit(f"0-{number}", f"visit-{number}", **values)


def page(path: str = "/", html: str = "<page>\n<h1>Welcome</h1>") -> Page:
    return Page(url=SHOP + path, html=html, status=200)


def step(path: str = "/", action: Action | None = None, **values: Any) -> Step:
    return Step(page=page(path), action=action or click("results.red_mug"), **values)


def end(number: int = 1, outcome: Any = "terminate", steps: int = 1, **values: Any) -> VisitEnd:
    given = {"started": 1.0, "seconds": 2.0, **values}
    return VisitEnd(session_id=f"visit-{number}", outcome=outcome, steps=steps, **given)


class Corridor:
    """A shop (`drivers.protocol.PageDriver`) of endless pages behind each other."""

    def __init__(self, step_s: float = 0.0, title: str = "Room") -> None:
        self._step_s, self._title = step_s, title
        self.acted = 0

    async def open(self, url: str) -> Observation:
        self.acted = 0
        return self._see()

    async def act(self, action: Action) -> ActionResult:
        await asyncio.sleep(self._step_s)
        self.acted += 1
        return ActionResult(self._see())

    async def close(self) -> None:
        """Nothing is held."""

    def _see(self) -> Observation:
        simplified = simplify_page(f'<h1>{self._title} {self.acted}</h1><a href="/next">Next</a>')
        return Observation(page(f"/room/{self.acted}", simplified.html), simplified)


class Walker:
    """A policy that always goes on."""

    async def act(self, history: Any, page: Page, rng: Any) -> Step:
        return Step(page=page, action=click("next"), rationale="There may be more behind the next door.")
