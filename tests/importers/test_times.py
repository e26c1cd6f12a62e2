import json
import math
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from shop_r1.datasets.outlines import digest_session
from shop_r1.datasets.rationale_requests import RationaleConfig, plan_requests
from shop_r1.datasets.session_files import open_sessions, read_sessions, write_sessions
from shop_r1.datasets.with_rationales import write_rationales
from shop_r1.endpoints.batch import Outcome
from shop_r1.endpoints.protocol import Completion, Usage
from shop_r1.errors import DataError
from shop_r1.importers.logs import LogTally, import_log
from shop_r1.importers.times import read_time
from shop_r1.jsonl import read_records, write_records
from shop_r1.prompts.rationales import render_rationales
from shop_r1.prompts.render import PromptConfig, render_prompt
from shop_r1.records.actions import SHOP, click, terminate
from shop_r1.records.sessions import Page, Session, Step

NOON = datetime(2025, 4, 14, 12, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (NOON, NOON),
        (1744632000, NOON),
        (1744632000000, NOON),
        (1744632000125, NOON + 0.125),
        ("2025-04-14T12:00:00Z", NOON),
        ("2025-04-14 14:00:00.5+02:00", NOON + 0.5),
        (" 2025-04-14T12:00Z ", NOON),
        (0, 0.0),
        (99_999_999_999, 99_999_999_999.0),  # still seconds
        (100_000_000_000, 100_000_000.0),  # from here on milliseconds
    ],
)
def test_a_time_is_read_from_seconds_milliseconds_or_text(written: object, seconds: float) -> None:
    assert read_time(written) == seconds


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ("2025-04-14T12:00:00", "has no offset from UTC"),
        ("yesterday", "is no time"),
        ("", "is no time"),
        (True, "is no time"),
        ([], "is no time"),
        (-1, "is out of range"),
        (1744632000000000, "is out of range"),  # microseconds
        (math.nan, "is out of range"),
        (math.inf, "is out of range"),
        ("1969-12-31T23:59:59Z", "is out of range"),
        ("9999-12-31T23:59:59Z", "is out of range"),
        ("0001-01-01T00:00:00+14:00", "is out of range"),
    ],
)
def test_what_is_no_instant_is_refused_with_what_was_expected(written: object, problem: str) -> None:
    with pytest.raises(ValueError, match=f"{problem} .*expected seconds or milliseconds"):
        read_time(written)


def session(*times: float | None) -> Session:
    page = Page(html='<page>\n<a name="mug">Mug</a>')
    steps = [Step(page=page, action=click("mug"), time=time) for time in times[:-1]]
    return Session(
        session_id="s",
        outcome="terminate",
        steps=(*steps, Step(page=page, action=terminate(), time=times[-1])),
    )


def test_a_file_without_times_stays_as_it_was_to_the_byte(tmp_path: Path) -> None:
    write_records(tmp_path / "s.jsonl", [session(None, None)])
    page = r'{"page":{"url":"","html":"<page>\n<a name=\"mug\">Mug</a>"}'
    assert (tmp_path / "s.jsonl").read_text() == (
        '{"session_id":"s","source":"log","space":"shop","outcome":"terminate","steps":['
        f'{page},"action":{{"type":"click","name":"mug"}}}},{page},"action":{{"type":"terminate"}}}}]}}\n'
    )


@pytest.mark.parametrize("name", ["s.jsonl", "s.jsonl.zst", "s.parquet"])
def test_times_come_back_from_disk_and_change_the_digest(tmp_path: Path, name: str) -> None:
    timed = session(NOON + 0.792, None)
    write_sessions(tmp_path / name, [timed])
    assert list(read_sessions(tmp_path / name)) == [timed]
    assert list(open_sessions(tmp_path / name)) == [timed]
    assert len({digest_session(each) for each in (timed, session(NOON, None), session(None, None))}) == 3


def test_no_prompt_shows_a_time() -> None:
    timed, plain = session(NOON, NOON + 1), session(None, None)
    prompts = [render_prompt(each, 1, SHOP, PromptConfig(), len) for each in (timed, plain)]
    assert prompts[0].messages == prompts[1].messages
    asked = [render_rationales(each, (1, 2), 9999, 100, len) for each in (timed, plain)]
    assert asked[0].messages == asked[1].messages


@pytest.mark.parametrize("time", ["1744632000", True, 1744632000000, -1])
def test_a_sessions_time_is_a_number_of_seconds(tmp_path: Path, time: Any) -> None:
    record = json.loads(session(None, None).model_dump_json())
    record["steps"][0]["time"] = time
    (tmp_path / "s.jsonl").write_text(json.dumps(record))
    with pytest.raises(DataError, match=r"s\.jsonl:1: steps\.0\.time"):
        list(read_records(tmp_path / "s.jsonl", Session))


def test_a_log_keeps_times_in_each_of_their_forms(tmp_path: Path) -> None:
    page = {"html": "<title>S</title><body><a href='/m'>Mugs</a>"}
    act = {"type": "click", "target": {"label": "Mugs"}}
    written = [1744632000, 1744632001500, "2025-04-14T14:00:02+02:00", None]
    steps = [{"page": page, "action": act, "time": time} for time in written]
    (tmp_path / "log.jsonl").write_text(json.dumps({"session_id": "s", "steps": steps}))
    (made,) = import_log(tmp_path / "log.jsonl", LogTally())
    assert [step.time for step in made.steps] == [NOON, NOON + 1.5, NOON + 2, None]


def test_rationales_written_by_a_model_leave_the_times_as_they_are(tmp_path: Path) -> None:
    timed = session(NOON, NOON + 1)
    with tempfile.TemporaryFile() as spool:
        plan = plan_requests([timed], RationaleConfig(), len, spool)
        told = {"rationales": [{"step": 1, "rationale": "I like it."}, {"step": 2, "rationale": "Done."}]}
        answer = Completion(text=json.dumps(told), stop="end", usage=Usage(input_tokens=9, output_tokens=9))
        write_rationales([timed], tmp_path / "with.jsonl", plan, [Outcome(answer, None, 1)])
    (written,) = read_records(tmp_path / "with.jsonl", Session)
    assert [step.time for step in written.steps] == [NOON, NOON + 1]
    assert [step.rationale for step in written.steps] == ["I like it.", "Done."]
