"""One visit's recording: what the pages send, checked, with the shopper's steps among it.

Pages are hostile: through the binding anything may come. So what is kept are rrweb's events and nothing else,
within limits; those with our own tag are dropped, and all that is dropped is counted.
"""

import asyncio
import json
import re
import secrets
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from playwright.async_api import BrowserContext, Error, Page

from shop_r1.drivers.recording.assets import SharedAssets, VisitAssets
from shop_r1.errors import DataError
from shop_r1.records.recordings import (
    CUSTOM,
    TAG,
    Event,
    Mark,
    PageSeen,
    Recording,
    StepDone,
    Target,
    VisitBegun,
    VisitEnded,
    mark_event,
    write_recording,
)
from shop_r1.records.sessions import Outcome, Step
from shop_r1.records.sessions import Page as SeenPage

MAX_VISIT_CHARS = 100_000_000
"""Of JSON that a visit's pages may send; as it is written, so one outside ASCII is up to twelve. Ours."""
MAX_BATCH_CHARS = 20_000_000
"""Of these at once: reading more would hold up the other visits. Ours."""
MAX_VISIT_BATCHES = 100_000
"""Batches that a visit's pages may send. Ours."""
_FOLDER = Path(__file__).parent
_TARGET_S, _SNAPSHOT_S = 1.0, 2.0
_NODE = re.compile(r"node:([1-9]\d{0,8})")
_TYPES = range(5)  # of rrweb's events: the custom ones and plugins' are none of a page's
_EARLY_MS, _LATE_MS = 5000, 1000  # how far the clock of a page may be from ours
_DEPTH_MAX = (
    600  # of objects in an event, so that JSON readers, which recurse, can read it; two for an element
)
_META = 4  # the first event of each page
_BACKGROUND = "events of tabs in the background"
_TOO_LARGE = "pages that are too large to be recorded"

Box = tuple[float, float, float, float]
"""Left, top, width and height in the window, in CSS pixels."""


@dataclass(frozen=True)
class _Batch:
    page: Page
    text: str
    arrived_ms: float


@dataclass
class _Begun:
    """A step under way."""

    time_ms: float
    step: Step | None = None
    is_asking: bool = False  # for the target's number
    node: int | None = None
    box: Box | None = None

    @property
    def target(self) -> Target | None:
        """What it was done on; None where nothing is known of it."""
        return Target(node=self.node, box=self.box) if self.box is not None else None


@dataclass(frozen=True)
class _Seen:
    page: SeenPage
    copy: str
    hidden: dict[str, int]
    time_ms: float


@dataclass
class _Incoming:
    """What the pages have sent so far."""

    batches: list[_Batch] = field(default_factory=list)
    chars: int = 0
    shown: list[tuple[float, Page]] = field(
        default_factory=list
    )  # which tab was before the shopper from when on


class Recorder:
    """Records one visit of a `BrowserDriver`; `write` puts it on the disk when the visit is over."""

    def __init__(
        self,
        folder: Path,
        assets: SharedAssets,
        begun: VisitBegun,
        conceal: Callable[[str], str] | None = None,
    ) -> None:
        """Write into the folder `recordings/`; `conceal` is the test profile's, None where there is none."""
        self._folder, self._assets, self._begun, self._conceal = folder, assets, begun, conceal
        self._visit_assets = VisitAssets(assets)
        self._binding, self._reach = (f"_{secrets.token_hex(8)}" for _ in range(2))
        self._incoming = _Incoming()
        self._steps: list[_Begun] = []
        self._seen: list[_Seen] = []
        self._clock_ns = time.time_ns() - time.monotonic_ns()
        self._began_ms = self._now_ms()
        self._tasks: set[asyncio.Task[None]] = set()
        self.dropped: Counter[str] = Counter()
        """What is not in the recording, in words."""

    # The driver's

    async def attach(self, context: BrowserContext) -> None:
        """Record the pages of a new window; it has none yet."""
        self._visit_assets.follow(context)
        context.on("page", lambda page: self._in_background(self._listen(page)))
        await context.add_init_script(_script(self._binding, self._reach))

    def begin_step(self) -> None:
        """Take the moment at which an action begins."""
        self._steps.append(_Begun(self._now_ms()))

    async def note_target(self, box_of: Callable[[str], Awaitable[Box | None]]) -> None:
        """Take the element that is about to be acted on: afterwards its page may be gone.

        `box_of` sends the element an event of this name, which the page's recorder answers by the binding,
        and returns its box.
        """
        step = self._steps[-1]
        step.node, step.is_asking = None, True
        try:
            async with asyncio.timeout(_TARGET_S):
                step.box = await box_of(self._reach)
        except (Error, TimeoutError):
            self.dropped["targets that were not found"] += 1
        finally:
            step.is_asking = False

    def see(self, page: SeenPage, copy: str, hidden: dict[str, int]) -> None:
        """Take the page as it was read for the shopper."""
        self._seen.append(_Seen(page, copy, dict(hidden), self._now_ms()))

    def show(self, page: Page) -> None:
        """Take the tab that is before the shopper again; one that is new shows itself."""
        if page in {shown for _, shown in self._incoming.shown}:
            self._show(page)
            self._in_background(self._snapshot(page))

    async def detach(self, limit_s: float = 1.0) -> None:
        """Take what is still under way, before the window is closed."""
        await self._visit_assets.settle(limit_s)

    # The simulation's

    def finish_step(self, step: Step) -> None:
        """Take the step that came of the last action begun."""
        self._steps[-1].step = step

    async def write(self, outcome: Outcome | None) -> None:
        """Write the visit's recording; the window is closed.

        Raises:
            DataError: the disk is full, or must not be written.
        """
        await asyncio.to_thread(self._write, outcome)

    # What pages send

    async def _listen(self, page: Page) -> None:
        """Give the page's scripts the binding.

        It is Chromium's own. One of Playwright's ends Playwright's process, and with it every visit, when a
        page calls it with a text that is no JSON.
        """
        session = await page.context.new_cdp_session(page)
        session.on("Runtime.bindingCalled", lambda call: self._take(page, call))
        await session.send("Runtime.enable")
        await session.send("Runtime.addBinding", {"name": self._binding})

    def _take(self, page: Page, call: dict[str, Any]) -> None:
        """Take what came through the binding, which any script of the page may have called."""
        if call.get("name") != self._binding:
            return
        text, incoming = call["payload"], self._incoming
        if text == "too large":
            self.dropped[_TOO_LARGE] += 1
        elif number := _NODE.fullmatch(text):
            if (
                self._steps and self._steps[-1].is_asking
            ):  # else it comes too late, and is counted as not found
                self._steps[-1].node = int(number[1])
        elif not text.startswith("["):
            self.dropped["calls that are no events"] += 1
        elif len(text) > MAX_BATCH_CHARS:
            self.dropped["batches that are too large"] += 1
        elif (
            incoming.chars + (size := _written_size(text)) > MAX_VISIT_CHARS
            or len(incoming.batches) >= MAX_VISIT_BATCHES
        ):
            self.dropped["batches past the most that a visit may send"] += 1
        else:
            arrived = self._now_ms()
            if page not in {shown for _, shown in incoming.shown}:
                self._show(page, arrived)
            incoming.chars += size
            incoming.batches.append(_Batch(page, text, arrived))

    def _in_background(self, doing: Coroutine[Any, Any, None]) -> None:
        async def do() -> None:
            with suppress(Error):  # the tab may have gone
                await doing

        task = asyncio.get_running_loop().create_task(do())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _show(self, page: Page, time_ms: float | None = None) -> None:
        self._incoming.shown.append((self._now_ms() if time_ms is None else time_ms, page))

    def _now_ms(self) -> float:
        """Return the time, in whole milliseconds as pages have it, so that the two can be compared.

        It never goes back, as the computer's own may when it is set: steps stand behind their pages by time.
        """
        return float((self._clock_ns + time.monotonic_ns()) // 1_000_000)

    async def _snapshot(self, page: Page) -> None:
        with suppress(Error, TimeoutError):  # the tab may have gone, or hang
            async with asyncio.timeout(_SNAPSHOT_S):
                await page.evaluate("name => window[name]?.again()", self._reach)

    # Writing, in a thread of its own

    def _write(self, outcome: Outcome | None) -> None:
        events = [*self._marks(), *self._events()]
        events.sort(
            key=lambda event: event["timestamp"]
        )  # of one time, marks come first, and the rest as it came
        self.dropped += self._visit_assets.dropped
        ended = VisitEnded(outcome=outcome, dropped=dict(sorted(self.dropped.items())))
        events.append(mark_event(ended, max(self._now_ms(), events[-1]["timestamp"])))
        conceal = self._conceal or str
        found = {conceal(address): asset for address, asset in self._visit_assets.found.items()}
        write_recording(self._folder, self._begun.session_id, Recording(events, found))

    def _marks(self) -> Iterator[Event]:
        """Yield the marks but the last, by time."""
        marks: list[tuple[float, Mark]] = [(self._began_ms, self._begun)]
        for seen in self._seen:
            if (page := self._page_mark(seen)) is not None:
                marks.append((seen.time_ms, page))
        steps = [step for step in self._steps if step.step is not None]
        for index, begun in enumerate(steps):
            assert begun.step is not None
            marks.append((begun.time_ms, StepDone.of(index, begun.step, begun.target)))
        for time_ms, mark in sorted(marks, key=lambda each: each[0]):
            yield mark_event(mark, time_ms)

    def _page_mark(self, seen: _Seen) -> PageSeen | None:
        try:
            copy = self._assets.files.add(seen.copy.encode("utf-8", "replace"))
        except DataError:
            self.dropped["copies of pages that are too large"] += 1
            return None
        html = sha256(seen.page.html.encode("utf-8", "replace")).hexdigest()
        return PageSeen(
            url=seen.page.url, status=seen.page.status, copy_sha256=copy, html_sha256=html, hidden=seen.hidden
        )

    def _events(self) -> Iterator[Event]:
        """Yield the pages' events, in the order of their coming."""
        shown: Page | None = None  # the tab whose page the recording has
        # When it came before the shopper, and the time of the last event: none precedes the visit.
        since = latest = self._began_ms
        for batch in self._incoming.batches:
            if self._shown_at(batch.arrived_ms) is not batch.page:
                self.dropped[_BACKGROUND] += 1
                continue
            for event in self._read(batch):
                if shown is not batch.page and event["type"] != _META:  # its snapshot is still to come
                    self.dropped[_BACKGROUND] += 1
                    continue
                if shown is not batch.page:
                    shown, since = batch.page, latest
                # A new tab may have waited with what it sends: none of it comes before the tab itself.
                time_ms = max(since, self._time(event.get("timestamp"), batch.arrived_ms))
                event["timestamp"], latest = time_ms, max(latest, time_ms)
                if self._conceal is not None:
                    _conceal(event, self._conceal)
                yield event

    def _read(self, batch: _Batch) -> Iterator[Event]:
        """Yield what in a batch is events of rrweb's."""
        try:
            events = json.loads(batch.text, parse_constant=_refuse)
        except (ValueError, RecursionError):  # none of rrweb's, or nested too deeply to be read
            self.dropped["batches that cannot be read"] += 1
            return
        for event in events:
            if (why := self._problem(event)) is None:
                yield event
            else:
                self.dropped[why] += 1

    def _shown_at(self, time_ms: float) -> Page | None:
        found = None
        for since, page in self._incoming.shown:
            if since <= time_ms:
                found = page
        return found

    @staticmethod
    def _problem(event: Any) -> str | None:
        """Return what makes it none of rrweb's events; None where it is one."""
        if not isinstance(event, dict) or type(event.get("type")) is not int:
            return "events that are none of rrweb's"
        data = event.get("data")
        if event["type"] == CUSTOM and isinstance(data, dict) and data.get("tag") == TAG:
            return f"events of pages with the tag {TAG}"
        is_known = event["type"] in _TYPES and event.keys() <= {"type", "data", "timestamp"}
        if not is_known or not isinstance(data, dict):
            return "events that are none of rrweb's"
        return "events that are nested too deeply" if _is_deep(data) else None

    def _time(self, found: Any, arrived_ms: float) -> float:
        """Return when it was, as the page says, or else when it came: a page may say anything."""
        is_number = type(found) in (int, float)
        if is_number and self._began_ms - _EARLY_MS <= found <= arrived_ms + _LATE_MS:
            return min(float(found), arrived_ms)
        self.dropped["times of events that cannot be"] += 1
        return arrived_ms


def _script(binding: str, reach: str) -> str:
    head = _source("record.js").replace("BINDING", binding).replace("REACH", reach)
    return head.replace("/*BUNDLE*/", _source("record.umd.min.cjs"))


@cache
def _source(name: str) -> str:
    return (_FOLDER / name).read_text("utf-8")


def _written_size(text: str) -> int:
    """Return about how many characters a text has as JSON in ASCII, of which the reader has a limit."""
    return len(text) if text.isascii() else len(text.encode("ascii", "backslashreplace"))


def _refuse(constant: str) -> None:
    raise ValueError(constant)


def _is_deep(value: Any) -> bool:
    level: list[Any] = [value]
    for _ in range(_DEPTH_MAX):
        inner = [each.values() if isinstance(each, dict) else each for each in level]
        level = [each for values in inner for each in values if isinstance(each, dict | list)]
        if not level:
            return False
    return True


def _conceal(event: Event, conceal: Callable[[str], str]) -> None:
    """Conceal in every text of an event; names of objects are rrweb's."""
    work: list[Any] = [event]
    while work:
        holder = work.pop()
        for key, value in holder.items() if isinstance(holder, dict) else enumerate(holder):
            if isinstance(value, dict | list):
                work.append(value)
            elif isinstance(value, str):
                holder[key] = conceal(value)
