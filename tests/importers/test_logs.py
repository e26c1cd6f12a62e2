import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from shop_r1.errors import DataError
from shop_r1.importers.logs import LogTally, import_log
from shop_r1.pages.simplify import simplify_page
from shop_r1.pages.sites.recipes import Recipe
from shop_r1.records.actions import click, terminate, type_and_submit
from shop_r1.records.sessions import Session

HOME = '<!doctype html><title>S</title><body><input type="search" aria-label="Search"><a href="/m">Mugs</a>'
MUGS = '<!doctype html><title>M</title><body><h1>Mugs</h1><a href="/1">Red mug</a><a href="/2">Blue mug</a>'
SEARCH = {"type": "type_and_submit", "target": {"css": "input"}, "text": "mug"}
CHOOSE = {"type": "click", "target": {"label": "Red mug"}}


def step(action: dict[str, Any], html: str = HOME, **more: Any) -> dict[str, Any]:
    return {"page": {"url": "/", "html": html}, "action": action} | more


def session(*steps: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"session_id": "v1", "steps": list(steps)} | more


def read(
    folder: Path, *lines: dict[str, Any], recipes: Sequence[Recipe] = ()
) -> tuple[list[Session], LogTally]:
    path = folder / "log.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    tally = LogTally()
    return list(import_log(path, tally, recipes)), tally


def test_a_log_becomes_sessions_with_short_pages_and_names(tmp_path: Path) -> None:
    (tmp_path / "pages").mkdir()
    (tmp_path / "pages" / "mugs.html").write_text(MUGS, "utf-8")
    steps = (
        step(SEARCH, rationale="I need a mug."),
        {"page": {"url": "/m", "file": "pages/mugs.html"}, "action": CHOOSE},
        step({"type": "terminate"}, simplify_page(MUGS).html),
    )
    facts = {"user_id": "u", "source": "panel", "outcome": "terminate", "persona": "Likes red."}
    (made,), tally = read(tmp_path, session(*steps, **facts))
    assert (made.session_id, made.user_id, made.source, made.outcome) == ("v1", "u", "panel", "terminate")
    assert made.persona == "Likes red."
    assert [each.action for each in made.steps] == [
        type_and_submit("search_input", "mug"),
        click("red_mug"),
        terminate(),
    ]
    assert [each.rationale for each in made.steps] == ["I need a mug.", None, None]
    assert made.steps[1].page.url == "/m"
    short = [simplify_page(html).html for html in (HOME, MUGS, MUGS)]
    assert [each.page.html for each in made.steps] == short
    assert (tally.sessions, tally.steps, tally.left_out) == (1, 3, 0)
    assert tally.chosen_by == {"CSS path": 1, "text": 1}


def test_a_session_with_a_step_that_cannot_be_resolved_is_left_out_with_its_reason(tmp_path: Path) -> None:
    (tmp_path.parent / "secret.html").write_text(HOME, "utf-8")
    gone = {"type": "click", "target": {"label": "Green mug"}}
    lines = (
        session(step(SEARCH), step(gone, MUGS), session_id="a"),
        session(step(SEARCH), session_id="b"),
        session({"page": {"file": "../secret.html"}, "action": SEARCH}, session_id="c"),
        session({"page": {"file": "none.html"}, "action": SEARCH}, session_id="d"),
        session({"page": {"file": "a\0b"}, "action": SEARCH}, session_id="e"),
        session(step(SEARCH, " "), session_id="f"),
    )
    made, tally = read(tmp_path, *lines)
    assert [each.session_id for each in made] == ["b"]
    assert tally.chosen_by == {"CSS path": 1}  # what was found in a session that is left out does not count
    messages = "\n".join(tally.messages)
    assert (len(tally.messages), tally.left_out) == (5, 5)
    assert tally.problems == {"page not read": 4, "element not found": 1}
    assert "log.jsonl:1: session 'a', step 1 (click): no element is labelled 'Green mug'" in messages
    assert "the closest: 'Red mug', 'Blue mug'" in messages
    assert "session 'c', step 0 (type_and_submit): the page '../secret.html': leads out of" in messages
    for reason in (
        "'none.html': cannot be read (No such",
        "'a\\x00b': cannot be read",
        "'/': the page is empty",
    ):
        assert reason in messages


def test_a_target_whose_fields_mean_two_elements_is_refused_and_counted_by_itself(tmp_path: Path) -> None:
    target = {"css": "a[href='/1']", "href": "/2", "label": "Blue mug"}
    wrong = session(step({"type": "click", "target": target}, MUGS), session_id="v2")
    made, tally = read(tmp_path, session(step(CHOOSE, MUGS)), wrong)
    assert [each.session_id for each in made] == ["v1"]
    assert tally.problems == {"contradictory target": 1}
    assert "step 0 (click): its CSS path leads to red_mug, but its address to blue_mug" in tally.messages[0]


def test_a_field_that_no_element_fits_is_passed_over_and_counted(tmp_path: Path) -> None:
    target = {"css": "a[href='/1']", "label": "Green mug"}
    (made,), tally = read(tmp_path, session(step({"type": "click", "target": target}, MUGS)))
    assert made.steps[0].action == click("red_mug")
    assert tally.chosen_by == {"CSS path (text fits nothing)": 1}


def test_when_nothing_is_left_the_import_fails(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"none of its 1 sessions can be used .element not found 1.; first: .*step 0"
    ):
        read(tmp_path, session(step(CHOOSE)))
    with pytest.raises(DataError, match="holds no sessions"):
        read(tmp_path)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (session(), "steps: holds 0; expected at least 1"),
        (session(step(SEARCH), pages=1), "pages: is unknown (holds 1)"),
        (session(step({"type": "click"})), "click needs a target"),
        (session(step(SEARCH | {"text": None})), "type_and_submit needs the text that was typed"),
        (session(step(CHOOSE | {"text": "x"})), "click takes no text"),
        (session(step(CHOOSE | {"type": "drag"})), "action type 'drag' is unknown"),
        (session(step({"type": "terminate", "target": {"css": "a"}})), "terminate takes no name"),
        (session(step(SEARCH | {"target": {}})), "says nothing of the element"),
        (session({"page": {}, "action": SEARCH}), "expected either html or file"),
        (session({"page": {"html": "a", "file": "b"}, "action": SEARCH}), "expected either html or file"),
        (session(step({"type": "scroll"})), "which the shop space does not have"),
        (session(step({"type": "terminate"}), step(SEARCH)), "steps.0: terminates, but 1 steps follow it"),
        (session(step(SEARCH), space="moon"), "space 'moon' is unknown"),
    ],
)
def test_a_line_that_is_no_such_record_is_left_out_with_its_place(
    tmp_path: Path, line: dict[str, Any], problem: str
) -> None:
    made, tally = read(tmp_path, session(step(SEARCH)), line | {"session_id": "v2"})
    assert [each.session_id for each in made] == ["v1"]
    (message,) = tally.messages
    assert message.startswith("log.jsonl:2: ") and problem in message
    assert (tally.lines, tally.left_out, tally.problems.total()) == (2, 1, 1)


GONE = {"type": "click", "target": {"label": "Green mug"}}


def test_all_problems_of_a_session_are_described_and_counted_by_reason(tmp_path: Path) -> None:
    broken = session(
        step(SEARCH),
        step(GONE, MUGS),
        {"page": {"file": "none.html"}, "action": CHOOSE},
        step(GONE | {"target": {"href": "/9"}}, MUGS),
    )
    unfit = session(step(SEARCH | {"text": 7}), {"page": {}, "action": {"type": "drag"}}, session_id="v2")
    made, tally = read(tmp_path, broken, unfit, session(step(SEARCH), session_id="v3"))
    assert [each.session_id for each in made] == ["v3"]
    assert [
        re.findall(r"^log\.jsonl:\d: (?:session 'v1', step \d|[\w.]+)", message)[0]
        for message in tally.messages
    ] == [
        "log.jsonl:1: session 'v1', step 1",
        "log.jsonl:1: session 'v1', step 2",
        "log.jsonl:1: session 'v1', step 3",
        "log.jsonl:2: steps.0.action.text",
        "log.jsonl:2: steps.1.page",
        "log.jsonl:2: steps.1.action",
    ]
    assert tally.problems == {"element not found": 2, "page not read": 1, "value": 3}
    assert tally.chosen_by == {"CSS path": 1}


def test_the_steps_before_the_first_problem_are_kept_on_request(tmp_path: Path) -> None:
    lines = (
        session(step(SEARCH), step(CHOOSE, MUGS), step(GONE, MUGS), outcome="purchase"),
        session(step(SEARCH), step({"type": "drag"}), step(GONE, MUGS), session_id="v2"),
        session(step(GONE, MUGS), step(SEARCH), session_id="v3"),  # nothing is before its problem
        session(step(SEARCH), session_id="v4", outcome="lost"),  # in no step
        session(step(SEARCH), session_id="v5", outcome="purchase"),
    )
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    tally = LogTally()
    made = list(import_log(path, tally, keep_until_error=True))
    assert [(each.session_id, len(each.steps), each.outcome) for each in made] == [
        ("v1", 2, None),
        ("v2", 1, None),
        ("v5", 1, "purchase"),
    ]
    assert (tally.lines, tally.sessions, tally.shortened, tally.left_out, tally.steps) == (5, 3, 2, 2, 4)
    assert tally.chosen_by == {"CSS path": 3, "text": 1}
    assert len(tally.messages) == 4


def test_of_a_session_id_that_comes_twice_the_later_line_is_left_out(tmp_path: Path) -> None:
    made, tally = read(tmp_path, session(step(SEARCH)), session(step(SEARCH), step(SEARCH)))
    assert [len(each.steps) for each in made] == [1]
    assert tally.messages == ["log.jsonl:2: session 'v1' also stands in line 1"]
    assert tally.problems == {"same session_id": 1}


def test_each_page_takes_the_first_recipe_that_fits_it(tmp_path: Path) -> None:
    kinds = {"page": "a list", "has": ("h1",)}, {"page": "any", "has": ("body",)}
    recipes = [
        Recipe.model_validate(kind | {"site": ("x",), "sections": ({"selector": "body", "name": "all"},)})
        for kind in kinds
    ]
    steps = step(CHOOSE, MUGS), step(SEARCH), step(CHOOSE, simplify_page(MUGS).html)
    (made,), tally = read(tmp_path, session(*steps), recipes=recipes)
    assert tally.recipes == {"a list": 1, "any": 1}
    assert [each.action.name for each in made.steps] == ["all.red_mug", "search_input", "red_mug"]


def test_the_opera_space_has_its_own_actions(tmp_path: Path) -> None:
    steps = step(SEARCH | {"type": "input"}), step({"type": "scroll"})
    (made,), _ = read(tmp_path, session(*steps, space="opera"))
    assert [each.action.type for each in made.steps] == ["input", "scroll"]
