"""Recordings of simulations, as they are and as someone else may have written them."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from shop_r1.importers.rrweb.own_recordings import OTHERWISE
from shop_r1.importers.rrweb.recordings import RecordingTally, import_recordings
from shop_r1.importers.rrweb.visit import RecordingOptions
from shop_r1.pages.simplify import simplify_page
from shop_r1.records.actions import Action, click, terminate
from shop_r1.records.recordings import (
    Assets,
    Event,
    PageSeen,
    Recording,
    StepDone,
    VisitBegun,
    VisitEnded,
    mark_event,
    write_recording,
)
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.records.visits import VISITS_FILE

EVERSHOP = Path(__file__).parents[2] / "pages" / "evershop" / "recordings"
COPY = "<h1>Mugs</h1><a href='/cart'>Cart</a>"
HTML = simplify_page(COPY).html
PAGE = Page(url="http://shop.test/", html=HTML, status=200)
BEGUN = VisitBegun(session_id="visit-1", user_id="u", persona="A person.", source="live", space="live")
STEPS = (
    Step(page=PAGE, action=click("cart"), rationale="I look.", error="It is covered.", time=1.5),
    Step(page=PAGE, action=terminate()),
)
EXPECTED = Session(
    session_id="visit-1",
    user_id="u",
    persona="A person.",
    source="live",
    space="live",
    outcome="terminate",
    steps=STEPS,
)


def seen(folder: Path, html: str = HTML) -> PageSeen:
    copy = Assets(folder / "assets").add(COPY.encode())
    digest = hashlib.sha256(html.encode()).hexdigest()
    return PageSeen(url=PAGE.url, status=200, copy_sha256=copy, html_sha256=digest)


def written(folder: Path, *marks: Any, name: str = "visit-1") -> Path:
    events: list[Event] = [mark_event(mark, 1000 + number) for number, mark in enumerate(marks)]
    return write_recording(folder, name, Recording(events))


def whole(folder: Path, **changes: Any) -> Path:
    steps = [StepDone.of(index, step, None) for index, step in enumerate(STEPS)]
    begun = BEGUN.model_copy(update={"session_id": changes.pop("session_id", "visit-1")})
    end = VisitEnded(outcome="terminate", dropped=changes.pop("dropped", {}))
    return written(folder, begun, seen(folder, **changes), *steps, end, name=begun.session_id)


def read(*paths: Path, **options: Any) -> tuple[list[Session], RecordingTally]:
    tally = RecordingTally()
    return list(import_recordings(paths, tally, RecordingOptions(**options))), tally


def test_a_simulations_folder_gives_its_sessions(tmp_path: Path) -> None:
    (tmp_path / VISITS_FILE).write_text("{}\n")
    (tmp_path / "sessions.jsonl").write_text("{}\n")
    whole(tmp_path / "recordings")
    sessions, tally = read(tmp_path)
    assert sessions == [EXPECTED]
    assert (tally.recordings, tally.steps, tally.left_out) == (1, 2, [])
    assert not tally.counts and not tally.remarks


def test_visits_to_a_real_shop_are_imported_with_names_that_stand_on_their_pages() -> None:
    sessions, tally = read(EVERSHOP)
    assert tally.left_out == [] and {session.space for session in sessions} == {"live"}
    assert len(sessions) == 3 and all(len(session.steps) > 1 for session in sessions)
    places = [(step.action.name, step.page) for session in sessions for step in session.steps]
    missing = [name for name, page in places if name and f'name="{name}"' not in page.html]
    # Where the rules have changed since, that is said.
    assert missing == [] or tally.remarks[OTHERWISE]
    assert {page.status for _, page in places} <= {200, None}, "a route of a script was never asked for"


def test_what_the_recorder_dropped_and_what_is_simplified_otherwise_is_counted(tmp_path: Path) -> None:
    whole(tmp_path, dropped={"times of events that cannot be": 3, "x": 2}, html="<page>As it was once</page>")
    sessions, tally = read(tmp_path)
    assert sessions == [EXPECTED]
    assert tally.counts == {"events and assets that the recorder dropped": 5}
    assert tally.remarks == {"pages that are simplified otherwise than when they were seen": 1}


STEP = StepDone.of(0, STEPS[0], None)
LATER = StepDone.of(1, STEPS[1], None)


@pytest.mark.parametrize(
    ("marks", "problem"),
    [
        ([BEGUN, STEP], "step 0 has no page before it"),
        ([BEGUN, "page", LATER], "step 1 stands where step 0 was expected"),
        ([BEGUN, "page"], "holds no step"),
        ([BEGUN.model_copy(update={"space": "moon"}), "page", STEP], "space 'moon' is unknown"),
        ([BEGUN.model_copy(update={"space": "opera"}), "page", StepDone(index=0, action=Action(type="back"))],
         "which the opera space does not have"),
        ([BEGUN, "page", STEP.model_copy(update={"action": terminate()}), LATER], "1 steps follow it"),
    ],
)  # fmt: skip
def test_marks_that_make_no_session_are_refused_with_the_reason(
    tmp_path: Path, marks: list[Any], problem: str
) -> None:
    whole(tmp_path, session_id="good")
    path = written(tmp_path, *(seen(tmp_path) if mark == "page" else mark for mark in marks))
    sessions, tally = read(tmp_path)
    assert [session.session_id for session in sessions] == ["good"]
    (left_out,) = tally.left_out
    assert left_out.startswith(f"{path}: ") and problem in left_out


def test_a_payload_that_is_no_mark_a_missing_copy_and_a_session_twice_are_refused(tmp_path: Path) -> None:
    whole(tmp_path, session_id="good")
    forged = mark_event(BEGUN, 1000)
    unknown = {"type": 5, "timestamp": 1001, "data": {"tag": "shop-r1", "payload": {"kind": "moon"}}}
    write_recording(tmp_path, "forged", Recording([forged, unknown]))
    gone = PageSeen(copy_sha256="0" * 64, html_sha256="0" * 64)
    written(tmp_path, BEGUN, gone, STEP, name="gone")
    twice = VisitBegun(session_id="good")
    written(tmp_path, twice, seen(tmp_path), STEP, name="twice")
    sessions, tally = read(tmp_path)
    assert len(sessions) == 1
    first, second, third = tally.left_out
    assert "forged.json.zst: events.1 has the tag 'shop-r1'" in first
    assert f"{tmp_path / 'assets' / ('0' * 64)}: cannot be read" in second
    assert "twice.json.zst: is of session 'good', as another recording is" in third


def test_marks_further_down_do_not_make_a_recording_ours(tmp_path: Path) -> None:
    """A shop's own recorder, in a page that writes our tag: its events are read as any others."""
    meta = {"type": 4, "data": {"href": "http://shop.test/"}, "timestamp": 999}
    steps = [mark_event(mark, 1000) for mark in (BEGUN, seen(tmp_path), STEP)]
    write_recording(tmp_path, "theirs", Recording([meta, *steps]))
    whole(tmp_path, session_id="good")
    sessions, tally = read(tmp_path)
    assert [session.session_id for session in sessions] == ["good"]
    assert "theirs.json.zst: holds no full snapshot" in tally.left_out[0]
