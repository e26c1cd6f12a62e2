"""What is seen follows from the HTML standard: its rendering section, and its rules for attribute values."""

import pytest

from shop_r1.drivers.forms import form_of
from shop_r1.pages.elements import find_element
from shop_r1.pages.parse.document import parse_document
from shop_r1.pages.simplify import simplify_page

GOODS = """<header><a href=/>Shop</a></header><main><h1>Mugs</h1><ul>
<li><a href=/red>Red Mug</a> $8.49 <button>Add to cart</button></ul></main>"""


def shown(html: str) -> str:
    return simplify_page(f"{html}<p>end").html.removeprefix("<page>\n").removesuffix("end").strip()


@pytest.mark.parametrize(
    ("html", "reason"),
    [
        ("<div popover id=m><a href=/sale>Sale</a></div>", "closed_popover"),
        ("<div popover=HINT>x</div>", "closed_popover"),
        ("<dialog>x</dialog>", "closed_dialog"),
        ("<dialog popover>x</dialog>", "closed_dialog"),
        ("<p hidden=until-found>x", "hidden"),
        ("<p hidden=''>x", "hidden"),
        ("<p style='content-visibility: hidden'>x", "hidden_style"),
        ("<p aria-hidden=TRUE>x", "aria_hidden"),
        ("<input type=HIDDEN value=x>", "hidden_input"),
        ("<style type=text/css>.a{display:none}</style><p class=a>x", "style_rule"),
    ],
)
def test_what_a_browser_does_not_show_goes_and_is_counted(html: str, reason: str) -> None:
    page = simplify_page(f"<p>seen</p>{html}")
    assert page.html == "<page>\nseen"
    assert page.dropped[reason] == 1
    assert not page.shown


@pytest.mark.parametrize(
    "html",
    [
        "<dialog popover open>x</dialog>",
        "<p hidden style='display: block'>x</p>",
        "<div popover style='color:red;display:flex'>x</div>",
        "<p aria-hidden=no>x</p>",
        "<p style='content-visibility:auto'>x</p>",
        "<style type=text/x-theme>p{display:none}</style><p>x</p>",
        "<p title=popover>x</p>",
    ],
)
def test_what_a_browser_shows_stays(html: str) -> None:
    assert shown(html) == "x"


def test_of_closed_details_only_the_summary_is_seen() -> None:
    parts = "<summary>Shipping</summary>free<p>From $50</p><a href=/more>More</a>"
    assert shown(f"<details>{parts}</details>") == '<summary name="shipping" collapsed>Shipping</summary>'
    page = simplify_page(f"<details>{parts}</details>x")
    assert page.dropped["closed_details"] == 2
    opened = simplify_page(f"<details open>{parts}</details>")
    assert [element.name for element in opened.elements] == ["shipping", "shipping.more"]
    assert opened.elements[0].states == ("expanded",)
    assert simplify_page(opened.html).html == opened.html
    assert shown("<details>no summary</details>") == "no summary"


def test_what_is_inert_is_read_but_not_acted_on() -> None:
    page = simplify_page(
        "<main inert><h1>Red Mug</h1><button>Add to cart</button><a href=/x>More</a><input name=q>"
        "<label onclick=x>Gift</label></main><div role=dialog><button>Germany</button></div>"
    )
    assert [element.name for element in page.elements] == ["dialog.germany"]
    assert page.html.split("\n")[1:3] == ["<h1>Red Mug</h1>", "Add to cart More Gift"]
    assert page.dropped["inert"] == 4


@pytest.mark.parametrize(
    ("before", "reason"),
    [
        ("<div id=wrap style='display: none;'>", "hidden_style"),
        ("<div id=root aria-hidden=true data-aria-hidden=true>", "aria_hidden"),
        ("<div id=app hidden>", "hidden"),
        ("<style>#app{display:none}</style><div id=app>", "style_rule"),
        ("<body style='display:none'>", "hidden_style"),
        ("<style>body{visibility:hidden}</style><body>", "style_rule"),
        ("<body hidden>", "hidden"),
        ("<div inert>", "inert"),
        ("<p>Loading…</p><div hidden>", "hidden"),
    ],
)
def test_a_hidden_part_that_is_the_page_is_shown_and_that_is_said(before: str, reason: str) -> None:
    page = simplify_page(f"<!doctype html>{before}{GOODS}")
    plain = simplify_page(GOODS)
    assert [element.name for element in page.elements] == [element.name for element in plain.elements]
    assert page.shown == {reason: 1}
    assert not plain.shown


def test_wrappers_within_each_other_and_siblings_hidden_from_screen_readers_are_shown() -> None:
    nested = simplify_page(f"<div hidden><div aria-hidden=true>{GOODS}</div></div>")
    assert nested.shown == {"aria_hidden": 1, "hidden": 1}
    header, main = GOODS.split("<main>")
    siblings = (
        f"<div aria-hidden=true>{header}</div><div aria-hidden=true><main>{main}</div>"
        "<div role=dialog>Cookies <button>OK</button></div>" + "<i aria-hidden=true>★</i>"
    )
    goods = "".join(f"<li><a href=/{n}>Mug number {n}</a> a fine mug" for n in range(30))
    page = simplify_page(siblings.replace("<ul>", f"<ul>{goods}"))
    assert page.shown == {"aria_hidden": 2}
    assert page.elements[0].name == "shop"


@pytest.mark.parametrize(
    "html",
    [
        # a list of countries beside a sign-in form, a menu, views of which a script shows one
        "<h1>Sign in</h1><input name=e aria-label=Email><div hidden>" + "<a href=/c>Land</a>" * 200,
        "<p>Sign in</p><input name=e aria-label=Email><div hidden>" + "<a href=/c>Land</a>" * 200,
        f"<div hidden>{GOODS}</div><div hidden>{GOODS}</div>",
        f"<nav>{'<a href=/m>Menu</a>' * 5}</nav><p>{'Text. ' * 40}</p><div hidden>{GOODS}</div>",
    ],
)
def test_a_hidden_part_that_is_not_the_page_stays_hidden(html: str) -> None:
    page = simplify_page(html)
    assert not page.shown
    assert page.dropped["hidden"] >= 1


def test_drawn_choices_are_found_whatever_the_case_of_their_type() -> None:
    page = simplify_page(
        "<fieldset><legend>Size</legend><input type=RADIO id=s name=size hidden checked><label for=s>Small"
        "</label><input type=Radio id=m name=size hidden><label for=m>Medium</label></fieldset>"
    )
    assert [(e.name, e.role, e.states) for e in page.elements] == [
        ("size.small", "radio", ("checked",)),
        ("size.medium", "radio", ()),
    ]


@pytest.mark.parametrize(
    ("attribute", "acts"),
    [
        ("contenteditable=TRUE", True),
        ("contenteditable=plaintext-only", True),
        ("contenteditable", True),
        ("contenteditable=False", False),
        ("contenteditable=yes", False),
        ("tabindex=1", True),
        ("tabindex=' +0px'", True),
        ("tabindex=-1", False),
        ("tabindex=x", False),
        ("role=BUTTON", True),
        ("role='doc-link button'", True),
        ("role='none button'", False),
    ],
)
def test_what_can_be_acted_on_follows_the_attribute_s_own_rule(attribute: str, acts: bool) -> None:
    assert bool(simplify_page(f"<div {attribute}>x</div>").elements) is acts


def test_states_and_form_attributes_are_compared_without_case() -> None:
    page = simplify_page("<button aria-pressed=TRUE>Like</button>")
    assert page.elements[0].states == ("pressed",)
    for method, meant in (("POST", "post"), ("' post'", "get")):  # the second is none of the method's values
        html = f"<form method={method}><button>Go</button></form>"
        assert form_of(parse_document(html), find_element(simplify_page(html), "go")).method == meant
