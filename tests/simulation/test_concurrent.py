import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import pytest
from starlette.applications import Starlette

from shop_r1.drivers.in_process import HOME, InProcessDriver
from shop_r1.errors import DataError, ModelError
from shop_r1.prompts.parse import ParseFailure, parse_response
from shop_r1.records.actions import Action, click, terminate, type_and_submit
from shop_r1.records.sessions import Page, Step
from shop_r1.records.visits import VisitEnd
from shop_r1.simulation.concurrent import INTERRUPTED, Observers, run_visits
from shop_r1.simulation.loop import EndVisit, Limits, Policy, Visit

SEARCH = type_and_submit("search_input", "mug")


@dataclass
class Script:
    """Does what it was told, in order; what is an exception is raised, what is a text is invalid."""

    moves: Sequence[Action | Exception | str]
    next: int = 0

    async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step | ParseFailure:
        move = self.moves[self.next]
        self.next += 1
        if isinstance(move, Exception):
            raise move
        if isinstance(move, str):
            failure = parse_response(move)
            assert isinstance(failure, ParseFailure)
            return failure
        return Step(page=page, action=move)


@dataclass
class Notes:
    """An observer that notes what it is told."""

    ends: dict[str, VisitEnd] = field(default_factory=dict)
    steps: dict[str, list[Step]] = field(default_factory=dict)
    under_way: int = 0
    most: int = 0
    stopped: tuple[str, ...] = ()

    async def begin(self, visit: Visit) -> None:
        self.steps[visit.session_id] = []
        self.under_way += 1
        self.most = max(self.most, self.under_way)

    async def before_step(self, visit: Visit, page: Page) -> bool:
        return visit.session_id not in self.stopped or not self.steps[visit.session_id]

    async def after_step(self, visit: Visit, step: Step) -> None:
        self.steps[visit.session_id].append(step)

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        self.under_way -= 1
        self.ends[visit.session_id] = end


class Counted(InProcessDriver):
    """Counts those that are open."""

    opened = 0

    def __init__(self, app: Starlette) -> None:
        super().__init__(app)
        Counted.opened += 1

    async def close(self) -> None:
        Counted.opened -= 1
        await super().close()


def visits(*names: str) -> list[Visit]:
    return [Visit(name, name, start=f"{HOME}nowhere" if name == "lost" else HOME) for name in names]


def run(
    app: Starlette, scripts: dict[str, Sequence[Action | Exception | str]], notes: Notes, concurrency: int = 2
) -> None:
    def policy_of(visit: Visit) -> Policy:
        return Script(scripts[visit.session_id])

    asyncio.run(
        run_visits(visits(*scripts), policy_of, lambda _: Counted(app), notes, concurrency=concurrency)
    )


def test_an_error_in_one_visit_is_its_end_and_the_others_go_on(app: Starlette) -> None:
    notes = Notes()
    good = [SEARCH, terminate()]
    run(
        app,
        {
            "good": good,
            "bug": [SEARCH, ZeroDivisionError("division by zero")],
            "bug at once": [KeyError("x")],
            "spent": [SEARCH, EndVisit("stopped", "the budget is spent")],
            "invalid": ["", "I would search."],
            "stuck": [click("no.such"), click("no.such"), click("no.such")],
            "good too": good,
        },
        notes,
    )
    found = {name: (end.outcome, end.steps, end.invalid) for name, end in notes.ends.items()}
    assert found == {
        "good": ("terminate", 2, 0),
        "bug": ("error", 1, 0),
        "bug at once": ("no step", 0, 0),
        "spent": ("stopped", 1, 0),
        "invalid": ("no step", 0, 2),
        "stuck": ("error", 3, 0),
        "good too": ("terminate", 2, 0),
    }
    reasons = {name: end.reason for name, end in notes.ends.items()}
    assert reasons["good"] is None
    assert reasons["bug"] == "unexpected ZeroDivisionError: division by zero"
    assert reasons["spent"] == "the budget is spent"
    assert (reasons["invalid"] or "").startswith("2 invalid responses in a row, the last: ")
    assert "3 actions in a row" in (reasons["stuck"] or "")
    assert (notes.most, notes.under_way, Counted.opened) == (2, 0, 0)


def test_a_page_that_does_not_open_is_an_end_without_a_step(app: Starlette) -> None:
    notes = Notes()

    def driver(_: Visit) -> InProcessDriver:
        return Counted(app)

    away = Visit("away", "away", start="http://elsewhere.example/")
    asyncio.run(run_visits([away], lambda _: Script([]), driver, notes, concurrency=1))
    assert notes.ends["away"].outcome == "no step"
    assert "leads out of the store" in (notes.ends["away"].reason or "")
    assert Counted.opened == 0


def test_a_visit_that_an_observer_stops_keeps_its_steps(app: Starlette) -> None:
    notes = Notes(stopped=("one",))
    run(app, {"one": [SEARCH] * 5, "two": [SEARCH, terminate()]}, notes)
    assert (notes.ends["one"].outcome, notes.ends["one"].steps) == ("stopped", 1)
    assert notes.ends["two"].outcome == "terminate"


def test_an_error_for_all_visits_ends_them_all(app: Starlette) -> None:
    notes = Notes()
    with pytest.raises(ModelError, match="the key is wrong"):
        run(app, {"one": [SEARCH, ModelError("the key is wrong")], "two": [SEARCH] * 50, "three": []}, notes)
    assert {name: end.outcome for name, end in notes.ends.items()} == {"one": "stopped", "two": "stopped"}
    assert Counted.opened == 0


def test_what_the_observer_cannot_write_ends_the_run(app: Starlette) -> None:
    class Full(Notes):
        async def after_step(self, visit: Visit, step: Step) -> None:
            raise DataError("steps.jsonl: cannot be written (No space left on device)")

    with pytest.raises(DataError, match="No space left"):
        run(app, {"one": [SEARCH, terminate()]}, Full())
    assert Counted.opened == 0


@pytest.mark.parametrize("concurrency", [1, 3])
def test_cancelled_visits_end_as_stopped_and_are_closed(app: Starlette, concurrency: int) -> None:
    notes = Notes()

    async def interrupt() -> None:
        names = [f"{number}" for number in range(6)]
        policies: Callable[[Visit], Policy] = lambda _: Script([SEARCH] * 1000)  # noqa: E731
        task = asyncio.ensure_future(
            run_visits(
                visits(*names),
                policies,
                lambda _: Counted(app),
                notes,
                concurrency=concurrency,
                limits=Limits(max_steps=1000),
            )
        )
        while len(notes.steps) < concurrency or not all(notes.steps.values()):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(interrupt())
    assert len(notes.ends) == concurrency
    assert {(end.outcome, end.reason) for end in notes.ends.values()} == {("stopped", INTERRUPTED)}
    assert (notes.under_way, Counted.opened) == (0, 0)


def test_of_several_observers_each_is_told_and_each_can_stop(app: Starlette) -> None:
    first, second = Notes(), Notes(stopped=("one",))
    both = Observers(first, second)
    asyncio.run(
        run_visits(visits("one"), lambda _: Script([SEARCH] * 3), lambda _: Counted(app), both, concurrency=1)
    )
    assert first.steps == second.steps
    assert first.ends["one"] == second.ends["one"]
    assert first.ends["one"].steps == 1
