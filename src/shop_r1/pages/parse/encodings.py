"""Bytes to text as browsers do it (HTML standard, section 13.2.3.2; WHATWG Encoding Standard).

A label stands for more than it says: `iso-8859-1` is windows-1252, `gb2312` is GBK, `shift_jis` is
windows-31j. Python's decoders of the same names differ in places, and are corrected here.
"""

import codecs
import re
from collections.abc import Mapping
from typing import Final

from selectolax.lexbor import LexborHTMLParser
from webencodings import LABELS, PYTHON_NAMES

from shop_r1.errors import PageError
from shop_r1.pages import rules

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


def decode_page(raw: bytes, charset: str | None = None) -> str:
    """Return the text of a page's bytes; undecodable ones become U+FFFD.

    In this order: a byte order mark; what came with the page; two-byte characters by their zero bytes; what
    the page itself declares; UTF-8 where it is that; windows-1252.

    What came with it (in an HTTP header or a mail part's) is a label; browsers pass over an unknown one, too.

    Raises:
        PageError: the bytes are a known binary format, hold too many zero bytes to be text, or are in an
            encoding that no browser decodes.
    """
    for mark, what in rules.BINARY_MARKS:
        if raw.startswith(mark):
            raise PageError(f"the page is {what}, not HTML; save the page itself")
    text = _decode_html(raw, charset)
    head = text[:1024]
    if len(head) > 64 and head.count("\0") * 4 >= len(head):
        raise PageError("the page is binary data (a quarter of it zero bytes), not HTML")
    return text


def _decode_html(raw: bytes, charset: str | None) -> str:
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
        found = _declared((xml.group(1) or xml.group(2)).decode("ascii"))
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
        return _declared(attributes["charset"] or "")
    if (attributes.get("http-equiv") or "").lower() != "content-type":
        return None
    stated = _CHARSET.search(attributes.get("content") or "")
    return _declared(next(filter(None, stated.groups()), "")) if stated else None


def _declared(label: str) -> str | None:
    """Return what a label in ASCII-like bytes means: it cannot be true of UTF-16."""
    encoding = encoding_of(label)
    if encoding in ("utf-16be", "utf-16le"):
        return "utf-8"
    return "windows-1252" if encoding == "x-user-defined" else encoding


def encoding_of(label: str) -> str | None:
    """Return the encoding that a label stands for, None where it stands for none.

    >>> encoding_of(" ISO-8859-1 "), encoding_of("GB2312"), encoding_of("utf-7")
    ('windows-1252', 'gbk', None)
    """
    name: str | None = LABELS.get(label.strip("\t\n\f\r ").lower())
    return name


def decode(raw: bytes, name: str) -> str:
    """Return the text of bytes without a byte order mark, undecodable ones as U+FFFD.

    The name is an encoding's in lower case, not `replacement`, which has no decoder.
    """
    match name:
        case "euc-jp":
            return _EUC_JP.sub(_euc_run, raw).decode("utf-8", "replace")
        case "iso-2022-jp":
            return _iso_2022_jp(raw)
        case "x-user-defined":
            return raw.decode("latin-1").translate(_USER_DEFINED)
    text = raw.decode(_CODECS.get(name, name), _WEB)
    return text.translate(_KOI8_U) if name == "koi8-u" else text


# What Python calls the decoder that is nearest to the standard's, where it is not called the same.
_CODECS: Final = {**PYTHON_NAMES, "gbk": "gb18030"}
_WEB: Final = "shop_r1_web"  # the error handler below
_KOI8_U: Final = {0x255D: 0x045E, 0x256C: 0x040E}  # the Belarusian letters, as in koi8-ru
_USER_DEFINED: Final = {byte: byte + 0xF700 for byte in range(0x80, 0x100)}
_CONTROLS: Final = range(0x80, 0xA0)

# The pairs of JIS X 0208 as browsers have them hold NEC's and IBM's additions, as windows-31j does and
# Python's euc_jp and iso2022_jp do not.
_EUC_JP: Final = re.compile(rb"(?:[\xa1-\xfe]{2})+|(?:\x8e[\xa1-\xdf])+|(?:\x8f[\xa1-\xfe]{2})+|[\x80-\xff]")
_ESCAPE: Final = re.compile(rb"\x1b(\(B|\(J|\(I|\$@|\$B)")
_JIS_PAIRS: Final = re.compile(rb"(?:[\x21-\x7e]{2})+")
_SET_EIGHTH_BIT: Final = bytes([*range(0x21), *range(0xA1, 0xFF), *range(0x7F, 0x100)])


def _decode_error(error: UnicodeError) -> tuple[str, int]:
    """Return what the standard has for a byte that Python's decoder does not know, and where to go on."""
    if not isinstance(error, UnicodeDecodeError):
        raise error
    place, byte = error.start, error.object[error.start]
    match error.encoding:
        case "charmap" if byte in _CONTROLS:  # windows-125x and windows-874 have control characters there
            return chr(byte), place + 1
        case "gb18030" if byte == 0x80:
            return "€", place + 1
        case "big5hkscs":  # the euro sign and some kana
            text = error.object[place : place + 2].decode("cp950", "replace")
            if len(text) == 1 and text != "\ufffd":
                return text, place + 2
    return "\ufffd", error.end


codecs.register_error(_WEB, _decode_error)


def _euc_run(run: re.Match[bytes]) -> bytes:
    """Return a run of one of EUC-JP's character sets as UTF-8."""
    raw = run.group()
    if raw[0] == 0x8E:
        text = raw[1::2].decode("cp932", "replace")
    elif raw[0] == 0x8F:
        text = raw.decode("euc_jp", "replace")
    else:
        text = _jis_pairs(raw) if len(raw) > 1 else "\ufffd"
    return text.encode()


def _jis_pairs(raw: bytes) -> str:
    """Return pairs of JIS X 0208 (bytes from 0xA1 on) as windows-31j has them."""
    shifted = bytearray()
    for row, cell in zip(raw[::2], raw[1::2], strict=True):
        lead, odd = divmod(row - 0xA1, 2)
        trail = cell - 0xA1 + (94 if odd else 0)
        shifted += bytes([lead + (0x81 if lead < 0x1F else 0xC1), trail + (0x40 if trail < 0x3F else 0x41)])
    return shifted.decode("cp932", "replace")


def _iso_2022_jp(raw: bytes) -> str:
    pieces = _ESCAPE.split(raw)
    parts = [pieces[0].decode("ascii", "replace")]
    for escape, piece in zip(pieces[1::2], pieces[2::2], strict=True):
        if escape in (b"$@", b"$B"):
            pairs = _JIS_PAIRS.sub(
                lambda run: _jis_pairs(run.group().translate(_SET_EIGHTH_BIT)).encode(), piece
            )
            parts.append(pairs.decode("utf-8", "replace"))
        elif escape == b"(I":
            parts.append(piece.translate(_SET_EIGHTH_BIT).decode("cp932", "replace"))
        else:
            text = piece.decode("ascii", "replace")
            parts.append(text.translate({0x5C: "¥", 0x7E: "‾"}) if escape == b"(J" else text)
    return "".join(parts)
