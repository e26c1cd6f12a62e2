"""Bytes to text as browsers do it (HTML standard, section 13.2.3.2; WHATWG Encoding Standard).

A label stands for more than it says: `iso-8859-1` is windows-1252, `gb2312` is GBK, `shift_jis` is
windows-31j. Python's decoders of the same names differ in places, and are corrected here.
"""

import codecs
import re
from collections.abc import Mapping
from typing import Final

from selectolax.lexbor import LexborHTMLParser

from shop_r1.errors import PageError

# Names as the standard spells them, in lower case, and all their labels (section 4.2).
LABELS: Final[dict[str, str]] = {
    label: name
    for name, labels in {
        "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8",
        "ibm866": "866 cp866 csibm866 ibm866",
        "iso-8859-2": "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2"
        " iso_8859-2:1987 l2 latin2",
        "iso-8859-3": "csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3"
        " iso_8859-3:1988 l3 latin3",
        "iso-8859-4": "csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4"
        " iso_8859-4:1988 l4 latin4",
        "iso-8859-5": "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5"
        " iso_8859-5:1988",
        "iso-8859-6": "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6"
        " iso-8859-6-e iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987",
        "iso-8859-7": "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7"
        " iso88597 iso_8859-7 iso_8859-7:1987 sun_eu_greek",
        "iso-8859-8": "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8"
        " iso88598 iso_8859-8 iso_8859-8:1988 visual",
        "iso-8859-8-i": "csiso88598i iso-8859-8-i logical",
        "iso-8859-10": "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6",
        "iso-8859-13": "iso-8859-13 iso8859-13 iso885913",
        "iso-8859-14": "iso-8859-14 iso8859-14 iso885914",
        "iso-8859-15": "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9",
        "iso-8859-16": "iso-8859-16",
        "koi8-r": "cskoi8r koi koi8 koi8-r koi8_r",
        "koi8-u": "koi8-ru koi8-u",
        "macintosh": "csmacintosh mac macintosh x-mac-roman",
        "windows-874": "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874",
        "windows-1250": "cp1250 windows-1250 x-cp1250",
        "windows-1251": "cp1251 windows-1251 x-cp1251",
        "windows-1252": "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1"
        " iso88591 iso_8859-1 iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252",
        "windows-1253": "cp1253 windows-1253 x-cp1253",
        "windows-1254": "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9"
        " iso_8859-9:1989 l5 latin5 windows-1254 x-cp1254",
        "windows-1255": "cp1255 windows-1255 x-cp1255",
        "windows-1256": "cp1256 windows-1256 x-cp1256",
        "windows-1257": "cp1257 windows-1257 x-cp1257",
        "windows-1258": "cp1258 windows-1258 x-cp1258",
        "x-mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
        "gbk": "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk",
        "gb18030": "gb18030",
        "big5": "big5 big5-hkscs cn-big5 csbig5 x-x-big5",
        "euc-jp": "cseucpkdfmtjapanese euc-jp x-euc-jp",
        "iso-2022-jp": "csiso2022jp iso-2022-jp",
        "shift_jis": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis",
        "euc-kr": "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601"
        " ksc_5601 windows-949",
        "replacement": "csiso2022kr hz-gb-2312 iso-2022-cn iso-2022-cn-ext iso-2022-kr replacement",
        "utf-16be": "unicodefffe utf-16be",
        "utf-16le": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le",
        "x-user-defined": "x-user-defined",
    }.items()
    for label in labels.split()
}


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

    What came with it (in an HTTP header or a mail part's) is a label; browsers pass over an unknown one, too.

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


def encoding_of(label: str) -> str | None:
    """Return the encoding that a label stands for, None where it stands for none.

    >>> encoding_of(" ISO-8859-1 "), encoding_of("GB2312"), encoding_of("utf-7")
    ('windows-1252', 'gbk', None)
    """
    return LABELS.get(label.strip("\t\n\f\r ").lower())


def decode(raw: bytes, name: str) -> str:
    """Return the text of bytes without a byte order mark, undecodable ones as U+FFFD.

    The name is an encoding's in `LABELS`, not `replacement`, which has no decoder.
    """
    match name:
        case "euc-jp":
            return _EUC_JP.sub(_euc_run, raw).decode("utf-8", "replace")
        case "iso-2022-jp":
            return _iso_2022_jp(raw)
        case "x-user-defined":
            return raw.decode("latin-1").translate(_USER_DEFINED)
    text = raw.decode(_CODECS.get(name) or name.replace("windows-", "cp"), _WEB)
    return text.translate(_KOI8_U) if name == "koi8-u" else text


# What Python calls the decoder that is nearest to the standard's, where it is not called the same.
_CODECS: Final = {
    "ibm866": "cp866", "iso-8859-8-i": "iso8859-8", "koi8-u": "koi8-u", "macintosh": "mac-roman",
    "x-mac-cyrillic": "mac-cyrillic", "gbk": "gb18030", "gb18030": "gb18030", "big5": "big5hkscs",
    "shift_jis": "cp932", "euc-kr": "cp949", "utf-16be": "utf-16-be", "utf-16le": "utf-16-le",
}  # fmt: skip
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
