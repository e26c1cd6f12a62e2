"""One visit in the store in this process, led from outside: a completion goes in, the next page comes out.

The visit itself is `simulation.loop.run_session`, so limits, outcomes and records are those of every visit.
"""

import asyncio
import random
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

from starlette.applications import Starlette

from shop_r1.drivers.in_process import InProcessDriver
from shop_r1.drivers.protocol import Observation
from shop_r1.environments.tasks import ShopTask, bought_by
from shop_r1.errors import PageError
from shop_r1.prompts.parse import ParseFailure, parse_response
from shop_r1.records.actions import SHOP
from shop_r1.records.sessions import Outcome, Page, Session, Step
from shop_r1.simulation.loop import Limits, NoStepError, Tally, Visit, make_session, run_session
from shop_r1.store.frame import COOKIE
from shop_r1.store.visitors import Visitor

_running: set[asyncio.Task[Session]] = set()  # a loop itself keeps no task alive


@dataclass(frozen=True, slots=True)
class Turn:
    """What came of a completion, or of opening the shop."""

    seen: Observation
    """The page now."""
    is_reached: bool = False
    """Whether the task's goal is reached, with which the visit ends."""
    outcome: Outcome | None = None
    """How the visit ended; None while it goes on, and where it ended with its goal short of a purchase."""
    error: str | None = None
    """Why the action was not carried out."""
    invalid: str | None = None
    """Why the completion is out of format; it makes no step."""

    @property
    def has_ended(self) -> bool:
        """Whether no further completion is taken."""
        return self.is_reached or self.outcome is not None


class _ToldPolicy:
    """A policy that waits for completions from outside."""

    def __init__(self) -> None:
        self.asked = asyncio.Event()
        self.completions: asyncio.Queue[str] = asyncio.Queue()
        self.steps: tuple[Step, ...] = ()
        self.failure: ParseFailure | None = None

    async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step | ParseFailure:
        """Return the step of the next completion, or why that is out of format."""
        self.steps = tuple(history)
        self.asked.set()
        response = parse_response(await self.completions.get(), SHOP)
        self.failure = response if isinstance(response, ParseFailure) else None
        if isinstance(response, ParseFailure):
            return response
        return Step(page=page, action=response.action, rationale=response.rationale)


class StoreVisit:
    """One visit; it belongs to the event loop that it is opened in."""

    def __init__(self, app: Starlette, task: ShopTask, limits: Limits, visit: Visit) -> None:
        self.task, self.visit = task, visit
        self._app, self._limits = app, limits
        self._driver = InProcessDriver(app)
        self._policy = _ToldPolicy()
        self._tally = Tally()
        self._running: asyncio.Task[Session] | None = None
        self._outcome: Outcome | None = None

    @property
    def html(self) -> str:
        """The page as the store sent it."""
        return self._driver.html

    @property
    def steps(self) -> tuple[Step, ...]:
        """The steps so far, each with what came of it."""
        return self._policy.steps

    @property
    def reason(self) -> str | None:
        """Why the visit ended in an error."""
        return self._tally.reason

    def session(self) -> Session | None:
        """Return the visit so far as a record like any other; None before its first step."""
        return make_session(self.visit, self.steps, self._outcome) if self.steps else None

    async def open(self) -> Turn:
        """Begin the visit at the store's home page."""
        run = run_session(self._policy, self._driver, self.visit, self._limits, tally=self._tally)
        self._running = asyncio.create_task(run)
        _running.add(self._running)
        self._running.add_done_callback(_running.discard)
        return await self._next()

    async def act(self, completion: str) -> Turn:
        """Carry out what a completion says.

        Raises:
            PageError: the visit was not opened, or has ended.
        """
        if self._running is None or self._running.done():
            raise PageError("the visit was not opened, or has ended; begin another")
        before = len(self.steps)
        self._policy.asked.clear()
        self._policy.completions.put_nowait(completion)
        turn = await self._next()
        error = self.steps[-1].error if len(self.steps) > before else None
        invalid = self._policy.failure.message if self._policy.failure is not None else None
        turn = Turn(turn.seen, turn.is_reached, turn.outcome, error, invalid)
        if turn.has_ended:
            await self.close()
        return turn

    async def close(self) -> None:
        """End the visit; one that has ended already stays as it is."""
        if self._running is not None and not self._running.done():
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
        await self._driver.close()

    async def _next(self) -> Turn:
        """Wait until the loop asks again or the visit ends, and return where it stands."""
        assert self._running is not None
        asked = asyncio.create_task(self._policy.asked.wait())
        await asyncio.wait({asked, self._running}, return_when=asyncio.FIRST_COMPLETED)
        asked.cancel()
        if self._running.done():
            self._end(self._running)
        seen = self._driver.seen
        bill = bought_by(self._visitor())
        reached = self.task.is_reached(self.steps, seen.page, self._outcome or "", bill)
        return Turn(seen, reached, self._outcome)

    def _end(self, running: asyncio.Task[Session]) -> None:
        """Take the outcome of a visit that is over; one in which every completion was invalid is an error."""
        try:
            session = running.result()
        except NoStepError:
            self._outcome = "error"
        else:
            self._outcome, self._policy.steps = session.outcome, session.steps

    def _visitor(self) -> Visitor | None:
        found: Visitor | None = self._app.state.visitors.recall(self._driver.cookie(COOKIE))
        return found
