from pathlib import Path

import pytest

from shop_r1.errors import DataError
from shop_r1.jsonl import parse_record, read_records, write_records
from shop_r1.records.actions import Action, click, terminate, type_and_submit
from shop_r1.records.sessions import Page, Session, Step

HOME = Page(url="/", html='<input name="search">')
SESSION = Session(
    session_id="s1",
    outcome="terminate",
    steps=(
        Step(page=HOME, action=type_and_submit("search", "tea \u2603"), rationale="I want tea."),
        Step(page=Page(html="<p>none</p>"), action=terminate()),
    ),
)


@pytest.mark.parametrize("name", ["sessions.jsonl", "sessions.jsonl.zst"])
def test_a_session_comes_back_from_disk_as_it_was(tmp_path: Path, name: str) -> None:
    assert write_records(tmp_path / name, [SESSION, SESSION]) == 2
    assert list(read_records(tmp_path / name, Session)) == [SESSION, SESSION]


def refused(line: str) -> str:
    with pytest.raises(DataError) as error:
        parse_record(line, Session, "log.jsonl", 7)
    return str(error.value)


STEP = '{"page": {"html": ""}, "action": {"type": "click", "name": "a"}}'
LEAVE = '{"page": {"html": ""}, "action": {"type": "terminate"}}'


def test_faults_name_file_line_and_field() -> None:
    assert refused("{").startswith("log.jsonl:7: ")
    assert refused('{"session_id": "s", "steps": []}').startswith("log.jsonl:7: steps: ")
    bad_type = STEP.replace("click", "drag")
    assert refused(f'{{"session_id": "s", "steps": [{STEP}, {bad_type}]}}').startswith(
        "log.jsonl:7: steps.1.action: "
    )
    no_html = STEP.replace('"html": ""', '"htlm": ""')
    message = refused(f'{{"session_id": "s", "steps": [{no_html}]}}')
    assert "steps.0.page.html: is missing; expected a string" in message and "steps.0.page.htlm: " in message
    assert refused(f'{{"session_id": "", "steps": [{STEP}]}}').startswith("log.jsonl:7: session_id: ")


def test_numbers_that_no_table_holds_are_refused() -> None:
    """A Parquet file has 32 bits for them (`datasets.parquet`)."""
    status = STEP.replace('"html": ""', f'"html": "", "status": {2**31}')
    often = STEP[:-1] + f', "events": [{{"kind": "dialog", "count": {2**31}}}]}}'
    for step, field in ((status, "page.status"), (often, "events.0.count")):
        problem = refused(f'{{"session_id": "s", "steps": [{step}]}}')
        assert f"steps.0.{field}: is {2**31}; expected a number below {2**31}" in problem


def test_nothing_follows_a_terminate() -> None:
    assert "steps.0: terminates, but 1 steps follow it" in refused(
        f'{{"session_id": "s", "steps": [{LEAVE}, {STEP}]}}'
    )


def test_actions_belong_to_the_sessions_space() -> None:
    scroll = Step(page=HOME, action=Action(type="scroll"))
    assert Session(session_id="s", space="opera", steps=(scroll,)).space == "opera"
    with pytest.raises(ValueError, match=r"steps\.1 is a scroll, which the shop space does not have"):
        Session(session_id="s", steps=(Step(page=HOME, action=click("a")), scroll))
    with pytest.raises(ValueError, match="space 'amazon' is unknown; expected one of shop, opera"):
        Session(session_id="s", space="amazon", steps=(scroll,))
