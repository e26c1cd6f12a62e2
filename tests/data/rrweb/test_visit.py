from collections.abc import Iterable

import pytest
from tests.data.rrweb import snapshots
from tests.data.rrweb.snapshots import (
    Entry,
    add,
    document,
    entered,
    full,
    interaction,
    meta,
    mutation,
    tag,
    text,
)

from shop_r1.actions import Action, click, type_and_submit
from shop_r1.data.rrweb.events import Event
from shop_r1.data.rrweb.visit import Visit

HOME = "https://shop.example/"
SEARCH, GO, LINK, NOTHING, NOTE, GIFT, GIFT_LABEL, SIZE, BLUE = 21, 22, 31, 40, 51, 61, 62, 71, 81


def page(*, first: int = 1, shift: int = 0) -> Entry:
    """Return a shop's page with fields of all kinds; `shift` is added to the numbers of what is in it."""

    def at(number: int, name: str, attributes: Entry | None = None, *children: Entry) -> Entry:
        return tag(number + shift, name, attributes, *children)

    def words(number: int, content: str) -> Entry:
        return text(number + shift, content)

    field = at(SEARCH, "input", {"type": "search", "value": ""})
    go = at(GO, "button", None, at(23, "b", None, words(24, "Go")))
    link = at(LINK, "a", {"href": f"{HOME}m"}, at(32, "b", None, words(33, "Mugs")))
    label = at(GIFT_LABEL, "label", {"for": "g"}, at(63, "i", None, words(64, "As a gift")))
    small, medium = (at(72, "option", None, words(74, "Small")), at(73, "option", None, words(75, "Medium")))
    return document(
        at(20, "form", {"role": "search"}, field, go),
        at(30, "p", None, link),
        at(NOTHING, "p", None, words(41, "Welcome")),
        at(50, "form", None, at(NOTE, "textarea", {"aria-label": "Note"})),
        at(60, "div", None, at(GIFT, "input", {"type": "checkbox", "id": "g"}), label),
        at(SIZE, "select", {"aria-label": "Size"}, small, medium),
        at(80, "div", {"role": "search"}, at(BLUE, "input", {"aria-label": "Colour"}), at(82, "button")),
        first=first,
    )


START = [meta(HOME), full(page())]
NEXT = [meta(f"{HOME}next"), full(page())]


def follow(events: Iterable[Entry], space: str = "shop", *, leave: bool = False) -> Visit:
    visit = Visit(space)
    for event in events:
        visit.follow(Event(event["type"], event["data"], event.get("time")))
    visit.finish(leave=leave)
    return visit


def done(
    *events: Entry, space: str = "shop", start: list[Entry] = START
) -> tuple[list[Action], dict[str, int]]:
    visit = follow([*start, *events], space)
    return [step.action for step in visit.steps], dict(visit.counts)


def typed(identity: int, *values: str) -> list[Entry]:
    return [
        interaction(5, identity),
        snapshots.click(identity),
        *(entered(identity, value) for value in values),
    ]


MUGS = type_and_submit("search_input", "mugs")
INTO = {"clicks into a field": 1}


@pytest.mark.parametrize("target", [LINK, 32, 33])
def test_a_click_on_a_link_or_in_it_is_one_on_the_link(target: int) -> None:
    assert done(snapshots.click(target)) == ([click("mugs")], {})


def test_a_click_on_what_has_no_name_is_counted() -> None:
    assert done(snapshots.click(NOTHING), snapshots.click(99)) == (
        [],
        {"clicks on what has no name": 1, "clicks on nodes that are not there": 1},
    )


@pytest.mark.parametrize("press", [[snapshots.click(GO)], [snapshots.click(23)], NEXT])
def test_text_is_submitted_by_its_forms_button_or_when_the_page_changes(press: list[Entry]) -> None:
    assert done(*typed(SEARCH, "m", "mug", "mugs"), *press) == ([MUGS], INTO)


def test_a_click_on_nothing_comes_not_between_but_one_on_something_does() -> None:
    passed = INTO | {"clicks on what has no name": 1}
    assert done(*typed(SEARCH, "mugs"), snapshots.click(NOTHING), *NEXT) == ([MUGS], passed)
    dropped = INTO | {"typing not submitted": 1}
    assert done(*typed(SEARCH, "mugs"), snapshots.click(LINK), *NEXT) == ([click("mugs")], dropped)
    assert done(*typed(SEARCH, "mugs")) == ([], dropped)


def test_a_text_in_another_field_ends_the_first_and_only_the_last_is_submitted() -> None:
    events = [*typed(NOTE, "hello"), *typed(SEARCH, "mugs"), snapshots.click(GO)]
    assert done(*events) == ([MUGS], {"clicks into a field": 2, "typing not submitted": 1})


def test_the_button_of_another_form_submits_nothing() -> None:
    assert done(*typed(NOTE, "hello"), snapshots.click(GO)) == (
        [click("search.go")],
        INTO | {"typing not submitted": 1},
    )


def test_a_search_box_that_is_no_form_is_submitted_by_any_of_its_buttons() -> None:
    actions, _ = done(*typed(BLUE, "blue"), snapshots.click(82))
    assert [(action.type, action.text) for action in actions] == [("type_and_submit", "blue")]


def test_text_that_is_taken_back_is_no_action() -> None:
    events = [*typed(SEARCH, "m", ""), snapshots.click(GO)]
    assert done(*events) == ([click("search.go")], INTO | {"typing taken back": 1})


def test_in_the_opera_space_typing_is_an_action_by_itself() -> None:
    typing = Action(type="input", name="search_input", text="mugs")
    assert done(*typed(SEARCH, "mugs"), snapshots.click(GO), space="opera") == (
        [typing, click("search.go")],
        INTO,
    )
    assert done(*typed(SEARCH, "mugs"), *NEXT, space="opera") == ([typing], INTO)
    assert done(*typed(SEARCH, "mugs"), space="opera") == ([typing], INTO)


def test_a_label_and_the_click_that_the_browser_passes_on_are_one_click() -> None:
    events = [
        snapshots.click(63),
        snapshots.click(GIFT),
        entered(GIFT, "on", checked=True),
        snapshots.click(GIFT),
    ]
    actions, counts = done(*events)
    assert actions == [click("as_a_gift")] * 2
    assert counts == {"clicks that the browser passes on from a label": 1}


def test_a_choice_from_a_list_is_a_click_on_the_option() -> None:
    events = [
        interaction(5, SIZE),
        snapshots.click(SIZE),
        entered(SIZE, "Medium"),
        entered(SIZE, "none of them"),
    ]
    assert done(*events) == (
        [click("size.medium")],
        {"clicks that open a list": 1, "choices that have no name": 1},
    )


def test_what_scripts_fill_in_is_no_typing() -> None:
    by_script = {"fields filled by scripts": 1}
    assert done(entered(SEARCH, "mugs", userTriggered=False), *NEXT) == ([], by_script)
    assert done(interaction(5, NOTE), entered(SEARCH, "mugs"), *NEXT) == ([], by_script)
    assert done(interaction(5, SEARCH), interaction(6, SEARCH), entered(SEARCH, "mugs"), *NEXT) == (
        [],
        by_script,
    )
    assert done(entered(SEARCH, "mugs"), *NEXT) == ([MUGS], {})  # no focus told: a field can have it at first
    assert done(interaction(5, NOTE), entered(SEARCH, "mugs", userTriggered=True), *NEXT) == ([MUGS], {})


def test_each_page_is_the_one_right_before_the_action() -> None:
    more = mutation(adds=[add(4, None, tag(90, "a", {"href": f"{HOME}n"}, text(91, "New")))])
    visit = follow(
        [
            *START,
            *typed(SEARCH, "m"),
            more,
            entered(SEARCH, "mugs"),
            *NEXT,
            snapshots.click(LINK),
            mutation(texts=[{"id": 41, "value": "Thanks"}]),
            snapshots.click(GIFT),
        ],
        leave=True,
    )
    pages = [step.page for step in visit.steps]
    assert [step.action.type for step in visit.steps] == ["type_and_submit", "click", "click", "terminate"]
    assert [each.url for each in pages] == [HOME, *[f"{HOME}next"] * 3]
    assert not any("New" in each.html or "value=" in each.html for each in pages)
    assert ["Thanks" in each.html for each in pages] == [False, False, True, True]


def test_the_same_page_once_more_is_no_new_page() -> None:
    again = [meta(HOME), full(page(first=200, shift=200))]
    shown = [*typed(SEARCH, "mu"), *again, entered(SEARCH + 200, "mugs")]
    assert done(*shown, snapshots.click(GO + 200)) == ([MUGS], INTO)
    assert done(*shown) == ([], INTO | {"typing not submitted": 1})
    other = [meta(HOME), full(document(tag(300, "p"), first=200))]
    assert done(*typed(SEARCH, "mu"), *other) == ([], INTO | {"typing not submitted": 1})


def test_a_page_with_numbers_from_the_beginning_is_a_new_one_at_the_same_address() -> None:
    assert done(*typed(SEARCH, "mugs"), meta(HOME), full(page())) == ([MUGS], INTO)
    assert done(*typed(SEARCH, "mugs"), meta(f"{HOME}#top")) == ([], INTO | {"typing not submitted": 1})


def test_what_is_in_a_frame_or_has_no_name_is_counted() -> None:
    frame = add(NOTHING, None, tag(92, "iframe"))
    inner = add(92, None, document(tag(97, "a", {"href": "/x"}), tag(98, "input"), first=93))
    events = [mutation(adds=[frame, inner]), snapshots.click(97), entered(98, "a"), entered(98, "ab")]
    assert done(*events) == (
        [],
        {"frames, not looked into": 1, "clicks and typing in frames": 2},
    )


def test_events_before_the_first_page_and_of_other_kinds_are_passed_over() -> None:
    events: list[Entry] = [
        {"type": 3, "data": {"source": 1, "positions": []}},
        {"type": 3, "data": {"source": 8, "id": 1}},
        {"type": 3, "data": {}},
        {"type": 5, "data": {"tag": "x"}},
        {"type": 3, "data": {"source": 5, "id": {}, "text": 3}},
        {"type": 3, "data": {"source": 2, "type": 2, "id": None}},
        entered(SEARCH, "x") | {"type": 3},
        {"type": 4, "data": {"href": 7}},
    ]
    assert done(snapshots.click(LINK), start=[]) == ([], {"events before the first page": 1})
    actions, counts = done(*events)
    assert actions == []
    assert counts["changes of style sheets by scripts, not followed"] == 1
    assert counts["changes to nodes that are not there"] == 1


def test_a_page_that_is_empty_is_counted() -> None:
    empty = full({"type": 0, "id": 1, "childNodes": [text(2, " ")]})
    visit = follow([empty, snapshots.click(2)], leave=True)
    assert visit.steps == []
    assert visit.counts["pages that cannot be read"] == 2
