"""Where a policy acts: a store in this process."""

from functools import lru_cache
from typing import Self
from urllib.parse import urldefrag, urlencode, urljoin, urlsplit

import httpx2
from starlette.types import ASGIApp

from shop_r1.drivers.forms import form_of
from shop_r1.drivers.protocol import EFFECTS, ActionResult, Observation, takes_text
from shop_r1.errors import PageError
from shop_r1.pages.addresses import in_full
from shop_r1.pages.elements import Element, find_element
from shop_r1.pages.parse.document import parse_document
from shop_r1.pages.parse.encodings import decode_page
from shop_r1.pages.simplify import simplify_page
from shop_r1.records.actions import Action
from shop_r1.records.sessions import Page

HOST = "store.local"
HOME = f"http://{HOST}/"
"""The store's address; `drivers.browser` leads Chromium to it by the same one."""
PURCHASES = frozenset({"buy now", "place order"})
"""Labels, in lower case, of what buys something in the built-in store."""
_MAX_REDIRECTS = 10
_simplify = lru_cache(maxsize=256)(simplify_page)  # a quarter of all pages is the one that visits begin on


class InProcessDriver:
    """A driver for an ASGI app in this process: no sockets, no scripts, one visit at a time.

    It is an async context manager, which closes its client.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._client = httpx2.AsyncClient(
            transport=httpx2.ASGITransport(app),
            headers={"accept": "text/html"},
            event_hooks={"response": [self._keep_cookies]},
            trust_env=False,
        )
        self._url = self._base = HOME
        self._html = ""
        self._seen: Observation | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its client."""
        await self._client.aclose()

    @property
    def seen(self) -> Observation:
        """What is seen now.

        Raises:
            PageError: no page is open.
        """
        if self._seen is None:
            raise PageError("no page is open; call open(url) first")
        return self._seen

    @property
    def html(self) -> str:
        """The current page as the store sent it; empty before the first."""
        return self._html

    def cookie(self, name: str) -> str | None:
        """Return the value of the visit's cookie of this name; None where the store has set none."""
        return self._client.cookies.get(name)

    async def open(self, url: str = HOME) -> Observation:
        """Begin a new visit at this URL: cookies are forgotten.

        Raises:
            PageError: the URL leads out of the store, or the response is not a page.
        """
        self._client.cookies.clear()
        self._url = self._base = HOME
        return await self._load(self._request("GET", self._within_store(url, "the start page")))

    async def act(self, action: Action) -> ActionResult:
        """Carry out the action; scrolling and leaving do not change the page.

        Its error says that no element of the page has the action's name, that the element does not take such
        an action, or that it leads out of the store; the page stays as it was.

        Raises:
            PageError: no page is open.
        """
        before = self.seen
        try:
            request, is_purchase = self._request_of(action, before)
            seen = await self._load(request) if request is not None else before
        except PageError as error:
            return ActionResult(before, error=str(error))
        return ActionResult(seen, is_purchase=is_purchase)

    def _request_of(self, action: Action, seen: Observation) -> tuple[httpx2.Request | None, bool]:
        """Return the request that an action sends, None where it sends none, and whether it buys."""
        effect = EFFECTS[action.type]
        if effect in ("scroll", "leave"):
            return None, False
        if effect not in ("click", "submit"):
            raise PageError(f"{action.type} needs a browser; the in-process store knows clicks and searches")
        element = find_element(seen.simplified, action.value("name"))
        if effect == "submit":
            if not takes_text(element):
                raise PageError(
                    f"{element.name!r} is a {element.role}; expected a field that text can be typed into"
                )
            return self._submit(element, action.value("text")), False
        is_purchase = element.label.lower() in PURCHASES
        if element.href is not None:
            return self._request("GET", self._within_store(element.href, element.name)), is_purchase
        return (self._submit(element) if element.role == "submit" else None), is_purchase

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
            is_within = urlsplit(url)[:2] == ("http", HOST)
        except ValueError:  # not an address, such as //[
            url, is_within = target, False
        if not is_within:
            raise PageError(
                f"{what!r} leads out of the store, to {url[:120]!r}; only its own pages can be opened"
            )
        return url

    async def _load(self, request: httpx2.Request) -> Observation:
        """Send the request, follow redirects within the store, and return what is seen."""
        for _ in range(_MAX_REDIRECTS):
            response = await self._client.send(request)
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
        self._url = url._replace(path=url.path or "/").geturl()
        self._base = in_full(simplified.base, self._url)
        self._seen = Observation(
            Page(url=self._url, html=simplified.html, status=response.status_code), simplified
        )
        return self._seen
