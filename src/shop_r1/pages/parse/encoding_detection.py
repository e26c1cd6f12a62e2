"""Which encoding a page's bytes are in, found as browsers find it (HTML standard, section 13.2.3.2)."""

import re
from collections.abc import Mapping
from typing import Final

from selectolax.lexbor import LexborHTMLParser

from shop_r1.errors import PageError
from shop_r1.pages.parse.encodings import decode, encoding_of

_PRESCAN_BYTES: Final = 1024
_HEAD_BYTES: Final = 65_536  # how far a head is looked through for a declaration that comes late (ours)
_SPACE = rb"[\t\n\f\r ]"
_TAG: Final = re.compile(
    rb"<!--(?:-?>|.*?-->|.*)|<(?P<meta>meta)(?=[\t\n\f\r /])|</?[a-z][^\t\n\f\r >]*|<[!/?][^>]*>",
    re.I | re.S,
)
_ATTRIBUTE: Final = re.compile(
    rb"[\t\n\f\r /]*(?P<name>[^\t\n\f\r />][^\t\n\f\r />=]*)"
    rb"(?:" + _SPACE + rb"*=" + _SPACE + rb"*(?:\"(?P<double>[^\"]*)\"|'(?P<single>[^']*)'"
    rb"|(?P<bare>[^\t\n\f\r >\"'][^\t\n\f\r >]*)))?",
)
_CHARSET: Final = re.compile(r"charset\s*=\s*(?:\"([^\"]*)\"|'([^']*)'|([^\s;\"'][^\s;]*))", re.I)
_XML: Final = re.compile(
    rb"<\?xml[\t\n\f\r ][^>]*?encoding\s*=\s*(?:\"([\x21-\x7e]+)\"|'([\x21-\x7e]+)')[^>]*>"
)
_MARKS: Final = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16be"), (b"\xff\xfe", "utf-16le"))


def decode_html(raw: bytes, charset: str | None = None) -> str:
    """Return the text of a page's bytes; undecodable ones become U+FFFD.

    In this order: a byte order mark; what came with the page; two-byte characters by their zero bytes; what
    the page itself declares; UTF-8 where it is that; windows-1252.

    Args:
        raw: the page.
        charset: the label that came with it, in an HTTP header or a mail part's; an unknown one is passed
            over, as in browsers.

    Raises:
        PageError: it is in an encoding that no browser decodes.
    """
    for mark, name in _MARKS:
        if raw.startswith(mark):
            return decode(raw[len(mark) :], name)
    found = encoding_of(charset or "")
    if found is None and raw[:2] in (b"<\0", b"\0<"):
        found = "utf-16le" if raw[0] else "utf-16be"
    found = found or declared_encoding(raw)
    if found == "replacement":
        raise PageError(
            "the page is said to be in an encoding that browsers refuse to decode (ISO-2022-CN, ISO-2022-KR "
            "or HZ); save it as UTF-8"
        )
    if found is not None:
        return decode(raw, found)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return decode(raw, "windows-1252")


def declared_encoding(raw: bytes) -> str | None:
    """Return the encoding that a page in ASCII-like bytes declares itself; None where it does not.

    The first 1,024 bytes are scanned without parsing, and a `<meta>` in a comment is none. After them, one
    counts that the parser meets in the head.
    """
    found = _prescan(raw[:_PRESCAN_BYTES])
    if found is None and (xml := _XML.match(raw[:_PRESCAN_BYTES])):
        found = _effective(encoding_of((xml.group(1) or xml.group(2)).decode("ascii")))
    if found is None and b"charset" in raw[_PRESCAN_BYTES:_HEAD_BYTES].lower():
        head = LexborHTMLParser(raw[:_HEAD_BYTES].decode("latin-1")).head
        metas = head.css("meta") if head is not None else []
        found = next(filter(None, (_of_meta(meta.attributes) for meta in metas)), None)
    return found


def _prescan(raw: bytes) -> str | None:
    position = 0
    while (tag := _TAG.search(raw, position)) is not None:
        position = tag.end()
        if tag.group()[:2] in (b"<!", b"<?") or tag.group().endswith(b">"):
            continue
        attributes: dict[str, str | None] = {}
        while (found := _ATTRIBUTE.match(raw, position)) is not None:
            position = found.end()
            value = found["double"] or found["single"] or found["bare"] or b""
            attributes.setdefault(found["name"].decode("latin-1").lower(), value.decode("latin-1"))
        if tag["meta"] is not None and (encoding := _of_meta(attributes)):
            return encoding
    return None


def _of_meta(attributes: Mapping[str, str | None]) -> str | None:
    """Return the encoding that a <meta> declares: its charset, else its content if it is a Content-Type."""
    if "charset" in attributes:
        return _effective(encoding_of(attributes["charset"] or ""))
    if (attributes.get("http-equiv") or "").lower() != "content-type":
        return None
    stated = _CHARSET.search(attributes.get("content") or "")
    return _effective(encoding_of(next(filter(None, stated.groups()), ""))) if stated else None


def _effective(encoding: str | None) -> str | None:
    """Return what a declaration in ASCII-like bytes means: it cannot be true of UTF-16."""
    if encoding in ("utf-16be", "utf-16le"):
        return "utf-8"
    return "windows-1252" if encoding == "x-user-defined" else encoding
