"""The loop in which a policy acts through a driver until the visit ends, and the sessions that it makes."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from pydantic import Field

from shop_r1.config import Config
from shop_r1.drivers.in_process import HOME
from shop_r1.drivers.protocol import ActionResult, PageDriver
from shop_r1.errors import ModelError
from shop_r1.prompts.parse import ParseFailure
from shop_r1.records.sessions import Outcome, Page, Session, Step, Timing
from shop_r1.records.visits import VisitEnd

Progress = Callable[[int, int], None]
"""Called with how many sessions are done and how many there will be."""


class NoStepError(ModelError):
    """A visit without a step, since every response was invalid; counted as the outcome "no step"."""

    was_stopped = False
    """Whether it was ended from outside before its first step."""


class EndVisit(Exception):
    """Raised by a policy that will not go on with its visit; the other visits go on."""

    def __init__(self, outcome: Literal["error", "stopped"], reason: str) -> None:
        super().__init__(reason)
        self.outcome: Literal["error", "stopped"] = outcome
        self.reason = reason

    def __reduce__(self) -> tuple[type["EndVisit"], tuple[str, str]]:
        """Return how it is made again in another process."""
        return EndVisit, (self.outcome, self.reason)


class Policy(Protocol):
    """Decides what to do next."""

    async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step | ParseFailure:
        """Return the next step, on this page, or why the policy's response is invalid.

        `rng` is the session's only source of randomness.

        Raises:
            EndVisit: the visit is over, as far as the policy is concerned.
            ModelError: no visit can go on.
        """
        ...


class Limits(Config):
    """When a visit ends by itself."""

    max_steps: int = Field(20, ge=1)
    """Steps at most; the outcome is then `max_steps`."""
    max_seconds: float = Field(600.0, gt=0)
    """Seconds at most, waiting for the policy apart; looked at between steps. The outcome is then `error`."""
    max_errors: int = Field(3, ge=1)
    """Actions in a row that could not be carried out, after which the outcome is `error`."""
    max_invalid: int = Field(2, ge=1)
    """Invalid responses in a row, after which the outcome is `error`: each but the last is retried."""


@dataclass
class Tally:
    """Counts over many sessions: outcomes, steps, and responses or actions that failed, by reason."""

    steps: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)
    invalid: int = 0
    """Of these, invalid responses."""
    reason: str | None = None
    """Why the last visit ended in an error."""


@dataclass(frozen=True)
class Visit:
    """What a visit is called and where it begins."""

    key: str
    """What its randomness depends on."""
    session_id: str
    user_id: str | None = None
    persona: str | None = None
    start: str = HOME
    source: str = "store"
    space: str = "shop"
    version: str | None = None
    """Which version of the shop it is to; None where there is one only."""


class Observer(Protocol):
    """Is told what happens in visits, as it happens; `run_session` calls the two about steps."""

    async def begin(self, visit: Visit) -> None:
        """Take a visit that begins."""
        ...

    async def before_step(self, visit: Visit, page: Page) -> bool:
        """Take the page that the policy is about to be shown; False ends the visit."""
        ...

    async def after_step(self, visit: Visit, step: Step) -> None:
        """Take a step that is done."""
        ...

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        """Take how a visit ended."""
        ...


def run_sessions(
    policy_of: Callable[[str], Policy],
    driver: PageDriver,
    count: int,
    seed: int,
    *,
    names: tuple[str, str],
    limits: Limits | None = None,
    progress: Progress | None = None,
    tally: Tally | None = None,
) -> Iterator[Session]:
    """Yield sessions of one driver, one after the other; it is closed at the end.

    Session `k` depends on the seed and `k` alone, so a larger count only adds sessions. A visit in which
    every response was invalid is left out and counted in `tally.outcomes["no step"]`.

    `policy_of` returns the policy of a session by its key (`seed-index`). `names` are what the ids of
    sessions and of users begin with.
    """
    with asyncio.Runner() as runner:
        try:
            for index in range(count):
                key = f"{seed}-{index:05d}"
                visit = Visit(key, f"{names[0]}-{key}", f"{names[1]}-{key}")
                with suppress(NoStepError):
                    yield runner.run(run_session(policy_of(key), driver, visit, limits, tally=tally))
                if progress is not None:
                    progress(index + 1, count)
        finally:
            runner.run(driver.close())


async def run_session(
    policy: Policy,
    driver: PageDriver,
    visit: Visit,
    limits: Limits | None = None,
    *,
    tally: Tally | None = None,
    observer: Observer | None = None,
    timed: bool = False,
) -> Session:
    """Return one visit as a session, the same for the same key, policy and shop.

    An action that could not be carried out is recorded with its error and counted in `tally.errors`; an
    invalid response is counted there too and leaves no step. The outcome is `terminate` or `purchase`, else
    `error` after too many of these in a row or where the driver cannot go on, else `max_steps`.

    With `timed`, steps say when they were done and what took how long.

    Raises:
        PageError: the start page cannot be opened.
        NoStepError: every response was invalid, or it was stopped before the first.
    """
    loop = _Loop(policy, visit, limits or Limits(), tally or Tally(), timed)
    outcome = await loop.run(driver, observer)
    loop.tally.steps += len(loop.steps)
    loop.tally.outcomes[(outcome or "stopped") if loop.steps else "no step"] += 1
    if not loop.steps:
        reason = "it was stopped before its first step" if outcome is None else "its responses were invalid"
        error = NoStepError(f"visit {visit.session_id}: {reason}")
        error.was_stopped = outcome is None
        raise error
    return make_session(visit, loop.steps, outcome)


def make_session(visit: Visit, steps: Sequence[Step], outcome: Outcome | None) -> Session:
    """Return the session of a visit with these steps, of which there is at least one."""
    return Session(
        session_id=visit.session_id,
        user_id=visit.user_id,
        persona=visit.persona,
        source=visit.source,
        space=visit.space,
        outcome=outcome,
        steps=tuple(steps),
    )


class _Loop:
    """One visit under way."""

    def __init__(self, policy: Policy, visit: Visit, limits: Limits, tally: Tally, timed: bool) -> None:
        self._policy, self._visit, self._limits, self._timed = policy, visit, limits, timed
        self.tally = tally
        self.steps: list[Step] = []
        self.errors = self.invalid = 0  # in a row
        self._rng = random.Random(f"shop-r1 session {visit.key}")
        self._spent_s = 0.0

    async def run(self, driver: PageDriver, observer: Observer | None) -> Outcome | None:
        """Act until the visit ends, and return how it ended; None where the observer stopped it."""
        seen = await driver.open(self._visit.start)
        while len(self.steps) < self._limits.max_steps:
            if observer is not None and not await observer.before_step(self._visit, seen.page):
                return None
            started = time.monotonic()
            step = await self._policy.act(self.steps, seen.page, self._rng)
            decided = time.monotonic()
            if isinstance(step, ParseFailure):
                self.tally.errors[f"invalid response: {step.reason}"] += 1
                self.tally.invalid += 1
                self.invalid += 1
                if self.invalid == self._limits.max_invalid:
                    self.tally.reason = f"{self.invalid} invalid responses in a row, the last: {step.message}"
                    return "error"
                continue
            self.invalid = 0
            result = await driver.act(step.action)
            self._spent_s += time.monotonic() - decided
            step = self._finished(step, result, decided - started)
            self.steps.append(step)
            if observer is not None:
                await observer.after_step(self._visit, step)
            if (outcome := self._outcome(step, result)) is not None:
                return outcome
            seen = result.seen
        return "max_steps"

    def _finished(self, step: Step, result: ActionResult, decide_s: float) -> Step:
        """Return the step with what came of it."""
        found: dict[str, Any] = {"error": result.error, "events": result.events or None}
        if self._timed:
            timing = (result.timing or Timing()).model_copy(update={"decide": round(decide_s, 4)})
            found |= {"time": round(time.time(), 3), "timing": timing}
        return step.model_copy(update=found)

    def _outcome(self, step: Step, result: ActionResult) -> Outcome | None:
        """Return how the visit ended with this step; None where it goes on."""
        if result.error is not None:
            self.tally.errors[result.error[:200]] += 1
        self.errors = self.errors + 1 if result.error is not None else 0
        if result.is_purchase:
            return "purchase"
        if step.action.type == "terminate":
            return "terminate"
        reason = self._end_of(result)
        if reason is not None:
            self.tally.reason = reason
        return "error" if reason is not None else None

    def _end_of(self, result: ActionResult) -> str | None:
        """Return why the visit cannot go on; None where it can."""
        if result.has_ended:
            return result.error or "the window can go no further: " + (
                ", ".join(event.kind for event in result.events) or "a limit of the visit is reached"
            )
        if self._spent_s > self._limits.max_seconds:
            return f"the visit took longer than {self._limits.max_seconds:g} s"
        if self.errors == self._limits.max_errors:
            return f"{self.errors} actions in a row could not be carried out, the last: {result.error}"
        return None
