"""A small picture of what a shopper sees, for people; the page takes no notice of it."""

import asyncio
from base64 import b64decode
from contextlib import suppress

from playwright.async_api import CDPSession, Error, Page

PICTURE_S = 2.5
"""A browser that has given no picture by then is not waited for. Ours."""
WIDTH, QUALITY = 640, 50
"""Of a small picture, in pixels and in JPEG's per cent. Ours."""


async def take_picture(page: Page, width: int = WIDTH, quality: int = QUALITY) -> bytes | None:
    """Return what the window shows of the page as a JPEG, at most so wide; None where none came.

    It is asked for by Chromium's own protocol: Playwright's way adds styles to the page, which a recording
    would show.
    """
    size = page.viewport_size
    if page.is_closed() or size is None:
        return None
    try:
        async with asyncio.timeout(PICTURE_S):
            session = await page.context.new_cdp_session(page)
            taken = await _capture(session, size["width"], size["height"], width, quality)
    except (Error, TimeoutError, ValueError):
        return None  # a session that was opened goes with its page
    with suppress(Error, TimeoutError):
        async with asyncio.timeout(PICTURE_S):
            await session.detach()
    return taken


async def _capture(session: CDPSession, width: int, height: int, most: int, quality: int) -> bytes:
    seen = (await session.send("Page.getLayoutMetrics"))["cssVisualViewport"]
    clip = {
        "x": seen["pageX"],
        "y": seen["pageY"],
        "width": width,
        "height": height,
        "scale": min(1.0, most / width),
    }
    options = {"format": "jpeg", "quality": quality, "optimizeForSpeed": True, "clip": clip}
    taken = await session.send("Page.captureScreenshot", options)
    return b64decode(taken["data"])
