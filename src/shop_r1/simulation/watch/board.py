"""What a person who watches sees of the shoppers, and the pause and the stop that the shoppers obey."""

import asyncio
import random
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from threading import Lock
from typing import Any

from shop_r1.prompts.parse import ParseFailure
from shop_r1.records.action_words import action_words
from shop_r1.records.page_kinds import Stage, furthest, page_stage, step_stage
from shop_r1.records.sessions import Page, Step
from shop_r1.records.visits import VisitEnd
from shop_r1.simulation.loop import EndVisit, Policy, Visit
from shop_r1.simulation.watch.page_words import cut, event_words, heading
from shop_r1.simulation.watch.totals import added, funnel, seconds_left
from shop_r1.simulation.watch.views import (
    BoardView,
    RunState,
    ShopperView,
    State,
    StepView,
    TotalsView,
    TrailView,
)

SPEED_WINDOW_S = 30.0
"""Over which the speed is measured. Ours."""
STEPS_MAX = 100
"""So many of a shopper's last steps are kept. Ours."""
_PERSONA_MAX, _RATIONALE_MAX, _URL_MAX, _REASON_MAX = 160, 600, 300, 300  # characters that are shown
Waiter = tuple[asyncio.AbstractEventLoop, asyncio.Future[None]]


@dataclass
class _Shopper:
    view: ShopperView
    version: int
    trail: deque[StepView]
    is_stopped: bool = False
    is_deciding: bool = False
    """Whether it was shown a page and no step of it is known; a second page means an invalid response."""
    pages: int = 0
    """How many pages it was shown."""


class Board:
    """An observer of visits (`simulation.loop.Observer`) that is read, and told to pause or stop, elsewhere.

    The visits' event loop calls the observer's four; all else may be called from any thread, and nothing
    waits for who watches.
    """

    def __init__(
        self,
        planned: Iterable[Visit] = (),
        *,
        cost_of: Callable[[], float | None] | None = None,
        budget_usd: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Begin with the visits that will be; more may come.

        Args:
            planned: known before they begin.
            cost_of: what all visits have cost so far, in USD; without it the ends of visits are added up.
            budget_usd: what they may cost together.
            clock: seconds since 1970.
        """
        self._lock = Lock()
        self._cost_of, self._budget_usd, self._clock = cost_of, budget_usd, clock
        self._version = 0
        self._shoppers: dict[str, _Shopper] = {}
        self._numbers: list[str] = []
        self._waiters: list[Waiter] = []
        self._step_times: deque[float] = deque()
        self._begun_at: float | None = None
        self._ended_at: float | None = None
        self._is_paused = self._is_stopped = False
        self._command: str | None = None
        self.has_pictures = False
        """Whether there may be pictures of the shoppers' windows."""
        for visit in planned:
            self._shopper(visit)

    # What the visits say

    async def begin(self, visit: Visit) -> None:
        """Take a visit that begins; it does not while all are paused."""
        await self._may_go_on(visit)
        with self._lock:
            now = self._clock()
            self._begun_at = self._begun_at or now
            self._change(self._shopper(visit), state="opening", started=now)

    async def before_step(self, visit: Visit, page: Page) -> bool:
        """Take the page, wait while all are paused, and return False where the shopper was stopped."""
        with self._lock:
            shopper = self._shopper(visit)
            is_again, shopper.is_deciding = shopper.is_deciding, True
            shopper.pages += 1
            view = shopper.view
            self._change(
                shopper,
                state="stopping" if shopper.is_stopped else "shopping",
                url=cut(page.url, _URL_MAX),
                title=heading(page.html),
                status=page.status,
                stage=furthest((view.stage, page_stage(page))),
                invalid=view.invalid + is_again,
            )
        return await self._may_go_on(visit)

    async def after_step(self, visit: Visit, step: Step) -> None:
        """Take a step that is done."""
        with self._lock:
            shopper = self._shopper(visit)
            shopper.is_deciding = False
            view = shopper.view
            done = _step_view(view.steps + 1, step)
            shopper.trail.append(done)
            self._step_times.append(self._clock())
            self._change(
                shopper,
                action=done.action,
                rationale=done.rationale,
                error=done.error,
                events=done.events,
                stage=furthest((view.stage, step_stage(step))),
                steps=view.steps + 1,
                errors=view.errors + (step.error is not None),
            )

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        """Take how a visit ended."""
        with self._lock:
            shopper = self._shopper(visit)
            bought: Stage | None = "purchase" if end.outcome == "purchase" else None
            self._change(
                shopper,
                state="done",
                outcome=end.outcome,
                reason=cut(end.reason, _REASON_MAX) if end.reason else None,
                stage=furthest((shopper.view.stage, bought)),
                steps=end.steps,
                invalid=end.invalid,
                seconds=end.seconds,
                cost_usd=end.cost_usd,
            )

    async def _may_go_on(self, visit: Visit) -> bool:
        """Wait while all are paused, and return whether the shopper was not stopped."""
        loop = asyncio.get_running_loop()
        while True:
            with self._lock:
                shopper = self._shopper(visit)
                if self._is_stopped or shopper.is_stopped:
                    return False
                if not self._is_paused:
                    if shopper.view.state == "paused":
                        self._change(shopper, state="shopping")
                    return True
                if shopper.view.state == "shopping":
                    self._change(shopper, state="paused")
                waiter = loop, loop.create_future()
                self._waiters.append(waiter)
            try:
                await waiter[1]
            finally:
                with self._lock:
                    self._waiters.remove(waiter)

    # What a person says

    def pause(self) -> None:
        """Let every shopper wait before its next step."""
        with self._lock:
            self._is_paused = True
            self._version += 1

    def resume(self) -> None:
        """Let them go on."""
        with self._lock:
            self._is_paused = False
            self._version += 1
            self._wake()

    def stop(self, number: int | None = None) -> bool:
        """End the visit of one shopper, or all, before the next step; False where there is no such shopper.

        A visit that has not begun is left out (`not_stopped`).
        """
        with self._lock:
            if number is None:
                self._is_stopped = True
                chosen = list(self._shoppers.values())
            elif 1 <= number <= len(self._numbers):
                chosen = [self._shoppers[self._numbers[number - 1]]]
            else:
                return False
            for shopper in chosen:
                shopper.is_stopped = True
                if shopper.view.state in ("opening", "shopping", "paused"):
                    self._change(shopper, state="stopping")
                elif shopper.view.state == "waiting" and number is not None:
                    self._change(shopper, state="done", outcome="stopped")
            self._version += 1
            self._wake()
        return True

    def not_stopped(self, visits: Iterable[Visit]) -> Iterator[Visit]:
        """Yield visits as they are asked for, without those that were stopped before they began."""
        for visit in visits:
            with self._lock:
                is_stopped = self._is_stopped or self._shopper(visit).is_stopped
            if not is_stopped:
                yield visit

    def obeyed(self, policy: Policy, visit: Visit) -> Policy:
        """Return the policy as one that lets go of its next step where a person stops the visit meanwhile."""
        return _ObedientPolicy(policy, lambda: self._shoppers[visit.session_id].is_stopped)

    def _wake(self) -> None:
        for loop, future in self._waiters:
            loop.call_soon_threadsafe(_release, future)

    # What the program says

    def finish(self, command: str | None = None) -> None:
        """Note that all is over, and what to run next."""
        with self._lock:
            self._ended_at = self._ended_at or self._clock()
            self._command = command
            self._version += 1

    def note_picture(self, number: int) -> None:
        """Note that there is a new picture of a shopper."""
        with self._lock:
            shopper = self._shoppers[self._numbers[number - 1]]
            self._change(shopper, picture=shopper.view.picture + 1)

    # What is shown

    @property
    def version(self) -> int:
        """Grows with every change."""
        return self._version

    @property
    def is_finished(self) -> bool:
        """Whether all is over."""
        return self._ended_at is not None

    def under_way(self) -> list[tuple[int, str, int]]:
        """Return number, session id and how many pages it was shown of each shopper that is under way."""
        with self._lock:
            return [
                (shopper.view.number, shopper.view.session_id, shopper.pages)
                for shopper in self._shoppers.values()
                if shopper.view.state in ("shopping", "paused", "stopping")
            ]

    def trail(self, number: int) -> TrailView | None:
        """Return a shopper and its last steps; None where there is no such shopper."""
        with self._lock:
            if not 1 <= number <= len(self._numbers):
                return None
            shopper = self._shoppers[self._numbers[number - 1]]
            return TrailView(shopper=shopper.view, steps=tuple(shopper.trail))

    def changes(self, since: int = 0) -> BoardView:
        """Return what has changed since the view of that version; by default all there is."""
        with self._lock:
            views = [shopper.view for shopper in self._shoppers.values()]
            changed = tuple(each.view for each in self._shoppers.values() if each.version > since)
            version, now = self._version, self._ended_at or self._clock()
            while self._step_times and self._step_times[0] < now - SPEED_WINDOW_S:
                self._step_times.popleft()
            totals = self._totals(views, now)
        return BoardView(version=version, totals=totals, shoppers=changed)

    def _totals(self, views: list[ShopperView], now: float) -> TotalsView:
        ended = [view for view in views if view.state == "done"]
        elapsed_s = now - self._begun_at if self._begun_at is not None else 0.0
        window_s = min(SPEED_WINDOW_S, elapsed_s)
        steps = sum(view.steps for view in views)
        speed = len(self._step_times) / window_s if window_s > 0 and steps else None
        return TotalsView(
            state=self._state(),
            planned=len(views),
            begun=sum(view.started is not None for view in views),
            done=len(ended),
            outcomes=dict(Counter(view.outcome for view in ended if view.outcome is not None)),
            steps=steps,
            steps_per_s=None if speed is None else round(speed, 3),
            errors=sum(view.errors for view in views),
            invalid=sum(view.invalid for view in views),
            cost_usd=self._cost_of() if self._cost_of else added(view.cost_usd for view in views),
            budget_usd=self._budget_usd,
            funnel=funnel(views),
            elapsed_s=round(elapsed_s, 1),
            left_s=seconds_left(views, speed) if self._ended_at is None else None,
            has_pictures=self.has_pictures,
            command=self._command,
        )

    def _state(self) -> RunState:
        if self._ended_at is not None:
            return "finished"
        return "stopping" if self._is_stopped else "paused" if self._is_paused else "running"

    def _shopper(self, visit: Visit) -> _Shopper:
        found = self._shoppers.get(visit.session_id)
        if found is None:
            persona = cut(visit.persona, _PERSONA_MAX) if visit.persona else None
            number = len(self._shoppers) + 1
            view = ShopperView(number=number, session_id=visit.session_id, persona=persona)
            self._version += 1
            found = self._shoppers[visit.session_id] = _Shopper(view, self._version, deque(maxlen=STEPS_MAX))
            self._numbers.append(visit.session_id)
        return found

    def _change(self, shopper: _Shopper, *, state: State | None = None, **values: Any) -> None:
        self._version += 1
        shopper.version = self._version
        shopper.view = shopper.view.model_copy(update=values | ({"state": state} if state else {}))


class _ObedientPolicy:
    def __init__(self, policy: Policy, is_stopped: Callable[[], bool]) -> None:
        self._policy, self._is_stopped = policy, is_stopped

    async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step | ParseFailure:
        step = await self._policy.act(history, page, rng)
        if self._is_stopped():
            raise EndVisit("stopped", "")
        return step


def _step_view(number: int, step: Step) -> StepView:
    return StepView(
        number=number,
        url=cut(step.page.url, _URL_MAX),
        title=heading(step.page.html),
        action=action_words(step.action, step.page.html, was_done=step.error is None),
        rationale=cut(step.rationale, _RATIONALE_MAX) if step.rationale else None,
        error=cut(step.error, _REASON_MAX) if step.error else None,
        events=tuple(event_words(event) for event in step.events or () if event.kind != "edited"),
    )


def _release(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)
