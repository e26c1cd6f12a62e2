"""A window of Chromium: a context with its own proxy, its tabs, and what happens in them."""

import asyncio
import secrets
from collections.abc import Awaitable
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

from playwright.async_api import Dialog, Error, Page

from shop_r1.drivers.bounds.proxy import FilteringProxy
from shop_r1.drivers.bounds.purchases import Purchase
from shop_r1.drivers.bounds.rules import Bounds
from shop_r1.drivers.browser.background import in_background
from shop_r1.drivers.browser.page_events import StepEvents
from shop_r1.drivers.browser.pool import BrowserPool, first_line
from shop_r1.drivers.browser.settle import Settled, settle
from shop_r1.drivers.browser.traffic import Outgoing, Traffic
from shop_r1.drivers.edits.in_window import RequestEdits, ShopEdits
from shop_r1.drivers.recording.recorder import Recorder
from shop_r1.errors import PageError
from shop_r1.records.sessions import EventKind

LOAD_S, ANSWER_S, CLOSE_S = 20.0, 8.0, 5.0
"""Hard limits on a first page, on other questions to the browser, and on closing a window. Ours."""
OPTIONS: dict[str, Any] = {
    "viewport": {"width": 1280, "height": 800},
    "service_workers": "block",
    "accept_downloads": False,
    "locale": "en-US",
    "timezone_id": "UTC",
    "reduced_motion": "reduce",
}
_TRACE_S = 30.0  # in place of closing's limit: a trace is packed then
_TABS_MAX = 5
POP_UPS_MAX = 50
"""Tabs and dialogs of one step; after them a page would go on for ever. Ours."""
_INNER = ("data:", "blob:", "about:", "chrome-extension:")  # the last shows PDFs

T = TypeVar("T")


class LostError(PageError):
    """The window cannot be used any more."""


class Window:
    """One visit's window; an async context manager.

    Attributes:
        events: what has happened since they were last taken.
        bought: the purchase that was last made or held back, since it was last taken.
        edits: what a version does to requests; None where there is none.
        edits_channel: the event by which pages are asked what a version's edits hold of.
    """

    def __init__(
        self,
        pool: BrowserPool,
        bounds: Bounds,
        recorder: Recorder | None = None,
        trace: Path | None = None,
        edits: ShopEdits | None = None,
    ) -> None:
        self._pool, self._bounds, self._recorder, self._trace = pool, bounds, recorder, trace
        self.edits = RequestEdits(edits) if edits is not None else None
        self.edits_channel = f"e{secrets.token_hex(8)}"
        self._proxy = FilteringProxy(bounds.hosts, bounds.routes, bounds.max_bytes)
        self._stack = AsyncExitStack()
        self._tabs: dict[Page, Traffic] = {}
        self._following: dict[Page, asyncio.Task[None]] = {}
        self._current: Page | None = None
        self._acting: Page | None = None
        self._pop_ups = 0
        self._lost = asyncio.Event()
        self._why_lost = ""
        self.events = StepEvents(bounds.profile.conceal)
        self.bought: Purchase | None = None

    async def __aenter__(self) -> Self:
        """Open it, on an empty tab.

        Raises:
            PageError: Chromium opens none.
        """
        try:
            await self._stack.enter_async_context(self._proxy)
            self.context = await self._pool.new_context(
                **OPTIONS, proxy={"server": self._proxy.url, "bypass": "<-loopback>"}
            )
            self._stack.push_async_callback(self.context.close)
            if self._trace is not None:
                await self.within(LOAD_S, self._begin_trace(self._trace), "no window")
            self.context.set_default_timeout(ANSWER_S * 1000)
            self.context.on("page", self._adopt)
            self.context.on("close", lambda _: self._lose("Chromium has died"))
            if self._recorder is not None:
                self._stack.push_async_callback(self._recorder.detach)
                await self.within(LOAD_S, self._recorder.attach(self.context), "no window")
            if self.edits is not None:
                script = self.edits.edits.script(self.edits_channel)
                await self.within(LOAD_S, self.context.add_init_script(script), "no window")
            page = await self.within(LOAD_S, self.context.new_page(), "no window")
            await self.within(LOAD_S, self._following[page], "no window")
        except BaseException:
            await self.__aexit__()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self._lose("it was closed")
        try:
            async with asyncio.timeout(CLOSE_S if self._trace is None else _TRACE_S):
                await self._stack.aclose()
        except (Error, TimeoutError):
            pass  # Chromium is gone, and the window with it
        await asyncio.gather(*self._following.values(), return_exceptions=True)

    async def _begin_trace(self, path: Path) -> None:
        await self.context.tracing.start(screenshots=True, snapshots=True)
        self._stack.push_async_callback(self.context.tracing.stop, path=path)

    @property
    def page(self) -> Page:
        """The tab in front.

        Raises:
            LostError: there is none.
        """
        if self._lost.is_set() or self._current is None:
            raise LostError(self._reason)
        return self._current

    @property
    def traffic(self) -> Traffic:
        """Of the tab in front.

        Raises:
            LostError: there is none.
        """
        return self._tabs[self.page]

    @property
    def why_over(self) -> str | None:
        """Why the visit cannot go on: the window is lost, or has received all that it may; else None."""
        if self._lost.is_set():
            return self._reason
        if self._proxy.is_spent:
            return f"the visit has received the {self._bounds.max_bytes} bytes that it may"
        return None

    async def settle(self) -> Settled:
        """Wait until the tab in front has settled, and the one that takes its place meanwhile."""
        while True:
            page = self.page
            await self._following[page]
            outcome = await settle(self.traffic)
            if self.page is page:
                return outcome

    def begin_step(self) -> None:
        """Forget what belonged to the step before."""
        self._pop_ups, self._acting = 0, self._current
        for traffic in self._tabs.values():
            traffic.begin_step()

    def take_purchase(self) -> bool:
        """Return whether something was bought, or held back, since this was last asked."""
        bought, self.bought = self.bought, None
        return bought is not None

    async def go_to(self, url: str) -> None:
        """Open an address in the tab in front, when it is its host's turn.

        Raises:
            PageError: the shop does not want such visitors, or no page came in time.
        """
        if self.edits is not None:
            url = self.edits.edits.start_at(url)
            cookies: list[Any] = self.edits.edits.cookies(url)
            if cookies:
                await self.within(ANSWER_S, self.context.add_cookies(cookies), "no window")
        robots = self._bounds.robots
        if not await self._bounds.welcomes(url, self._fetch) and robots is not None:
            raise PageError(f"{url[:120]!r}: {robots.why_not(url)}")
        await self._bounds.wait_for_turn(url)
        going = self.page.goto(url, wait_until="commit", timeout=LOAD_S * 1000)
        await self.within(LOAD_S, going, "no page")

    async def close_tab(self) -> bool:
        """Close the tab in front, to be back in the one before; False where there is no other."""
        if len(self._tabs) < 2:
            return False
        await self.page.close()
        return True

    async def within(self, limit_s: float, doing: Awaitable[T], what: str = "no answer") -> T:
        """Return what is waited for.

        Raises:
            PageError: it did not come within the limit, or the browser says that it will not.
            LostError: the window was lost meanwhile.
        """
        task = asyncio.ensure_future(doing)
        lost = asyncio.ensure_future(self._lost.wait())
        try:
            await asyncio.wait({task, lost}, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
            if lost.done():
                raise LostError(self._reason)
            raise PageError(f"{what} within {limit_s:g} s")
        except Error as error:
            if self._lost.is_set():
                raise LostError(self._reason) from None
            raise PageError(f"{what}: {first_line(error)}") from None
        finally:
            for each in (task, lost):
                each.cancel()
            await asyncio.gather(task, lost, return_exceptions=True)

    # Tabs

    def _adopt(self, page: Page) -> None:
        """A new tab takes the shopper along; the ones before it stay open, for pages that talk to theirs."""
        for traffic in self._tabs.values():
            traffic.is_opening = False
        if not self._may_show(
            page.url
        ):  # the wall has refused it, or it did not come: there is nothing to see
            self.events.add("no_answer", "the page of a new tab")
            in_background(page.close())
            return
        if self._current is not None:
            self.events.add("new_tab", page.url)
        self._current = page
        traffic = self._tabs[page] = Traffic(page, self._permits, self._note, self._meet, self.edits)
        self._following[page] = in_background(traffic.follow())
        page.on("dialog", self._answer)
        page.on("download", lambda download: self.events.add("download", download.suggested_filename))
        page.on("filechooser", lambda _: self.events.add("file_chooser"))
        page.on("pageerror", lambda error: self.events.add("page_error", error.message))
        page.on("crash", self._note_crash)
        page.on("close", self._leave_tab)
        self._pop_ups += 1
        if self._pop_ups > POP_UPS_MAX:
            self._lose("the page opens tabs or dialogs without end")
        others = [tab for tab in self._tabs if tab not in (page, self._acting)]
        for oldest in others[: max(0, len(self._tabs) - _TABS_MAX)]:
            in_background(oldest.close())

    def _may_show(self, url: str) -> bool:
        return url in ("", ":") or self._is_within(url)

    def _leave_tab(self, page: Page) -> None:
        self._tabs.pop(page, None)
        self._following.pop(page, None)
        if page is not self._current or self._lost.is_set():
            return
        self.events.add("closed_tab")
        if self._tabs:
            self._current = list(self._tabs)[-1]
            if self._recorder is not None:
                self._recorder.show(self._current)
        else:
            self._lose("every tab is closed")

    def _note_crash(self, page: Page) -> None:
        self.events.add("crash")
        if page is self._current:
            self._lose("the page has crashed")

    @property
    def _reason(self) -> str:
        """Why it was lost; tabs are closed before it is known that Chromium has died."""
        browser = self.context.browser
        return self._why_lost if browser is None or browser.is_connected() else "Chromium has died"

    def _lose(self, why: str) -> None:
        if not self._lost.is_set():
            self._why_lost = why
            self._lost.set()

    async def _answer(self, dialog: Dialog) -> None:
        """Say yes to what only informs or lets leave, and no to what asks for something."""
        self.events.add("dialog", f"{dialog.type}: {dialog.message}")
        self._pop_ups += 1
        if self._pop_ups > POP_UPS_MAX:
            self._lose("the page opens tabs or dialogs without end")
        with suppress(Error):  # the page may have gone, and its dialog with it
            await (dialog.accept() if dialog.type in ("alert", "beforeunload") else dialog.dismiss())

    # What is sent

    def _note(self, outgoing: Outgoing) -> None:
        """Record what the wall, which is the proxy, is about to refuse."""
        if not outgoing.is_document and not self._is_within(outgoing.url):
            self.events.add("blocked", urlsplit(outgoing.url).netloc)

    def _meet(self, kind: EventKind, detail: str) -> None:
        self.events.add(kind, detail)

    async def _permits(self, outgoing: Outgoing) -> bool:
        """Return whether a request may be sent that might do something."""
        url, bounds = outgoing.url, self._bounds
        if not self._is_within(url):
            if outgoing.is_document:
                self.events.add("blocked", urlsplit(url).netloc)
            return False
        bought = bounds.request_buys(outgoing.method, url)
        if bought is not None:
            self.bought = bought
            if bounds.holds_purchases:
                self.events.add("purchase_held", bought.found)
                return False
        if outgoing.is_page and not url.startswith(_INNER) and not await bounds.welcomes(url, self._fetch):
            self.events.add("blocked", f"robots.txt: {urlsplit(url).path}")
            return False
        return True

    def _is_within(self, url: str) -> bool:
        return url.startswith(_INNER) or self._bounds.hosts.allows_url(url)

    async def _fetch(self, url: str) -> tuple[int | None, str]:
        return await self._pool.fetch(url, self._proxy.url, ANSWER_S)
