from pathlib import Path

import pytest
from tests.report.simulation.visits import end_of, leaving, opening, searching, session, write_folder

from shop_r1.errors import DataError
from shop_r1.jsonl import write_json, write_records
from shop_r1.records.visits import STEPS_FILE, VisitStep
from shop_r1.report.simulation.build import build_simulation_report
from shop_r1.report.simulation_folder import is_simulation, read_simulation


def test_visits_are_those_that_ended_with_and_without_a_session_and_those_under_way(tmp_path: Path) -> None:
    first, second = session("first", searching(), leaving()), session("second", leaving())
    empty = end_of(second, session_id="empty", outcome="no step", steps=0, reason="no page")
    write_folder(tmp_path, [first, second], [end_of(second), empty, end_of(first)])
    steps = [
        VisitStep(session_id=name, index=index, step=step)
        for name, index, step in [
            ("first", 0, first.steps[0]),
            ("late", 1, opening()),
            ("late", 0, searching()),
        ]
    ]
    write_records(tmp_path / STEPS_FILE, steps)
    found = {each.session_id: each for each in read_simulation(tmp_path).visits}
    assert list(found) == ["second", "empty", "first", "late"]
    assert [each.outcome for each in found.values()] == ["terminate", "no step", "terminate", "unfinished"]
    assert [len(each.steps) for each in found.values()] == [1, 0, 2, 2]
    assert [each.action.type for each in found["late"].steps] == ["type_and_submit", "click"]


def test_recordings_and_screenshots_belong_to_their_visits(tmp_path: Path) -> None:
    write_folder(tmp_path, [session(name, leaving()) for name in ("a", "../b", "é" * 200)])
    (tmp_path / "recordings").mkdir()
    for name in ("recordings/a.json.zst", "b.json.zst"):
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "screenshots" / "a").mkdir(parents=True)
    for name in ("0.jpg", "2.jpg", "notes.jpg"):
        (tmp_path / "screenshots" / "a" / name).write_bytes(b"")
    first, outside, long = read_simulation(tmp_path).visits
    assert first.recording == tmp_path / "recordings" / "a.json.zst"
    assert sorted(first.screenshots) == [0, 2]
    assert outside.recording is None and not outside.screenshots
    assert long.recording is None and not long.screenshots


def test_an_empty_folder_is_refused_and_sessions_alone_are_enough(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"holds no visits; expected sessions\.jsonl"):
        read_simulation(tmp_path)
    assert not is_simulation(tmp_path)
    write_records(tmp_path / "sessions.jsonl", [session("a", leaving(), outcome="max_steps")])
    assert is_simulation(tmp_path)
    (visit,) = read_simulation(tmp_path).visits
    assert (visit.outcome, visit.end) == ("max_steps", None)
    write_json(tmp_path / "settings.json", {"seed": 7})
    assert read_simulation(tmp_path).settings == {"seed": 7}
    (tmp_path / "predictions.jsonl").write_text("{}")
    assert not is_simulation(tmp_path)


def test_a_line_that_a_killed_run_cut_short_is_left_out_and_told_of(tmp_path: Path) -> None:
    write_folder(tmp_path, [session("a", leaving())])
    steps = [VisitStep(session_id="b", index=index, step=searching()) for index in (0, 1)]
    write_records(tmp_path / STEPS_FILE, steps)
    whole = (tmp_path / STEPS_FILE).read_bytes()
    (tmp_path / STEPS_FILE).write_bytes(whole[:-20])
    found = read_simulation(tmp_path)
    assert found.incomplete == ("steps.jsonl",)
    assert [(each.session_id, len(each.steps)) for each in found.visits] == [("a", 1), ("b", 1)]
    page = build_simulation_report(found, tmp_path / "report" / "index.html")
    assert "The last line of steps.jsonl was cut short" in page.read_text("utf-8")
    (tmp_path / STEPS_FILE).write_bytes(whole[:-1])  # whole but for its end
    assert not read_simulation(tmp_path).incomplete
    (tmp_path / STEPS_FILE).write_bytes(b"{}\n" + whole)
    with pytest.raises(DataError, match=r"steps\.jsonl:1: "):
        read_simulation(tmp_path)


def test_it_is_told_how_many_pages_are_written(tmp_path: Path) -> None:
    write_folder(tmp_path, [session(name, leaving()) for name in "abc"])
    told, out = list[tuple[int, int, int]](), tmp_path / "report" / "index.html"

    def moved(done: int, total: int) -> None:
        told.append((done, total, len(list((out.parent / "sessions").iterdir()))))

    build_simulation_report(read_simulation(tmp_path), out, moved=moved)
    assert told == [(1, 3, 1), (2, 3, 2), (3, 3, 3)]
