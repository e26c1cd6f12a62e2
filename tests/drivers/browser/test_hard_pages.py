"""Pages as shops build them: what a shopper does there, and what it says where nothing can be done."""

import asyncio
from collections.abc import Iterator

import pytest
from starlette.requests import Request
from starlette.responses import Response
from tests.window import SHOP, Chromium, Content, Window

from shop_r1.drivers.browser import acting
from shop_r1.drivers.browser.live_page import LivePage
from shop_r1.drivers.protocol import ActionResult, Observation
from shop_r1.records.actions import Action, click, type_and_submit

TWO = "<h1>Two</h1><a href='/'>Home</a>"
PAGES: dict[str, Content] = {
    "/two": TWO,
    "/shadow": """<shop-buy></shop-buy><script>customElements.define('shop-buy', class extends HTMLElement {
      connectedCallback() { this.attachShadow({ mode: 'open' }).innerHTML =
        `<button onclick="this.textContent = 'Added'">Add to cart</button>` } })</script>""",
    "/frames": """<h1>Pay</h1><iframe title="Same" src="/inner"></iframe>
      <iframe title="Other" src="http://pay.test/inner"></iframe>""",
    "/inner": """<p style="height:300px">Card</p><iframe title="Deep" srcdoc="
      <button onclick=&quot;this.textContent='Deeply done'&quot;>Dig</button>"></iframe>
      <label>Code <input></label><button onclick="this.textContent='Done'">Check</button>""",
    "/nested": "<h1>Advertisements</h1>" + "<iframe src='/inner'></iframe>" * 7,
    "/redrawn": """<div id="r"></div><script>let n = 0; const draw = () => { r.innerHTML =
      `<button>Add to cart</button><p>${n++}</p>`;
      r.querySelector('button').onclick = () => { document.title = 'clicked'; } };
      draw()</script><a href="/two">Two</a>""",
    "/cookies": """<div style="position:fixed;inset:0;background:#0008" id="wall"><div style="margin:200px">
      <h2>We use cookies</h2><button onclick="wall.remove()">Accept all</button></div></div>
      <h1>Shop</h1><a href="/two">Mugs</a>""",
    "/bars": """<div style="position:sticky;top:0;height:120px;background:#ddd;z-index:2">Head</div>
      <div style="height:1500px"></div><a href="/two">Mugs</a><div style="height:3000px"></div>
      <div style="position:fixed;bottom:0;left:0;right:0;height:200px;background:#eee">Cookies?</div>""",
    "/combobox": """<div role="combobox" tabindex="0" aria-label="Size" id="c" onclick="l.hidden =
      !l.hidden">None
      </div><ul role="listbox" id="l" hidden><li role="option" onclick="c.textContent = 'S';
      l.hidden = true">Small
      <li role="option" onclick="c.textContent = 'M'; l.hidden = true">Medium</ul>""",
    "/hover": """<style>.menu ul { display: none } .menu:hover ul { display: block }</style>
      <nav><ul><li class="menu"><a href="/kitchen">Kitchen</a><ul><li><a href="/two">Mugs</a></ul></ul></nav>
      <button id="b">Account</button><div id="m" hidden><a href="/two">Orders</a></div>
      <script>b.onmouseenter = () => { m.hidden = false }</script>""",
    "/scroll": """<style>p { height: 60px }</style><div id="l"></div><script>let n = 0; const more = () => {
      for (let i = 0; i < 20; i++) { const p = document.createElement('p');
      p.innerHTML = `<a href="/two?${n}">Item ${n++}</a>`; l.append(p) } }; more();
      new IntersectionObserver((seen) => { if (seen[0].isIntersecting) more() })
      .observe(document.body.appendChild(document.createElement('div')))</script>""",
    "/formless": """<label>Search <input onkeydown="if (event.key === 'Enter') o.textContent = 'found ' +
      value">
      </label><p id="o"></p>""",
    "/enterless": """<div><label>Search <input id="q"></label>
      <button onclick="o.textContent = 'found ' + q.value">
      Go</button></div><p id="o"></p>""",
    "/ignored": """<label>Nickname <input></label><button onclick="document.title =
      'pressed'">Show</button>""",
    "/editable": """<div contenteditable="true" role="textbox" aria-label="Note">old</div>
      <textarea aria-label="Gift text">before</textarea>""",
    "/boxes": """<style>.t { position: absolute; opacity: 0; width: 0; height: 0 }</style>
      <label><input class="t" type="checkbox" onchange="o.textContent = 'wrapped ' + checked">
      <span>Gift wrap</span></label><label><input type="radio" name="s" onchange="o.textContent =
      'fast'">Fast</label>
      <p id="o"></p><button disabled>Sold out</button>
      <fieldset disabled><label>Coupon <input></label></fieldset><label>Total <input readonly value="9">
      </label>""",
    "/late": """<button id="b" disabled>Add to cart</button><script>setTimeout(() => { b.disabled = false
      }, 700);
      b.onclick = () => { b.textContent = 'Added' }</script>""",
    "/spa": """<a href="/spa/mugs" id="a">Mugs</a><a href="#/cups" id="h">Cups</a><main id="m">home</main>
      <script>
      a.onclick = (event) => { event.preventDefault(); history.pushState({}, '', '/spa/mugs');
        setTimeout(async () => { await fetch('/slow'); m.innerHTML = '<h1>All mugs</h1>' }, 30) };
      onhashchange = () => { m.innerHTML = '<h1>All cups</h1>' };
      onpopstate = () => { if (!location.hash) m.innerHTML = 'home' }</script>""",
    "/ticker": """<button onclick="this.textContent = 'Pressed'">Press</button><p id="t"></p><script>
      setInterval(() => { t.textContent = Date.now() }, 20); (async () => { for (;;) await fetch('/poll') })()
      </script><div id="c"></div><script>setInterval(() => { c.replaceChildren(new Date()) }, 30)</script>""",
    "/longpoll": """<button onclick="this.textContent = 'Pressed'">Press</button>
      <script>fetch('/never')</script>""",
    "/div": """<div id="d" style="cursor:pointer">Show more</div><p id="o"></p>
      <script>d.addEventListener('click', () => { o.textContent = 'all of it' })</script>""",
    "/clobbered": """<form id="f" action="/two"><input name="id" value="7"><input name="matches">
      <input name="children">
      <input name="localName"><input name="parentElement"><input name="attributes"><input name="nodeType">
      <button>Add</button></form>""",
    "/moving": """<style>@keyframes m { from { margin-left: 0 } to { margin-left: 600px } }
      button { animation: m 1.5s linear infinite alternate }</style><button id="b">Catch</button>
      <script>b.onclick = () => { b.textContent = 'Caught' }</script>""",
    "/swapped": """<button id="a"
      style="position:absolute;top:50px;left:50px;width:200px;height:60px">Mug</button>
      <button id="x" style="position:absolute;top:200px;left:50px;width:200px;height:60px">Buy cup</button>
      <script>
      a.onmousemove = () => { [a.style.top, x.style.top] = ['200px', '50px']; a.onmousemove = null };
      a.onclick = () => { a.textContent = 'mug' }; x.onclick = () => { x.textContent = 'WRONG' }</script>""",
    "/covered": """<div style="position:relative"><button>Under</button>
      <div style="position:absolute;inset:0;background:#fff">Over</div></div><a href="/two">Two</a>""",
    "/popup": """<label>Size <select><option>Small<option>Large</select></label><a href="/two">Two</a>
      <label>Day <input type="date"></label><label>Count <input type="number"></label>""",
    "/bare": "<p>Nothing to do here.</p>",
    "/throws": "<button onclick='cart.add(1)'>Add</button>",
    "/options": """<label>Size <select onchange="o.textContent = 'size ' + value"><option value="s">Small
      <option value="l">Large<option disabled>Huge</select></label><p id="o"></p>""",
}


async def _slow(_: Request) -> Response:
    await asyncio.sleep(0.4)
    return Response("x")


async def _poll(_: Request) -> Response:
    await asyncio.sleep(0.03)
    return Response("x")


async def _never(_: Request) -> Response:
    await asyncio.sleep(20)
    return Response("x")


@pytest.fixture(scope="module")
def window(chromium: Chromium) -> Iterator[Window]:
    pages = PAGES | {"/slow": _slow, "/poll": _poll, "/never": _never}
    hosts = ("pay.test",)
    with Window(chromium, pages, more_hosts=hosts) as opened:
        yield opened


def name_of(seen: Observation, end: str) -> str:
    """Return the only name that ends so."""
    (found,) = [element.name for element in seen.simplified.elements if element.name.endswith(end)]
    return found


def kinds(result: ActionResult) -> list[str]:
    return [event.kind for event in result.events]


def test_an_open_shadow_root_is_seen_and_acted_in(window: Window) -> None:
    window.open("/shadow")
    assert "Added" in window.act(click("add_to_cart")).seen.page.html


def test_frames_of_any_origin_are_seen_and_acted_in(window: Window) -> None:
    seen = window.open("/frames")
    checks = [element.name for element in seen.simplified.elements if element.name.endswith("check")]
    digs = [element.name for element in seen.simplified.elements if element.name.endswith("dig")]
    codes = [element.name for element in seen.simplified.elements if element.role == "textbox"]
    assert (len(checks), len(digs), len(codes)) == (2, 2, 2)
    for name in (*digs, *checks):
        assert window.act(click(name)).error is None
    for number, name in enumerate(codes):
        result = window.act(Action(type="input", name=name, text=f"code {number}"))
    html = result.seen.page.html
    assert (html.count("Deeply done"), html.count("Done"), html.count('value="code')) == (2, 2, 2)
    assert [frame.url for frame in window.page.frames if "pay.test" in frame.url] == ["http://pay.test/inner"]


def test_frames_in_frames_count_among_those_that_are_read(window: Window) -> None:
    # Seven, of which the last, which is read first, has the eighth in it; the other six have one each.
    html = window.open("/nested").page.html
    assert (html.count("Check"), html.count("Dig")) == (7, 1)
    assert window.driver._live is not None and window.driver._live.left_out["frame"] == 6


@pytest.mark.parametrize("times", [1, 3])
def test_an_element_that_is_drawn_anew_is_found_by_its_name(
    window: Window, times: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a page with a clock: drawn after it was read, and after each reading but the last."""
    window.open("/redrawn")
    window.evaluate("draw()")
    read, left = window.driver._read, times - 1

    async def read_then_draw() -> LivePage:
        nonlocal left
        live = await read()
        if left:
            left -= 1
            await window.page.evaluate("draw()")
        return live

    monkeypatch.setattr(window.driver, "_read", read_then_draw)
    result = window.act(click("add_to_cart"))
    assert result.error is None and window.evaluate("document.title") == "clicked"
    assert [(event.kind, event.count) for event in result.events] == [("named_again", times)]


def test_an_element_that_is_never_caught_is_said_to_be_gone(
    window: Window, monkeypatch: pytest.MonkeyPatch
) -> None:
    window.open("/redrawn")
    read = window.driver._read

    async def read_then_draw() -> LivePage:
        live = await read()
        await window.page.evaluate("draw()")
        return live

    window.evaluate("draw()")
    with monkeypatch.context() as patched:
        patched.setattr(window.driver, "_read", read_then_draw)
        patched.setattr(acting, "_READY_S", 0.1)
        result = window.act(click("add_to_cart"))
    assert result.error == "'add_to_cart' has gone from the page since it was read"
    assert window.evaluate("document.title") != "clicked"


def test_a_wall_of_cookies_is_all_there_is_until_it_is_answered(window: Window) -> None:
    seen = window.open("/cookies")
    assert [element.name for element in seen.simplified.elements] == ["we_use_cookies.accept_all"]
    assert "mugs" in window.act(click("we_use_cookies.accept_all")).seen.simplified.by_name


def test_bars_that_stay_cover_nothing(window: Window) -> None:
    window.open("/bars")
    assert window.act(click("mugs")).seen.page.url == f"{SHOP}two"


def test_a_list_of_ones_own_making_takes_two_clicks(window: Window) -> None:
    seen = window.open("/combobox")
    opened = window.act(click(name_of(seen, "size")))
    window.act(click(name_of(opened.seen, "medium")))
    assert window.evaluate("c.textContent") == "M"


def test_menus_open_under_the_mouse_by_style_and_by_script(window: Window) -> None:
    seen = window.open("/hover")
    assert window.act(click(name_of(seen, "mugs"))).seen.page.url == f"{SHOP}two"
    seen = window.open("/hover")
    assert "orders" not in seen.simplified.by_name
    over = window.act(Action(type="hover", name="account"))
    assert window.act(click(name_of(over.seen, "orders"))).seen.page.url == f"{SHOP}two"


def test_scrolling_brings_more(window: Window) -> None:
    first = window.open("/scroll")
    for _ in range(3):
        result = window.act(Action(type="scroll"))
    assert len(result.seen.simplified.elements) > len(first.simplified.elements)


def test_enter_where_there_is_no_form(window: Window) -> None:
    for path, expected in (("/formless", []), ("/enterless", ["enter_ignored"])):
        seen = window.open(path)
        name = next(element.name for element in seen.simplified.elements if element.role.endswith("box"))
        result = window.act(type_and_submit(name, "mug"))
        assert "found mug" in result.seen.page.html and kinds(result) == expected


def test_enter_that_does_nothing_presses_no_other_button(window: Window) -> None:
    window.open("/ignored")
    result = window.act(type_and_submit("nickname", "Ann"))
    assert result.error is None and window.evaluate("document.title") != "pressed"


def test_text_replaces_what_was_there(window: Window) -> None:
    window.open("/editable")
    window.act(Action(type="input", name="note", text="new note"))
    result = window.act(Action(type="input", name="gift_text", text="after"))
    assert window.evaluate("document.querySelector('div').textContent") == "new note"
    assert "after" in result.seen.page.html and "before" not in result.seen.page.html


def test_boxes_of_any_look_are_ticked_and_what_is_disabled_says_so(window: Window) -> None:
    seen = window.open("/boxes")
    assert "wrapped true" in window.act(click(name_of(seen, "gift_wrap"))).seen.page.html
    assert "fast" in window.act(click(name_of(seen, "fast"))).seen.page.html
    sold = window.act(click("sold_out"))
    assert sold.error == "'sold_out' is on the page, but it is disabled" and not sold.has_ended
    for name in ("coupon", "total"):
        typed = window.act(Action(type="input", name=name_of(seen, name), text="x"))
        assert typed.error is not None and "takes no text: it is disabled" in typed.error


def test_a_button_that_is_enabled_late_is_waited_for(window: Window) -> None:
    window.open("/late")
    assert "Added" in window.act(click("add_to_cart")).seen.page.html


def test_routes_that_scripts_draw(window: Window) -> None:
    window.open("/spa")
    mugs = window.act(click("mugs"))
    assert "All mugs" in mugs.seen.page.html and mugs.seen.page.url == f"{SHOP}spa/mugs"
    assert mugs.seen.page.status is None  # nobody has asked for that address
    cups = window.act(click("cups"))
    assert "All cups" in cups.seen.page.html and cups.seen.page.url == f"{SHOP}spa/mugs#/cups"
    window.act(Action(type="back"))
    assert window.act(Action(type="back")).seen.page.url == f"{SHOP}spa"


@pytest.mark.parametrize("path", ["/ticker", "/longpoll"])
def test_what_never_rests_is_not_waited_for(window: Window, path: str) -> None:
    window.open(path)
    window.act(click("press"))
    result = window.act(Action(type="scroll"))
    assert "Pressed" in result.seen.page.html and kinds(result) == []  # not the ceiling


def test_what_only_its_cursor_shows_can_be_clicked(window: Window) -> None:
    window.open("/div")
    assert "all of it" in window.act(click("show_more")).seen.page.html


def test_fields_with_the_names_of_properties_are_fields(window: Window) -> None:
    seen = window.open("/clobbered")
    assert len(seen.simplified.elements) == 8
    assert window.act(click("add")).seen.page.url.startswith(f"{SHOP}two?id=7")


def test_a_click_reaches_what_was_aimed_at_or_nothing(window: Window) -> None:
    window.open("/moving")
    assert "Caught" in window.act(click("catch")).seen.page.html
    window.open("/swapped")
    result = window.act(click("mug"))
    assert result.error is None and kinds(result) == ["covered"]
    assert window.evaluate("[a.textContent, x.textContent]") == ["mug", "Buy cup"]
    seen = window.open("/covered")
    assert "two" in seen.simplified.by_name
    under = window.act(click("under"))
    assert under.error == "'under' is on the page, but it is covered by <div> Over"
    assert kinds(under) == ["covered"]


def test_an_error_that_no_script_catches_is_an_event_of_its_step(window: Window) -> None:
    seen = window.open("/throws")
    result = window.act(click(name_of(seen, "add")))
    (event,) = result.events
    assert (event.kind, event.detail, result.error) == ("page_error", "cart is not defined", None)
    assert window.act(Action(type="scroll")).events == ()


def test_a_list_that_is_clicked_is_not_in_the_way(window: Window) -> None:
    seen = window.open("/popup")
    assert window.act(click(name_of(seen, "size"))).error is None
    result = window.act(click("two"))
    assert (result.error, result.seen.page.url) == (None, f"{SHOP}two")


def test_fields_of_a_kind_take_text_of_that_kind(window: Window) -> None:
    seen = window.open("/popup")
    day, count = name_of(seen, "day"), name_of(seen, "count")
    for name, text in ((day, "2026-11-28"), (count, "3")):
        result = window.act(Action(type="input", name=name, text=text))
        assert result.error is None and f'value="{text}"' in result.seen.page.html
    for name, text in ((day, "soon"), (count, "many")):
        error = window.act(Action(type="input", name=name, text=text)).error
        assert error is not None and "does not take such text" in error


def test_a_page_with_nothing_to_do_is_a_page(window: Window) -> None:
    seen = window.open("/bare")
    assert seen.simplified.elements == () and "Nothing to do here" in seen.page.html
    assert window.act(click("mug")).error is not None


def test_lists_are_chosen_from_by_text_value_or_click(window: Window) -> None:
    seen = window.open("/options")
    size = name_of(seen, "size")
    assert "size l" in window.act(Action(type="select", name=size, text=" large")).seen.page.html
    assert "size s" in window.act(Action(type="select", name=size, text="s")).seen.page.html
    assert "size l" in window.act(click(name_of(seen, "large"))).seen.page.html
    assert window.act(Action(type="select", name=size, text="Huge")).error is not None
    wrong = window.act(Action(type="select", name=name_of(seen, "large"), text="Large"))
    assert wrong.error is not None and "expected a drop-down list" in wrong.error


def test_a_name_leads_nowhere_once_its_element_is_gone(window: Window) -> None:
    window.open("/covered")
    window.evaluate("document.querySelector('a').remove()")
    result = window.act(click("two"))
    assert result.error is not None and kinds(result) == ["named_again"]
