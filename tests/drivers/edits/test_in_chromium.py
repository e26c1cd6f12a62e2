"""Each kind of edit in real Chromium, on small pages."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from tests.drivers.edits.variants import edits_of
from tests.window import SHOP, Chromium, Content, Window

from shop_r1.drivers.edits.in_window import Held, ShopEdits
from shop_r1.drivers.protocol import Observation
from shop_r1.records.actions import Action, click, type_and_submit

PIXEL = b"<svg xmlns='http://www.w3.org/2000/svg' width='7' height='5'><rect width='7' height='5'/></svg>"


def events_of(window: Window, action: Action) -> dict[str, int]:
    """Return how often each edit is said to hold, from the start on."""
    return {event.detail or "": event.count for event in window.act(action).events if event.kind == "edited"}


CARDS = """<ul>
<li class=card><p class=stars>4.5</p><h2 class=name>Red mug</h2></li>
<li class=card><p class=stars>3.9</p><h2 class=name>Blue mug</h2></li></ul>
<div class=menu><a href="/a">Menu</a><div class=sub><a href="/deal">Deals</a></div></div>
<style>.sub { display: none } .menu:hover .sub { display: block }</style>
<button id=add><svg width=9 height=9><title>bag</title></svg> Add to <b>cart</b></button>
<a id=help href="/help" class=small>Help</a>
<div class=ad style="display: block !important"><a href="/ad">Advert</a></div>
<select name=sort><option>Best<option value=price>Price</select>
<div id=late></div>"""
EDITS: list[dict[str, object]] = [
    {"do": "hide", "selector": ".ad, .sub, option[value=price]"},
    {"do": "move", "selector": ".stars", "after": ".name"},
    {"do": "text", "selector": "#add", "to": "Buy now"},
    {"do": "attribute", "selector": "#help", "name": "class", "to": "large"},
    {"do": "css", "rules": "#help { font-size: 40px } .none { color: red }"},
    {"do": "attribute", "selector": "#help.small", "name": "href", "to": "/faq"},
    {"do": "hide", "selector": ".nothing"},
    {"do": "text", "selector": ".stars", "to": "five", "pages": "/other*"},
]


def test_shoppers_see_the_edited_page_and_not_what_is_hidden(chromium: Chromium) -> None:
    with Window(chromium, {"/": CARDS}, edits=edits_of(*EDITS)) as window:
        seen = window.open()
        html = seen.page.html
        assert "Advert" not in html and "Deals" not in html and "Price" not in html and "Best" in html
        assert [each for each in seen.simplified.by_name if "buy" in each] and "Add to" not in html
        assert html.index("Red mug") < html.index("4.5") < html.index("Blue mug") < html.index("3.9")
        assert window.evaluate("getComputedStyle(document.querySelector('#help')).fontSize") == "40px"
        assert window.evaluate("document.querySelector('#add svg') !== null")
        assert window.driver.held == [
            Held(3, 3, 0),
            Held(2, 2, 0),
            Held(1, 1, 0),
            Held(1, 1, 0),
            Held(1, 1, 0),
            Held(0, 0, 0),
            Held(0, 0, 0),
            None,
        ]
        told = events_of(window, Action(type="scroll"))
    assert told["2 move .stars after .name"] == 2 and len(told) == 5
    assert "7 hide .nothing" not in told


PAINT = """<script>window.log = [];
const look = (when) => {
  const [price, old] = ['.price', '.old'].map((it) => document.querySelector(it));
  log.push([when, price && price.textContent, old && getComputedStyle(old).display]);
};
const paint = new PerformanceObserver(() => { look('paint'); fetch('/painted'); });
paint.observe({ type: 'paint', buffered: true });
document.addEventListener('DOMContentLoaded', () => look('loaded'));
requestAnimationFrame(() => look('frame'));
</script><p class=price>10</p><p class=old>12</p><script>look('script')</script>
<p>More</p><img src="/slow.png">"""


def in_parts() -> dict[str, Content]:
    """Return the page of `PAINT`, of which what follows the price is sent once that has been painted."""
    painted = asyncio.Event()

    async def body() -> AsyncIterator[str]:
        end = PAINT.index("<p class=old>")
        yield PAINT[:end]
        await painted.wait()
        yield PAINT[end:]

    async def show(_: Request) -> Response:
        return StreamingResponse(body(), media_type="text/html")

    async def tell(_: Request) -> Response:
        painted.set()
        return Response()

    return {"/": show, "/painted": tell}


def seen_by(window: Window) -> tuple[list[str], set[str | None], set[str | None]]:
    """Return when a page of `PAINT` looked, and the prices and displays it saw; None where there was none."""
    when, prices, displays = zip(*window.evaluate("log"), strict=True)
    return list(when), set(prices), set(displays)


@pytest.mark.parametrize("is_in_parts", [False, True])
def test_edits_are_there_before_the_first_paint_and_before_the_pages_own_scripts(
    chromium: Chromium, is_in_parts: bool
) -> None:
    pages: dict[str, Content] = in_parts() if is_in_parts else {"/": PAINT}
    edits = edits_of({"do": "text", "selector": ".price", "to": "9"}, {"do": "hide", "selector": ".old"})
    with Window(chromium, pages, edits=edits) as window:
        window.open()
        when, prices, displays = seen_by(window)
    assert {"script", "loaded"} <= set(when)
    assert not is_in_parts or "paint" in when[: when.index("script")]
    assert prices - {None} == {"9"} and displays - {None} == {"none"}


LATE = """<div id=app></div><script>
const draw = (n) => { app.innerHTML = `<h2 class=title>Item ${n}</h2><span class=badge>new</span>`; };
setTimeout(draw, 0, 1); setTimeout(draw, 30, 2);
addEventListener('click', () => {
  history.pushState({}, '', '/item/9');
  app.firstChild.textContent = 'Item 9';
  fetch('/api/stock');
});
</script>"""


@pytest.mark.slow
def test_what_scripts_draw_later_is_edited_and_routes_are_followed(chromium: Chromium) -> None:
    edits = edits_of(
        {"do": "text", "selector": ".title", "to": "Offer", "pages": "/"},
        {"do": "css", "rules": ".badge { color: rgb(1, 2, 3) }", "pages": "/item/*"},
        {"do": "hide", "selector": ".badge", "pages": ["/item/*", "/other"]},
        {"do": "delay", "requests": "/api/*", "seconds": 0.1, "pages": "/item/*"},
    )
    color = "getComputedStyle(document.querySelector('.badge')).color"
    pages: dict[str, Content] = {"/": LATE + "<button>Go</button>", "/api/stock": Response("3")}
    with Window(chromium, pages, edits=edits) as window:
        seen = window.open()
        assert "Offer" in seen.page.html and "Item" not in seen.page.html and "new" in seen.page.html
        assert window.evaluate(color) == "rgb(0, 0, 0)"
        seen = window.act(click(next(iter(seen.simplified.by_name)))).seen
        assert seen.page.url == f"{SHOP}item/9"
        assert "Item 9" in seen.page.html and "new" not in seen.page.html
        assert window.evaluate(color) == "rgb(1, 2, 3)"
        assert window.driver.held[0] is None and window.driver.held[3] == Held(1, 1, 0)


FIGHT = """<p class=price>10</p><button>Go</button><script>
const price = document.querySelector('.price'); window.writes = 0;
new MutationObserver(() => { if (price.textContent !== '10') { writes += 1; price.textContent = '10'; } })
  .observe(price, { childList: true, characterData: true, subtree: true });
price.textContent = '11';
</script>"""


@pytest.mark.slow
def test_a_page_that_takes_an_edit_back_is_left_alone_and_told_of(chromium: Chromium) -> None:
    edits = edits_of({"do": "text", "selector": ".price", "to": "9"})
    with Window(chromium, {"/": FIGHT}, edits=edits) as window:
        seen = window.open()
        window.act(Action(type="scroll"))
        events = {event.kind: event.detail for event in window.act(click("go")).events}
        writes = window.evaluate("writes")
    assert "10" in seen.page.html and 0 < writes < 60
    assert events["edit_undone"] == "1 text .price"


FRAMEWORK = """<div id=root></div><script>
const make = (tag) => document.createElement(tag);
const box = make('div'), item = make('p'), next = make('i');
item.className = 'item'; item.append('one'); item.append(' two'); box.append(item, next); root.append(box);
root.insertAdjacentHTML('beforeend', '<div id=there></div>');
window.redraw = () => {
  item.lastChild.data = ' 2';
  box.insertBefore(make('b'), item);
  box.removeChild(item);
};
</script>"""


@pytest.mark.slow
def test_a_framework_finds_what_it_has_made_again(chromium: Chromium) -> None:
    edits = edits_of(
        {"do": "text", "selector": ".item", "to": "three"},
        {"do": "move", "selector": ".item", "into": "#there"},
    )
    with Window(chromium, {"/": FRAMEWORK}, edits=edits) as window:
        assert "three" in window.open().page.html
        assert window.evaluate("document.querySelector('#there > .item').childNodes.length") == 2
        window.evaluate("redraw()")
        assert window.evaluate("document.querySelector('.item') === null && box.children.length === 2")


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    path = tmp_path / "hero.svg"
    path.write_bytes(PIXEL)
    return path


POLICY = {"Content-Security-Policy": "default-src 'self'; style-src 'self'"}
PARTS = """<img class=hero src=/a.png srcset="/a2.png 2x"><img id=logo src=/logo.png?x=1>
<img id=other src=/b.png><script src=/chat.js></script><script src=/own.js></script>
<p class=bare>bare</p><a href=/next>Next</a>"""


@pytest.mark.slow
def test_requests_are_blocked_delayed_and_answered_with_a_file(chromium: Chromium, picture: Path) -> None:
    script = "(window.ran ||= []).push(document.currentScript.src.split('/').pop());"
    own = "const at = performance.now(); fetch('/api/price').then(() => { took = performance.now() - at; });"
    pages: dict[str, Content] = {
        "/": HTMLResponse(PARTS, headers=POLICY),
        "/chat.js": Response(script, media_type="text/javascript"),
        "/own.js": Response(script + own, media_type="text/javascript"),
        "/api/price": Response("9"),
    }
    edits = edits_of(
        {"do": "block", "requests": "*chat*"},
        {"do": "delay", "requests": "/api/*", "seconds": 0.4},
        {"do": "image", "selector": ".hero", "file": "hero.svg"},
        {"do": "image", "requests": "/logo.png", "file": "hero.svg"},
        {"do": "css", "rules": ".bare { display: none }"},
        folder=picture.parent,
    )
    size = "[...document.images].map((it) => [it.id || it.className, it.naturalWidth])"
    with Window(chromium, pages, edits=edits) as window:
        seen = window.open()
        assert window.evaluate("ran") == ["own.js"]
        assert window.evaluate("took") >= 390
        assert dict(window.evaluate(size)) == {"hero": 7, "logo": 7, "other": 0}
        assert "bare" not in seen.page.html  # although the page allows no style of its own making
        told = events_of(window, Action(type="scroll"))
    assert sorted(each[0] for each in told) == ["1", "2", "3", "4", "5"]


@pytest.mark.slow
def test_query_cookies_and_headers_go_to_the_shops_own_hosts_alone(chromium: Chromium) -> None:
    asked: list[tuple[str, str, str | None, str | None]] = []

    async def show(request: Request) -> Response:
        headers = request.headers
        asked.append(
            (headers["host"], str(request.url.query), headers.get("cookie"), headers.get("x-version"))
        )
        if request.url.path == "/away":
            return Response(status_code=302, headers={"location": "http://cdn.test/there"})
        return HTMLResponse(
            "<a href='/next?q=1'>Next</a><a href='/away'>Away</a><img src=http://cdn.test/x.png>"
        )

    edits = edits_of(query={"look": "b"}, cookies={"flag": "on"}, headers={"X-Version": "b"})
    pages = dict.fromkeys(("/", "/next", "/away", "/there", "/x.png"), show)
    with Window(chromium, pages, edits=edits, more_hosts=["cdn.test"]) as window:
        assert window.open().page.url == f"{SHOP}?look=b"
        assert window.act(click("next")).seen.page.url == f"{SHOP}next?q=1"
        assert window.act(click("away")).seen.page.url == "http://cdn.test/there"
    own = [each for each in asked if each[0] == "shop.test"]
    assert [each[1] for each in own] == ["look=b", "q=1&look=b", "look=b"]
    assert {each[2:] for each in own} == {("flag=on", "b")}
    others = [each for each in asked if each[0] != "shop.test"]
    assert len(others) >= 3 and {each[1:] for each in others} == {("", None, None)}


def open_pages(chromium: Chromium, pages: dict[str, Content], edits: ShopEdits, *more: str) -> Observation:
    with Window(chromium, pages, edits=edits, more_hosts=more) as window:
        return window.open()


@pytest.mark.slow
def test_frames_of_own_hosts_are_edited_and_others_are_not(chromium: Chromium) -> None:
    inner = "<p class=note>Note</p>"
    pages: dict[str, Content] = {
        "/": "<iframe src=/in></iframe><iframe src=http://pay.test/in></iframe>"
        f"<iframe srcdoc='{inner}'></iframe>",
        "/in": inner,
    }
    edits = edits_of({"do": "text", "selector": ".note", "to": "Edited"})
    html = open_pages(chromium, pages, edits, "pay.test").page.html
    assert html.count("Edited") == 2 and html.count("Note") == 1


@pytest.mark.slow
def test_a_new_tab_is_edited_from_its_beginning(chromium: Chromium) -> None:
    pages: dict[str, Content] = {"/": "<a href=/tab target=_blank>Tab</a>", "/tab": PAINT}
    edits = edits_of({"do": "text", "selector": ".price", "to": "9"}, {"do": "hide", "selector": ".old"})
    with Window(chromium, pages, edits=edits) as window:
        window.open()
        result = window.act(click("tab"))
        _, prices, displays = seen_by(window)
    assert "9" in result.seen.page.html
    assert prices - {None} == {"9"} and displays - {None} == {"none"}
    held = {event.detail for event in result.events if event.kind == "edited"}
    assert held == {"1 text .price", "2 hide .old"}


BUYS = """<form method=post action=/go><input name=code aria-label=Code><button>Place order</button></form>
<p id=done></p><button id=js onclick="done.textContent = 'sold'">Buy now</button>"""


def test_what_buys_is_held_back_by_what_it_was_called_before_an_edit(chromium: Chromium) -> None:
    edits = edits_of({"do": "text", "selector": "button", "to": "Go on"})
    with Window(chromium, {"/": BUYS}, edits=edits) as window:
        names = [name for name in window.open().simplified.by_name if "go_on" in name]
        assert len(names) == 2
        results = [window.act(click(name)) for name in names]
        field = next(name for name, it in window.open().simplified.by_name.items() if it.role == "textbox")
        results.append(window.act(type_and_submit(field, "x")))
        for result in results:
            assert result.is_purchase and "sold" not in result.seen.page.html
            assert any(event.kind == "purchase_held" for event in result.events)
