"""A version's edits as a window makes them: the script of its pages, and what becomes of its requests."""

import asyncio
import base64
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit

from shop_r1.drivers.bounds.hosts import Hosts
from shop_r1.drivers.edits.page_variant import (
    AnyEdit,
    Attribute,
    Block,
    Css,
    Delay,
    Image,
    Move,
    PageVariant,
    Text,
)
from shop_r1.patterns import matches

_SCRIPT = Path(__file__).with_name("edit.js")
_PICTURES = "/shop-r1-edit/"
"""Where on the shop's own host a page asks for the file that an element shows; it is never asked for."""
_MARKS = re.compile(r"@(EDITS|HOSTS|CHANNEL)@")


class Held(NamedTuple):
    """What one edit holds of on one page."""

    held: int
    """Elements that are as the edit wants them."""
    found: int
    """Elements that its selector finds."""
    given_up: int
    """Elements that the page changed back so often that they were left to it."""


@dataclass(frozen=True)
class ShopEdits:
    """A version and the hosts that are the shop's own; shared by all its visits."""

    variant: PageVariant
    hosts: Hosts
    """Of the address where visits begin alone; further hosts that may be reached are none of the shop's."""

    def script(self, channel: str) -> str:
        """Return the script that edits pages; `channel` is the name of an event by which it is asked."""
        given = {
            "EDITS": [self._for_script(index, edit) for index, edit in enumerate(self.variant.edits)],
            "HOSTS": sorted(f"{name}:{port}" for name, port in self.hosts.exact),
            "CHANNEL": channel,
        }
        return _MARKS.sub(lambda match: json.dumps(given[match[1]]), _source())

    def _for_script(self, index: int, edit: AnyEdit) -> dict[str, Any]:
        """Return what the script is told of an edit; of one of requests, nothing that it does."""
        told: dict[str, Any] = {"kind": edit.do, "pages": edit.pages}
        told["selector"] = getattr(edit, "selector", None)
        match edit:
            case Move():
                told["how"], told["place"] = edit.place
            case Text():
                told["to"] = edit.to
            case Attribute():
                told |= {"name": edit.name, "to": edit.to}
            case Css():
                told["rules"] = edit.rules
            case Image():
                told["kind"] = "image" if edit.selector else "requests"
                told["url"] = self._picture_path(index, edit)
        return told

    @staticmethod
    def _picture_path(index: int, edit: Image) -> str:
        digest = sha256(edit.content).hexdigest()[:12]
        return f"{_PICTURES}{index}-{digest}{edit.file.suffix.lower()}"

    def start_at(self, url: str) -> str:
        """Return an address of the shop's with the version's query parameters."""
        return _with_query(url, self.variant.query) if self.hosts.allows_url(url) else url

    def cookies(self, url: str) -> list[dict[str, Any]]:
        """Return the version's cookies for the host of an address, as Playwright takes them."""
        parts = urlsplit(url)
        host, is_secure = parts.hostname or "", parts.scheme == "https"
        return [
            {"name": name, "value": value, "domain": host, "path": "/", "secure": is_secure}
            for name, value in self.variant.cookies.items()
        ]

    @cached_property
    def patterns(self) -> list[dict[str, str]]:
        """Which requests have to be asked about, as Chromium's protocol has it; more rather than fewer."""
        if self.variant.headers:
            return [{"urlPattern": "*"}]
        return list(self._patterns())

    def _patterns(self) -> Iterator[dict[str, str]]:
        if self.variant.query:
            yield {"urlPattern": "*", "resourceType": "Document"}
        for edit in self.variant.edits:
            match edit:
                case Block():
                    yield {"urlPattern": _wide(edit.requests), "resourceType": "Script"}
                case Delay():
                    yield {"urlPattern": _wide(edit.requests)}
                case Image():
                    pattern = _wide(edit.requests) if edit.requests else f"*{_PICTURES}*"
                    yield {"urlPattern": pattern, "resourceType": "Image"}

    def requested_by(self, url: str, kind: str, page: str) -> Iterator[tuple[int, AnyEdit]]:
        """Yield the edits, with their places, that a request of this kind to a page's part is of."""
        for index, edit in enumerate(self.variant.edits):
            if isinstance(edit, Image) and edit.selector is not None:
                if kind == "Image" and urlsplit(url).path == self._picture_path(index, edit):
                    yield index, edit
            elif isinstance(edit, Image | Block | Delay) and edit.holds_on(page):
                of_kind = {"image": "Image", "block": "Script"}.get(edit.do, kind)
                if kind == of_kind and edit.requests and matches(edit.requests, url):
                    yield index, edit


class RequestEdits:
    """What a version does to the requests of one window.

    Attributes:
        done: how often each edit was done to a request since it was last asked for, by its place.
    """

    def __init__(self, edits: ShopEdits) -> None:
        self.edits = edits
        self.done: Counter[int] = Counter()

    async def answer(self, paused: Mapping[str, Any], page: str) -> tuple[str, dict[str, Any]]:
        """Return Chromium's command for a paused request that may be sent, and what it takes.

        `page` is the address of the page that it is for. A delay is over when this returns.
        """
        request, kind = paused["request"], paused.get("resourceType", "Other")
        answer: dict[str, Any] = {"requestId": paused["requestId"]}
        for index, edit in self.edits.requested_by(request["url"], kind, page):
            if not isinstance(edit, Image) or edit.selector is None:
                self.done[index] += 1
            match edit:
                case Block():
                    return "Fetch.failRequest", answer | {"errorReason": "BlockedByClient"}
                case Image():
                    return "Fetch.fulfillRequest", answer | _picture(edit)
                case Delay():
                    await asyncio.sleep(edit.seconds)
        return "Fetch.continueRequest", answer | self._overrides(request, kind)

    def _overrides(self, request: Mapping[str, Any], kind: str) -> dict[str, Any]:
        """Return what is sent in place of what the page would send, to the shop's own hosts alone."""
        variant, found = self.edits.variant, dict[str, Any]()
        if not self.edits.hosts.allows_url(request["url"]):
            return found
        if variant.headers:
            given = {name.lower() for name in variant.headers}
            headers = {name: value for name, value in request["headers"].items() if name.lower() not in given}
            headers |= variant.headers
            found["headers"] = [{"name": name, "value": value} for name, value in headers.items()]
        if variant.query and kind == "Document" and request["method"] == "GET":
            found["url"] = _with_query(request["url"], variant.query)
        return found


def _picture(edit: Image) -> dict[str, Any]:
    headers = {
        "Content-Type": edit.media_type,
        "Cache-Control": "no-store",
        "Access-Control-Allow-Origin": "*",
    }
    return {
        "responseCode": 200,
        "responseHeaders": [{"name": name, "value": value} for name, value in headers.items()],
        "body": base64.b64encode(edit.content).decode("ascii"),
    }


def _with_query(url: str, query: Mapping[str, str]) -> str:
    """Return an address with these parameters, unless it has them.

    >>> _with_query("http://shop.test/search?q=mug#top", {"q": "lamp", "look": "b"})
    'http://shop.test/search?q=mug&look=b#top'
    """
    parts = urlsplit(url)
    has = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    more = urlencode({name: value for name, value in query.items() if name not in has})
    return parts._replace(query="&".join(filter(None, (parts.query, more))), path=parts.path or "/").geturl()


def _wide(pattern: str) -> str:
    r"""Return a pattern of Chromium's that allows at least what one of ours does.

    >>> _wide("/a?b*")
    '*/a\\?b**'
    """
    return "*" + pattern.replace("\\", "\\\\").replace("?", "\\?") + "*"


def sum_held(frames: Sequence[Sequence[Sequence[int] | None]], count: int) -> list[Held | None]:
    """Return what each of so many edits holds of over a page's frames; None where it is of no such page."""
    found: list[Held | None] = []
    for index in range(count):
        parts = [part for each in frames if len(each) == count and (part := each[index]) is not None]
        found.append(Held(*map(sum, zip(*parts, strict=True))) if parts else None)
    return found


@cache
def _source() -> str:
    return _SCRIPT.read_text("utf-8")
