"""A shopper's window in Chromium: a context and a proxy of its own, thrown away with the visit."""

import asyncio
import time
from collections.abc import Awaitable, Mapping
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import BrowserContext, Dialog, Error, Page, Request, Response, Route

from shop_r1.drivers.bounds.hosts import Hosts
from shop_r1.drivers.bounds.proxy import Address, FilteringProxy
from shop_r1.drivers.bounds.purchases import labelled_purchase, requested_purchase
from shop_r1.drivers.bounds.rate import Rate
from shop_r1.drivers.bounds.robots import Robots, robots_url
from shop_r1.drivers.bounds.test_profile import TestProfile
from shop_r1.drivers.browser.acting import Hands
from shop_r1.drivers.browser.live_page import LivePage, read_page
from shop_r1.drivers.browser.page_events import StepEvents
from shop_r1.drivers.browser.picture import take_picture
from shop_r1.drivers.browser.pool import BrowserPool, first_line
from shop_r1.drivers.browser.settle import CEILING_S, Activity
from shop_r1.drivers.protocol import EFFECTS, ActionResult, Observation
from shop_r1.drivers.recording.recorder import Recorder
from shop_r1.errors import PageError
from shop_r1.records.actions import Action
from shop_r1.records.sessions import Timing

_OPEN_S, _ACT_S, _READ_S, _CLOSE_S = 20.0, 12.0, 8.0, 5.0
"""Hard limits on what is asked of the browser."""
_TABS_MAX = 5
_LOADS = frozenset({"click", "submit", "back"})
"""What may load a page, and so waits for the host's turn."""


@dataclass(frozen=True)
class Bounds:
    """What a shopper may do; shared by all shoppers of a shop."""

    hosts: Hosts
    routes: Mapping[str, Address] = field(default_factory=dict)
    """Where names lead that no DNS knows."""
    robots: Robots | None = None
    """None where robots.txt is not honoured."""
    rate: Rate = field(default_factory=lambda: Rate(None))
    profile: TestProfile = field(default_factory=TestProfile)
    purchase_labels: frozenset[str] | None = None
    """Labels, in lower case, that buy in this shop; None where they have to be guessed."""
    allow_purchase: bool = False
    max_bytes: int | None = None
    """That a visit may receive."""


class BrowserDriver:
    """One shopper's window (`drivers.protocol.PageDriver`)."""

    def __init__(self, pool: BrowserPool, bounds: Bounds, recorder: Recorder | None = None) -> None:
        self._pool, self._bounds, self._recorder = pool, bounds, recorder
        self._stack = AsyncExitStack()
        self._events = StepEvents()
        self._activities: dict[Page, Activity] = {}
        self._page: Page | None = None
        self._live: LivePage | None = None
        self._status: dict[str, int] = {}
        self._is_purchase = self._has_crashed = False

    async def open(self, url: str) -> Observation:
        """Open a new window at this address.

        Raises:
            PageError: the address is out of bounds, no page came in time, or it cannot be read.
        """
        await self.close()
        if not self._bounds.hosts.allows_url(url):
            raise PageError(f"{url[:120]!r} is out of bounds; only the hosts that were given may be visited")
        bounds = self._bounds
        self._proxy = await self._stack.enter_async_context(
            FilteringProxy(bounds.hosts, bounds.routes, bounds.max_bytes)
        )
        context = await self._open_context()
        await self._ask_robots(context, url)
        await bounds.rate.wait(urlsplit(url).netloc)
        page = await self._within(_OPEN_S, "no window", context.new_page())
        await self._within(_OPEN_S, "no page", page.goto(url, wait_until="commit", timeout=_OPEN_S * 1000))
        await self._settle()
        live: LivePage = await self._within(_READ_S, "no page", self._read())
        self._events.take()  # what happened on the way to the first page belongs to no step
        self._record_page()
        return live.observation

    async def act(self, action: Action) -> ActionResult:
        """Carry out the action, wait until the page has settled, and read it.

        Raises:
            PageError: no page is open.
        """
        if self._live is None:
            raise PageError("no page is open; call open(url) first")
        before = self._live.observation
        if self._recorder is not None:
            self._recorder.begin_step()
        effect = EFFECTS[action.type]
        if effect == "leave":
            return ActionResult(before)
        if self._is_held_back(action, before):
            return ActionResult(before, events=self._events.take(), is_purchase=True)
        if effect in _LOADS:
            await self._bounds.rate.wait(urlsplit(before.page.url).netloc)
        times = [time.perf_counter()]
        error = await self._problem(_ACT_S, self._do(action))
        self._activity.acted_at = asyncio.get_running_loop().time()
        times.append(time.perf_counter())
        await self._settle()
        times.append(time.perf_counter())
        unread = await self._problem(_READ_S, self._read())
        times.append(time.perf_counter())
        if unread is None:
            self._record_page()
        else:
            self._events.add("no_answer", unread)
        act, settle, observe = (round(end - begin, 4) for begin, end in pairwise(times))
        is_purchase, self._is_purchase = self._is_purchase and error is None, False
        return ActionResult(
            self._live.observation,
            error=error or unread,
            events=self._events.take(),
            timing=Timing(act=act, settle=settle, observe=observe),
            is_purchase=is_purchase,
            has_ended=unread is not None or self._has_crashed or self._proxy.is_spent,
        )

    async def picture(self) -> bytes | None:
        """Return a small JPEG of what the shopper sees; None where the browser gives none in time."""
        if self._page is None or self._has_crashed:
            return None
        return await take_picture(self._page)

    async def close(self) -> None:
        """Close the window and its proxy."""
        stack, self._stack = self._stack, AsyncExitStack()
        self._page = self._live = None
        self._activities.clear()
        self._has_crashed = self._is_purchase = False
        try:
            async with asyncio.timeout(_CLOSE_S):
                await stack.aclose()
        except (Error, TimeoutError):
            pass  # Chromium is gone, and the window with it

    # The window

    async def _open_context(self) -> BrowserContext:
        context = await self._pool.new_context(
            viewport={"width": 1280, "height": 800},
            service_workers="block",
            accept_downloads=False,
            locale="en-US",
            timezone_id="UTC",
            reduced_motion="reduce",
            proxy={"server": self._proxy.url, "bypass": "<-loopback>"},
        )
        self._stack.push_async_callback(context.close)
        context.set_default_timeout(_READ_S * 1000)
        await context.route("**/*", self._intercept)
        context.on("page", self._adopt)
        context.on("response", self._note_response)
        if (recorder := self._recorder) is not None:
            self._stack.push_async_callback(recorder.detach)
            await self._within(_OPEN_S, "no window", recorder.attach(context))
        return context

    def _adopt(self, page: Page) -> None:
        """A new tab takes the shopper along; the ones before it stay open, for pages that talk to theirs."""
        if self._page is not None:
            self._events.add("new_tab", page.url)
        self._page = page
        activity = self._activities[page] = Activity(page)
        _in_background(activity.follow())
        page.on("dialog", lambda dialog: _in_background(self._answer(dialog)))
        page.on("download", lambda download: self._events.add("download", download.suggested_filename))
        page.on("filechooser", lambda _: self._events.add("file_chooser"))
        page.on("crash", lambda _: self._note_crash())
        page.on("close", self._leave_tab)
        opened = [each for each in page.context.pages if not each.is_closed()]
        for oldest in opened[: max(0, len(opened) - _TABS_MAX)]:
            _in_background(oldest.close())

    def _leave_tab(self, page: Page) -> None:
        self._activities.pop(page, None)
        left = [each for each in self._activities if not each.is_closed()]
        if page is self._page and left:
            self._events.add("closed_tab")
            self._page = left[-1]
            if self._recorder is not None:
                self._recorder.show(self._page)

    def _note_crash(self) -> None:
        self._events.add("crash")
        self._has_crashed = True

    async def _answer(self, dialog: Dialog) -> None:
        """Say yes to what only informs or lets leave, and no to what asks for something."""
        self._events.add("dialog", f"{dialog.type}: {dialog.message}")
        with suppress(Error):  # the page may have gone, and its dialog with it
            await (dialog.accept() if dialog.type in ("alert", "beforeunload") else dialog.dismiss())

    def _note_response(self, response: Response) -> None:
        request = response.request
        if request.is_navigation_request() and _is_of_top(request):
            self._status[response.url.partition("#")[0]] = response.status
            if response.status == 401 and "www-authenticate" in response.headers:
                self._events.add("http_authentication", response.url)

    # What is sent

    async def _intercept(self, route: Route, request: Request) -> None:
        """Refuse what is out of bounds, for the record: the wall itself is the proxy."""
        why = self._refusal(request)
        with suppress(Error):  # the page may have gone, and its request with it
            await (route.abort("blockedbyclient") if why else route.continue_())

    def _refusal(self, request: Request) -> str | None:
        url, bounds = request.url, self._bounds
        if url.startswith(("data:", "blob:", "about:")):
            return None
        if not bounds.hosts.allows_url(url):
            self._events.add("blocked", urlsplit(url).netloc)
            return "host"
        bought = requested_purchase(request.method, url)
        if bought is not None and bounds.purchase_labels is None:
            self._is_purchase = True
            if not bounds.allow_purchase:
                self._events.add("purchase_held", bought.found)
                return "purchase"
        robots = bounds.robots if request.is_navigation_request() else None
        if robots is not None and robots.knows(url) and not robots.allows(url):
            self._events.add("blocked", f"robots.txt: {urlsplit(url).path}")
            return "robots"
        return None

    async def _ask_robots(self, context: BrowserContext, url: str) -> None:
        robots = self._bounds.robots
        if robots is None:
            return
        if not robots.knows(url):
            try:
                response = await context.request.get(robots_url(url), timeout=_READ_S * 1000, max_redirects=5)
                robots.learn(url, response.status, await response.text())
            except Error:
                robots.learn(url, None, "")
        if not robots.allows(url):
            raise PageError(f"{url[:120]!r}: the shop's robots.txt asks automated visitors to stay away")

    def _is_held_back(self, action: Action, seen: Observation) -> bool:
        """Note whether a click would buy, and return whether it is held back."""
        element = seen.simplified.by_name.get(action.value("name"))
        self._is_purchase = False
        if action.type != "click" or element is None:
            return False
        labels = self._bounds.purchase_labels
        if labels is not None:
            self._is_purchase = element.label.lower() in labels
            return False
        bought = labelled_purchase(element.label)
        self._is_purchase = bought is not None
        if bought is None or self._bounds.allow_purchase:
            return False
        self._events.add("purchase_held", bought.found)
        return True

    # Acting and seeing

    @property
    def _activity(self) -> Activity:
        if self._page is None or self._page not in self._activities:
            raise PageError("every tab of the window is closed")
        return self._activities[self._page]

    async def _do(self, action: Action) -> None:
        assert self._page is not None and self._live is not None
        note = self._recorder.note_target if self._recorder is not None else None
        hands = Hands(self._page, self._live, self._activity, self._events, self._read, note)
        effect, name = EFFECTS[action.type], action.value("name")
        if effect == "click":
            await hands.click(name)
        elif effect in ("type", "submit"):
            await hands.type(name, action.value("text"), self._bounds.profile, submit=effect == "submit")
        elif effect == "select":
            await hands.select(name, action.value("text"))
        elif effect == "hover":
            await hands.hover(name)
        elif effect == "scroll":
            await hands.scroll()
        else:
            await hands.back()

    async def _read(self) -> LivePage:
        """Read the page; one that is being replaced is read when it has settled."""
        for last in (False, True):
            try:
                assert self._page is not None
                self._live = await read_page(self._page, self._status_of, self._bounds.profile, _READ_S * 500)
                break
            except Error:
                if last:
                    raise
                await self._settle(1.0)
        if self._live is None:
            raise PageError("no page could be read")
        if self._live.left_out.get("cut"):
            self._events.add("cut")
        return self._live

    def _record_page(self) -> None:
        """Let the recorder have the page that the shopper is shown."""
        if self._recorder is not None and self._live is not None:
            self._recorder.see(self._live.observation.page, self._live.copy, self._live.left_out)

    def _status_of(self, url: str) -> int | None:
        return self._status.get(url.partition("#")[0])

    async def _settle(self, ceiling_s: float = CEILING_S) -> None:
        async def settle() -> None:
            if not await self._activity.settle(ceiling_s):
                self._events.add("not_settled")

        await self._problem(ceiling_s + 2.0, settle())

    async def _problem(self, limit_s: float, doing: Awaitable[Any]) -> str | None:
        """Wait for something within a limit, and return what went wrong; None where nothing did."""
        try:
            async with asyncio.timeout(limit_s):
                await doing
        except PageError as error:
            return str(error)
        except TimeoutError:
            return f"the page did not answer within {limit_s:g} s"
        except Error as error:
            return f"the browser: {first_line(error)}"
        return None

    async def _within(self, limit_s: float, what: str, doing: Awaitable[Any]) -> Any:
        """Return what is waited for.

        Raises:
            PageError: it did not come within the limit, or the browser says that it will not.
        """
        try:
            async with asyncio.timeout(limit_s):
                return await doing
        except TimeoutError:
            raise PageError(f"{what} within {limit_s:g} s") from None
        except Error as error:
            raise PageError(f"{what}: {first_line(error)}") from None


def _is_of_top(request: Request) -> bool:
    """Return whether a navigation is of the page itself, and not of a frame in it."""
    try:
        return request.frame.parent_frame is None
    except Error:  # a new tab's first request, which comes before its frame
        return True


_background: set[asyncio.Task[None]] = set()


def _in_background(doing: Awaitable[None]) -> None:
    """Do something while nobody waits for it."""

    async def do() -> None:
        with suppress(Error):  # the page may have gone
            await doing

    task = asyncio.get_running_loop().create_task(do())
    _background.add(task)
    task.add_done_callback(_background.discard)
