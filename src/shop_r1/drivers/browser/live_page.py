"""The page as it stands in the browser: its copy, simplified, and the way from a name to the live element."""

import json
import re
from collections.abc import Callable
from dataclasses import dataclass

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
_FRAMES_MAX = 8  # in one page, so that advertisements cost no minutes
_FRAME_TIMEOUT_MS = 1000.0
_FRAME = re.compile(rf'<iframe((?:\s[^<>]*?)?) {_ID}="(\d+)"></iframe>')
_NUMBER = re.compile(r'( data-shop-r1-(?:id|hover)=")(\d+)"')
_SHELL = re.compile(r"<(/?)(?:html|body)\b")
_TITLE = re.compile(r' title="([^"]*)"')


@dataclass(frozen=True)
class LiveTarget:
    """A live element that a name leads to."""

    element: Locator
    hovered: Locator | None
    """Over which the mouse has to be for the element to be shown; None where it is in plain sight."""


@dataclass(frozen=True)
class LivePage:
    """What was read of a page."""

    observation: Observation
    copy: str
    """The page as HTML, with what no shopper sees or reaches left out."""
    left_out: dict[str, int]
    """Elements that are not in the copy, by reason."""
    _document: LexborHTMLParser
    _frames: dict[str, Frame]

    def targets(self, element: Element) -> list[LiveTarget]:
        """Return the live elements that a name leads to: its own first, then those that do the same."""
        found: dict[str, LiveTarget] = {}
        for path in (element.path, *element.also):
            attributes = locate(self._document, path).attributes
            if number := attributes.get(_ID):
                hovered = attributes.get(_HOVER)
                found.setdefault(
                    number, LiveTarget(self._locator(number), self._locator(hovered) if hovered else None)
                )
        return list(found.values())

    def _locator(self, number: str) -> Locator:
        frame, _, inner = number.rpartition("/")
        return self._frames[frame].locator(f"{ENGINE}={inner}")


async def read_page(
    page: Page, status_of: Callable[[str], int | None], profile: TestProfile, timeout_ms: float
) -> LivePage:
    """Return the page as it stands now, frames of any origin included, the profile's secrets concealed.

    Raises:
        PageError: it cannot be simplified: it holds no element, or is too large.
        playwright.async_api.Error: it did not answer within the time, or has gone.
    """
    read = json.loads(await page.locator(f"{ENGINE}=observe").text_content(timeout=timeout_ms) or "{}")
    frames = {"": page.main_frame}
    copy = profile.conceal(await _with_frames(page.main_frame, read["html"], "", frames))
    simplified = simplify_page(copy)
    shown = sessions.Page(url=without_fragment(page.url), html=simplified.html, status=status_of(page.url))
    return LivePage(Observation(shown, simplified), copy, read["leftOut"], parse_document(copy), frames)


async def _with_frames(frame: Frame, html: str, prefix: str, frames: dict[str, Frame]) -> str:
    """Put what stands in each frame in the frame's place; its numbers become `frame/number`."""
    for match in reversed(list(_FRAME.finditer(html))[:_FRAMES_MAX]):
        number = f"{prefix}{match[2]}"
        try:
            holder = await frame.locator(f"{ENGINE}={match[2]}").element_handle(timeout=_FRAME_TIMEOUT_MS)
            inner = await holder.content_frame()
            if inner is None:
                continue
            text = await inner.locator(f"{ENGINE}=observe").text_content(timeout=_FRAME_TIMEOUT_MS)
            part = await _with_frames(inner, json.loads(text or "{}")["html"], f"{number}/", frames)
        except Error:  # a frame that is loading, was taken away, or does not answer
            continue
        frames[number] = inner
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
