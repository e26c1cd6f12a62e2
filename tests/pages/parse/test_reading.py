"""How a page comes out of its file: MHTML (RFC 2557), streamed parts, the addresses that it means."""

import base64
import quopri
from pathlib import Path

import pytest

from shop_r1.errors import PageError
from shop_r1.importers.logs import LogTally, import_log
from shop_r1.importers.targets import Target, TargetPage
from shop_r1.pages.parse.document import parse_document
from shop_r1.pages.simplify import simplify_page

PAGE = "<!DOCTYPE html><title>Mugs</title><h1>Mugs café</h1><a href='https://shop.example/p/1'>Red Mug</a>"
SHORT = '<page>\n<h1>Mugs café</h1>\n<a name="red_mug">Red Mug</a>'


def mhtml(
    part: bytes, headers: str, *, location: str = "Snapshot-Content-Location: https://shop.example/mugs\n"
) -> bytes:
    return (
        (
            f"From: <Saved by Blink>\n{location}MIME-Version: 1.0\nContent-Type: multipart/related;\n"
            '\ttype="text/html";\n\tboundary="--=x--"\n\n\n----=x--\n'
            "Content-Type: text/css\n\na { color: red }\n"
            f"----=x--\n{headers}\n"
        ).encode()
        + b"\n"
        + part
        + b"\n----=x----\n"
    )


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n"])
@pytest.mark.parametrize(
    ("part", "headers"),
    [
        (
            quopri.encodestring(PAGE.encode()),
            "Content-Type: text/html\nContent-Transfer-Encoding: Quoted-Printable",
        ),
        (base64.encodebytes(PAGE.encode()), "Content-Transfer-Encoding: base64\nContent-Type: text/html"),
        (PAGE.encode("koi8-r", "xmlcharrefreplace"), "Content-Type: text/html; charset=koi8-r"),
        (
            PAGE.encode("cp1252"),
            'Content-Type: text/html; charset="iso-8859-1"\nContent-Transfer-Encoding: 8bit',
        ),
        (
            b"--in\nContent-Type: text/plain\n\nMugs\n--in\nContent-Type: text/html\n\n"
            + PAGE.encode()
            + b"\n--in--",
            "Content-Type: multipart/alternative; boundary=in",
        ),
    ],
)
def test_the_page_of_an_archive_is_read(part: bytes, headers: str, line_end: bytes) -> None:
    raw = mhtml(part, headers).replace(b"\n", line_end)
    page = simplify_page(raw)
    assert (page.html, page.url, page.base) == (
        SHORT,
        "https://shop.example/mugs",
        "https://shop.example/mugs",
    )
    assert parse_document(raw).css_first("h1") is not None


def test_an_archive_at_hand_as_text_is_read_however_long_its_headers_are() -> None:
    raw = mhtml(PAGE.encode(), "Content-Type: text/html; charset=utf-8", location=f"X-Long: {'x' * 2000}\n")
    assert simplify_page(raw.decode()).html == SHORT


def test_the_address_of_an_archive_may_stand_at_its_page() -> None:
    raw = mhtml(
        PAGE.encode(), "Content-Type: text/html\nContent-Location: https://shop.example/c", location=""
    )
    assert simplify_page(raw).url == "https://shop.example/c"


def test_the_part_that_an_archive_starts_with_is_the_page() -> None:
    raw = (
        'MIME-Version: 1.0\nContent-Type: multipart/related; start="<b>"; boundary=x\n\n--x\n'
        "Content-Type: text/html\nContent-ID: <a>\n\n<p>an advertisement\n--x\nContent-Type: text/html\n"
        f"Content-ID: <b>\n\n{PAGE}\n--x--\n"
    )
    assert simplify_page(raw.encode()).html == SHORT
    assert simplify_page(raw).html == SHORT


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (mhtml(b"x", "Content-Type: text/plain"), "no part in HTML"),
        (b"MIME-Version: 1.0\nContent-Type: multipart/related\n\nx", "no part in HTML"),
        (mhtml(b"PGh0a", "Content-Type: text/html\nContent-Transfer-Encoding: base64"), "damaged base64"),
        (
            b"MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=x\n\n" + b"--x\nA: b\n\n" * 20_000,
            "no part",
        ),
    ],
)
def test_an_archive_without_a_page_is_refused_in_one_sentence(raw: bytes, sentence: str) -> None:
    with pytest.raises(PageError, match=sentence):
        simplify_page(raw)


def test_text_that_only_looks_like_a_header_is_a_page() -> None:
    assert simplify_page("From: <b>us</b>\nto you\n\n<p>x").html.startswith("<page>\nFrom: us to you")


FALLBACK = '<!--$?--><template id="B:0"></template><p>Loading…</p><!--/$-->'
PART = '<div hidden id="S:0"><h1>Mugs</h1>$8.49 <button>Add to cart</button></div>'
GOODS = '<page>\n<h1>Mugs</h1>\n$8.49 <button name="add_to_cart">Add to cart</button>'


@pytest.mark.parametrize(
    ("html", "count"),
    [
        (f'<main>{FALLBACK}</main>{PART}<script>$RC("B:0","S:0")</script>', 1),
        (f'<main>{FALLBACK}</main>{PART}<script>$RC=function(b,c){{}};$RC("B:0","S:0")</script>', 1),
        (f'<main>{FALLBACK}</main>{PART}<script>$RR("B:0","S:0",[["a.css"]])</script>', 1),
        (
            f'<main>{FALLBACK}</main><div hidden id="S:0"><h1>Mugs</h1><template id="P:1"></template></div>'
            '<div hidden id="S:1">$8.49 <button>Add to cart</button></div>'
            '<script>$RS("S:1","P:1")</script><script>$RC("B:0","S:0")</script>',
            2,
        ),
        (
            f'<main><!--$?--><template id="B:0"></template><!--$?--><template id="B:1"></template><i>…</i>'
            f'<!--/$--><!--/$--></main>{PART}<script>$RC("B:0","S:0")</script><script>$RC("B:1","S:1")</script>',
            1,
        ),
        (
            '<main><noscript id=afph7></noscript></main><div id=af7 style="display:none"><h1>Mugs</h1>$8.49 '
            "<button>Add to cart</button></div><script>$af(7)</script>",
            1,
        ),
    ],
)
def test_streamed_parts_stand_where_the_page_s_own_script_puts_them(html: str, count: int) -> None:
    page = simplify_page(html)
    assert (page.html, page.shown) == (GOODS, {"streamed": count})
    document = parse_document(html)
    path = page.elements[0].path
    assert path.startswith("html > body:nth-child(2) > main:nth-child(1) > button")
    assert [node.tag for node in document.css(path)] == ["button"]


def test_a_part_that_never_came_is_said() -> None:
    page = simplify_page(f"<main><a href=/>Shop</a>{FALLBACK}</main>")
    assert page.dropped["unfinished_part"] == 1
    assert "Loading" in page.html


@pytest.mark.parametrize(
    "script",
    [
        '$RC("B:0","S:9")',
        '$RC("B:9","S:0")',
        '$RC("S:0","S:0")',
        '$RC("B:0","S:0")' * 20_000,
        '$RS("in","S:0")',
        '$RC("in","S:0")',
    ],
)
def test_commands_that_name_nothing_or_themselves_do_no_harm(script: str) -> None:
    part = PART.replace("<h1", "<template id=in></template><h1")
    html = f"<main>{FALLBACK}</main>{part}<script>{script}</script>"
    page = simplify_page(html)
    assert simplify_page(page.html).html == page.html


def test_addresses_are_meant_from_the_page_s_base() -> None:
    html = "<base target=_top><base href='/kitchen/'><base href=/no/><a href=mug>Mug</a><a href=cup>Cup</a>"
    page = TargetPage(html)
    assert page.simplified.base == "/kitchen/"
    found = page.find(Target(href="https://shop.example/kitchen/cup"), base="https://shop.example/a/b")
    assert found.element.name == "cup"
    assert simplify_page("<base href='javascript:x'><p>x").base == ""
    assert simplify_page("<base href='//['><p>x").base == ""


def test_a_log_takes_the_address_of_an_archive(tmp_path: Path) -> None:
    (tmp_path / "page.mhtml").write_bytes(mhtml(PAGE.encode(), "Content-Type: text/html; charset=utf-8"))
    log = tmp_path / "log.jsonl"
    log.write_text(
        '{"session_id":"s","steps":[{"page":{"file":"page.mhtml"},"action":{"type":"click",'
        '"target":{"href":"/p/1"}}},{"page":{"html":"<p>x"},"action":{"type":"terminate"}}],"outcome":"terminate"}\n'
    )
    (session,) = import_log(log, LogTally())
    assert session.steps[0].page.url == "https://shop.example/mugs"
    assert session.steps[0].action.value("name") == "red_mug"
