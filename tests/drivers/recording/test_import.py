"""What is recorded of visits in Chromium, imported, is what the visits were."""

import random
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from starlette.applications import Starlette
from tests.window import Chromium

from shop_r1.drivers.bounds.hosts import Hosts
from shop_r1.drivers.browser.driver import Bounds, BrowserDriver
from shop_r1.drivers.in_process import HOME, HOST, PURCHASES
from shop_r1.importers.rrweb.own_recordings import DROPPED
from shop_r1.importers.rrweb.recordings import RecordingTally, import_recordings
from shop_r1.importers.rrweb.visit import RecordingOptions
from shop_r1.jsonl import write_json
from shop_r1.records.actions import Action, click
from shop_r1.records.recordings import Assets, is_mark, read_recording
from shop_r1.records.replays import make_replay
from shop_r1.records.sessions import Alternative, Page, Session, Step
from shop_r1.records.visits import VisitEnd
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.scripted import scripted_policies
from shop_r1.simulation.concurrent import Observers, run_visits
from shop_r1.simulation.loop import Limits, Policy, Visit, make_session
from shop_r1.simulation.recordings import Recordings
from shop_r1.store.app import create_app
from shop_r1.store.catalogue import generate_catalogue
from shop_r1.store.kinds import KINDS
from shop_r1.store.serve import served


class Sessions:
    """An observer that keeps sessions as a simulation's folder does."""

    def __init__(self) -> None:
        self.found: dict[str, Session] = {}
        self._steps: dict[str, list[Step]] = {}

    async def begin(self, visit: Visit) -> None:
        self._steps[visit.session_id] = []

    async def before_step(self, visit: Visit, page: Page) -> bool:
        return True

    async def after_step(self, visit: Visit, step: Step) -> None:
        self._steps[visit.session_id].append(step)

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        outcome = end.outcome
        assert outcome != "no step" and outcome != "stopped", end.reason
        self.found[visit.session_id] = make_session(visit, self._steps[visit.session_id], outcome)


def shop(
    chromium: Chromium,
    folder: Path,
    visits: Sequence[Visit],
    policies: Mapping[str, Policy],
    app: Starlette | None = None,
) -> dict[str, Session]:
    """Return the sessions of visits whose recordings are then in the folder."""
    sessions, recordings = Sessions(), Recordings(folder)
    with served(app or create_app(generate_catalogue(seed=5, size=1200))) as port:
        bounds = Bounds(Hosts.of(HOME), {HOST: ("127.0.0.1", port)}, purchase_labels=PURCHASES)
        chromium.run(
            run_visits(
                visits,
                lambda visit: policies[visit.session_id],
                lambda visit: BrowserDriver(chromium.pool, bounds, recordings.recorder_of(visit)),
                Observers(recordings, sessions),
                concurrency=2,
                limits=Limits(max_errors=2),
                timed=True,
            )
        )
    return sessions.found


def imported(paths: Sequence[Path]) -> tuple[dict[str, Session], RecordingTally]:
    tally = RecordingTally()
    found = import_recordings(paths, tally)
    return {session.session_id: session for session in found}, tally


@pytest.mark.parametrize("count", [3, pytest.param(20, marks=pytest.mark.slow)])
def test_visits_of_scripted_shoppers_are_imported_as_they_were(
    chromium: Chromium, tmp_path: Path, count: int
) -> None:
    """By the marks they are equal in all parts; by what rrweb saw alone, in pages and actions."""
    market = Market(KINDS)
    visits = [
        Visit(f"7-{index:05d}", f"live-7-{index:05d}", f"shopper-{index}", persona="A person.", source="live")
        for index in range(count)
    ]
    policies = {visit.session_id: scripted_policies(market)(visit.key) for visit in visits}
    expected = shop(chromium, tmp_path, visits, policies)
    found, tally = imported([tmp_path])
    assert found == expected and len(found) == count
    assert (tally.recordings, tally.left_out, tally.remarks) == (count, [], {})
    assert set(tally.counts) <= {DROPPED}  # on a busy machine a target may be looked for too long

    for session in expected.values():
        recording = read_recording(tmp_path / f"{session.session_id}.json.zst")
        assert sum(event["type"] == 2 for event in recording.events) >= len(
            {step.page.url for step in session.steps}
        )
        replay = make_replay(recording, Assets(tmp_path / "assets"))
        assert replay.left_out == {}
        bare = tmp_path / "bare" / f"{session.session_id}.json"
        bare.parent.mkdir(exist_ok=True)
        write_json(bare, [event for event in replay.self_contained() if not is_mark(event)])
        options = RecordingOptions(leaves=session.outcome == "terminate")
        (seen,) = import_recordings([bare], RecordingTally(), options)
        assert [(step.page.url, step.page.html, step.action) for step in seen.steps] == [
            (step.page.url, step.page.html, step.action) for step in session.steps
        ]


class Given:
    """A policy whose steps are given."""

    def __init__(self, *steps: tuple[Action, str | None]) -> None:
        self._steps = steps

    async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step:
        action, rationale = self._steps[len(history)]
        other = Alternative(action=action, probability=0.25)
        return Step(page=page, action=action, rationale=rationale, alternatives=(other,))


def test_errors_events_and_alternatives_are_imported_too(chromium: Chromium, tmp_path: Path) -> None:
    visit = Visit("1", "odd", "user", source="live", space="live")
    policy = Given(
        (click("search_box.search"), None),
        (Action(type="scroll"), "Let me \ud7ff see."),
        (click("no_such_thing"), "I am wrong."),
        (click("nor_this"), None),
    )
    expected = shop(chromium, tmp_path, [visit], {"odd": policy})
    assert [bool(step.error) for step in expected["odd"].steps][1:] == [False, True, True]
    assert expected["odd"].outcome == "error" and expected["odd"].steps[0].timing is not None
    assert imported([tmp_path])[0] == expected
