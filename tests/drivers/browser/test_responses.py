"""What a shop may answer with, and what becomes of the visit."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response, StreamingResponse
from tests.window import SHOP, Chromium, Content, Window

from shop_r1.drivers.browser import settle
from shop_r1.drivers.protocol import ActionResult
from shop_r1.errors import PageError
from shop_r1.records.actions import Action, click

TWO = "<h1>Two</h1><a href='/'>Home</a>"
LINKS = (
    "json",
    "pdf",
    "image",
    "empty",
    "text",
    "xml",
    "broken",
    "gone",
    "error",
    "loop",
    "moved",
    "nothing",
)
PIXEL = bytes.fromhex("47494638396101000100800000000000ffffff2c00000000010001000002024401003b")


async def _slow(_: Request) -> Response:
    await asyncio.sleep(3)
    return HTMLResponse(TWO)


async def _never(_: Request) -> Response:
    await asyncio.sleep(60)
    return HTMLResponse(TWO)


async def _endless(_: Request) -> Response:
    async def body() -> AsyncIterator[bytes]:
        yield b""  # the headers go out
        await asyncio.sleep(60)

    return StreamingResponse(body(), media_type="text/html")


PAGES: dict[str, Content] = {
    "/": "".join(f"<a href='/{link}'>{link}</a> " for link in (*LINKS, "slow", "never", "refresh", "hop")),
    "/two": TWO,
    "/json": JSONResponse({"mug": "red"}),
    "/pdf": Response(b"%PDF-1.4\n%%EOF", media_type="application/pdf"),
    "/image": Response(PIXEL, media_type="image/gif"),
    "/empty": Response(b"", media_type="text/html"),
    "/text": Response("plain words", media_type="text/plain"),
    "/xml": Response("<feed><mug>red</mug></feed>", media_type="application/xml"),
    "/broken": Response(b"\xff\xfe\x00<p>\x00mugs</", media_type="text/html"),
    "/error": HTMLResponse("<h1>Out of order</h1>", 500),
    "/loop": RedirectResponse("/loop"),
    "/moved": RedirectResponse("/two"),
    "/nothing": Response(status_code=204),
    "/slow": _slow,
    "/never": _never,
    "/endless": _endless,
    "/bare": "<p>Gone</p><script>onload = () => document.documentElement.remove()</script>",
    "/refresh": "<meta http-equiv=refresh content='0;url=/two'><p>On your way</p>",
    "/hop": """<script>history.pushState({}, '', '/a'); history.replaceState({}, '', '/b');
      history.back()</script><p>Hopped</p>""",
    "/spin": "<meta http-equiv=refresh content='0'><p>Round and round</p>",
    "/hanging": "<a href='/two'>Two</a><img src='/never'>",
    "/large": "<h1>All</h1>"
    + "<div class='card'><p>A red mug of fine clay</p><a href='/two'>Mug</a></div>" * 1000,
    "/huge": "<h1>All</h1><a href='/two'>Two</a>" + f"<p>{'mugs and cups ' * 100}</p>" * 14_300,
    "/deep": "<div>" * 5000 + "<a href='/two'>Two</a>",
}


@pytest.fixture(scope="module")
def window(chromium: Chromium) -> Iterator[Window]:
    with Window(chromium, PAGES) as opened:
        yield opened


def kinds(result: ActionResult) -> list[str]:
    return [event.kind for event in result.events]


@pytest.mark.parametrize(
    ("link", "path", "status", "shown"),
    [
        ("json", "json", 200, '{"mug":"red"}'),
        ("image", "image", 200, ""),
        ("empty", "empty", 200, ""),
        ("text", "text", 200, "plain words"),
        ("xml", "xml", 200, "red"),
        ("broken", "broken", 200, ""),
        ("gone", "gone", 404, "No such page"),
        ("error", "error", 500, "Out of order"),
        ("moved", "two", 200, "Two"),
        ("nothing", "", 200, "json"),
        ("refresh", "two", 200, "Two"),
    ],
)
def test_each_answer_is_shown_with_its_address_and_status(
    window: Window, link: str, path: str, status: int, shown: str
) -> None:
    window.open()
    result = window.act(click(link))
    page = result.seen.page
    assert (result.error, page.url, page.status, kinds(result)) == (None, SHOP + path, status, [])
    assert shown in page.html.replace("&quot;", '"')
    if path not in ("", "two"):
        assert window.act(Action(type="back")).seen.page.url == SHOP


def test_a_pdf_is_shown_or_downloaded_as_the_browser_has_it(window: Window) -> None:
    window.open()
    result = window.act(click("pdf"))
    found = (result.error, result.seen.page.url, kinds(result))
    assert found in [(None, f"{SHOP}pdf", []), (None, SHOP, ["download"])]
    if result.seen.page.url != SHOP:
        assert window.act(Action(type="back")).seen.page.url == SHOP


def test_redirects_in_a_circle_are_an_error_page_that_one_can_leave(window: Window) -> None:
    window.open()
    result = window.act(click("loop"))
    assert (result.seen.page.url, result.seen.page.status) == (f"{SHOP}loop", None)
    assert "redirected you too many times" in result.seen.page.html
    assert window.act(Action(type="back")).seen.page.url == SHOP


def test_a_page_that_rewrites_history_is_read_where_it_ends(window: Window) -> None:
    window.open()
    result = window.act(click("hop"))
    assert result.error is None and "Hopped" in result.seen.page.html


def test_a_slow_page_is_waited_for(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "CEILING_S", 1.0)
    window.open()
    result = window.act(click("slow"))
    assert (result.seen.page.url, kinds(result)) == (f"{SHOP}slow", [])
    assert result.timing is not None and result.timing.act is not None and result.timing.act < 2.0


def test_a_page_that_never_comes_is_given_up(window: Window, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settle, "LOAD_CEILING_S", 1.5)
    window.open()
    result = window.act(click("never"))
    assert (result.error, result.seen.page.url) == (None, SHOP)
    assert [(event.kind, event.detail) for event in result.events] == [
        ("not_settled", "a page that was asked for has not come, or not to its end")
    ]
    assert window.act(click("two" if "two" in result.seen.simplified.by_name else "moved")).seen.page.url == (
        f"{SHOP}two"
    )


def test_a_picture_that_never_comes_holds_up_a_page_to_the_ceiling(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.open("/two")
    monkeypatch.setattr(settle, "CEILING_S", 1.0)
    window.evaluate("location.href = '/hanging'")
    began = time.monotonic()
    result = window.act(Action(type="scroll"))
    assert "two" in result.seen.simplified.by_name and kinds(result) == ["not_settled"]
    assert time.monotonic() - began < 10
    assert window.act(click("two")).seen.page.url == f"{SHOP}two"


def test_a_page_that_loads_itself_for_ever_is_read_all_the_same(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settle, "LOAD_CEILING_S", 2.0)
    assert "Round and round" in window.open("/spin").page.html
    assert kinds(window.act(Action(type="scroll"))) in ([], ["not_settled"])


@pytest.mark.parametrize("path", ["/endless", "/bare"])
def test_a_page_without_any_element_is_empty(
    window: Window, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    monkeypatch.setattr(settle, "LOAD_CEILING_S", 1.0)
    window.open("/two")
    window.evaluate(f"void setTimeout(() => location.href = '{path}')")
    result = window.act(Action(type="scroll"))
    assert (result.error, result.seen.page.url) == (None, SHOP + path[1:])
    assert result.seen.simplified.elements == () and not result.has_ended
    assert window.act(Action(type="back")).seen.page.url == f"{SHOP}two"


def test_a_shop_that_is_not_there_opens_no_page(chromium: Chromium) -> None:
    with (
        Window(chromium, PAGES, routes={"shop.test": ("127.0.0.1", 9)}) as window,
        pytest.raises(PageError, match=r"no page: .*ERR_"),
    ):
        window.open()


def test_pages_of_any_size_are_read_within_limits(window: Window) -> None:
    large = window.open("/large")
    assert len(large.simplified.elements) > 1
    assert window.act(click(large.simplified.elements[-1].name)).seen.page.url == f"{SHOP}two"
    assert window.open("/deep").simplified.elements == ()
    assert kinds(window.act(Action(type="scroll"))) == ["cut"]


def test_a_page_of_20_megabytes_is_cut(window: Window) -> None:
    began = time.monotonic()
    seen = window.open("/huge")
    assert "two" in seen.simplified.by_name
    result = window.act(Action(type="scroll"))
    assert "cut" in kinds(result) and result.error is None
    assert time.monotonic() - began < 60
