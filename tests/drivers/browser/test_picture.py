"""Small pictures for people, which the page takes no notice of."""

import time

from tests.window import Chromium, Window

from shop_r1.drivers.browser.picture import PICTURE_S

WATCHFUL = """
<style>body { margin: 0 } div { height: 3000px; background: linear-gradient(#fff, #000) }</style>
<div></div><a href="/next">Next</a>
<script>
noticed = [];
new MutationObserver((all) => noticed.push("changed")).observe(document, {subtree: true, childList: true,
  attributes: true, characterData: true});
for (const kind of ["resize", "focus", "blur", "visibilitychange"])
  addEventListener(kind, () => noticed.push(kind));
visualViewport.addEventListener("resize", () => noticed.push("zoomed"));
matchMedia("(resolution: 1dppx)").addEventListener("change", () => noticed.push("resolution"));
</script>
"""


def size_of(jpeg: bytes) -> tuple[int, int]:
    """Return width and height, from the frame's header (ISO 10918-1, B.2.2)."""
    place = 2
    while jpeg[place + 1] not in (0xC0, 0xC1, 0xC2):
        place += 2 + int.from_bytes(jpeg[place + 2 : place + 4])
    return int.from_bytes(jpeg[place + 7 : place + 9]), int.from_bytes(jpeg[place + 5 : place + 7])


def test_a_picture_is_small_shows_where_the_window_stands_and_the_page_notices_nothing(
    chromium: Chromium,
) -> None:
    with Window(chromium, {"/": WATCHFUL}) as window:
        assert chromium.run(window.driver.picture()) is None  # no page is open
        window.open()
        window.evaluate("noticed.length = 0")
        top = chromium.run(window.driver.picture())
        assert window.evaluate("[noticed, scrollY, devicePixelRatio]") == [[], 0, 1]
        window.evaluate("scrollTo(0, 2000)")
        below = chromium.run(window.driver.picture())
        assert window.evaluate("noticed") == [] and window.evaluate("scrollY") == 2000
    assert top is not None and below is not None
    assert size_of(top) == size_of(below) == (640, 400)
    assert len(top) < 20_000 and top != below


def test_a_page_that_does_not_answer_gives_no_picture_and_holds_nobody_up(chromium: Chromium) -> None:
    with Window(chromium, {"/": "<a href='/next'>Next</a>"}) as window:
        window.open()
        window.evaluate("void setTimeout(() => { for (;;); })")
        started = time.monotonic()
        assert chromium.run(window.driver.picture()) is None
        assert time.monotonic() - started < 2 * PICTURE_S + 1
