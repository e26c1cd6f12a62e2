"""A shopper's window in Chromium, thrown away with the visit."""

import time
from collections import Counter
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from itertools import pairwise
from pathlib import Path
from typing import Any

from playwright.async_api import Error, Frame

from shop_r1.drivers.bounds.rules import Bounds as Bounds
from shop_r1.drivers.browser.acting import Hands, HeldBackError
from shop_r1.drivers.browser.live_page import LivePage, ask_edits, read_page
from shop_r1.drivers.browser.picture import QUALITY, WIDTH, take_picture
from shop_r1.drivers.browser.pool import BrowserPool
from shop_r1.drivers.browser.settle import CEILING_S, LOAD_CEILING_S, Settled, settle
from shop_r1.drivers.browser.traffic import now
from shop_r1.drivers.browser.window import ANSWER_S, Window
from shop_r1.drivers.edits.in_window import Held, ShopEdits, sum_held
from shop_r1.drivers.protocol import EFFECTS, ActionResult, Observation
from shop_r1.drivers.recording.recorder import Recorder
from shop_r1.errors import PageError
from shop_r1.records.actions import Action
from shop_r1.records.sessions import Timing

ACT_S, READ_S = 20.0, 25.0
"""Hard limits on an action, and on reading a page, which may be replaced meanwhile. Ours."""
_READS_MAX = 3  # of a page that is being replaced; before the last one it is held still
_LOADS = frozenset({"click", "submit", "back"})
"""What may load a page, and so waits for the host's turn."""


class BrowserDriver:
    """One shopper's window (`drivers.protocol.PageDriver`)."""

    def __init__(
        self,
        pool: BrowserPool,
        bounds: Bounds,
        recorder: Recorder | None = None,
        trace: Path | None = None,
        edits: ShopEdits | None = None,
    ) -> None:
        """Drive a window of the pool's within the bounds.

        `trace` is where Playwright's trace of it goes; `edits` make a version of the shop's pages.
        """
        self._pool, self._bounds, self._recorder, self._trace = pool, bounds, recorder, trace
        self._edits = edits
        self.held: list[Held | None] = []
        """What each edit holds of on the page that was last read; None for one of other pages."""
        self._window: Window | None = None
        self._live: LivePage | None = None

    async def open(self, url: str) -> Observation:
        """Open a new window at this address.

        Raises:
            PageError: the address is out of bounds, no page came in time, or it cannot be read.
        """
        await self.close()
        if not self._bounds.hosts.allows_url(url):
            raise PageError(f"{url[:120]!r} is out of bounds; only the hosts that were given may be visited")
        window = self._window = await Window(
            self._pool, self._bounds, self._recorder, self._trace, self._edits
        ).__aenter__()
        await window.go_to(url)
        await self._settle(window)
        live = await window.within(READ_S, self._read(), "no page")
        # What happened on the way to the first page belongs to no step.
        window.events.take()
        window.take_purchase()
        self._note_edits(window)
        self._record_page()
        return live.observation

    async def act(self, action: Action) -> ActionResult:
        """Carry out the action, wait until the page has settled, and read it.

        Raises:
            PageError: no page is open.
        """
        if self._live is None or self._window is None:
            raise PageError("no page is open; call open(url) first")
        window, before = self._window, self._live.observation
        if self._recorder is not None:
            self._recorder.begin_step()
        effect = EFFECTS[action.type]
        was_late = window.take_purchase()  # sent by the page after the last step had settled
        if effect == "leave":
            return ActionResult(before, events=window.events.take(), is_purchase=was_late)
        window.begin_step()
        if self._is_held_back(action, await self._labels(action, before), window):
            await self._problem(ANSWER_S, self._show_target(action), window)
            return ActionResult(before, events=window.events.take(), is_purchase=True)
        problem = await self._wait_for_turn(effect, before)
        times = [time.perf_counter()]
        problem = problem or await self._problem(ACT_S, self._do(action, window), window)
        times.append(time.perf_counter())
        settled = await self._settle(window)
        times.append(time.perf_counter())
        limit_s = min(READ_S, ANSWER_S) if settled is Settled.SILENT else READ_S
        unread = await self._problem(limit_s, self._read(), window)
        times.append(time.perf_counter())
        if unread is None:
            self._note_edits(window)
            self._record_page()
        else:
            window.events.add("no_answer", unread)
        act, settle_s, observe = (round(end - begin, 4) for begin, end in pairwise(times))
        over, has_bought = window.why_over, window.take_purchase()
        return ActionResult(
            self._live.observation,
            error=problem or unread or over,
            events=window.events.take(),
            timing=Timing(act=act, settle=settle_s, observe=observe),
            is_purchase=was_late or (has_bought and problem is None),
            has_ended=unread is not None or over is not None,
        )

    async def picture(self, width: int = WIDTH, quality: int = QUALITY) -> bytes | None:
        """Return a JPEG of what the shopper sees; None where the browser gives none in time."""
        if self._window is None or self._window.why_over is not None:
            return None
        return await take_picture(self._window.page, width, quality)

    async def close(self) -> None:
        """Close the window and its proxy."""
        window, self._window, self._live = self._window, None, None
        if window is not None:
            await window.__aexit__()

    # Acting

    async def _labels(self, action: Action, seen: Observation) -> list[str]:
        """Return what an element that is clicked is called, and what it was called before edits."""
        element = seen.simplified.by_name.get(action.value("name"))
        if action.type != "click" or element is None:
            return []
        found = [element.label]
        if self._edits is not None and self._live is not None:
            for target in self._live.targets(element)[:1]:
                with suppress(Error):  # what does not answer is not clicked either
                    found += (await target.ask("before")).get("before", [])
        return found

    def _is_held_back(self, action: Action, labels: Sequence[str], window: Window) -> bool:
        """Note whether a click on what is called so would buy, and return whether it is held back."""
        bought = next(filter(None, map(self._bounds.click_buys, labels)), None)
        window.bought = window.bought or bought
        if bought is None or not self._bounds.holds_purchases:
            return False
        window.events.add("purchase_held", bought.found)
        return True

    async def _show_target(self, action: Action) -> None:
        """Let the recorder have the element that is not acted on."""
        if self._recorder is not None and self._live is not None:
            element = self._live.observation.simplified.by_name[action.value("name")]
            for target in self._live.targets(element)[:1]:
                await self._recorder.note_target(target.announce)

    async def _wait_for_turn(self, effect: str, seen: Observation) -> str | None:
        if effect in _LOADS:
            try:
                await self._bounds.wait_for_turn(seen.page.url)
            except PageError as error:
                return str(error)
        return None

    async def _do(self, action: Action, window: Window) -> None:
        assert self._live is not None

        def holds(form: dict[str, Any]) -> bool:
            """Note whether sending a form would buy, and return whether it is held back."""
            labels = [form["label"], *form["before"]]
            found = (self._bounds.form_buys(form["method"], form["action"], label) for label in labels)
            bought = next(filter(None, found), None)
            window.bought = window.bought or bought
            if bought is None or not self._bounds.holds_purchases:
                return False
            window.events.add("purchase_held", bought.found)
            return True

        note = self._recorder.note_target if self._recorder is not None else None
        hands = Hands(window.page, self._live, window.traffic, window.events, self._read, holds, note)
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
        elif not await hands.back() and not await window.close_tab():
            raise PageError("there is no page before this one")

    # Seeing

    async def _read(self) -> LivePage:
        """Read the page; one that is being replaced is read when it has settled."""
        assert self._window is not None
        for attempt in range(_READS_MAX):
            page, traffic = self._window.page, self._window.traffic
            try:
                asked, profile = traffic.document_url, self._bounds.profile
                # Asked before the page is read, since asking makes edits that are due.
                edited = await self._ask_edits(page.main_frame)
                self._live = await read_page(page, asked, profile, ANSWER_S * 1000)
                edited += await self._ask_edits(*self._live.frames)
                self.held = sum_held(edited, len(self._edits.variant.edits)) if self._edits else []
                break
            except Error:
                if attempt == _READS_MAX - 1:
                    raise
                if await settle(traffic) is Settled.LOADING or attempt > 0:
                    await traffic.stop_loading()
        assert self._live is not None
        if self._live.left_out.get("cut"):
            self._window.events.add("cut")
        return self._live

    async def _ask_edits(self, *frames: Frame) -> list[list[list[int] | None]]:
        """Return what each frame that is edited says of each edit."""
        if self._edits is None or self._window is None:
            return []
        return [await ask_edits(frame, self._window.edits_channel) for frame in frames]

    def _note_edits(self, window: Window) -> None:
        """Note which edits hold on the page that was read, and which were done to requests on its way."""
        if self._edits is None or window.edits is None:
            return
        done, window.edits.done = window.edits.done, Counter()
        for index, label in enumerate(self._edits.variant.labels):
            if done[index]:
                self.held[index] = Held(done[index], done[index], 0)
            held = self.held[index]
            if held is not None and held.held:
                window.events.add("edited", label)
            if held is not None and held.given_up:
                window.events.add("edit_undone", label)

    def _record_page(self) -> None:
        """Let the recorder have the page that the shopper is shown."""
        if self._recorder is not None and self._live is not None:
            self._recorder.see(self._live.observation.page, self._live.copy, self._live.left_out)

    async def _settle(self, window: Window) -> Settled:
        """Wait until the tab in front has settled; note where it has not."""
        outcome = Settled.SILENT

        async def wait() -> None:
            nonlocal outcome
            window.traffic.acted_at = now()
            outcome = await window.settle()
            if outcome is not Settled.YES:
                window.events.add("not_settled", outcome.value)
            if outcome is Settled.LOADING:
                await window.traffic.stop_loading()

        await self._problem(LOAD_CEILING_S + CEILING_S, wait(), window)
        return outcome

    async def _problem(self, limit_s: float, doing: Awaitable[Any], window: Window) -> str | None:
        """Wait for something within a limit, and return what went wrong; None where nothing did."""
        try:
            await window.within(limit_s, doing, "the page did not answer")
        except HeldBackError:
            return None
        except PageError as error:
            return self._bounds.profile.conceal(str(error))
        return None
