import asyncio
from pathlib import Path
from typing import Any

import pytest

from shop_r1.drivers.in_process import HOME
from shop_r1.errors import DataError
from shop_r1.jsonl import read_records
from shop_r1.records.actions import terminate, type_and_submit
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.records.visits import SESSIONS_FILE, STEPS_FILE, VISITS_FILE, VisitEnd, VisitStep
from shop_r1.runs import make_record
from shop_r1.simulation.loop import Visit
from shop_r1.simulation.run_folder import SimulationFolder, opened, sort_by_visit

PAGE = Page(url=HOME, html="<page>")
SEARCH, LEAVE = (
    Step(page=PAGE, action=type_and_submit("search_input", "mug")),
    Step(page=PAGE, action=terminate()),
)


def record(**settings: Any) -> dict[str, Any]:
    return make_record({"shop": "builtin", "shoppers": 3, **settings}, seed=0, command="simulate")


def begun(folder: SimulationFolder, name: str, *steps: Step) -> Visit:
    visit = Visit(name, name)
    asyncio.run(folder.begin(visit))
    for step in steps:
        asyncio.run(folder.after_step(visit, step))
    return visit


def ended(folder: SimulationFolder, name: str, outcome: Any, *steps: Step) -> None:
    visit = begun(folder, name, *steps)
    end = VisitEnd(session_id=name, outcome=outcome, steps=len(steps), started=1.0, seconds=2.0)
    asyncio.run(folder.end(visit, end))


def lines(path: Path) -> list[bytes]:
    return path.read_bytes().splitlines(keepends=True)


def interrupted(path: Path) -> None:
    """Two finished visits, one stopped, one without a step, and one that was cut off within a line."""
    with opened(path, record(), resume=False) as folder:
        ended(folder, "b", "terminate", SEARCH, LEAVE)
        ended(folder, "stopped", "stopped", SEARCH)
        ended(folder, "empty", "no step")
        begun(folder, "cut", SEARCH, SEARCH)
        ended(folder, "a", "purchase", SEARCH)
    for name in (STEPS_FILE, SESSIONS_FILE):
        with (path / name).open("ab") as stream:
            stream.write(b'{"session_id":"cut","ind')


def test_every_step_is_on_disk_when_it_is_done(tmp_path: Path) -> None:
    with opened(tmp_path, record(), resume=False) as folder:
        begun(folder, "one", SEARCH, LEAVE)
        steps = list(read_records(tmp_path / STEPS_FILE, VisitStep))
        assert [(each.session_id, each.index) for each in steps] == [("one", 0), ("one", 1)]
        assert [each.step for each in steps] == [SEARCH, LEAVE]
    assert not (tmp_path / SESSIONS_FILE).exists()  # an empty file of sessions is no file of sessions


def test_a_run_that_goes_on_keeps_what_is_finished_and_nothing_else(tmp_path: Path) -> None:
    interrupted(tmp_path)
    before = lines(tmp_path / SESSIONS_FILE)
    assert [Session.model_validate_json(line).outcome for line in before[:-1]] == [
        "terminate",
        None,
        "purchase",
    ]
    with opened(tmp_path, record(), resume=True) as folder:
        assert folder.finished == {"a", "b"}
        assert lines(tmp_path / SESSIONS_FILE) == [before[0], before[2]]
        ended(folder, "cut", "terminate", LEAVE)
    steps = [(each.session_id, each.index) for each in read_records(tmp_path / STEPS_FILE, VisitStep)]
    assert steps == [("b", 0), ("b", 1), ("a", 0), ("cut", 0)]
    assert [each.session_id for each in read_records(tmp_path / VISITS_FILE, VisitEnd)] == ["b", "a", "cut"]
    sort_by_visit(tmp_path, ["a", "cut"])
    assert lines(tmp_path / SESSIONS_FILE)[0] == before[2]
    names = [each.session_id for each in read_records(tmp_path / SESSIONS_FILE, Session)]
    assert names == ["a", "cut", "b"]


def test_what_is_kept_beside_unfinished_visits_goes_with_them(tmp_path: Path) -> None:
    interrupted(tmp_path)
    kept = ["recordings/a.json.zst", "recordings/assets/0f", "screenshots/b/0.jpg", "traces/b.zip"]
    gone = ["recordings/cut.json.zst", "screenshots/stopped/0.jpg", "traces/empty.zip"]
    for name in (*kept, *gone):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with opened(tmp_path, record(), resume=True):
        pass
    assert all((tmp_path / name).exists() for name in kept)
    assert not any((tmp_path / name).exists() for name in gone)


def test_a_session_without_its_end_and_an_end_without_its_session_are_not_finished(tmp_path: Path) -> None:
    interrupted(tmp_path)
    visits = lines(tmp_path / VISITS_FILE)
    (tmp_path / VISITS_FILE).write_bytes(b"".join(line for line in visits if b'"b"' not in line))
    sessions = lines(tmp_path / SESSIONS_FILE)
    (tmp_path / SESSIONS_FILE).write_bytes(b"".join(line for line in sessions if b'"a"' not in line))
    with opened(tmp_path, record(), resume=True) as folder:
        assert folder.finished == frozenset()


def test_other_settings_are_another_run(tmp_path: Path) -> None:
    interrupted(tmp_path)
    with pytest.raises(DataError, match="shop"), opened(tmp_path, record(shop="x"), resume=True):
        pass
    with opened(tmp_path, record(shoppers=9), resume=True, free=("shoppers",)) as folder:
        assert folder.finished == {"a", "b"}


def test_two_runs_do_not_write_to_one_folder(tmp_path: Path) -> None:
    with (
        opened(tmp_path, record(), resume=False),
        pytest.raises(DataError, match="another run is writing"),
        opened(tmp_path, record(), resume=True),
    ):
        pass


def test_a_line_that_is_no_record_is_named(tmp_path: Path) -> None:
    interrupted(tmp_path)
    (tmp_path / VISITS_FILE).write_text("{}\n", "utf-8")
    with pytest.raises(DataError, match=r"visits\.jsonl:1"), opened(tmp_path, record(), resume=True):
        pass


def test_what_cannot_be_written_is_said_though_no_file_of_sessions_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Path.open

    def no_steps(path: Path, *args: Any, **kwargs: Any) -> Any:
        if path.name == STEPS_FILE:
            raise OSError(28, "No space left on device")
        return real(path, *args, **kwargs)

    monkeypatch.setattr(Path, "open", no_steps)
    with pytest.raises(DataError, match="No space left"), opened(tmp_path, record(), resume=False):
        pass
