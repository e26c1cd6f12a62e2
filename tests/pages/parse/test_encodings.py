"""Expected values: the WHATWG Encoding Standard's labels and indexes, the HTML standard's prescan."""

import pytest
from webencodings import LABELS

from shop_r1.errors import PageError
from shop_r1.pages.parse.encodings import declared_encoding, decode, decode_page, encoding_of
from shop_r1.pages.simplify import simplify_page


def test_all_labels_of_the_standard_are_known() -> None:
    assert len(LABELS) == 228
    assert len(set(LABELS.values())) == 40


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("ISO-8859-1", "windows-1252"),
        ("\tus-ascii ", "windows-1252"),
        ("iso-8859-9", "windows-1254"),
        ("tis-620", "windows-874"),
        ("iso-8859-11", "windows-874"),
        ("GB2312", "gbk"),
        ("ks_c_5601-1987", "euc-kr"),
        ("x-sjis", "shift_jis"),
        ("big5-hkscs", "big5"),
        ("unicode", "utf-16le"),
        ("hz-gb-2312", "replacement"),
        ("utf-7", None),
        ("cp932", None),
        ("", None),
    ],
)
def test_a_label_stands_for_its_encoding(label: str, name: str | None) -> None:
    assert encoding_of(label) == name


@pytest.mark.parametrize("name", sorted(set(LABELS.values()) - {"replacement"}))
def test_every_encoding_has_a_decoder_that_takes_any_bytes(name: str) -> None:
    assert decode(bytes(range(256)) * 2, name)
    if not name.startswith("utf-16"):
        assert decode(b"<a href='/'>x</a>", name) == "<a href='/'>x</a>"


@pytest.mark.parametrize(
    ("name", "raw", "text"),
    [
        ("windows-1252", b"\x80\x81\x9f", "€\x81Ÿ"),
        ("windows-874", b"\x80\x81\xa1\xdb", "€\x81ก\ufffd"),
        ("windows-1253", b"\xaa\xc1", "\ufffdΑ"),
        ("iso-8859-8-i", b"\xe0", "א"),
        ("koi8-u", b"\xa4\xae\xbe", "єўЎ"),
        ("macintosh", b"\xdb", "€"),
        ("x-mac-cyrillic", b"\xff", "€"),
        ("gbk", b"\x80 \xc4\xe3\x95\x32\x82\x36", "€ 你𠀀"),  # Unicode's U+20000 takes four bytes
        ("big5", b"\xa3\xe1\xa7\x41\x87\x40\x88\x62", "€你䏰Ê̄"),
        ("euc-jp", b"\xad\xa1\xc6\xfc\xad\xea\x8e\xb1\x8f\xb0\xa1", "①日㈱ｱ丂"),
        ("iso-2022-jp", b"a\x1b$B-!F|\x1b(J\\\x1b(I1\x1b(B<b>", "a①日¥ｱ<b>"),
        ("shift_jis", b"\x87\x40\x93\xfa\x87\x8a\xb1\x81<p>", "①日㈱ｱ\ufffd<p>"),
        ("euc-kr", b"\xb0\xa1\x81\x41", "가갂"),
        ("x-user-defined", b"a\x80\xff", "a\uf780\uf7ff"),
        ("utf-16be", b"\0a\xd8\0", "a\ufffd"),
    ],
)
def test_bytes_are_decoded_as_browsers_do(name: str, raw: bytes, text: str) -> None:
    assert decode(raw, name) == text


@pytest.mark.parametrize(
    ("raw", "name"),
    [
        (b"<meta charset=nonsense><meta charset=gb2312>", "gbk"),
        (b"<!-- <meta charset=koi8-r> --><META CHARSET = 'Big5'>", "big5"),
        (b"<!-- <meta charset=koi8-r>", None),
        (b"<!--><meta charset=l5>", "windows-1254"),
        (b"<a title='<meta charset=koi8-r>'><meta charset=sjis>", "shift_jis"),
        (b"<meta content='text/html; charset=\"sjis\"' http-equiv=Content-Type>", "shift_jis"),
        (b"<meta name=x content='text/html; charset=koi8-r'>", None),
        (b"<meta charset=utf-16be>", "utf-8"),
        (b"<meta charset=x-user-defined>", "windows-1252"),
        (b"<?xml version='1.0' encoding='euc-kr'?><html>", "euc-kr"),
        (b"<?xml version='1.0' encoding='euc-kr'?><meta charset=big5>", "big5"),
        (b"<metadata charset=big5>", None),
        (b"<style>" + b" " * 1100 + b"</style><meta charset=koi8-u>", "koi8-u"),
        (b"<title>" + b" " * 1100 + b"<meta charset=koi8-u></title>", None),
        (b"<body>" + b" " * 1100 + b"<!-- charset --><meta charset=koi8-u>", None),
    ],
)
def test_a_declaration_is_found_where_browsers_look(raw: bytes, name: str | None) -> None:
    assert declared_encoding(raw) == name


def test_a_byte_order_mark_wins_then_what_came_with_the_page_then_its_own_declaration() -> None:
    page = "<meta charset=koi8-r><p>Привет"
    assert decode_page(b"\xef\xbb\xbf" + page.encode(), "koi8-r") == page
    assert decode_page(page.encode("cp1251"), "windows-1251") == page
    assert decode_page(page.encode("koi8-r"), "no-such-label") == page
    assert decode_page(page.encode("utf-16-le"), "utf-16") == page


@pytest.mark.parametrize("codec", ["utf-8-sig", "utf-16", "utf-16-be"])
def test_a_mark_before_a_page_leaves_nothing_on_it(codec: str) -> None:
    short = simplify_page("<a href=/x>Mug</a>").html
    mark = "" if codec in ("utf-8-sig", "utf-16") else "\ufeff"
    assert simplify_page((mark + "<a href=/x>Mug</a>").encode(codec)).html == short
    assert simplify_page("\ufeff" + short).html == short  # text whose reader left the mark in it


def test_an_encoding_that_browsers_refuse_is_refused_in_one_sentence() -> None:
    with pytest.raises(PageError, match="save it as UTF-8"):
        simplify_page(b"<meta charset=iso-2022-kr><p>x")
