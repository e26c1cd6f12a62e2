from collections import Counter

import pytest
from tests.importers.rrweb.snapshots import Entry, document, full, tag, text

from shop_r1.importers.rrweb.mirror import Mirror
from shop_r1.importers.rrweb.writer import MARK, write_page
from shop_r1.pages.elements import SimplifiedPage
from shop_r1.pages.parse.document import parse_document
from shop_r1.pages.simplify import simplify_page

URL = "https://shop.example/mugs?page=2"


def write(*body: Entry, target: int | None = None) -> str:
    mirror = Mirror(Counter())
    mirror.load(full(document(*body))["data"])
    assert mirror.root is not None
    return write_page(mirror.root, URL, mirror.get(target))


def body(*nodes: Entry) -> str:
    return write(*nodes).removeprefix("<!DOCTYPE html><html><body>").removesuffix("</body></html>")


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


def found(written: str) -> tuple[SimplifiedPage, str]:
    marked = parse_document(written).css(f"[{MARK}]")
    assert len(marked) == 1
    return simplify_page(written), marked[0].tag or ""


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
    assert MARK not in write(*page, target=1)
    assert MARK not in write(*page)


def test_what_is_in_a_frame_has_no_mark() -> None:
    frame = tag(10, "iframe", None, document(tag(90, "a", {"href": "/x"}), first=80))
    assert MARK not in write(tag(9, "a", {"href": "/y"}, frame), target=90)


def shadow(node: Entry) -> Entry:
    return node | {"isShadow": True}


def test_a_shadow_tree_is_written_with_its_hosts_content_in_its_slots() -> None:
    parts = (
        shadow(tag(11, "h2", None, tag(12, "slot", {"name": "title"}, text(13, "No title")))),
        shadow(tag(14, "p", None, tag(15, "slot"), tag(17, "slot", None, text(18, "two")))),
        shadow(tag(19, "slot", {"name": "more"}, text(20, "No more"))),
        text(21, "Light"),
        tag(22, "b", {"slot": "title"}, text(23, "Mug")),
        tag(24, "i", {"slot": "nowhere"}, text(25, "unseen")),
    )  # fmt: skip
    assert body(tag(10, "x-card", None, *parts)) == (
        '<x-card><h2><slot name="title"><b slot="title">Mug</b></slot></h2>'
        '<p><slot>Light</slot><slot>two</slot></p><slot name="more">No more</slot></x-card>'
    )


def test_a_host_in_a_shadow_tree_passes_on_what_is_put_into_it() -> None:
    inner = tag(20, "x-link", None, shadow(tag(21, "a", {"href": "/m"}, tag(22, "slot"))), tag(23, "slot"))
    outer = tag(10, "x-card", None, shadow(inner), text(30, "Mugs"))
    assert body(outer) == (
        '<x-card><x-link><a href="/m"><slot><slot>Mugs</slot></slot></a></x-link></x-card>'
    )


def test_what_a_shadow_trees_own_styles_hide_is_hidden_and_nothing_else() -> None:
    sheet = ".wide .menu{display:block} .menu, .promo{display:none}"
    parts = (
        shadow(tag(11, "style", None, text(12, sheet))),
        shadow(tag(13, "nav", {"class": "menu"}, text(14, "a"))),
        shadow(tag(15, "div", {"class": "wide"}, tag(16, "nav", {"class": "menu"}, text(17, "b")))),
    )
    assert body(tag(10, "x-card", None, *parts), tag(30, "p", {"class": "promo"}, text(31, "c"))) == (
        '<x-card><style></style><nav hidden="" class="menu">a</nav>'
        '<div class="wide"><nav class="menu">b</nav></div></x-card><p class="promo">c</p>'
    )


def test_a_click_in_a_shadow_tree_is_one_on_the_element_in_it() -> None:
    link = shadow(tag(11, "a", {"href": "/m"}, text(12, "Mugs")))
    written = write(tag(10, "x-card", None, link, tag(13, "b", None, text(14, "unseen"))), target=12)
    assert found(written)[1] == "a"
    assert found(write(tag(10, "x-card", None, link, tag(13, "b")), target=13))[1] == "x-card"


def test_the_style_sheet_of_a_link_hides_as_one_in_the_page_does() -> None:
    hidden = tag(20, "div", {"class": "drawer"}, tag(21, "a", {"href": "/bag"}, text(22, "View bag")))
    sheet = ".drawer{display:none}</style>"
    shown = tag(30, "p", None, text(31, "Mug"))
    sheets = [tag(10, name, {"rel": "stylesheet", "_cssText": sheet}) for name in ("link", "style")]
    pages = [write(each, hidden, shown) for each in sheets]
    first, second = (simplify_page(page).html for page in pages)
    assert first == second
    assert "Mug" in first and "View bag" not in first


def test_a_thousand_shadow_trees_in_each_other_take_no_time() -> None:
    mirror = Mirror(Counter())
    mirror.load(full(document(tag(10, "x-a")))["data"])
    adds = [
        {"parentId": number, "nextId": None, "node": shadow(tag(number + 1, "x-a"))}
        for number in range(10, 5000)
    ]
    mirror.mutate({"adds": adds})
    assert mirror.root is not None
    assert write_page(mirror.root, URL).count("<x-a>") == 4991
