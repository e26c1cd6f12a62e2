import json
import pickle
from html import unescape
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import make_sessions

from shop_r1.datasets.validation import ERRORS, WARNINGS, Checker, check_line
from shop_r1.pages.elements import element_names
from shop_r1.pages.simplify import simplify_page

PAGE = '<page>\n<input name="search_input"> <a name="results.red_mug">Red mug</a>'
CLICK = {"type": "click", "name": "results.red_mug"}
LEAVE = {"type": "terminate"}


def step(action: object = CLICK, html: str = PAGE, **more: Any) -> dict[str, Any]:
    return {"page": {"html": html}, "action": action, **more}


def line(*steps: Any, **changes: Any) -> str:
    shown = steps or (step(), step(LEAVE))
    return json.dumps({"session_id": "s", "outcome": "terminate", "steps": list(shown)} | changes)


def found(*lines: str) -> list[tuple[int, str, str]]:
    """Return (line, field, kind) of all that is found in the lines."""
    checker = Checker()
    findings = [each for number, text in enumerate(lines, 1) for each in checker.check(number, text)]
    findings += checker.finish()
    assert checker.kinds.total() == len(findings) == checker.errors + checker.warnings
    assert checker.lines_with_errors == len({each.line for each in findings if each.is_error and lines})
    return [(each.line, each.field, each.kind) for each in findings]


def test_a_good_session_has_no_findings() -> None:
    typed = {"type": "type_and_submit", "name": "search_input", "text": "mug"}
    assert found(line(), line(step(typed), step(LEAVE), session_id="t")) == []


def test_times_that_go_back_are_errors_and_missing_ones_are_none() -> None:
    shown = [step(time=time) for time in (5, None, 7, 7, 6.5, 6.75)] + [step(LEAVE)]
    assert found(line(*shown)) == [(1, "steps.4.time", "time-order")]
    finding = Checker().check(1, line(*shown))[0]
    assert finding.problem.startswith("is 6.5, and steps.3 has 7.0; expected steps in order of time")


def test_all_errors_of_one_record_are_told() -> None:
    broken = step({"type": "jump"}, extra=1)
    del broken["page"]
    assert found(line(broken, step({"type": "click", "name": 7}), colour="red", outcome="lost")) == [
        (1, "outcome", "value"),
        (1, "steps.0.page", "missing"),
        (1, "steps.0.action", "value"),
        (1, "steps.0.extra", "unknown-field"),
        (1, "steps.1.action.name", "value"),
        (1, "colour", "unknown-field"),
    ]


@pytest.mark.parametrize(
    ("text", "field", "kind"),
    [
        (line()[:50], "record", "not-json"),
        ("[]", "record", "other-form"),
        ("7", "record", "value"),
        (line(session_id=""), "session_id", "value"),
        (line(step(LEAVE), step(LEAVE)), "steps.0", "value"),
        (line(step(html=" \n")), "steps.0.page.html", "empty-page"),
        (line(step(html=PAGE + '<a name="search_input">')), "steps.0.page.html", "same-name"),
        (line(step({"type": "click"}), step(LEAVE)), "steps.0.action.name", "no-target"),
        (line(step({"type": "click", "name": " "}), step(LEAVE)), "steps.0.action.name", "no-target"),
        (line(step({"type": "click", "name": "mug"}), step(LEAVE)), "steps.0.action.name", "not-on-page"),
        (
            line(step({"type": "type_and_submit", "name": "search_input", "text": ""}), step(LEAVE)),
            "steps.0.action.text",
            "no-text",
        ),
        (
            line(step({"type": "type_and_submit", "name": "search_input", "text": "*** ****"}), step(LEAVE)),
            "steps.0.action.text",
            "masked-text",
        ),
        (line(step(rationale="\t"), step(LEAVE, rationale="Done.")), "steps.0.rationale", "blank-rationale"),
        (line(step(), step(LEAVE, "<page>\nSorry")), "steps.1.page.html", "no-names"),
        (line(step(html=PAGE.removeprefix("<page>\n")), step(LEAVE)), "steps.0.page.html", "not-simplified"),
        (line(outcome="purchase"), "outcome", "outcome"),
        (line(step()), "outcome", "outcome"),
        (line(step(rationale="I like it."), step(LEAVE)), "steps", "some-rationales"),
    ],
)
def test_each_kind_is_found_where_it_is(text: str, field: str, kind: str) -> None:
    findings = found(text)
    assert (1, field, kind) in findings
    assert {each for _, _, each in findings} <= {*ERRORS, *WARNINGS}


def test_a_session_id_stands_once_in_a_file() -> None:
    assert found(line(), line(session_id="t"), line(), line()) == [
        (3, "session_id", "same-id"),
        (4, "session_id", "same-id"),
    ]


def test_a_file_without_lines_is_a_error() -> None:
    assert found() == [(1, "file", "no-sessions")]


def test_a_finding_says_what_was_found_and_what_was_expected() -> None:
    (missing,) = Checker().check(1, line(step({"type": "click", "name": "results.red_mugs"}), step(LEAVE)))
    assert missing.problem == (
        "'results.red_mugs' does not stand on the page; expected one of its names "
        "(the closest of 2: 'results.red_mug', 'search_input')"
    )
    (wrong,) = Checker().check(1, line(session_id=7))
    assert wrong.problem == "is 7; expected a string"
    (late,) = Checker().check(1, line(step(LEAVE), step(LEAVE)))
    assert late.problem == "terminates, but 1 steps follow it"


def test_what_a_record_holds_cannot_reach_the_terminal_raw() -> None:
    hostile = "\x1b[2J" + "x" * 5000
    texts = [line(session_id=1, **{hostile: hostile}), line(step({"type": hostile})), line(outcome=hostile)]
    texts.append(line(step({"type": "click", "name": hostile}), step(LEAVE)))
    for text in texts:
        for finding in Checker().check(1, text):
            assert (finding.field + finding.problem).isprintable()
            assert len(finding.problem) < 6000


def test_names_are_read_from_tags_alone() -> None:
    html = """<page>
<a title='name="no"' name="one">name="no" 3 < 4</a> <input value="a > b" name="two &amp; three">
<option data-name="no"> <img alt=name> <!-- -->"""
    assert element_names(html) == ["one", "two & three"]


def test_the_names_of_a_simplified_page_are_those_of_its_elements() -> None:
    html = (
        "<a href=/>Q &amp; A</a><form><input type=search placeholder='\"Find\" <it>'>"
        '<select><option>1<option>2</select><textarea>name="x"</textarea><button>Go</button></form>'
        "<table><tr><td><a href=/b>B > A</a>"
    )
    page = simplify_page(html)
    assert len(page.elements) > 5
    assert sorted(element_names(page.html)) == sorted(page.by_name)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(st.text(alphabet="<>\"'= \nanme!-/", max_size=300))
def test_no_page_makes_reading_names_fail(html: str) -> None:
    for name in element_names(html):
        assert name in unescape(html)


def test_long_hostile_pages_are_read_in_one_pass() -> None:
    for piece in ("<a ", '<a "', "<a '", '<a name="', "<a name='\""):
        element_names(piece * 20_000)


def test_lines_checked_one_by_one_are_put_together_as_by_one_checker() -> None:
    session = make_sessions()[0]
    lines = [session.model_dump_json(), "no json", session.model_dump_json()]
    whole, parts = Checker(), Checker()
    found = [each for number, line in enumerate(lines, 1) for each in whole.check(number, line)]
    checked = pickle.loads(pickle.dumps([check_line(number, line) for number, line in enumerate(lines, 1)]))
    assert [each for line in checked for each in parts.add(line)] == found
    assert {each.kind for each in found} >= {"not-json", "same-id"}
