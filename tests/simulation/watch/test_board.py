import asyncio
from collections.abc import Coroutine
from threading import Thread
from typing import Any

import pytest
from tests.simulation.watch.watching import Corridor, Walker, end, page, step, visit

from shop_r1.records.actions import click, terminate, type_and_submit
from shop_r1.records.sessions import StepEvent
from shop_r1.simulation.concurrent import run_visits
from shop_r1.simulation.loop import Limits
from shop_r1.simulation.watch.board import STEPS_MAX, Board
from shop_r1.simulation.watch.totals import funnel, seconds_left
from shop_r1.simulation.watch.views import ShopperView, StageView, StepView


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def run(*doing: Coroutine[Any, Any, Any]) -> list[Any]:
    async def all_of_it() -> list[Any]:
        return [await each for each in doing]

    return asyncio.run(all_of_it())


def test_a_shopper_is_shown_as_it_goes() -> None:
    board = Board([visit(1, persona="A student who  wants a cheap mug")])
    assert board.changes().shoppers == (
        ShopperView(number=1, session_id="visit-1", persona="A student who wants a cheap mug"),
    )
    run(board.begin(visit(1)), board.before_step(visit(1), page("/search?q=mug", "<page>\n<h1>Mugs</h1>")))
    (view,) = board.changes().shoppers
    assert (view.state, view.url, view.title, view.stage) == (
        "shopping",
        "http://shop.test/search?q=mug",
        "Mugs",
        "search",
    )
    run(board.after_step(visit(1), step("/search?q=mug", click("results.red_mug"), rationale="It is red.")))
    (view,) = board.changes().shoppers
    assert (view.action, view.rationale, view.steps, view.errors) == (
        "Clicked “red mug”",
        "It is red.",
        1,
        0,
    )
    run(board.end(visit(1), end(1, "purchase", seconds=7.5, cost_usd=0.25)))
    (view,) = board.changes().shoppers
    assert (view.state, view.outcome, view.stage, view.seconds, view.cost_usd) == (
        "done",
        "purchase",
        "purchase",
        7.5,
        0.25,
    )


def test_what_went_wrong_is_shown_and_counted() -> None:
    board = Board()
    failed = step(
        "/product/7",
        click("buy_box.add_to_cart"),
        error="no element has this name",
        events=(StepEvent(kind="dialog", detail="alert: Sale!", count=2), StepEvent(kind="crash")),
    )
    run(board.begin(visit()), board.before_step(visit(), page()), board.after_step(visit(), failed))
    (view,) = board.changes().shoppers
    assert view.action == "Tried to click “add to cart”" and view.error == "no element has this name"
    assert view.events == ("answered a dialog (alert: Sale!), 2 times", "the page crashed")
    assert view.errors == board.changes().totals.errors == 1
    assert view.stage == "product"  # nothing is in the cart


def test_a_page_that_is_shown_again_without_a_step_means_an_invalid_response() -> None:
    board = Board()
    again = [board.before_step(visit(), page()) for _ in range(3)]
    run(board.begin(visit()), *again, board.after_step(visit(), step()), board.before_step(visit(), page()))
    assert board.changes().totals.invalid == 2
    run(board.end(visit(), end(invalid=3)))  # it knows best
    assert board.changes().totals.invalid == 3


def test_long_and_hostile_texts_are_cut_and_stay_on_one_line() -> None:
    board = Board()
    text = "<script>\n" + "x" * 100_000
    run(
        board.begin(visit(persona=text)),
        board.before_step(visit(), page(f"/{text}", f"<page>\n<h1>{text}</h1>")),
        board.after_step(visit(), step(rationale=text, error=text, action=type_and_submit(text, text))),
    )
    (view,) = board.changes().shoppers
    shown = [view.persona, view.url, view.title, view.rationale, view.error, view.action]
    assert all(each is not None and "\n" not in each and len(each) <= 600 for each in shown)
    assert len(view.model_dump_json()) < 4000


def test_a_shoppers_last_steps_are_kept() -> None:
    board = Board([visit()])
    assert board.trail(0) is None and board.trail(2) is None
    for number in range(1, STEPS_MAX + 3):
        run(board.after_step(visit(), step(f"/room/{number}", rationale=f"Reason {number}")))
    trail = board.trail(1)
    assert trail is not None and trail.shopper == board.changes().shoppers[0]
    assert [each.number for each in trail.steps] == list(range(3, STEPS_MAX + 3))
    assert trail.steps[0] == StepView(
        number=3,
        url="http://shop.test/room/3",
        title="Welcome",
        action="Clicked “red mug”",
        rationale="Reason 3",
    )


def test_only_what_has_changed_is_given_again() -> None:
    board = Board([visit(number) for number in (1, 2, 3)])
    first = board.changes()
    assert [view.number for view in first.shoppers] == [1, 2, 3]
    assert board.changes(first.version).shoppers == ()
    run(board.begin(visit(2)))
    second = board.changes(first.version)
    assert [view.number for view in second.shoppers] == [2] and second.version == board.version
    board.note_picture(3)
    assert [(view.number, view.picture) for view in board.changes(second.version).shoppers] == [(3, 1)]


def test_totals_are_sums_and_the_speed_is_that_of_the_last_half_minute() -> None:
    clock = Clock()
    board = Board([visit(number) for number in range(1, 5)], clock=clock, budget_usd=2.0)
    assert board.changes().totals.steps_per_s is None
    run(*(board.begin(visit(number)) for number in (1, 2)))
    for _ in range(12):
        clock.now += 1.0
        run(board.after_step(visit(1), step()))
    assert board.changes().totals.steps_per_s == 1.0  # 12 steps in 12 s
    clock.now += 24.0
    assert board.changes().totals.steps_per_s == pytest.approx(7 / 30, abs=0.001)  # those of seconds 6 to 12
    run(board.end(visit(1), end(1, "purchase", steps=12, cost_usd=0.5)))
    totals = board.changes().totals
    assert (totals.planned, totals.begun, totals.done, totals.steps) == (4, 2, 1, 12)
    assert (totals.outcomes, totals.cost_usd, totals.budget_usd) == ({"purchase": 1}, 0.5, 2.0)
    assert totals.elapsed_s == 36.0
    # Three visits of 12 steps each at 7 steps in 30 s.
    assert totals.left_s == pytest.approx(36 / (7 / 30), rel=0.01)


def test_cost_is_asked_for_where_somebody_knows() -> None:
    board = Board(cost_of=lambda: 1.25)
    assert board.changes().totals.cost_usd == 1.25
    assert Board().changes().totals.cost_usd is None


def test_time_left_is_guessed_once_a_visit_has_ended_and_while_steps_are_made() -> None:
    views = [
        ShopperView(number=1, session_id="a", state="done", steps=6),
        ShopperView(number=2, session_id="b", state="shopping", steps=4),
        ShopperView(number=3, session_id="c", state="shopping", steps=9),
        ShopperView(number=4, session_id="d"),
    ]
    assert seconds_left(views, 0.5) == (2 + 1 + 6) / 0.5
    assert seconds_left(views, None) is None and seconds_left(views, 0.0) is None
    assert seconds_left(views[1:], 0.5) is None


def test_the_funnel_counts_who_came_so_far_and_who_left_there() -> None:
    stages = [("home", "done"), ("search", "shopping"), ("product", "done"), ("purchase", "done")]
    views = [
        ShopperView(number=n, session_id=str(n), stage=stage, state=state)
        for n, (stage, state) in enumerate(stages, 1)
    ]
    views.append(ShopperView(number=5, session_id="5"))  # has seen nothing yet
    assert funnel(views) == (
        StageView(stage="home", reached=4, left=1),
        StageView(stage="search", reached=3, left=0),
        StageView(stage="product", reached=2, left=1),
        StageView(stage="cart", reached=1, left=0),
        StageView(stage="purchase", reached=1, left=0),
    )


def test_leaving_a_page_beside_the_funnel_takes_nothing_back() -> None:
    board = Board()
    run(
        board.begin(visit()),
        board.before_step(visit(), page("/cart")),
        board.before_step(visit(), page("/help")),
        board.after_step(visit(), step("/help", terminate())),
        board.end(visit(), end()),
    )
    (view,) = board.changes().shoppers
    assert view.stage == "cart" and board.changes().totals.funnel[3] == StageView(
        stage="cart", reached=1, left=1
    )


async def steps_of(board: Board, driver: Corridor, more: int) -> None:
    """Wait until a shopper has made so many more steps."""
    wanted = driver.acted + more
    async with asyncio.timeout(10):
        while driver.acted < wanted:
            await asyncio.sleep(0.001)


def test_all_wait_before_their_next_step_while_paused_and_then_go_on() -> None:
    async def check() -> None:
        board, driver = Board(), Corridor()
        visits = run_visits(
            [visit()],
            lambda _: Walker(),
            lambda _: driver,
            board,
            concurrency=1,
            limits=Limits(max_steps=10**6),
        )
        task = asyncio.create_task(visits)
        await steps_of(board, driver, 5)
        board.pause()
        await until(lambda: board.changes().shoppers[0].state == "paused")
        acted = driver.acted
        assert board.changes().totals.state == "paused"
        for _ in range(100):
            await asyncio.sleep(0)
        assert driver.acted == acted
        Thread(target=board.resume).start()  # a person clicks in another thread than the visits'
        await steps_of(board, driver, 5)
        assert board.changes().totals.state == "running"
        Thread(target=board.stop).start()
        await asyncio.wait_for(task, 10)
        (view,) = board.changes().shoppers
        assert (view.state, view.outcome, view.steps) == ("done", "stopped", driver.acted)

    asyncio.run(check())


async def until(holds: Any) -> None:
    async with asyncio.timeout(10):
        while not holds():
            await asyncio.sleep(0.001)


def test_one_shopper_is_stopped_and_the_others_go_on() -> None:
    async def check() -> None:
        visits = [visit(number) for number in (1, 2, 3)]
        board, drivers = Board(visits), [Corridor(0.001) for _ in visits]
        running = run_visits(
            board.not_stopped(visits),
            lambda _: Walker(),
            lambda it: drivers[int(it.session_id[-1]) - 1],
            board,
            concurrency=2,
            limits=Limits(max_steps=10**6),
        )
        task = asyncio.create_task(running)
        await steps_of(board, drivers[0], 2)
        assert board.stop(3) and not board.stop(4) and not board.stop(0)  # 3 has not begun, and never will
        assert board.stop(1)
        await until(lambda: board.changes().shoppers[0].state == "done")
        await steps_of(board, drivers[1], 2)
        assert [(view.state, view.outcome) for view in board.changes().shoppers] == [
            ("done", "stopped"),
            ("shopping", None),
            ("done", "stopped"),
        ]
        board.stop()
        await asyncio.wait_for(task, 10)
        assert drivers[2].acted == 0 and board.changes().totals.done == 3

    asyncio.run(check())


def test_what_a_policy_decides_after_its_visit_was_stopped_is_not_done() -> None:
    async def check() -> None:
        board, driver = Board(), Corridor()

        class Thinker(Walker):
            async def act(self, history: Any, page: Any, rng: Any) -> Any:
                if len(history) == 2:
                    board.stop(1)  # a person does so while it thinks
                return await super().act(history, page, rng)

        await run_visits(
            [visit()], lambda it: board.obeyed(Thinker(), it), lambda _: driver, board, concurrency=1
        )
        (view,) = board.changes().shoppers
        assert (view.outcome, view.reason, view.steps, driver.acted) == ("stopped", None, 2, 2)

    asyncio.run(check())


def test_paused_shoppers_can_be_stopped_and_no_visit_begins_while_paused() -> None:
    async def check() -> None:
        visits = [visit(number) for number in (1, 2)]
        board, driver = Board(visits), Corridor()
        board.pause()
        running = run_visits(
            board.not_stopped(visits), lambda _: Walker(), lambda _: driver, board, concurrency=1
        )
        task = asyncio.create_task(running)
        for _ in range(100):
            await asyncio.sleep(0)
        assert board.changes().totals.begun == 0
        board.stop()
        await asyncio.wait_for(task, 10)
        assert [view.state for view in board.changes().shoppers] == ["done", "waiting"]
        assert driver.acted == 0

    asyncio.run(check())


def test_a_visit_that_is_cancelled_while_paused_leaves_nothing_waiting() -> None:
    async def check(board: Board) -> None:
        task = asyncio.create_task(board.before_step(visit(), page()))
        await until(lambda: board.changes().shoppers[:1] and board.changes().shoppers[0].state == "paused")
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    board = Board()
    board.pause()
    asyncio.run(check(board))
    board.resume()  # its loop is closed; nobody is woken there


def test_the_end_is_told_with_what_to_run_next() -> None:
    clock = Clock()
    board = Board(clock=clock)
    run(board.begin(visit()))
    clock.now += 5
    board.finish("shop-r1 report runs/simulation")
    clock.now += 500
    totals = board.changes().totals
    assert (totals.state, totals.command, totals.elapsed_s) == (
        "finished",
        "shop-r1 report runs/simulation",
        5.0,
    )
    assert board.is_finished
