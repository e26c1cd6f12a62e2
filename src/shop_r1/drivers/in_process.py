"""Where a policy acts: a store in this process."""

import asyncio
from dataclasses import dataclass
from functools import lru_cache
from typing import Self
from urllib.parse import urldefrag, urlencode, urljoin, urlsplit

import httpx2
from starlette.types import ASGIApp

from shop_r1.drivers.forms import form_of
from shop_r1.errors import PageError
from shop_r1.pages.addresses import in_full
from shop_r1.pages.elements import Element, SimplifiedPage, find_element
from shop_r1.pages.parse.document import parse_document
from shop_r1.pages.parse.encodings import decode_page
from shop_r1.pages.simplify import simplify_page
from shop_r1.records.actions import SPACES, Action
from shop_r1.records.sessions import Page

_HOST = "store.local"
_HOME = f"http://{_HOST}/"
_MAX_REDIRECTS = 10
_TEXT_ROLES = frozenset({"searchbox", "textbox", "combobox", "spinbutton"})
_EFFECTS = {kind.name: kind.effect for space in SPACES.values() for kind in space.types}
_simplify = lru_cache(maxsize=32)(simplify_page)  # a quarter of all pages is the one that visits begin on


@dataclass(frozen=True, slots=True)
class Observation:
    """What is seen after an action."""

    page: Page
    """As sessions record it; its URL is a path with its query."""
    simplified: SimplifiedPage
    """The same page with its elements."""


class InProcessDriver:
    """A driver for an ASGI app in this process: no sockets, no scripts, one visit at a time.

    It is a context manager, which closes its client and its event loop.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._runner = asyncio.Runner()
        self._client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app),
            headers={"accept": "text/html"},
            event_hooks={"response": [self._keep_cookies]},
            trust_env=False,
        )
        self._url = self._base = _HOME
        self._html = ""
        self._seen: Observation | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._runner.run(self._client.aclose())
        self._runner.close()

    def open(self, url: str) -> Observation:
        """Start a new visit at this URL: cookies are forgotten.

        Raises:
            PageError: the URL leads out of the store, or the response is not a page.
        """
        self._client.cookies.clear()
        self._url = self._base = _HOME
        return self._load(self._request("GET", self._within_store(url, "the start page")))

    def act(self, action: Action) -> Observation:
        """Do the action and return what is then seen; scrolling and leaving do not change the page.

        Raises:
            PageError: no element of the page has the action's name, or it does not take such an action; the
                page stays as it was.
        """
        if self._seen is None:
            raise PageError("no page is open; call open(url) first")
        effect = _EFFECTS[action.type]
        if effect in ("scroll", "leave"):
            return self._seen
        element = find_element(self._seen.simplified, action.value("name"))
        if effect == "type":
            if element.role not in _TEXT_ROLES:
                raise PageError(
                    f"{element.name!r} is a {element.role}; expected a field that text can be typed into"
                )
            request = self._submit(element, action.value("text"))
        elif element.href is not None:
            request = self._request("GET", self._within_store(element.href, element.name))
        else:
            request = self._submit(element) if element.role == "submit" else None
        return self._load(request) if request is not None else self._seen

    def _submit(self, element: Element, text: str | None = None) -> httpx2.Request | None:
        """Return the request that submitting the element's form sends; None where only a script would act."""
        try:
            form = form_of(parse_document(self._html), element, text)
        except PageError:
            return None
        # An empty action means the page itself, not its base (HTML standard, section 4.10.21.3).
        url = self._within_store(form.action or self._url, element.name)
        fields = urlencode(form.fields)
        if form.method == "post":
            return self._request("POST", url, fields)
        return self._request("GET", url.partition("?")[0] + f"?{fields}") if form.method == "get" else None

    def _request(self, method: str, url: str, form: str | None = None) -> httpx2.Request:
        headers = {"content-type": "application/x-www-form-urlencoded"} if form is not None else None
        try:
            return self._client.build_request(method, url, content=form, headers=headers)
        except httpx2.InvalidURL as error:
            raise PageError(f"{url[:120]!r} is not a valid address ({error})") from None

    def _within_store(self, target: str, what: str) -> str:
        """Return the absolute URL without its fragment.

        Raises:
            PageError: it leads out of the store.
        """
        try:
            url = urldefrag(urljoin(self._base, target)).url
            is_within = urlsplit(url)[:2] == ("http", _HOST)
        except ValueError:  # not an address, such as //[
            url, is_within = target, False
        if not is_within:
            raise PageError(
                f"{what!r} leads out of the store, to {url[:120]!r}; only its own pages can be opened"
            )
        return url

    def _load(self, request: httpx2.Request) -> Observation:
        """Send the request, follow redirects within the store, and return what is seen."""
        for _ in range(_MAX_REDIRECTS):
            response = self._runner.run(self._client.send(request))
            if response.next_request is None:
                return self._observe(response)
            request = response.next_request
            self._within_store(str(request.url), "a redirect")
        raise PageError(f"{request.url}: more than {_MAX_REDIRECTS} redirects in a row")

    async def _keep_cookies(self, response: httpx2.Response) -> None:
        """Keep a response's cookies one by one: within a batch the jar forgets before it keeps."""
        headers = response.headers.get_list("set-cookie")
        for value in headers if len(headers) > 1 else ():
            single = httpx2.Response(response.status_code, headers={"set-cookie": value})
            single.request = response.request
            self._client.cookies.extract_cookies(single)

    def _observe(self, response: httpx2.Response) -> Observation:
        url = urlsplit(str(response.url))
        self._html = decode_page(response.content, response.charset_encoding)
        simplified = _simplify(self._html)
        self._url = url.geturl()
        self._base = in_full(simplified.base, self._url)
        path = (url.path or "/") + (f"?{url.query}" if url.query else "")
        self._seen = Observation(Page(url=path, html=simplified.html), simplified)
        return self._seen
