from collections.abc import Iterable

import pytest
from tests.importers.rrweb import snapshots
from tests.importers.rrweb.snapshots import (
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

from shop_r1.importers.rrweb.events import Event
from shop_r1.importers.rrweb.visit import RecordingOptions, Visit
from shop_r1.records.actions import Action, click, type_and_submit

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
    visit = Visit(RecordingOptions(space))
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
    ]
    assert done(snapshots.click(LINK), start=[]) == ([], {"events before the first page": 1})
    actions, counts = done(*events)
    assert actions == []
    assert counts["changes of style sheets by scripts, not followed"] == 1
    assert counts["changes to nodes that are not there"] == 1
    assert done({"type": 4, "data": {"href": 7}}, snapshots.click(LINK)) == (
        [],
        {"events on a page whose snapshot is missing": 1},
    )


def test_a_page_that_is_empty_is_counted() -> None:
    empty = full({"type": 0, "id": 1, "childNodes": [text(2, " ")]})
    visit = follow([empty, snapshots.click(2)], leave=True)
    assert visit.steps == []
    assert visit.counts["pages that cannot be read"] == 2


# -- Which page is shown ------------------------------------------------------------------------------------

UNEXPLAINED = {"page changes that no action explains (Back, an address, another tab)": 1}
ELSEWHERE = {"links after which another page came than theirs": 1}
MISSING = "events on a page whose snapshot is missing"


def moved(url: str, name: str = "$url_changed") -> Entry:
    return {"type": 5, "data": {"tag": name, "payload": {"href": url}}}


@pytest.mark.parametrize(
    "lost", [[], [{"type": 2, "data": {}}], [full({"type": 2, "id": 1, "tagName": "p"})]]
)
@pytest.mark.parametrize("url", [HOME, f"{HOME}next"])
def test_nothing_is_done_on_a_page_whose_snapshot_is_lost(url: str, lost: list[Entry]) -> None:
    gap = [meta(url), *lost, *typed(SEARCH, "mug"), snapshots.click(LINK), mutation()]
    actions, counts = done(snapshots.click(LINK), *gap, meta(f"{HOME}m"), full(page()), snapshots.click(GIFT))
    assert actions == [click("mugs"), click("as_a_gift")]
    assert counts[MISSING] == 5


def test_a_snapshot_that_cannot_be_read_ends_the_page_also_without_its_head() -> None:
    assert done({"type": 2, "data": {}}, snapshots.click(LINK)) == (
        [],
        {"snapshots that hold no page": 1, MISSING: 1},
    )


def test_a_visit_does_not_end_with_leaving_a_page_that_is_not_known() -> None:
    visit = follow([*START, snapshots.click(LINK), meta(f"{HOME}m")], leave=True)
    assert [step.action.type for step in visit.steps] == ["click"]
    assert visit.counts == {"visits whose last page is not known": 1}


def test_rrweb_2_repeats_a_snapshot_with_the_numbers_that_nodes_have() -> None:
    shown = tag(90, "b", None, text(91, "Found"))
    repeated = page()
    repeated["childNodes"][1]["childNodes"][0]["childNodes"].append(shown)
    field = repeated["childNodes"][1]["childNodes"][0]["childNodes"][0]["childNodes"][0]
    field["attributes"]["value"] = "mu"
    typing = [*typed(SEARCH, "mu"), mutation(adds=[add(4, None, shown)]), meta(HOME), full(repeated)]
    assert done(*typing, entered(SEARCH, "mugs"), snapshots.click(GO)) == ([MUGS], INTO)


def test_a_change_of_page_without_an_action_before_it_is_worth_a_look() -> None:
    assert follow([*START, *NEXT]).remarks == UNEXPLAINED
    assert follow([*START, snapshots.click(NOTHING), *NEXT]).remarks == {}
    assert follow([*START, moved(f"{HOME}next")]).remarks == UNEXPLAINED
    assert follow([*START, meta(f"{HOME}#top"), full(page())]).remarks == {}


def test_a_link_after_which_another_page_comes_is_worth_a_look() -> None:
    clicked = [*START, snapshots.click(LINK)]
    assert follow([*clicked, meta(f"{HOME}m"), full(page())]).remarks == {}
    assert follow([*clicked, moved(f"{HOME}m#top")]).remarks == {}
    assert follow([*clicked, *NEXT]).remarks == ELSEWHERE
    stayed = {"links after which no other page came": 1}
    assert follow([*clicked, snapshots.click(GIFT), *NEXT]).remarks == stayed


LONG = document(*(tag(number, "p") for number in range(10, 200)), tag(200, "a", {"href": "/x"}))
EARLIER = "events of an earlier page or another tab"


@pytest.mark.parametrize(
    "event",
    [
        snapshots.click(150),
        interaction(5, 150),
        entered(150, "x"),
        mutation(removes=[{"id": 150}]),
        mutation(adds=[add(150, None, tag(300, "p"))]),
        mutation(texts=[{"id": 150, "value": "x"}]),
        {"type": 3, "data": {"source": 3, "id": 150, "x": 0, "y": 9}},
        {"type": 3, "data": {"source": 1, "positions": [{"x": 1, "y": 1, "id": 20}, {"id": 150}]}},
    ],
)
def test_an_event_of_an_earlier_page_ends_this_one_and_takes_its_steps_away(event: Entry) -> None:
    before = [meta(HOME), full(LONG), snapshots.click(200)]
    doubtful = [*NEXT, snapshots.click(LINK), event, snapshots.click(GIFT)]
    sure = [meta(f"{HOME}third"), full(page()), snapshots.click(LINK)]
    visit = follow([*before, *doubtful, *sure])
    assert [(step.page.url, step.action.type) for step in visit.steps] == [
        (HOME, "click"),
        (f"{HOME}third", "click"),
    ]
    assert visit.counts[EARLIER] == 1
    assert visit.counts["steps on a page that may not have been shown any more"] == 1
    assert visit.counts[MISSING] == 1


def test_a_node_that_was_removed_or_never_told_of_raises_no_doubt() -> None:
    gone = [mutation(removes=[{"id": 80}]), snapshots.click(BLUE), snapshots.click(500)]
    actions, counts = done(snapshots.click(LINK), *gone)
    assert (actions, counts) == ([click("mugs")], {"clicks on nodes that are not there": 2})


# -- Addresses that scripts change --------------------------------------------------------------------------

RESULTS = f"{HOME}search?q=mugs"


@pytest.mark.parametrize(
    ("event", "url"),
    [
        ({"tag": "$pageview", "payload": {"href": RESULTS}}, RESULTS),
        ({"tag": "$url_changed", "payload": {"href": RESULTS}}, RESULTS),
        ({"tag": "Navigate", "payload": RESULTS}, RESULTS),
        ({"tag": "url-change", "payload": {"from": HOME, "to": "/search?q=mugs"}}, RESULTS),
        ({"tag": "pushState", "payload": {"url": "?q=mugs"}}, f"{HOME}?q=mugs"),
        ({"tag": "route_change", "payload": "#/search"}, f"{HOME}#/search"),
        (
            {"tag": "performanceSpan", "payload": {"op": "navigation.push", "description": "/search?q=mugs"}},
            RESULTS,
        ),
        (
            {"tag": "breadcrumb", "payload": {"category": "navigation", "data": {"to": "/search?q=mugs"}}},
            RESULTS,
        ),
    ],
)
def test_a_text_is_submitted_when_a_script_changes_the_address(event: Entry, url: str) -> None:
    told = {"type": 5, "data": event}
    found = mutation(adds=[add(4, None, tag(90, "a", {"href": f"{HOME}red"}, text(91, "Red")))])
    visit = follow([*START, *typed(SEARCH, "mugs"), told, found, snapshots.click(90)])
    assert [step.action for step in visit.steps] == [MUGS, click("red")]
    first, second = (step.page for step in visit.steps)
    assert (first.url, "Red" in first.html) == (HOME, False)
    assert (second.url, "Red" in second.html) == (url, True)


@pytest.mark.parametrize(
    "event",
    [
        {"tag": "$pageview", "payload": {"href": f"{HOME}#reviews"}},
        {"tag": "$pageview", "payload": {"href": 7}},
        {"tag": "$pageview"},
        {"tag": 7, "payload": RESULTS},
        {"tag": "Navigate", "payload": "Profile"},
        {"tag": "cart", "payload": {"href": RESULTS}},
        {"tag": "performanceSpan", "payload": {"op": "navigation.back_forward", "description": RESULTS}},
        {"tag": "breadcrumb", "payload": {"category": "navigation", "data": 3}},
    ],
)
def test_other_custom_events_change_no_page(event: Entry) -> None:
    told = {"type": 5, "data": event}
    assert done(*typed(SEARCH, "mugs"), told) == ([], INTO | {"typing not submitted": 1})


def test_a_page_that_searches_while_one_types_gets_one_text() -> None:
    typing = [interaction(5, SEARCH)]
    for length in range(1, 5):
        typing += [entered(SEARCH, "mugs"[:length]), moved(f"{HOME}?q={'mugs'[:length]}")]
    visit = follow([*START, *typing, snapshots.click(LINK)])
    assert [step.action for step in visit.steps] == [MUGS, click("mugs")]
    assert visit.steps[0].page.url == HOME
    assert visit.remarks == {"searches while a text was typed": 3}
    visit = follow([*START, *typing], space="opera")
    assert [step.action for step in visit.steps] == [Action(type="input", name="search_input", text="mugs")]


def test_a_text_after_the_search_and_a_click_is_another() -> None:
    first = [*typed(SEARCH, "mugs"), moved(RESULTS)]
    visit = follow([*START, *first, *typed(SEARCH, "mugs red"), snapshots.click(GO)])
    assert [step.action.text for step in visit.steps] == ["mugs", "mugs red"]


def test_a_script_that_changes_the_address_after_a_click_elsewhere_submits_nothing() -> None:
    events = [*typed(NOTE, "hello"), snapshots.click(NOTHING), moved(f"{HOME}?colour=red")]
    passed = INTO | {"clicks on what has no name": 1, "typing not submitted": 1}
    assert done(*events) == ([], passed)


# -- Masked texts, and times --------------------------------------------------------------------------------


def test_a_masked_text_is_kept_and_remarked_or_left_out_and_counted() -> None:
    events = [*START, *typed(SEARCH, "***", "*******"), snapshots.click(GO), snapshots.click(LINK)]
    visit = follow(events)
    assert [step.action.text for step in visit.steps] == ["*******", None]
    assert visit.remarks == {"masked texts": 1}
    visit = Visit(RecordingOptions(keep_masked=False))
    for event in events:
        visit.follow(Event(event["type"], event["data"]))
    visit.finish()
    assert [step.action for step in visit.steps] == [click("mugs")]
    assert (visit.counts, visit.remarks) == (INTO | {"masked texts": 1}, {})


def test_pages_whose_text_is_masked_are_remarked() -> None:
    masked = document(
        tag(9, "a", {"href": "/m"}, text(10, "**** **")), tag(11, "p", None, text(12, "* *** **"))
    )
    assert follow([meta(HOME), full(masked), snapshots.click(9)]).remarks == {"pages whose text is masked": 1}


def test_a_step_has_the_time_of_its_event_where_that_is_a_date() -> None:
    events = [*START, *typed(SEARCH, "mugs"), snapshots.click(GO), snapshots.click(LINK)]
    for start, times in ((1.7e9, [1.7e9 + 5, 1.7e9 + 6]), (0.0, [None, None])):
        timed = [event | {"time": start + number} for number, event in enumerate(events)]
        assert [step.time for step in follow(timed).steps] == times
