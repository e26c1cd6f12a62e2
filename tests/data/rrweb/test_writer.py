from collections import Counter

import pytest
from tests.data.rrweb.snapshots import Entry, document, full, tag, text

from shop_r1.data.rrweb.mirror import Mirror
from shop_r1.data.rrweb.writer import MARK, Written, write_page
from shop_r1.pages.document import parse_document
from shop_r1.pages.elements import SimplifiedPage
from shop_r1.pages.simplify import simplify_page

URL = "https://shop.example/mugs?page=2"


def write(*body: Entry, target: int | None = None) -> Written:
    mirror = Mirror(Counter())
    mirror.load(full(document(*body))["data"])
    assert mirror.root is not None
    return write_page(mirror.root, URL, mirror.get(target))


def body(*nodes: Entry) -> str:
    return write(*nodes).html.removeprefix("<!DOCTYPE html><html><body>").removesuffix("</body></html>")


def test_text_and_attributes_are_escaped() -> None:
    node = tag(10, "p", {"title": '"><script>x()'}, text(11, "<script>y()</script> & </p>"))
    inner = "&lt;script&gt;y()&lt;/script&gt; &amp; &lt;/p&gt;"
    assert body(node) == f'<p title="&quot;&gt;&lt;script&gt;x()">{inner}</p>'


@pytest.mark.parametrize(
    ("node", "html"),
    [
        (tag(10, "script", {"src": "x"}, text(11, "alert(1)")), '<script src="x"></script>'),
        (tag(10, "noscript", None, text(11, "x")), "<noscript></noscript>"),
        (tag(10, "style", None, text(11, ".a{}</style><b>")), "<style>.a{}<\\/style><b></style>"),
        (tag(10, "style", {"_cssText": ".b{}"}, text(11, "")), "<style>.b{}</style>"),
        (tag(10, "link", {"rel": "stylesheet", "_cssText": ".c{}"}), '<style rel="stylesheet">.c{}</style>'),
        (tag(10, "link", {"rel": "stylesheet", "media": "print"}), '<link rel="stylesheet" media="print">'),
        (tag(10, "img", {"rr_width": "3px", "rr_dataURL": "data:x", "alt": "A"}), '<img alt="A">'),
        (tag(10, "br", None, text(11, "x")), "<br>"),
        (tag(10, "IMG", {"ALT": "A", "alt": "B"}), '<img alt="B">'),
        (tag(10, "b onclick=x", {"a b": "1", "c>": "2", "": "3", "d\0": "4", MARK: "5"}), "<div></div>"),
        (tag(10, "plaintext", None, text(11, "x")), "<div>x</div>"),
        (
            tag(10, "textarea", {"value": "</p>"}, text(11, "old")),
            "<textarea>&lt;/p&gt;</textarea>",
        ),
        (
            tag(10, "p", None, text(11, "a"), {"type": 5, "id": 12, "textContent": "-->"}),
            "<p>a<!----></p>",
        ),
        (tag(10, "svg", None, tag(11, "path", {"d": "M0"})), '<svg><path d="M0"></path></svg>'),
        (tag(10, "a", {"href": "https://shop.example/"}), '<a href="/"></a>'),
        (tag(10, "a", {"href": f"{URL}#top"}), '<a href="#top"></a>'),
        (tag(10, "a", {"href": "https://shop.example/mugs#"}), '<a href="#"></a>'),
        (tag(10, "a", {"href": "https://shop.example.org/"}), '<a href="https://shop.example.org/"></a>'),
    ],
)
def test_each_node_is_written_so_that_it_is_read_as_it_was(node: Entry, html: str) -> None:
    assert body(node) == html


def found(written: Written) -> tuple[SimplifiedPage, str]:
    marked = parse_document(written.marked).css(f"[{MARK}]")
    assert len(marked) == 1
    return simplify_page(written.html), marked[0].tag or ""


def test_the_mark_is_on_the_innermost_element_that_is_written() -> None:
    card = tag(20, "x-icon", None, tag(21, "b", None, text(22, "in")) | {"isShadow": True})
    page = (tag(10, "a", {"href": "/m"}, text(11, "Mugs"), card), tag(30, "script", None, text(31, "x")))
    for target, name in (
        (10, "a"),
        (11, "a"),
        (20, "x-icon"),
        (21, "b"),
        (22, "b"),
        (31, "script"),
    ):
        written = write(*page, target=target)
        short, marked = found(written)
        assert (marked, MARK in short.html) == (name, False)
    assert write(*page, target=1).mark is None
    assert write(*page).mark is None


def test_what_is_in_a_frame_has_no_mark() -> None:
    frame = tag(10, "iframe", None, document(tag(90, "a", {"href": "/x"}), first=80))
    assert write(tag(9, "a", {"href": "/y"}, frame), target=90).mark is None
