"""When a page has settled: by its navigations, requests and changes, never after a fixed time."""

import asyncio
import json
from dataclasses import dataclass, field
from typing import NamedTuple

from playwright.async_api import CDPSession, Error, Page, Request

QUIET_S = 0.1
"""Without a change and a request, after which a page counts as settled. What a shop delays for longer,
such as filters that wait for more typing, is seen at the next step. Ours."""
CEILING_S = 5.0
"""After which a page is taken as it is. Ours."""
LONG_POLL_S = 2.0
"""Requests that are older are waited for no longer: a long poll never ends. Ours."""
_STEP_S = 0.01
_UNWAITED = frozenset({"websocket", "eventsource", "ping", "media", "manifest"})
"""Requests that never end, or say nothing of the page."""
# What an action starts is asked for by the page's own tasks: let them run, however busy the machine is.
_BARRIER = "() => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)))"


@dataclass
class Activity:
    """What one page is doing: its navigations, from when it asks for one, and its requests."""

    page: Page
    is_loading: bool = False
    changed_at: float = 0.0
    """When a navigation or a request last began or ended, in the loop's time."""
    acted_at: float = 0.0
    """When the last action was done."""
    _requests: dict[Request, float] = field(default_factory=dict)

    async def follow(self) -> None:
        """Listen. On a busy machine a navigation's request comes hundreds of milliseconds after its event."""
        self.page.on("request", self._begin)
        self.page.on("requestfinished", self._end)
        self.page.on("requestfailed", self._end)
        try:
            session = await self.page.context.new_cdp_session(self.page)
            tree = await session.send("Page.getFrameTree")
            self._follow_loads(session, tree["frameTree"]["frame"]["id"])
            await session.send("Page.enable")
        except Error:  # closed meanwhile: nothing is left to follow
            return

    def _follow_loads(self, session: CDPSession, main: str) -> None:
        def listen(event: str, is_loading: bool) -> None:
            def note(data: dict[str, object]) -> None:
                if data.get("frameId") == main:
                    self.is_loading, self.changed_at = is_loading, _now()

            session.on(f"Page.{event}", note)

        listen("frameRequestedNavigation", True)
        listen("frameStartedLoading", True)
        listen("frameStoppedLoading", False)

    def _begin(self, request: Request) -> None:
        if request.resource_type not in _UNWAITED:
            self._requests[request] = self.changed_at = _now()

    def _end(self, request: Request) -> None:
        self._requests.pop(request, None)
        self.changed_at = _now()

    def is_busy(self) -> bool:
        """Return whether a navigation or a request is under way."""
        now = _now()
        return self.is_loading or any(now - begun < LONG_POLL_S for begun in self._requests.values())

    async def settle(self, ceiling_s: float = CEILING_S) -> bool:
        """Wait until the page has settled; False where it was still busy after `ceiling_s`."""
        end = _now() + ceiling_s
        try:
            async with asyncio.timeout(1.0):
                await self.page.evaluate(_BARRIER)
        except (Error, TimeoutError):
            pass  # the page is being replaced, or its scripts hold it up
        while (now := _now()) < end:
            if self.is_busy():
                await asyncio.sleep(_STEP_S)
                continue
            try:
                async with asyncio.timeout(max(0.1, min(2.0, end - now))):
                    state = await quiet_state(self.page)
            except (Error, TimeoutError):  # the page is being replaced, or does not answer
                await asyncio.sleep(2 * _STEP_S)
                continue
            # From the action on, too: a navigation or a request of its may begin only after it has returned.
            since = _now() - max(self.changed_at, self.acted_at)
            left = QUIET_S - min(state.quiet_s, since)
            if left <= 0 and state.is_complete:
                return True
            await asyncio.sleep(max(left, _STEP_S))
        return False


class Quiet(NamedTuple):
    """How quiet a page's document is."""

    quiet_s: float
    """Since its last change."""
    is_complete: bool
    """Whether it is loaded."""


async def quiet_state(page: Page) -> Quiet:
    """Return how quiet the page is.

    Raises:
        playwright.async_api.Error: it is being replaced, or has gone.
    """
    found = json.loads(await page.locator("shopr1=quiet").text_content() or "")
    return Quiet(found["quiet_ms"] / 1000, found["state"] == "complete")


def _now() -> float:
    return asyncio.get_running_loop().time()
