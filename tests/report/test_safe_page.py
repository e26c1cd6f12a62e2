import lxml.html
import pytest
from hypothesis import given
from hypothesis import strategies as st

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
    "<template><script>alert(1)</script></template><xmp><script>alert(1)</script></xmp>",
]
SAFE_ATTRIBUTES = """
alt aria-label checked colspan disabled label multiple name open placeholder role rowspan selected title type
value
"""
RUNNING = "script style iframe object embed svg math img link meta base form template noscript video xmp"


def check_inert(safe: str) -> None:
    if not safe.strip():
        return
    for element in lxml.html.document_fromstring(f"<div>{safe}</div>").iter():
        assert element.tag not in RUNNING.split(), safe
        assert set(element.attrib) <= set(SAFE_ATTRIBUTES.split()), safe


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
        '<input name="search_input" type="search" value="red" disabled><span>[A mug]</span>'
    )


def test_names_with_quotes_and_tags_stay_whole() -> None:
    name = "a\"b'c<d>&e"
    page = lxml.html.Element("a", {"name": name})
    page.text = "x"
    safe = make_safe(lxml.html.tostring(page, encoding="unicode"))
    assert lxml.html.fragment_fromstring(safe).get("name") == name


def test_an_endlessly_nested_page_does_not_exhaust_the_stack() -> None:
    check_inert(make_safe("<div>" * 20_000 + "deep"))


@pytest.mark.parametrize("page", ["", "   ", "<!-- nothing -->", "\x00"])
def test_pages_without_content_give_little(page: str) -> None:
    assert make_safe(page).strip() in ("", "\ufffd", "<p>\ufffd</p>")


def test_what_html_cannot_carry_is_replaced() -> None:
    assert clean_text("a\x00b\ud800c\td\n") == "a\ufffdb\ufffdc\td\n"
