"""What a process of the cluster does, in this process."""

import asyncio
import random
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from starlette.applications import Starlette

from shop_r1.drivers.in_process import InProcessDriver
from shop_r1.errors import ModelError, PageError
from shop_r1.jsonl import read_records
from shop_r1.records.actions import terminate, type_and_submit
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.records.visits import SESSIONS_FILE, VISITS_FILE, VisitEnd
from shop_r1.simulation.cluster.shopper_actor import ShopperActor, VisitSetup
from shop_r1.simulation.loop import Limits, Visit


class Script:
    """Searches once and leaves; `wait` never decides, `wrong` finds that no visit can go on."""

    def __init__(self, visit: Visit) -> None:
        self._name = visit.session_id

    async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step:
        if self._name == "wrong":
            raise ModelError("the key is wrong")
        if history and self._name == "wait":
            await asyncio.Event().wait()
        action = terminate() if history else type_and_submit("search_input", "mug")
        return Step(page=page, action=action)


def actor(app: Starlette, closed: list[bool]) -> ShopperActor:
    @asynccontextmanager
    async def open_setup() -> AsyncIterator[VisitSetup]:
        yield VisitSetup(Script, lambda _: InProcessDriver(app), Limits())
        closed.append(True)

    return ShopperActor(open_setup)


def test_a_visit_is_in_the_shard_when_it_has_ended_and_its_steps_are_told_without_pages(
    app: Starlette, tmp_path: Path
) -> None:
    closed: list[bool] = []

    async def do() -> None:
        one = actor(app, closed)
        await one.open()
        await one.begin(tmp_path / "0000-0")
        ended = await one.visit(Visit("good", "good"))
        (session,) = read_records(tmp_path / "0000-0" / SESSIONS_FILE, Session)
        assert ended.end is not None and ended.error is None
        assert (ended.end.outcome, ended.end.steps) == ("terminate", 2)
        assert [step.action for step in ended.steps] == [step.action for step in session.steps]
        assert [step.page.url for step in ended.steps] == [step.page.url for step in session.steps]
        assert all(step.page.html for step in session.steps)
        assert not any(step.page.html for step in ended.steps)
        await one.close()

    asyncio.run(do())
    assert closed == [True]


def test_an_error_for_all_visits_comes_with_the_end_of_this_one(app: Starlette, tmp_path: Path) -> None:
    async def do() -> None:
        one = actor(app, [])
        await one.open()
        await one.begin(tmp_path / "0000-0")
        ended = await one.visit(Visit("wrong", "wrong"))
        assert ended.end is not None and ended.end.outcome == "stopped"
        assert str(ended.error) == "the key is wrong"
        await one.close()

    asyncio.run(do())


def test_a_stop_ends_visits_under_way_and_their_calls_return(app: Starlette, tmp_path: Path) -> None:
    async def do() -> None:
        one = actor(app, [])
        await one.open()
        await one.begin(tmp_path / "0000-0")
        running = [asyncio.ensure_future(one.visit(Visit("wait", "wait"))) for _ in range(1)]
        while not (tmp_path / "0000-0" / "steps.jsonl").stat().st_size:
            await asyncio.sleep(0.01)
        await one.stop()
        (ended,) = await asyncio.gather(*running)
        assert ended.end is not None and (ended.end.outcome, ended.end.steps) == ("stopped", 1)
        (written,) = read_records(tmp_path / "0000-0" / VISITS_FILE, VisitEnd)
        assert written == ended.end
        await one.close()

    asyncio.run(do())


def test_what_cannot_be_opened_names_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("socket.gethostname", lambda: "shop-17")

    @asynccontextmanager
    async def open_setup() -> AsyncIterator[VisitSetup]:
        raise PageError("there is no Chromium")
        yield

    with pytest.raises(PageError, match=r"^shop-17: there is no Chromium$"):
        asyncio.run(ShopperActor(open_setup).open())
