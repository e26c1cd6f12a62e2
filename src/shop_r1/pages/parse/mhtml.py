"""Pages saved as MHTML (RFC 2557): the HTML part of a message of several parts."""

import quopri
import re
from binascii import Error as Base64Error
from binascii import a2b_base64
from email import message_from_bytes
from email.message import Message
from typing import Final, NamedTuple

from shop_r1.errors import PageError

_HEADERS_MAX: Final = 65_536  # bytes of a part's headers
_DEPTH_MAX: Final = 8  # parts within parts; a saved page has two
_PARTS_MAX: Final = 10_000
_BEGINNING: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*[A-Za-z][A-Za-z0-9-]*:[^\n]*\n")
_BLANK_LINE: Final = re.compile(rb"\r?\n\r?\n")
_PAGES: Final = ("text/html", "application/xhtml+xml")


class SavedPage(NamedTuple):
    """The page in a message: its bytes, the transfer encoding undone, and the charset of its headers."""

    raw: bytes
    charset: str | None
    url: str
    """The address that it was saved from, "" where none is said."""


def read_mhtml(raw: bytes) -> SavedPage | None:
    """Return the page in a MHTML file; None where the bytes are no such file.

    Raises:
        PageError: it is one without a part in HTML.
    """
    if _BEGINNING.match(raw[:1000]) is None:
        return None
    headers, body = _split(raw.lstrip(b"\xef\xbb\xbf \t\r\n"))
    if "mime-version" not in headers or not headers.get_content_type().startswith(
        ("multipart/", "text/html")
    ):
        return None
    found = _page_part(headers, body, headers.get_param("start"), _DEPTH_MAX)
    if found is None:
        raise PageError(
            "the page is a MHTML archive (or a mail) that has no part in HTML; save the page again"
        )
    part, content = found
    url = headers.get("Snapshot-Content-Location") or part.get("Content-Location")
    url = str(url or headers.get("Content-Location") or "").strip()
    return SavedPage(_decoded(part, content), part.get_content_charset(), url)


def _split(raw: bytes) -> tuple[Message, bytes]:
    """Return a part's headers and its body."""
    end = _BLANK_LINE.search(raw, 0, _HEADERS_MAX)
    if raw[:1] in b"\r\n" or end is None:  # a part may have no headers
        return message_from_bytes(b""), raw
    return message_from_bytes(raw[: end.start()] + b"\n\n"), raw[end.end() :]


def _page_part(headers: Message, body: bytes, start: object, depth: int) -> tuple[Message, bytes] | None:
    """Return the part that is the page: the one that `start` names, else the first in HTML."""
    if headers.get_content_type() in _PAGES:
        return headers, body
    boundary = headers.get_boundary()
    if not headers.get_content_type().startswith("multipart/") or not boundary or not depth:
        return None
    first = None
    line = re.compile(
        rb"(?:^|\r?\n)--" + re.escape(boundary.encode("utf-8", "replace")) + rb"(?:--)?[ \t]*(?=\r?\n|$)"
    )
    for piece in line.split(body, _PARTS_MAX)[1:]:
        part, content = _split(re.sub(rb"\A\r?\n", b"", piece, count=1))
        found = _page_part(part, content, start, depth - 1)
        if found is not None and start and part.get("Content-ID") == start:
            return found
        first = first or found
    return first


def _decoded(headers: Message, body: bytes) -> bytes:
    """Return a part's bytes, its transfer encoding undone.

    Raises:
        PageError: it is base64 that is cut off or damaged.
    """
    match str(headers.get("Content-Transfer-Encoding") or "").strip().lower():
        case "quoted-printable":
            return quopri.decodestring(body)
        case "base64":
            try:
                return a2b_base64(body)
            except Base64Error as error:
                raise PageError(f"the page's part of the MHTML archive is damaged base64: {error}") from error
    return body
