"""What one page asks of the network: followed, to know when it has settled, and judged before it is sent."""

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from playwright.async_api import CDPSession, Error, Page

from shop_r1.drivers.browser.background import in_background
from shop_r1.drivers.browser.live_page import ENGINE
from shop_r1.drivers.edits.in_window import RequestEdits
from shop_r1.records.sessions import EventKind

STEP_S = 0.01
"""Between two looks at whether a page is still busy. Ours."""
LONG_POLL_S = 2.0
"""Requests that are older are waited for no longer: a long poll never ends. Ours."""
_POLLS_MAX = 5  # requests of one address by one document, after which it is a poll
_ENDS_S = 2.0  # within which the last load of a page that loads itself for ever is read to its end
_STARTS_S = 3.0  # within which a navigation or download that was asked for has begun, or never will
_UNWAITED = frozenset(
    {"Image", "Font", "Media", "Manifest", "Ping", "EventSource", "WebSocket", "TextTrack", "Prefetch"}
    | {"CSPViolationReport"}
)
"""Requests that never end, or after which a page looks as before. The first pictures are waited for by the
document itself."""
_ASKED_ABOUT = ("Document", "XHR", "Fetch", "Ping", "Other")
"""Kinds that may do something in a shop, such as buy. The others cost no round trip."""
_ABORTED = "net::ERR_ABORTED"  # by the page, by a download, or by us
_WORLD = "shop-r1"
_SCRIPT = Path(__file__).with_name("settle.js")


class Outgoing(NamedTuple):
    """A request that a page is about to send."""

    method: str
    url: str
    is_page: bool
    """Whether it is for the page itself, not for a frame or a part of it."""
    is_document: bool


class Quiet(NamedTuple):
    """How quiet a page's document is."""

    quiet_s: float
    """Since its last change."""
    is_complete: bool
    """Whether it is loaded."""


class Traffic:
    """One page's requests and navigations, from a session of Chromium's protocol.

    Attributes:
        is_loading: whether the page, or what it is made of, is on its way.
        is_opening: whether it has opened a tab that has not come yet.
        changed_at: when a navigation or a request that matters last began or ended, in the loop's time.
        acted_at: when the last action was done, set by the driver.
        loads: how many pages have come.
        is_held: whether no other page may come.
        document_url: the address that was last asked for as the page.
    """

    def __init__(
        self,
        page: Page,
        permits: Callable[[Outgoing], Awaitable[bool]],
        sees: Callable[[Outgoing], None],
        meets: Callable[[EventKind, str], None],
        edits: RequestEdits | None = None,
    ) -> None:
        """Ask `permits` before what may do something is sent.

        `sees` is told of every request, `meets` of pages that do not come or want a login of HTTP's; `edits`
        are a version's.
        """
        self.page, self._permits, self._sees, self._meets = page, permits, sees, meets
        self._edits = edits
        self.is_loading = self.is_opening = False
        self.changed_at = self.acted_at = 0.0
        self.document_url = ""
        self.loads = 0
        self.is_held = False
        self._session: CDPSession | None = None
        self._main = ""
        self._asked_at: float | None = None
        self._save_asked_at: float | None = None
        self._is_saved = False
        self._saves = 0
        self._world: int | None = None
        self._pending: str | None = None
        self._open: dict[str, float] = {}
        self._seen: Counter[str] = Counter()

    async def follow(self) -> None:
        """Listen, and stand between the page and its requests from now on.

        Raises:
            playwright.async_api.Error: the page has gone.
        """
        session = self._session = await self.page.context.new_cdp_session(self.page)
        tree = await session.send("Page.getFrameTree")
        self._main = tree["frameTree"]["frame"]["id"]
        self.changed_at = now()
        for event, heard in (
            ("Page.frameRequestedNavigation", self._on_asked),
            ("Page.frameStartedLoading", self._on_started),
            ("Page.frameNavigated", self._on_navigated),
            ("Page.frameStoppedLoading", self._on_stopped),
            ("Network.requestWillBeSent", self._on_request),
            ("Network.loadingFinished", self._on_end),
            ("Network.loadingFailed", self._on_end),
            ("Fetch.requestPaused", self._on_paused),
            ("Fetch.authRequired", self._on_login),
            ("Page.windowOpen", self._on_opening),
            ("Page.downloadWillBegin", self._on_download),
        ):
            session.on(event, heard)
        patterns = [{"urlPattern": "*", "resourceType": kind} for kind in _ASKED_ABOUT]
        patterns += self._edits.edits.patterns if self._edits is not None else []
        script = {"source": _SCRIPT.read_text("utf-8"), "worldName": _WORLD, "runImmediately": True}
        await asyncio.gather(
            session.send("Page.enable"),
            session.send("Network.enable"),
            session.send("Fetch.enable", {"patterns": patterns, "handleAuthRequests": True}),
            session.send("Page.addScriptToEvaluateOnNewDocument", script),
        )

    @property
    def _chromium(self) -> CDPSession:
        if self._session is None:
            raise Error("the page has gone")
        return self._session

    @property
    def is_leaving(self) -> bool:
        """Whether another page was asked for, here or in a new tab, or a download, and has not come yet."""
        asked = [at for at in (self._asked_at, self._save_asked_at) if at is not None]
        is_asked = any(now() - at < _STARTS_S for at in asked)
        return is_asked or self._pending is not None or self.is_opening

    def begin_step(self) -> None:
        """Let pages come again, and forget the downloads of the step before."""
        self.is_held, self._is_saved, self._save_asked_at = False, False, None

    def is_busy(self) -> bool:
        """Return whether a navigation or a request is under way."""
        at = now()
        waits = any(at - begun < LONG_POLL_S for begun in self._open.values())
        return self.is_loading or self.is_leaving or waits

    async def quiet(self, *, is_first: bool) -> Quiet:
        """Return how quiet the page is; the first time after its own tasks that are due have run.

        Raises:
            playwright.async_api.Error: it is being replaced, or has gone.
        """
        if self._world is None:
            found = await self._chromium.send(
                "Page.createIsolatedWorld", {"frameId": self._main, "worldName": _WORLD}
            )
            self._world = found["executionContextId"]
        try:
            found = await self._chromium.send(
                "Runtime.evaluate",
                {
                    "expression": f"shopR1Quiet({json.dumps(is_first)})",
                    "contextId": self._world,
                    "awaitPromise": True,
                    "returnByValue": True,
                },
            )
        except Error:
            self._world = None
            raise
        quiet_ms, is_complete, saves = found["result"]["value"]
        if saves > self._saves and not self._is_saved and self._save_asked_at is None:
            self._save_asked_at = now()  # once a step: a page may click its own links for ever
        self._saves = saves
        return Quiet(quiet_ms / 1000, is_complete)

    async def stop_loading(self) -> None:
        """Let no other page come until `is_held` is taken back, and give up what is still on its way.

        So a page that loads itself for ever can be read: its last load gets a moment to come to its end.
        """
        self.is_held, begun = True, now()
        while (self.is_loading or self._pending is not None) and now() - begun < _ENDS_S:
            await asyncio.sleep(STEP_S)
        await self._chromium.send("Page.stopLoading")
        self.is_loading, self.is_opening, self._asked_at, self._pending = False, False, None, None

    async def history(self) -> tuple[int, list[dict[str, Any]]]:
        """Return the index of the page in its tab's history, and the history."""
        found = await self._chromium.send("Page.getNavigationHistory")
        return found["currentIndex"], found["entries"]

    async def go_to_entry(self, entry: dict[str, Any]) -> None:
        """Begin to go to an entry of the tab's history."""
        self._asked_at = self.changed_at = now()
        await self._chromium.send("Page.navigateToHistoryEntry", {"entryId": entry["id"]})

    # What Chromium says

    def _on_asked(self, data: dict[str, Any]) -> None:
        """On a busy machine a navigation begins hundreds of milliseconds after it was asked for."""
        if data["frameId"] == self._main and data.get("disposition") == "currentTab":
            self._asked_at = self.changed_at = now()
            self._end_save()  # of another host, a link to save is followed

    def _on_started(self, data: dict[str, Any]) -> None:
        if data["frameId"] == self._main:
            self.is_loading, self._asked_at, self.changed_at = True, None, now()

    def _on_stopped(self, data: dict[str, Any]) -> None:
        if data["frameId"] == self._main:
            self.is_loading, self._asked_at, self._pending, self.changed_at = False, None, None, now()

    def _on_navigated(self, data: dict[str, Any]) -> None:
        if data["frame"]["id"] == self._main:
            self._world, self._pending, self._saves, self.changed_at = None, None, 0, now()
            self.loads += 1
            self._seen.clear()
            # Chromium takes our script in while the page loads, not when it is to be read.
            in_background(self.page.locator(f"{ENGINE}=outcome").count())
            document = data["frame"]["loaderId"]
            self._open = {request: at for request, at in self._open.items() if request == document}

    def _on_request(self, data: dict[str, Any]) -> None:
        request, kind = data["request"], data.get("type", "Other")
        outgoing = self._outgoing(data, request, kind)
        self._sees(outgoing)
        if outgoing.is_page:
            self.document_url, self._pending = request["url"], data["requestId"]
        address = request["url"].partition("?")[0]
        self._seen[address] += 1
        if kind not in _UNWAITED and (outgoing.is_document or self._seen[address] <= _POLLS_MAX):
            self._open[data["requestId"]] = self.changed_at = now()

    def _on_end(self, data: dict[str, Any]) -> None:
        if data["requestId"] == self._pending:
            self._pending = None
            why = data.get("errorText", _ABORTED)
            if why != _ABORTED:
                self._meets("no_answer", f"{self.document_url} ({why})")
        if self._open.pop(data["requestId"], None) is not None:
            self.changed_at = now()

    def _on_opening(self, data: dict[str, Any]) -> None:
        """A tab is on its way; Playwright tells of it when its first page comes."""
        self._sees(Outgoing("GET", data["url"], is_page=False, is_document=False))
        self.changed_at = now()
        self.is_opening = True

    def _on_download(self, _: dict[str, Any]) -> None:
        self._end_save()
        self.changed_at = now()

    def _end_save(self) -> None:
        """What a link saves has begun to come, was refused, or is a page after all."""
        self._is_saved, self._save_asked_at = True, None

    def _on_login(self, data: dict[str, Any]) -> None:
        self._meets("http_authentication", data["request"]["url"])
        answer = {"requestId": data["requestId"], "authChallengeResponse": {"response": "CancelAuth"}}
        in_background(self._chromium.send("Fetch.continueWithAuth", answer))

    def _on_paused(self, data: dict[str, Any]) -> None:
        if _is_download(data):
            self._save_asked_at = self.changed_at = now()
        in_background(self._decide(data))

    async def _decide(self, data: dict[str, Any]) -> None:
        # A page that is aborted leaves the last one as it was; a blocked one shows an error.
        command, answer = "Fetch.failRequest", {"requestId": data["requestId"], "errorReason": "Aborted"}
        try:
            if await self._is_permitted(data):
                command, answer = await self._answer(data)
        finally:
            if command == "Fetch.failRequest" and _is_download(data):
                self._end_save()
            with suppress(Error):  # the page may have gone, and its request with it
                await self._chromium.send(command, answer)

    async def _is_permitted(self, data: dict[str, Any]) -> bool:
        kind = data.get("resourceType", "Other")
        if kind not in _ASKED_ABOUT:
            return True  # asked about for an edit's sake: the wall decides, as it does without one
        outgoing = self._outgoing(data, data["request"], kind)
        return not (self.is_held and outgoing.is_page) and await self._permits(outgoing)

    async def _answer(self, data: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Return what becomes of a request that may be sent."""
        if self._edits is None:
            return "Fetch.continueRequest", {"requestId": data["requestId"]}
        is_page = data.get("resourceType") == "Document" and data.get("frameId") == self._main
        # Until a page is there it is known by what was asked for; afterwards scripts may change its address.
        at = self.document_url if self.is_loading or self._pending is not None else self.page.url
        page = data["request"]["url"] if is_page else at
        return await self._edits.answer(data, page)

    def _outgoing(self, data: dict[str, Any], request: dict[str, Any], kind: str) -> Outgoing:
        is_document = kind == "Document"
        is_page = is_document and data.get("frameId") == self._main
        return Outgoing(request["method"], request["url"], is_page, is_document)


def _is_download(data: dict[str, Any]) -> bool:
    """Return whether a paused request is of a link that saves its target; the network's events know none."""
    return data.get("resourceType") == "Document" and "networkId" not in data


def now() -> float:
    """Return the loop's time."""
    return asyncio.get_running_loop().time()
