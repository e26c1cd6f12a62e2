import json
from typing import Any

import pytest
from tests.report.simulation.visits import document, element, page_events, text

from shop_r1.records.recordings import REFERENCE
from shop_r1.report.simulation.safe_recording import safe_css, safe_events

OUT = "http://out.test"
SHEET = f"{REFERENCE}0123456789abcdef:{'a' * 64}"
PICTURE = "data:image/png;base64,AAAA"


def cleaned(node: dict[str, Any]) -> dict[str, Any]:
    """Return the element as it is left of a page that holds nothing else."""
    events, _ = safe_events(page_events(0, "/", [], [node]))
    body = events[1]["data"]["node"]["childNodes"][1]["childNodes"][1]
    found: dict[str, Any] = body["childNodes"][0]
    return found


def change(**parts: Any) -> dict[str, Any]:
    """Return what is left of a mutation."""
    data = {"source": 0, "adds": [], "removes": [], "texts": [], "attributes": []} | parts
    events, _ = safe_events([{"type": 3, "data": data, "timestamp": 1}])
    found: dict[str, Any] = events[0]["data"]
    return found


def test_a_page_without_anything_hostile_stays_as_it_is() -> None:
    card = element(
        "a",
        {"class": "card", "id": "x", "data-n": "1", "style": "color: red"},
        "Mug ",
        element("b", {}, "$3"),
    )
    page = page_events(0, "/", [element("style", {"_cssText": "p { margin: 0 }"})], [card])
    events, left_out = safe_events(page)
    assert events[1]["data"]["node"] == page[1]["data"]["node"]
    assert not left_out


@pytest.mark.parametrize(
    "tag",
    [
        "script",
        "SCRIPT",
        "object",
        "embed",
        "base",
        "meta",
        "noscript",
        "template",
        "set",
        "animate",
        "frame",
        "a b",
        "1",
    ],
)
def test_what_runs_or_loads_is_replaced_by_what_means_nothing(tag: str) -> None:
    found = cleaned(element(tag, {"src": OUT, "href": OUT}, "code"))
    assert (found["tagName"], found["attributes"], found["childNodes"]) == ("shop-r1-left-out", {}, [])


@pytest.mark.parametrize(
    ("tag", "name", "value", "kept"),
    [
        ("a", "href", "javascript:alert(1)", "#"),
        ("a", "href", OUT, "#"),
        ("a", "target", "_top", None),
        ("a", "ping", OUT, None),
        ("p", "onclick", "run()", None),
        ("p", "OnClick", "run()", None),
        ("form", "action", OUT, None),
        ("button", "formaction", OUT, None),
        ("input", "autofocus", "", None),
        ("img", "src", OUT, None),
        ("img", "src", "data:text/html,x", None),
        ("img", "src", PICTURE, PICTURE),
        ("img", "src", SHEET, SHEET),
        ("img", "srcset", f"{OUT} 2x", None),
        ("img", "rr_dataURL", OUT, None),
        ("img", "name", "createElement", None),
        ("form", "name", "open", None),
        ("input", "name", "q", "q"),
        ("iframe", "src", OUT, None),
        ("iframe", "srcdoc", "<p>", None),
        ("iframe", "sandbox", "allow-scripts", None),
        ("iframe", "width", "50", "50"),
        ("video", "poster", OUT, None),
        ("video", "rr_mediaState", "played", None),
        ("use", "href", f"{OUT}#x", None),
        ("use", "xlink:href", "#x", "#x"),
        ("link", "href", OUT, None),
        ("link", "_cssText", SHEET, SHEET),
        ("p", "style", f"background: url({OUT})", f"background: left-out({OUT})"),
        ("rect", "fill", f"url({OUT})", f"left-out({OUT})"),
        ("rect", "fill", "url(#gradient)", "url(#gradient)"),
        ("div", "rr_width", "50px", "50px"),
        ("div", "rr_width", "expression(1)", None),
        ("div", "rr_scrollTop", 50, 50),
        ("dialog", "rr_open_mode", "modal", "modal"),
        ("input", "checked", True, True),
        ("input", "value", "url(x)", "url(x)"),
        ("p", "__proto__", {"x": 1}, None),
        ("p", "a b", "x", None),
    ],
)
def test_attributes(tag: str, name: str, value: Any, kept: Any) -> None:
    assert cleaned(element(tag, {name: value}))["attributes"].get(name) == kept


def test_of_pictures_in_several_sizes_the_stored_one_is_kept() -> None:
    sizes = {"src": "data:,", "srcset": f"data:, 320w, {SHEET} 640w, {OUT} 2x"}
    assert cleaned(element("img", sizes))["attributes"] == {"src": SHEET}
    assert cleaned(element("source", sizes))["attributes"] == {"srcset": SHEET}
    assert cleaned(element("img", {"src": PICTURE, "srcset": OUT}))["attributes"] == {"src": PICTURE}


def test_elements_are_not_defined_and_deep_ones_are_counted() -> None:
    assert "isCustom" not in cleaned(element("x-mug", {}, isCustom=True))
    deep = element("p", {}, "end")
    for _ in range(500):
        deep = element("div", {}, deep)
    events, left_out = safe_events(page_events(0, "/", [], [deep]))
    assert left_out == {"elements that lie too deep": 1}
    assert json.dumps(events).count('"div"') < 410


def test_texts_are_style_sheets_only_inside_of_one() -> None:
    rule = f"p {{ background: url({OUT}) }}"
    assert cleaned(element("p", {}, rule))["childNodes"][0]["textContent"] == rule
    assert cleaned(element("style", {}, rule))["childNodes"][0]["textContent"] == rule.replace(
        "url(", "left-out("
    )


def test_changes_are_cleaned_by_the_element_that_they_change() -> None:
    style = element("style", {}, "p {}")
    link, sheet = element("a", {"href": "x"}), style["childNodes"][0]["id"]
    page = page_events(0, "/", [style], [link])
    data = {
        "source": 0,
        "adds": [{"parentId": 1, "nextId": None, "node": element("script", {"src": OUT})}],
        "removes": [{"id": 7, "parentId": 8, "isShadow": False}],
        "texts": [{"id": sheet, "value": f"p {{ background: url({OUT}) }}"}],
        "attributes": [{"id": link["id"], "attributes": {"href": OUT, "onclick": "run()", "class": None}}],
    }
    events, _ = safe_events([*page, {"type": 3, "data": data, "timestamp": 2}])
    found = events[2]["data"]
    assert found["adds"][0]["node"]["tagName"] == "shop-r1-left-out"
    assert found["texts"][0]["value"] == f"p {{ background: left-out({OUT}) }}"
    assert found["attributes"] == [{"id": link["id"], "attributes": {"href": "#", "class": None}}]
    assert found["removes"] == data["removes"]


def test_styles_that_scripts_set_are_properties_and_nothing_else() -> None:
    style = {
        "color": ["red", "important"],
        "background": f"url({OUT})",
        "width": False,
        "a b": "x",
        "top": [1],
    }
    found = change(attributes=[{"id": 5, "attributes": {"style": style}}])
    assert found["attributes"][0]["attributes"]["style"] == {
        "color": ["red", "important"],
        "background": f"left-out({OUT})",
        "width": False,
    }


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"type": 6, "data": {"plugin": "x", "payload": {}}}, "events of scripts and plugins"),
        ({"type": 5, "data": {"tag": "x", "payload": {}}}, "events of scripts and plugins"),
        (
            {"type": 3, "data": {"source": 9, "id": 5, "commands": []}},
            "sound, drawings on canvases and fonts",
        ),
        ({"type": 3, "data": {"source": 10, "family": "x"}}, "sound, drawings on canvases and fonts"),
        ({"type": 3, "data": {"source": 7, "id": 5, "type": 0}}, "sound, drawings on canvases and fonts"),
    ],
)
def test_events_that_command_something_are_left_out_and_counted(data: dict[str, Any], words: str) -> None:
    assert safe_events([{**data, "timestamp": 1}]) == ([], {words: 1})


@pytest.mark.parametrize(
    "data",
    [
        {"source": 2, "type": 5, "id": 5},  # focus, which would take the keyboard
        {"source": 1, "positions": []},
        {"source": 3, "id": 5, "x": "1", "y": 0},
        {"source": 3, "id": 5, "x": float("inf"), "y": 0},
        {"source": 3, "id": 5, "x": float("nan"), "y": 0},
        {"source": 3, "id": 5, "x": 10**400, "y": 0},
        {"source": 4, "width": 1e9, "height": 5},
        {"source": 5, "id": "5", "text": "x"},
        {"source": 13, "index": [], "set": {"property": "x"}},
        {"source": 15, "id": 5, "styleIds": ["x"]},
        {"source": True},
        {"source": [0]},
        {},
    ],
)
def test_events_that_are_not_what_they_should_be_are_left_out(data: dict[str, Any]) -> None:
    assert safe_events([{"type": 3, "data": data, "timestamp": 1}])[0] == []


def test_what_moves_scrolls_and_types_stays() -> None:
    kept: list[dict[str, Any]] = [
        {"source": 1, "positions": [{"x": 1, "y": 2, "id": 5, "timeOffset": -50}]},
        {"source": 2, "type": 2, "id": 5, "x": 1, "y": 2},
        {"source": 3, "id": 5, "x": 0, "y": 90},
        {"source": 4, "width": 900, "height": 500},
        {"source": 5, "id": 5, "text": "mug", "isChecked": False},
        {"source": 8, "id": 5, "adds": [{"rule": "p {}", "index": 0}], "removes": [{"index": [0, 1]}]},
        {"source": 13, "id": 5, "index": [0], "set": {"property": "color", "value": "red", "priority": ""}},
        {"source": 15, "id": 5, "styleIds": [1], "styles": [{"styleId": 1, "rules": [{"rule": "p {}"}]}]},
    ]
    events, _ = safe_events([{"type": 3, "data": each, "timestamp": 1} for each in kept])
    assert [each["data"] for each in events] == kept


def test_frames_keep_the_documents_that_were_put_into_them() -> None:
    inner = document([], [element("p", {}, text("inside"))])
    found = change(adds=[{"parentId": 9, "nextId": None, "node": inner}], isAttachIframe=True)
    assert found["isAttachIframe"] is True
    assert "inside" in json.dumps(found["adds"])


def test_style_sheets_lose_what_they_would_fetch() -> None:
    kept = f"url( '{PICTURE}' ), url(\"{SHEET}\")"
    sheet = f"@import '{OUT}'; @IMPORT url(x); a {{ background: {kept}, URL({OUT}) }}"
    assert safe_css(sheet) == (
        f"@left-out '{OUT}'; @left-out left-out(x); a {{ background: {kept}, left-out({OUT}) }}"
    )
