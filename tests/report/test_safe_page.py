from html import escape

import pytest
from hypothesis import given
from hypothesis import strategies as st
from selectolax.lexbor import LexborHTMLParser

from shop_r1.report.safe_page import clean_text, make_safe

HOSTILE = [
    "<script>alert(1)</script>",
    "<p>a</p></body></html><script>alert(1)</script>",
    '<img src=x onerror="alert(1)">',
    '<svg onload="alert(1)"><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
    '<a href="javascript:alert(1)" onclick="alert(1)" style="background:url(https://evil.example)">x</a>',
    '<form action="https://evil.example"><input name="q" formaction="https://evil.example"></form>',
    '<iframe srcdoc="<script>alert(1)</script>"></iframe></iframe>',
    '<meta http-equiv="refresh" content="0;url=https://evil.example"><base href="https://evil.example">',
    '<link rel="stylesheet" href="https://evil.example"><style>@import "https://evil.example"</style>',
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    "<noscript><p title='</noscript><img src=x onerror=alert(1)>'></noscript>",
    "<textarea></textarea><script>alert(1)</script>",
    "<scr\x00ipt>alert(1)</scr\x00ipt><a\x00 href=https://evil.example>x</a>",
    "<!--><script>alert(1)</script>-->",
    "<?php <script>alert(1)</script> ?>",
    "<input type=image src=https://evil.example><video poster=https://evil.example><object data=x></object>",
    '<img srcset="//evil.example 2x" src="data:image/svg+xml,<svg onload=alert(1)>" alt="<script>alert(1)">',
    "<img alt='[<img src=x onerror=alert(1)>]'><IMG\nALT=x\nONERROR=alert(1)>",
    '<svg><style><!--</style><img title="--><img src=x onerror=alert(1)>"></svg>',
    "<form><math><mtext></form><form><mglyph><style></math><img src=x onerror=alert(1)></style></form>",
    "<svg></p><style><a title='</style><img src=x onerror=alert(1)>'></a>",
    "<select><template><style></select><img src=x onerror=alert(1)></style></template></select>",
    "<p title='x&quot; onmouseover=&quot;alert(1)' id=evil class=evil data-x=1 aria-labelledby=evil>x</p>",
    '<a ping="https://evil.example" target="_top" download href="&#106;avascript:alert(1)">x</a>',
    '<td background="https://evil.example"><q cite="//evil.example"><ins cite="javascript:alert(1)">x</ins>',
    '<button autofocus onfocus="alert(1)" popovertarget="x" type="submit" form="f">x</button>',
    "<details open ontoggle=alert(1)><summary accesskey=x contenteditable>x</summary></details>",
    "<slot><portal src=https://evil.example></portal><marquee onstart=alert(1)>x</marquee><custom-tag is=x>y",
    "<plaintext><script>alert(1)</script>",
    "<!DOCTYPE html [<!ENTITY x '<script>alert(1)</script>'>]>&x;<![CDATA[<script>alert(1)</script>]]>",
    "<template><script>alert(1)</script></template><xmp><script>alert(1)</script></xmp>",
]
SAFE_ATTRIBUTES = """
alt aria-label checked colspan disabled label multiple name open placeholder role rowspan selected title type
value
"""
RUNNING = "script style iframe object embed svg math img link meta base form template noscript video xmp"


def check_inert(safe: str) -> None:
    document = LexborHTMLParser(f"<div>{safe}</div>")
    assert document.body is not None
    for element in document.body.traverse(include_text=False):
        assert element.tag not in RUNNING.split(), safe
        assert set(element.attributes) <= set(SAFE_ATTRIBUTES.split()), safe


@pytest.mark.parametrize("page", HOSTILE)
def test_hostile_pages_become_inert(page: str) -> None:
    check_inert(make_safe(page))


@given(
    st.lists(
        st.sampled_from([*HOSTILE, "<p>", "</div>", '"', "'", "<", ">", "&lt;script&gt;", "\x00", "<a name="])
    )
)
def test_any_mixture_of_hostile_pages_becomes_inert(parts: list[str]) -> None:
    check_inert(make_safe("".join(parts)))


def test_text_structure_names_and_states_stay() -> None:
    safe = make_safe(
        "<html><head><title>Shop</title></head><body><h1>Mugs &amp; cups</h1>"
        '<a name="results.red_mug" href="/p/1">Red</a><input name="search_input" type="search" value="red">'
        '<img alt="A mug" src="/m.png"></body></html>'
    )
    assert safe == (
        '<h1>Mugs &amp; cups</h1><a name="results.red_mug">Red</a>'
        '<input name="search_input" type="search" value="red" disabled="">'
        '<span role="img">A mug</span>'
    )


def test_a_picture_s_text_is_text() -> None:
    assert make_safe('<img alt="a &lt;b&gt; &amp; c">') == '<span role="img">a &lt;b&gt; &amp; c</span>'
    assert make_safe('x<img alt=""><img src=y>') == "x"


def test_names_with_quotes_and_tags_stay_whole() -> None:
    name = "a\"b'c<d>&e"
    safe = make_safe(f'<a name="{escape(name)}">x</a>')
    assert [link.attributes["name"] for link in LexborHTMLParser(safe).css("a")] == [name]


def test_of_a_field_s_types_only_those_that_load_and_submit_nothing_stay() -> None:
    safe = make_safe('<input type=IMAGE src=x><input type=Checkbox checked><input type=password value="pw">')
    types = [field.attributes.get("type") for field in LexborHTMLParser(safe).css("input")]
    assert types == [None, "Checkbox", None]


def test_every_control_is_disabled() -> None:
    safe = make_safe("<button>Buy</button><input><select><option>1</select><textarea>x</textarea>")
    controls = LexborHTMLParser(safe).css("button, input, select, textarea")
    assert len(controls) == 4
    assert all("disabled" in control.attributes for control in controls)


def test_making_safe_twice_changes_nothing_more() -> None:
    for page in HOSTILE:
        assert make_safe(make_safe(page)) == make_safe(page)


def test_an_endlessly_nested_page_does_not_exhaust_the_stack() -> None:
    check_inert(make_safe("<div>" * 20_000 + "deep"))


@pytest.mark.parametrize("page", ["", "   ", "<!-- nothing -->", "\x00"])
def test_pages_without_content_give_little(page: str) -> None:
    assert make_safe(page).strip() in ("", "\ufffd", "<p>\ufffd</p>")


def test_what_html_cannot_carry_is_replaced() -> None:
    assert clean_text("a\x00b\ud800c\td\n") == "a\ufffdb\ufffdc\td\n"
