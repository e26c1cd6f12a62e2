"""A checkbox that a shop draws, the native one and their label have one name, and all lead to it."""

import pytest

from shop_r1.pages.elements import Element
from shop_r1.pages.parse.document import locate, parse_document
from shop_r1.pages.simplify import simplify_page

DRAWN = "<span role=checkbox tabindex=0 aria-checked=true></span>"


def only(html: str) -> Element:
    (element,) = simplify_page(html).elements
    return element


@pytest.mark.parametrize(
    "html",
    [
        f"<label>{DRAWN}<input type=checkbox>White</label>",
        f"<label>{DRAWN}<input type=checkbox hidden>White</label>",
        f"<div>{DRAWN}<input id=w type=checkbox tabindex=-1><label for=w>White</label></div>",
        f"<div>{DRAWN}<input id=w type=checkbox hidden><label for=w>White</label></div>",
        f"<div><input id=w type=checkbox hidden><label for=w>White</label>{DRAWN}</div>",
        "<i role=radio tabindex=0 aria-checked=true aria-labelledby=l></i>"
        "<b><label id=l>White<input type=radio hidden></label></b>",
        "<button role=checkbox id=w aria-checked=true></button><input hidden><label for=w>White</label>",
    ],
)
def test_what_is_drawn_has_the_label_s_name_and_its_own_state(html: str) -> None:
    element = only(html)
    assert (element.name, element.label, element.states) == ("white", "White", ("checked",))
    assert element.tag in ("span", "i", "button")


def test_the_native_field_and_its_label_lead_to_the_name() -> None:
    html = f"<div>{DRAWN}<input id=w type=checkbox tabindex=-1><label for=w>White</label></div>"
    document = parse_document(html)
    assert [locate(document, path).tag for path in only(html).also] == ["input", "label"]
    assert simplify_page(html).dropped == {"drawn_toggle": 1}


def test_what_the_label_says_is_said_once() -> None:
    labelled = DRAWN.replace("role", "aria-labelledby=l role")
    html = f"<p>{labelled}<input id=w hidden type=checkbox><label id=l for=w>White</label></p>"
    assert simplify_page(html).html.count("White") == 1
    assert simplify_page(f"<label>{DRAWN}White</label>").html.count("White") == 1


@pytest.mark.parametrize(
    "html",
    [
        f"<div>{DRAWN}<input type=checkbox aria-label=Black></div>",  # both can be seen and reached
        f"<div>{DRAWN}<label>Black<input type=radio></label><label>Red<input type=radio></label></div>",
        f"<label>{DRAWN}</label><label>Black<input type=checkbox></label>",
    ],
)
def test_fields_that_stand_apart_keep_names_of_their_own(html: str) -> None:
    found = simplify_page(html).elements
    assert len(found) == html.count("<input") + 1
    assert "black" in [element.name for element in found]


def test_many_of_them_take_time_in_proportion() -> None:
    row = f"<div>{DRAWN}<input id=w type=checkbox tabindex=-1><label for=w>White</label></div>"
    assert len(simplify_page(f"<main>{row * 3000}</main>").elements) == 3000
    flat = f"{DRAWN}<input type=checkbox tabindex=-1>" * 3000
    assert len(simplify_page(f"<main>{flat}</main>").elements) == 6000
