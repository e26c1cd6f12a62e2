"""What the processes of a cluster wrote, taken into the run's folder."""

import asyncio
import shutil
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
from shop_r1.simulation.run_folder import SimulationFolder, opened, shard
from shop_r1.simulation.shards import SHARDS_FOLDER, gather_shards

PAGE = Page(url=HOME, html="<page>")
SEARCH = Step(page=PAGE, action=type_and_submit("search_input", "mug"))
LEAVE = Step(page=PAGE, action=terminate())
RECORD = make_record({"shop": "builtin"}, seed=0, command="simulate")


def visited(folder: SimulationFolder, name: str, outcome: Any, *steps: Step) -> None:
    async def do() -> None:
        visit = Visit(name, name)
        await folder.begin(visit)
        for step in steps:
            await folder.after_step(visit, step)
        if outcome is not None:
            end = VisitEnd(session_id=name, outcome=outcome, steps=len(steps), started=1.0, seconds=2.0)
            await folder.end(visit, end)

    asyncio.run(do())


def ids(path: Path) -> list[str]:
    return [each.session_id for each in read_records(path / VISITS_FILE, VisitEnd)]


def steps(path: Path) -> list[tuple[str, int]]:
    return [(each.session_id, each.index) for each in read_records(path / STEPS_FILE, VisitStep)]


def sessions(path: Path) -> dict[str, str | None]:
    return {each.session_id: each.outcome for each in read_records(path / SESSIONS_FILE, Session)}


def two_shards(path: Path) -> None:
    """One whose process died within `cut`, and one that ran this again; both have run `both`."""
    shards = path / SHARDS_FOLDER
    shards.mkdir(parents=True)
    with shard(shards / "0000-0") as first:
        visited(first, "a", "terminate", SEARCH, LEAVE)
        visited(first, "cut", None, SEARCH)
        visited(first, "both", "terminate", LEAVE)
        visited(first, "interrupted", "stopped", SEARCH)
    with (shards / "0000-0" / STEPS_FILE).open("ab") as stream:
        stream.write(b'{"session_id":"cut","ind')
    with shard(shards / "0001-0") as second:
        visited(second, "cut", "purchase", SEARCH, SEARCH)
        visited(second, "both", "terminate", LEAVE)
        visited(second, "empty", "no step")
        visited(second, "interrupted", "max_steps", SEARCH, SEARCH)


def test_each_visit_that_has_ended_is_taken_once_and_the_shards_are_gone(tmp_path: Path) -> None:
    two_shards(tmp_path)
    gather_shards(tmp_path)
    assert ids(tmp_path) == ["a", "both", "cut", "empty", "interrupted"]
    assert steps(tmp_path) == [
        *[("a", 0), ("a", 1), ("both", 0)],
        *[("cut", 0), ("cut", 1), ("interrupted", 0), ("interrupted", 1)],
    ]
    assert sessions(tmp_path) == {
        "a": "terminate",
        "both": "terminate",
        "cut": "purchase",
        "interrupted": "max_steps",
    }
    assert not (tmp_path / SHARDS_FOLDER).exists()
    gather_shards(tmp_path)
    assert len(ids(tmp_path)) == 5


def test_a_visit_whose_session_is_missing_has_not_ended(tmp_path: Path) -> None:
    two_shards(tmp_path)
    (tmp_path / SHARDS_FOLDER / "0001-0" / SESSIONS_FILE).unlink()
    gather_shards(tmp_path)
    assert ids(tmp_path) == ["a", "both", "interrupted", "empty"]
    assert sessions(tmp_path)["interrupted"] is None  # all that is there is the stopped one


def test_a_killed_run_goes_on_from_its_shards(tmp_path: Path) -> None:
    with opened(tmp_path, RECORD, resume=False) as folder:
        visited(folder, "before", "terminate", LEAVE)
    two_shards(tmp_path)
    kept = ("recordings/a.json.zst", "recordings/cut.json.zst", "recordings/before.json.zst")
    for name in (*kept, "recordings/lost.json.zst"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    with opened(tmp_path, RECORD, resume=True) as folder:
        assert folder.finished == {"before", "a", "both", "cut", "interrupted"}
    assert ids(tmp_path) == ["before", "a", "both", "cut", "interrupted"]
    assert sorted(str(each.relative_to(tmp_path)) for each in (tmp_path / "recordings").iterdir()) == sorted(
        kept
    )


def test_gathering_that_was_killed_is_done_again_whole(tmp_path: Path) -> None:
    with opened(tmp_path, RECORD, resume=False):
        pass
    two_shards(tmp_path)
    spare = tmp_path / "spare"
    shutil.copytree(tmp_path / SHARDS_FOLDER, spare)
    gather_shards(tmp_path)
    whole = {name: (tmp_path / name).read_bytes() for name in (STEPS_FILE, SESSIONS_FILE)}
    # Killed while it wrote the sessions: all steps are there, no end of a visit is.
    shutil.move(spare, tmp_path / SHARDS_FOLDER)
    (tmp_path / SESSIONS_FILE).write_bytes(whole[SESSIONS_FILE][:-40])
    (tmp_path / VISITS_FILE).write_bytes(b"")
    with opened(tmp_path, RECORD, resume=True) as folder:
        assert folder.finished == {"a", "both", "cut", "interrupted"}
    assert {name: (tmp_path / name).read_bytes() for name in whole} == whole


def test_a_run_that_begins_anew_removes_shards(tmp_path: Path) -> None:
    two_shards(tmp_path)
    with opened(tmp_path, RECORD, resume=False):
        assert not (tmp_path / SHARDS_FOLDER).exists()


def test_a_machine_that_does_not_see_the_folder_says_so(tmp_path: Path) -> None:
    with (
        pytest.raises(DataError, match="on a path that all machines share"),
        shard(tmp_path / "no" / "0000-0"),
    ):
        pass
