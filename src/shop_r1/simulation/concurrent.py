"""Many visits at once on one event loop: each with its own driver, and what goes wrong in one stays there."""

import asyncio
import time
from collections.abc import Callable, Iterable
from typing import Literal

from shop_r1.drivers.protocol import PageDriver
from shop_r1.endpoints.secrets import environment_redactor
from shop_r1.errors import ModelError, PageError, ShopR1Error
from shop_r1.records.sessions import Outcome, Page, Step
from shop_r1.records.visits import VisitEnd
from shop_r1.simulation.loop import (
    EndVisit,
    Limits,
    NoStepError,
    Observer,
    Policy,
    Tally,
    Visit,
    run_session,
)

INTERRUPTED = "the run was interrupted"
"""Why visits ended that were under way when the run was."""
_REASON_MAX = 500

End = tuple[Outcome | Literal["no step", "stopped"], str | None]
"""An outcome and a reason, as `VisitEnd` has them."""


class Observers:
    """Several observers as one, told in order."""

    def __init__(self, *observers: Observer) -> None:
        self._observers = observers

    async def begin(self, visit: Visit) -> None:
        """Tell them of a visit that begins."""
        for each in self._observers:
            await each.begin(visit)

    async def before_step(self, visit: Visit, page: Page) -> bool:
        """Show them the page; False where one of them ends the visit."""
        return all([await each.before_step(visit, page) for each in self._observers])

    async def after_step(self, visit: Visit, step: Step) -> None:
        """Tell them of a step."""
        for each in self._observers:
            await each.after_step(visit, step)

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        """Tell them how a visit ended."""
        for each in self._observers:
            await each.end(visit, end)


async def run_visits(
    visits: Iterable[Visit],
    policy_of: Callable[[Visit], Policy],
    driver_of: Callable[[Visit], PageDriver],
    observer: Observer,
    *,
    concurrency: int,
    limits: Limits | None = None,
    timed: bool = False,
    cost_of: Callable[[Visit], float | None] = lambda visit: None,
) -> None:
    """Run the visits, `concurrency` at a time, and tell the observer of all that happens.

    An error in a visit ends that visit alone, with the error as its end's reason. `cost_of` says what a
    visit's requests have cost; `timed` is as for `run_session`. Cancelled, every visit under way ends as
    stopped, its driver closed, before this returns.

    Raises:
        ModelError: no visit can go on, such as for a wrong key; those under way end as stopped.
        DataError: the observer cannot write.
    """
    waiting = iter(visits)

    async def work() -> None:
        for visit in waiting:
            run = _VisitRun(visit, observer, limits or Limits(), timed)
            await run.run(policy_of, driver_of, cost_of)
            await asyncio.sleep(0)  # visits in this process never wait: let an interruption in

    try:
        async with asyncio.TaskGroup() as group:
            for _ in range(concurrency):
                group.create_task(work())
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None


class _VisitRun:
    """One visit: an observer that passes on what it is told, and knows whether the passing on went wrong."""

    def __init__(self, visit: Visit, observer: Observer, limits: Limits, timed: bool) -> None:
        self._visit, self._observer, self._limits, self._timed = visit, observer, limits, timed
        self._tally = Tally()
        self._steps = 0
        self._observer_failed = False

    async def run(
        self,
        policy_of: Callable[[Visit], Policy],
        driver_of: Callable[[Visit], PageDriver],
        cost_of: Callable[[Visit], float | None],
    ) -> None:
        visit, started, clock = self._visit, time.time(), time.monotonic()
        await self._observer.begin(visit)
        found: End = ("stopped", INTERRUPTED)
        try:
            found = await self._outcome(policy_of, driver_of)
        except ModelError as error:
            found = "stopped", str(error)
            raise
        finally:
            if not self._observer_failed:
                outcome, reason = found
                if outcome == "error" and not self._steps:
                    outcome = "no step"
                end = VisitEnd(
                    session_id=visit.session_id,
                    user_id=visit.user_id,
                    outcome=outcome,
                    reason=environment_redactor().redact(reason)[:_REASON_MAX] if reason else None,
                    steps=self._steps,
                    invalid=self._tally.invalid,
                    started=round(started, 3),
                    seconds=round(time.monotonic() - clock, 3),
                    cost_usd=cost_of(visit),
                )
                await self._observer.end(visit, end)

    async def _outcome(
        self, policy_of: Callable[[Visit], Policy], driver_of: Callable[[Visit], PageDriver]
    ) -> End:
        """Return how the visit ended.

        Raises:
            ModelError: no visit can go on.
            Exception: the observer's.
        """
        visit = self._visit
        try:
            driver = driver_of(visit)
            try:
                session = await run_session(
                    policy_of(visit),
                    driver,
                    visit,
                    self._limits,
                    tally=self._tally,
                    observer=self,
                    timed=self._timed,
                )
            finally:
                await driver.close()
        except NoStepError as error:
            return ("stopped", None) if error.was_stopped else ("no step", self._tally.reason)
        except PageError as error:
            return "error", str(error)
        except EndVisit as end:
            return end.outcome, end.reason
        except Exception as error:  # of one visit: it is recorded, and the others go on
            if self._observer_failed or isinstance(error, ModelError):
                raise
            return "error", _describe(error)
        return session.outcome or "stopped", self._tally.reason

    # As the loop's observer

    async def begin(self, visit: Visit) -> None:
        """Never called: `run` has done so."""

    async def before_step(self, visit: Visit, page: Page) -> bool:
        """Pass on the page."""
        await asyncio.sleep(0)  # as between visits
        try:
            return await self._observer.before_step(visit, page)
        except Exception:
            self._observer_failed = True
            raise

    async def after_step(self, visit: Visit, step: Step) -> None:
        """Count the step and pass it on."""
        self._steps += 1
        try:
            await self._observer.after_step(visit, step)
        except Exception:
            self._observer_failed = True
            raise

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        """Never called: `run` does so."""


def _describe(error: Exception) -> str:
    found = " ".join(str(error).split())
    return found if isinstance(error, ShopR1Error) else f"unexpected {type(error).__name__}: {found}"
