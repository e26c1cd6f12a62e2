"""The page as it stands in the browser: its copy, simplified, and the way from a name to the live element."""

import asyncio
import json
import re
from dataclasses import dataclass
from functools import partial
from typing import Any

from playwright.async_api import Error, Frame, Locator, Page
from selectolax.lexbor import LexborHTMLParser

from shop_r1.drivers.bounds.test_profile import TestProfile
from shop_r1.drivers.protocol import Observation
from shop_r1.pages.elements import Element
from shop_r1.pages.parse.document import locate, parse_document
from shop_r1.pages.simplify import simplify_page
from shop_r1.records import sessions

ENGINE = "shopr1"
"""The selector engine's name, `observe.js`."""
_ID, _HOVER = "data-shop-r1-id", "data-shop-r1-hover"
_LARGE_CHARS = 300_000  # of a copy
_FRAMES_MAX = 8  # in one page, those in frames included, so that advertisements cost no minutes
_FRAME_TIMEOUT_MS = 1000.0
_FRAME = re.compile(rf'<iframe((?:\s[^<>]*?)?) {_ID}="(\d+)"></iframe>')
_NUMBER = re.compile(r'( data-shop-r1-(?:id|hover)=")(\d+)"')
_OWN = re.compile(r'( data-shop-r1-(?:id|hover)="\d{1,5}(?:/\d{1,5})*")')
"""Numbers of elements, which are no secrets although one of the profile's may be written so."""
_SHELL = re.compile(r"<(/?)(?:html|body)\b")
_TITLE = re.compile(r' title="([^"]*)"')


@dataclass(frozen=True)
class LiveTarget:
    """A live element that a name leads to."""

    number: str
    """Its own in its frame, after those of the frames around it: `3/17`."""
    frames: dict[str, Frame]
    hovered: "LiveTarget | None" = None
    """Over which the mouse has to be for the element to be shown; None where it is in plain sight."""

    @property
    def element(self) -> Locator:
        """It, for Playwright."""
        frame, _, inner = self.number.rpartition("/")
        return self.frames[frame].locator(f"{ENGINE}={inner}")

    async def ask(self, what: str) -> dict[str, Any]:
        """Return what `observe.js` says of it: `{"why": "gone"}` where it is no longer connected.

        Raises:
            playwright.async_api.Error: its frame does not answer, or has gone.
        """
        frame, _, inner = self.number.rpartition("/")
        return await ask(self.frames[frame], f"{what}:{inner}")

    async def aim(self, *, is_click: bool = False) -> dict[str, Any]:
        """Return `x` and `y` where the mouse reaches it in the window, or `why` it does not.

        With `is_click`, the next click reaches it or nothing.
        """
        spot = await self.ask("click" if is_click else "aim")
        holder = self.number
        while "why" not in spot and "/" in holder:
            holder = holder.rpartition("/")[0]
            outer = LiveTarget(holder, self.frames)
            at = await ask(outer.frame_around, f"frame:{holder.rpartition('/')[2]}:{spot['x']}:{spot['y']}")
            if not at.get("isHit"):
                return {"why": at.get("why", "covered"), "by": "what lies over its frame"}
            spot = {"x": at["x"], "y": at["y"]}
        return spot

    async def announce(self, event: str) -> tuple[float, float, float, float] | None:
        """Send it an event of this name, and return its box in the window; None where it is gone.

        Raises:
            playwright.async_api.Error: its frame does not answer, or has gone.
        """
        frame, _, inner = self.number.rpartition("/")
        found = await ask(self.frames[frame], f"announce:{inner}:{event}")
        if "why" in found:
            return None
        left, top, width, height = found["box"]
        while frame:
            outer = LiveTarget(frame, self.frames)
            at = await ask(outer.frame_around, f"frame:{frame.rpartition('/')[2]}:{left}:{top}")
            if "why" in at:
                return None
            left, top, frame = at["x"], at["y"], frame.rpartition("/")[0]
        return left, top, width, height

    async def outcome(self) -> dict[str, Any]:
        """Return whether the click that was aimed reached it."""
        return await ask(self.frame_around, "outcome")

    @property
    def frame_around(self) -> Frame:
        """The frame that it is in."""
        return self.frames[self.number.rpartition("/")[0]]


async def ask(frame: Frame, question: str) -> dict[str, Any]:
    """Return what `observe.js` answers in a frame.

    Raises:
        playwright.async_api.Error: it does not answer within the window's time, or has gone.
    """
    found: dict[str, Any] = json.loads(await frame.locator(f"{ENGINE}={question}").text_content() or "{}")
    return found


async def ask_edits(frame: Frame, channel: str) -> list[list[int] | None]:
    """Return what the script of a version's edits says of each: `drivers.edits.in_window.Held`, in its order.

    None stands for an edit of other pages; the list is empty where the frame is edited by none.

    Raises:
        playwright.async_api.Error: the frame does not answer within the window's time, or has gone.
    """
    found: list[list[int] | None] = (await ask(frame, f"edits:{channel}")).get("edits", [])
    return found


@dataclass(frozen=True)
class LivePage:
    """What was read of a page."""

    observation: Observation
    copy: str
    """The page as HTML, with what no shopper sees or reaches left out."""
    left_out: dict[str, int]
    """Elements that are not in the copy, by reason, and frames that were not read."""
    _document: LexborHTMLParser
    _frames: dict[str, Frame]

    @property
    def frames(self) -> list[Frame]:
        """The frames that were read, the main one apart."""
        return [frame for number, frame in self._frames.items() if number]

    def targets(self, element: Element) -> list[LiveTarget]:
        """Return the live elements that a name leads to: its own first, then those that do the same."""
        found: dict[str, LiveTarget] = {}
        for path in (element.path, *element.also):
            attributes = locate(self._document, path).attributes
            if number := attributes.get(_ID):
                over = attributes.get(_HOVER)
                hovered = LiveTarget(over, self._frames) if over else None
                found.setdefault(number, LiveTarget(number, self._frames, hovered))
        return list(found.values())


async def read_page(page: Page, asked_url: str, profile: TestProfile, timeout_ms: float) -> LivePage:
    """Return the page as it stands now, frames of any origin included, the profile's secrets concealed.

    `asked_url` is what was asked for, which Chromium's own pages about errors do not say.

    Raises:
        PageError: it cannot be simplified: it holds no element, or is too large.
        playwright.async_api.Error: it did not answer within the time, or has gone.
    """
    read = json.loads(await page.locator(f"{ENGINE}=observe").text_content(timeout=timeout_ms) or "{}")
    frames = _Frames({"": page.main_frame})
    copy = await _with_frames(page.main_frame, read["html"], "", frames)
    if frames.unread:
        read["leftOut"]["frame"] = frames.unread
    url = page.url if page.url.startswith(("http:", "https:")) else asked_url or page.url
    make = partial(_make, copy, without_fragment(url), read, profile, frames.found)
    # Elsewhere, so that other shoppers go on; the detour takes longer than a small page.
    return await asyncio.to_thread(make) if len(copy) > _LARGE_CHARS else make()


def _make(
    copy: str, url: str, read: dict[str, Any], profile: TestProfile, frames: dict[str, Frame]
) -> LivePage:
    parts = _OWN.split(copy) if profile.names else [copy]
    copy = "".join(part if at % 2 else profile.conceal(part) for at, part in enumerate(parts))
    simplified = simplify_page(copy)
    shown = sessions.Page(url=profile.conceal(url), html=simplified.html, status=read["status"])
    return LivePage(Observation(shown, simplified), copy, read["leftOut"], parse_document(copy), frames)


@dataclass
class _Frames:
    """The frames of one page."""

    found: dict[str, Frame]
    room: int = _FRAMES_MAX
    """How many more are read."""
    unread: int = 0
    """How many were not: too many, or without an answer."""


async def _with_frames(frame: Frame, html: str, prefix: str, frames: _Frames) -> str:
    """Put what stands in each frame in the frame's place; its numbers become `frame/number`."""
    matches = list(_FRAME.finditer(html))
    read = matches[: frames.room]
    frames.room -= len(read)
    frames.unread += len(matches) - len(read)
    for match in reversed(read):
        number = f"{prefix}{match[2]}"
        try:
            holder = await frame.locator(f"{ENGINE}={match[2]}").element_handle(timeout=_FRAME_TIMEOUT_MS)
            inner = await holder.content_frame()
            if inner is None:
                frames.unread += 1
                continue
            text = await inner.locator(f"{ENGINE}=observe").text_content(timeout=_FRAME_TIMEOUT_MS)
            part = await _with_frames(inner, json.loads(text or "{}")["html"], f"{number}/", frames)
        except Error:  # a frame that is loading, was taken away, or does not answer
            frames.unread += 1
            continue
        frames.found[number] = inner
        part = _NUMBER.sub(rf'\g<1>{number}/\g<2>"', _SHELL.sub(r"<\1div", part))
        title = _TITLE.search(match[1])
        label = title[1] if title else "frame"
        html = f'{html[: match.start()]}<section aria-label="{label}">{part}</section>{html[match.end() :]}'
    return html


def without_fragment(url: str) -> str:
    """Return the address without a place on the page; a fragment that is a route of a script's stays.

    >>> without_fragment("https://shop.example/mugs#reviews"), without_fragment("https://shop.example/#/mugs")
    ('https://shop.example/mugs', 'https://shop.example/#/mugs')
    """
    address, mark, fragment = url.partition("#")
    return url if mark and fragment.startswith(("/", "!")) else address
