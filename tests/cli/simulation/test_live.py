import asyncio
import io

import pytest
from rich.console import Console

from shop_r1.cli.simulation.live import LiveView, Totals
from shop_r1.records.actions import click, type_and_submit
from shop_r1.records.sessions import Page, Step, StepEvent
from shop_r1.records.visits import VisitEnd
from shop_r1.simulation.concurrent import Observers
from shop_r1.simulation.loop import Visit

PAGE = Page(url="http://store.local/search?q=red+mug", html='<a name="results.mug">Red\x1b[2J Mug</a>')


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def shown(view: LiveView, width: int = 80, height: int = 40) -> list[str]:
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=False)
    view._console = console
    with console.capture() as captured:
        console.print(view.render())
    return captured.get().splitlines()


def shop(view: LiveView, totals: Totals, count: int, ended: int) -> None:
    both = Observers(totals, view)

    async def do() -> None:
        for number in range(count):
            visit = Visit(f"0-{number:05d}", f"random-0-{number:05d}")
            await both.begin(visit)
            await both.before_step(visit, PAGE)
            search = Step(page=PAGE, action=type_and_submit("search_input", "red mug"))
            await both.after_step(visit, search)
            events = (StepEvent(kind="blocked", detail="ads.example", count=3),)
            failed = Step(page=PAGE, action=click("results.mug"), error="it is covered", events=events)
            await both.after_step(visit, failed)
            if number < ended:
                outcome = "purchase" if number % 2 else "error"
                end = VisitEnd(
                    session_id=visit.session_id,
                    outcome=outcome,
                    reason="Chromium\x1b[31m died" if outcome == "error" else None,
                    steps=2,
                    invalid=1,
                    started=0.0,
                    seconds=1.0,
                )
                await both.end(visit, end)

    asyncio.run(do())


def test_each_shopper_has_a_row_and_the_totals_stand_below() -> None:
    clock, totals = Clock(), Totals()
    view = LiveView(4, totals, Console(file=io.StringIO()), clock)
    totals.cost = lambda: 1.5
    shop(view, totals, 3, 2)
    clock.now = 4.0
    lines = shown(view)
    assert max(map(len, lines)) <= 80
    text = "\n".join(lines)
    assert "\x1b" not in text
    rows = [line for line in lines if "Tried to click" in line or "died" in line]
    assert [row.split()[:2] for row in rows] == [["0", "2"], ["1", "2"], ["2", "2"]]
    assert "Chromium·[31m died" in rows[0] and rows[0].rstrip().endswith("error")
    assert "/search?q=red+mug" in rows[1] and rows[1].rstrip().endswith("purchase")
    # 6 steps in 4 s; 2 of 4 visits in 4 s, so 4 s are left
    assert "2/4 1.5 steps/s, 0:00:04 left" in text
    assert "6 steps, 2 invalid responses, 1.50 USD" in text
    assert totals.refused["ads.example"] == 9
    assert totals.errors["it is covered"] == 3


def test_a_long_run_shows_those_under_way_first_and_fits_the_terminal() -> None:
    totals = Totals()
    view = LiveView(300, totals, Console(file=io.StringIO()), Clock())
    shop(view, totals, 300, 294)
    lines = shown(view, height=24)
    assert len(lines) <= 24
    numbers = [int(line.split()[0]) for line in lines if line.split() and line.split()[0].isdigit()]
    assert numbers[-6:] == [294, 295, 296, 297, 298, 299]
    assert len(numbers) == 17
    assert all(len(line) <= 60 for line in shown(view, width=60))


def test_away_from_a_terminal_there_are_lines_now_and_then() -> None:
    out, totals, clock = io.StringIO(), Totals(), Clock()
    view = LiveView(100, totals, Console(file=out, width=200), clock)
    with view:
        shop(view, totals, 100, 100)
        lines = out.getvalue().splitlines()
        assert len(lines) == 5
        assert lines[0].startswith("20/100 visits")
        clock.now = 61.0
        shop(view, totals, 1, 0)
    assert len(out.getvalue().splitlines()) == 6


def test_steps_on_pages_for_too_many_requests_are_counted() -> None:
    totals = Totals()
    for status in (200, 429, None, 429):
        step = Step(page=PAGE.model_copy(update={"status": status}), action=click("results.mug"))
        asyncio.run(totals.after_step(Visit("one", "one"), step))
    assert totals.turned_away == 2


@pytest.mark.parametrize(("steps", "sessions"), [(0, 0), (3, 1)])
def test_a_visit_that_was_stopped_gives_a_session_if_it_has_a_step(steps: int, sessions: int) -> None:
    totals = Totals()
    end = VisitEnd(session_id="one", outcome="stopped", steps=steps, started=0.0, seconds=1.0)
    asyncio.run(totals.end(Visit("one", "one"), end))
    assert (totals.sessions, totals.outcomes) == (sessions, {"stopped": 1})
