"""Where a shopper acts: the page-driver protocol, and the driver that talks to a store in this process."""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from email.message import Message
from functools import lru_cache
from http.cookiejar import CookieJar
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self
from urllib.parse import unquote, urldefrag, urlencode, urljoin, urlsplit
from urllib.request import Request

from shop_r1.drivers.forms import form_of
from shop_r1.errors import PageError
from shop_r1.pages.addresses import in_full
from shop_r1.pages.elements import Element, SimplifiedPage, find_element
from shop_r1.pages.parse.document import decode_page, parse_document
from shop_r1.pages.simplify import simplify_page
from shop_r1.records.actions import SPACES, Action
from shop_r1.records.sessions import Page

ASGIApp = Callable[
    [MutableMapping[str, Any], Callable[[], Awaitable[dict[str, Any]]], Callable[..., Awaitable[None]]],
    Awaitable[None],
]

_HOST = "store.local"
_REDIRECTS_MAX = 10
_TYPED_INTO = frozenset({"searchbox", "textbox", "combobox", "spinbutton"})
_EFFECTS = {kind.name: kind.effect for space in SPACES.values() for kind in space.types}
_simplify = lru_cache(maxsize=32)(
    simplify_page
)  # visits begin on the same page; a quarter of all are that one


@dataclass(frozen=True, slots=True)
class _Request:
    """What to ask the store for: method, absolute URL and, for POST, the URL-encoded body."""

    method: str
    url: str
    body: bytes = b""


class _Answer(NamedTuple):
    """What of an answer a cookie jar reads."""

    headers: Message

    def info(self) -> Message:
        return self.headers


@dataclass(frozen=True, slots=True)
class Observation:
    """What a shopper sees after an action.

    Attributes:
        page: the page as sessions record it; its URL is a path with its query.
        simplified: the same page with its elements.
        status: HTTP status of the answer.
    """

    page: Page
    simplified: SimplifiedPage
    status: int


class PageDriver(Protocol):
    """Something that shows pages and does what a shopper does to them."""

    def open(self, url: str) -> Observation:
        """Start a new visit at this URL, with nothing remembered of an earlier one."""
        ...

    def act(self, action: Action) -> Observation:
        """Do the action and return what is then seen.

        Raises:
            PageError: the action's name stands for nothing on the page, or for nothing that takes it; the
                page stays as it was.
        """
        ...


class InProcessDriver:
    """A page driver for an ASGI app in this process: no sockets, no scripts, one visit at a time.

    Use it as a context manager, or call `close`.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._runner = asyncio.Runner()
        self._cookies = CookieJar()
        self._url = self._base = f"http://{_HOST}/"
        self._raw = ""
        self._seen: Observation | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Free the event loop."""
        self._runner.close()

    def open(self, url: str) -> Observation:
        """Start a new visit: cookies are forgotten.

        Raises:
            PageError: the URL leads out of the store, or the answer is not a page.
        """
        self._cookies.clear()
        self._url = self._base = f"http://{_HOST}/"
        return self._load(_Request("GET", self._within_store(url, "the start page")))

    def act(self, action: Action) -> Observation:
        """Do the action; see `PageDriver.act`. Scrolling and leaving do not change the page."""
        if self._seen is None:
            raise PageError("no page is open; call open(url) first")
        if _EFFECTS[action.type] in ("scroll", "leave"):
            return self._seen
        element = find_element(self._seen.simplified, action.value("name"))
        request = (
            self._click(element)
            if _EFFECTS[action.type] == "click"
            else self._type(element, action.value("text"))
        )
        return self._load(request) if request is not None else self._seen

    def _click(self, element: Element) -> _Request | None:
        if element.href is not None:
            return _Request("GET", self._within_store(element.href, element.name))
        return self._submit(element, {}) if element.role == "submit" else None

    def _type(self, element: Element, text: str) -> _Request | None:
        if element.role not in _TYPED_INTO:
            raise PageError(
                f"{element.name!r} is a {element.role}; expected a field that text can be typed into"
            )
        return self._submit(element, {element.path: text})

    def _submit(self, element: Element, edits: dict[str, str | bool]) -> _Request | None:
        """Return what submitting the element's form asks for; None where only a script serves."""
        try:
            form = form_of(parse_document(self._raw), element, edits)
        except PageError:
            return None
        # An empty action means the page itself, whatever its base (HTML standard, section 4.10.21.3).
        url = self._within_store(form.action or self._url, element.name)
        encoded = urlencode(form.fields)
        if form.method == "post":
            return _Request("POST", url, encoded.encode())
        return (
            _Request("GET", urlsplit(url)._replace(query=encoded).geturl()) if form.method == "get" else None
        )

    def _within_store(self, target: str, what: str) -> str:
        """Return the absolute URL without its fragment.

        Raises:
            PageError: it leads out of the store.
        """
        url = urldefrag(urljoin(self._base, target)).url
        if urlsplit(url).netloc != _HOST or urlsplit(url).scheme != "http":
            raise PageError(
                f"{what!r} leads out of the store, to {url[:120]!r}; only its own pages can be opened"
            )
        return url

    def _load(self, request: _Request) -> Observation:
        """Ask for a page, follow its redirects, remember cookies, and return what is seen."""
        for _ in range(_REDIRECTS_MAX):
            status, headers, body = self._runner.run(self._call(request))
            self._keep_cookies(request.url, headers)
            target = next((value for name, value in headers if name == "location"), None)
            if not (300 <= status < 400 and target):
                return self._observe(request, status, headers, body)
            keeps_method = status in (307, 308)
            url = self._within_store(urljoin(request.url, target), "a redirect")
            request = _Request(request.method, url, request.body) if keeps_method else _Request("GET", url)
        raise PageError(f"{request.url}: more than {_REDIRECTS_MAX} redirects in a row")

    def _observe(
        self, request: _Request, status: int, headers: list[tuple[str, str]], body: bytes
    ) -> Observation:
        text = decode_page(body, _charset_of(headers))
        simplified = _simplify(text)
        self._url, self._raw = request.url, text
        self._base = in_full(simplified.base, request.url)
        parts = urlsplit(request.url)
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        self._seen = Observation(Page(url=path, html=simplified.html), simplified, status)
        return self._seen

    def _keep_cookies(self, url: str, headers: list[tuple[str, str]]) -> None:
        """Keep, replace and forget cookies as RFC 6265 has it: by age, path, domain and scheme."""
        for name, value in headers:
            if name == "set-cookie":  # One by one: within a batch the jar forgets before it keeps.
                answer = Message()
                answer[name] = value
                self._cookies.extract_cookies(_Answer(answer), Request(url))  # type: ignore[arg-type]

    async def _call(self, request: _Request) -> tuple[int, list[tuple[str, str]], bytes]:
        status = 500
        headers: list[tuple[str, str]] = []
        body = bytearray()

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": request.body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = [(n.decode("latin-1").lower(), v.decode("latin-1")) for n, v in message["headers"]]
            else:
                body.extend(message.get("body", b""))

        await self._app(self._scope(request), receive, send)
        return status, headers, bytes(body)

    def _scope(self, request: _Request) -> dict[str, Any]:
        parts = urlsplit(request.url)
        headers = [(b"host", _HOST.encode()), (b"accept", b"text/html")]
        asked = Request(request.url)
        self._cookies.add_cookie_header(asked)
        if cookies := asked.get_header("Cookie"):
            headers.append((b"cookie", cookies.encode("latin-1", "ignore")))
        if request.method == "POST":
            headers.append((b"content-type", b"application/x-www-form-urlencoded"))
            headers.append((b"content-length", str(len(request.body)).encode()))
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": request.method,
            "scheme": "http",
            "path": unquote(parts.path) or "/",
            "raw_path": parts.path.encode(),
            "query_string": parts.query.encode(),
            "root_path": "",
            "headers": headers,
            "client": ("127.0.0.1", 1),
            "server": (_HOST, 80),
        }


def _charset_of(headers: list[tuple[str, str]]) -> str | None:
    """Return the encoding that an answer's Content-Type names, None where it names none."""
    message = Message()
    message["content-type"] = next((value for name, value in headers if name == "content-type"), "")
    return message.get_content_charset()
