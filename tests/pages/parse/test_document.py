import time
from random import Random

import pytest
from selectolax.lexbor import LexborHTMLParser

from shop_r1.errors import PageError
from shop_r1.pages.parse.document import locate, parse_document
from shop_r1.pages.parse.encodings import decode_page
from shop_r1.pages.parse.nesting import bound
from shop_r1.pages.simplify import simplify_page


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "the page is empty"),
        ("\ufeff \n\0", "the page is empty"),
        (b"%PDF-1.7 ...", "a PDF document, not HTML"),
        (b"\x89PNG\r\n", "a PNG image, not HTML"),
        (b"\x1f\x8b\x08rest", "a gzip archive, not HTML"),
        (b'{"items": [1, 2]}', "JSON"),
        (b"\0\1\2\3" * 100, "binary data"),
        ("x" * 20_000_001, "20000001 characters; at most 20000000"),
        (b"<p>fifty megabytes</p>" * 2_300_000, "50600000 characters; at most 20000000"),
    ],
)
def test_what_is_no_page_is_refused_in_one_sentence(raw: str | bytes, sentence: str) -> None:
    with pytest.raises(PageError, match=sentence) as caught:
        simplify_page(raw)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("codec", "head"),
    [
        ("utf-8", ""),
        ("utf-8-sig", ""),
        ("utf-16", ""),
        ("utf-16-le", "<!doctype html>"),
        ("windows-1252", ""),
        ("iso-8859-1", "<meta charset='ISO-8859-1'>"),
        ("iso-8859-1", "<meta charset=no-such-codec>"),
        ("koi8-r", "<meta http-equiv=content-type content='text/html; charset=koi8-r'>"),
    ],
)
def test_pages_are_decoded_as_browsers_decode_them(codec: str, head: str) -> None:
    text = "Привет" if codec == "koi8-r" else "Café"
    raw = f"{head}<p>{text} and more".encode(codec)
    assert simplify_page(raw).html == f"<page>\n{text} and more"


def test_lone_surrogates_become_replacement_characters() -> None:
    assert simplify_page("<p>a\ud800b").html == "<page>\na\ufffdb"
    assert decode_page(b"<p>\xff\xfe") == "<p>ÿþ"


def test_noscript_does_not_move_the_tree() -> None:
    head = "<head><noscript><div>no</div></noscript><title>t</title></head>"
    html = f"<html>{head}<body><p>a</p><a href=/>b</a></body>"
    page = simplify_page(html)
    assert page.html == '<page>\na\n<a name="b">b</a>'
    assert page.elements[0].path == "html > body:nth-child(2) > a:nth-child(2)"


def test_noscript_quoted_in_a_script_takes_nothing_with_it() -> None:
    html = "<script>x='<noscript>'</script><p>kept</p><noscript>gone</noscript><p>also kept</p>"
    assert simplify_page(html).html == "<page>\nkept\nalso kept"


def test_a_path_is_the_one_that_css_selects() -> None:
    html = "<ul><li>1<li><b>2</b><a href=/x>x</a></ul><o:p><a href=/y>y</a></o:p>"
    document = parse_document(html)
    for element in simplify_page(html).elements:
        selected = document.css_first(element.path)
        assert selected is not None
        assert selected.mem_id == locate(document, element.path).mem_id


@pytest.mark.parametrize(
    "path", ["", "body", "html > p:nth-child(9)", "html > p[x]", "html > body:nth-child(-1)"]
)
def test_a_wrong_path_is_refused(path: str) -> None:
    with pytest.raises(PageError, match="path"):
        locate(parse_document("<p>x"), path)


HIDDEN_ENDS = [
    "<div><!--</div>-->",
    "<div><!--></div><!--</div>--!>",
    '<div a="</div>">',
    "<div a='x></div>'>",
    "<div </div>",
    "<div><!x</div>",
    "<div></ z</div>",
    "<div><?y</div>",
    "<div><script></div></script>",
    "<div><script><!--<script></script></div>--></script>",
    "<div><style></div></style>",
    "<div><textarea></div></textarea>",
    "<div><title></div></title>",
    "<div><iframe></div></iframe>",
    "<div><svg><![CDATA[</div>]]></svg>",
    "<div><svg><title><!--</title></div>--></title></svg>",
    "<div><![CDATA[<div>]]></div>",
    "<span><div></span>",
    "<form><div></form>",
    "<li><ul></li>",
    "<div></body>",
    "<p><button></p>",
    "<svg><desc></svg>",
    "<math><title><option>",
    "</ z<script></br><div>",
    "<caption><font></caption>",
    "<frameset><script>",
    "<select><iframe></select><div>",
    "<svg><a><svg></html>",
    "<noscript><pre></noscript>",
    "<?y</em><svg><font color=1>",
]
"""Each nests once more each time that it is repeated, though it looks closed to who counts tags."""


@pytest.mark.parametrize("unit", HIDDEN_ENDS)
def test_no_page_nests_far_past_the_bound(unit: str) -> None:
    """Counted in the parser's own tree; time is not measured."""
    text = unit * (13_000 // unit.count("<") + 1)
    assert _depth(LexborHTMLParser(bound(text, 512))) < 1_200
    small = unit * 300
    assert bound(small, 512) == small


@pytest.mark.parametrize("seed", range(12))
def test_no_random_page_nests_far_past_the_bound(seed: int) -> None:
    random = Random(seed)
    starts = ["div", "span", "p", "li", "ul", "table", "td", "svg", "math", "desc", "title", "select", "form"]
    pieces = [f"<{tag}>" for tag in starts] + [f"</{tag}>" for tag in starts]
    pieces += [
        "<!--",
        "-->",
        "<script>",
        "</script>",
        "<textarea>",
        "</textarea>",
        "<i a='",
        "'>",
        "<![CDATA[",
        "]]>",
    ]
    unit = "<div>" + "".join(random.choices(pieces, k=random.randint(1, 6)))
    text = unit * (13_000 // unit.count("<") + 1)
    assert _depth(LexborHTMLParser(bound(text, 512))) < 1_200


def _depth(document: LexborHTMLParser) -> int:
    """Return how deep a tree is."""
    node, depth, deepest = document.root, 1, 1
    while node is not None:
        if (child := node.first_child) is not None:
            node, depth = child, depth + 1
            deepest = max(deepest, depth)
            continue
        while node is not None and node.next is None:
            node, depth = node.parent, depth - 1
        node = node.next if node is not None and depth > 0 else None
    return deepest


def test_tags_past_the_bound_go_and_all_else_stays() -> None:
    page = simplify_page("<p>first</p>" + "<div><!--</div>-->" * 13_000 + "last")
    assert page.html == "<page>\nfirst\nlast"


HOSTILE = {
    "ends in comments": "<div><!--</div>-->" * 40_000,
    "drawings without an end": "<svg><input>" * 40_000,
    "quotes without an end": "<div a='\">" * 40_000 + "<p>x",
    "depth": "<div>" * 100_000 + "<a href=/x>x</a>",
    "depth with false ends": "<div></x>" * 60_000,
    "clickable depth": "<div onclick=x>" * 15_000 + "hello",
    "heading depth": "<div role=heading>" * 15_000 + "x",
    "list depth": "<ul><li>" * 9_000 + "<a href=x>q</a>",
    "attributes": "<div " + " ".join(f"a{i}=1" for i in range(200_000)) + ">x",
    "formatting": "".join(f"<p><b a={i}>x</p>" for i in range(3_000)),
    "options": "<select>" + "<option>x" * 50_000,
    "unclosed tags": "<a " * 200_000 + "<",
    "quotes": '<a b="' * 100_000,
    "noscripts": "<noscript>" * 100_000,
    "footers": "<footer>" * 10_000,
    "long attribute": f'<a href="{"x" * 1_000_000}" title="{"y " * 300_000}">z</a>',
    "long word": f"<a href=/>{'z' * 1_000_000}</a>",
    "a million attributes": "<div " + " ".join(f"a{i}" for i in range(1_000_000)) + ">x",
    "attributes with tags in them": "<div " + "".join(f"a{i}='<>' " for i in range(100_000)) + ">x",
    "depth of titles": "<div title=x>" * 11_990 + "x",
    "end tags in attributes": "<div title='</div>'>" * 20_000 + "x",
    "fallbacks without an end": "<!--$?--><template id=B:0></template><!--$?--><template id=B:1></template>"
    "<i>x</i><p id=S:0>a</p><p id=S:1>b</p><script>$RC('B:0','S:0');$RC('B:1','S:1')</script>",
    "depth of cells": "<table><tr><td>" * 30_000 + "x",
    "depth of formatting": "<b><i>" * 50_000 + "x",
    "depth of paragraphs": "<p><o:p>" * 50_000 + "x",
    "formatting in cells": "".join(f"<b id={i}><table><td></b></td></table>" for i in range(3_000))
    + "<p>x</p>" * 3_000,
    "style rules": "<style>"
    + "".join(
        f".a{i % 50} .b{i}>p~q:not(.c){{display:block}}.a{i % 50}{{display:none}}" for i in range(50_000)
    )
    + "</style>"
    + "".join(f"<p class='a{i % 50} b{i}'>x</p>" for i in range(5_000)),
    "braces": "<style>.a{display:none}" + "{" * 1_000_000 + "</style><p class=a>x",
    "layers in a long one": "<style>.a{display:none}@layer "
    + f"{'L' * 400_000}{{@layer {'b,' * 200_000};.c{{}}}}</style>",
    "rules in a long list": f"<style>.a{{display:none}}{'.b,' * 30_000}.c{{{'b{}' * 30_000}}}</style>",
    "declarations between rules": "<style>.a{display:none}"
    + f"{'(b' * 40_000}{{{'display:none;b{}' * 5_000}}}</style>",
    "an ancestor of many classes": "<style>.a{display:none}.z .a{display:block}</style>"
    + f"<div class='{'q ' * 160_000}'>"
    + "".join(f"<p class='a b{i}'>x</p>" for i in range(8_000)),
    "one label of many fields": f"<i role=checkbox></i><label for=w>{'<b>a</b>' * 20_000}</label>"
    + "<input type=checkbox id=w>" * 8_000,
    "labels": "".join(f"<p id=i{i}>x</p>" for i in range(20_000))
    + f"<button aria-labelledby='{' '.join(f'i{i}' for i in range(20_000))}'></button>" * 20,
    "one address": "<a href=/x>a</a> <a href=/x>b</a> <p></p>" * 10_000,
    "alike menus": "<ul><li><a href=/a>A</a><li><a href=/b>B</a><li><a href=/c>C</a></ul>" * 5_000,
    "drawn choices": "".join(
        f"<input type=radio id=r{i} hidden><label for=r{i}>x</label>" for i in range(10_000)
    ),
    "stars": "<div class=star-4></div>" * 50_000,
    "namesakes": "".join(f"<a href=/{i}>x</a> " for i in range(5_000)),
}


@pytest.mark.parametrize("html", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_pages_take_bounded_time_and_come_back_unchanged(html: str) -> None:
    started = time.process_time()  # what else runs on the machine does not count
    page = simplify_page(html)
    assert time.process_time() - started < 10  # quadratic work takes minutes on these
    assert simplify_page(page.html).html == page.html
