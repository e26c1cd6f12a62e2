"""The table of channels: by each, a hostile page tries to reach another host, and nothing arrives there."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from html import escape
from typing import Any

import pytest
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from tests.window import SHOP, Chromium, Content, Window

from shop_r1.drivers.bounds.hosts import Hosts
from shop_r1.records.actions import click
from shop_r1.store.serve import served

OUT = "http://outside.test"
QUIET_S, LONGEST_S = 1.0, 12.0

TAGS = {
    "style": '<link rel="stylesheet" href="OUT/style">',
    "prefetch": '<link rel="prefetch" href="OUT/prefetch">',
    "preload": '<link rel="preload" as="image" href="OUT/preload">',
    "modulepreload": '<link rel="modulepreload" href="OUT/modulepreload">',
    "preconnect": '<link rel="preconnect" href="OUT">',
    "dns-prefetch": '<link rel="dns-prefetch" href="http://dns.outside.test">',
    "manifest": '<link rel="manifest" href="OUT/manifest">',
    "icon": '<link rel="icon" href="OUT/icon">',
    "speculative-prefetch": """<script type="speculationrules">{"prefetch": [{"source": "list", "eagerness":
      "immediate", "urls": ["OUT/speculative-prefetch"]}]}</script>""",
    "speculative-prerender": """<script type="speculationrules">{"prerender": [{"source": "list", "eagerness":
      "immediate", "urls": ["/prerendered"]}]}</script>""",
    "picture": '<img src="OUT/picture">',
    "picture-by-address": '<img src="ADDRESS/picture-by-address">',
    "srcset": '<img srcset="OUT/srcset 1x">',
    "redirected-picture": '<img src="/away/redirected-picture">',
    "frame": '<iframe src="OUT/frame"></iframe>',
    "redirected-frame": '<iframe src="/away/redirected-frame"></iframe>',
    "refreshed-frame": '<iframe src="/refresh/refreshed-frame"></iframe>',
    "srcdoc": '<iframe srcdoc="<img src=OUT/srcdoc>"></iframe>',
    "data-frame": '<iframe src="data:text/html,<img src=OUT/data-frame>"></iframe>',
    "script": '<script src="OUT/script"></script>',
    "video": '<video src="OUT/video" preload="auto"></video>',
    "poster": '<video poster="OUT/poster"></video>',
    "object": '<object data="OUT/object"></object>',
    "embed": '<embed src="OUT/embed">',
    "vector": '<svg><image href="OUT/vector" width="9" height="9" /></svg>',
    "image-button": '<input type="image" src="OUT/image-button">',
    "background": '<div style="background: url(OUT/background); width: 9px; height: 9px"></div>',
    "import-rule": "<style>@import url(OUT/import-rule);</style>",
    "font": """<style>@font-face { font-family: far; src: url(OUT/font) }</style>
      <p style="font-family: far">text</p>""",
    "attribution": '<img src="/ok" attributionsrc="OUT/attribution">',
    "policy-report": '<iframe src="/policy"></iframe>',
    "form": """<iframe name="sink"></iframe><form id="sent" method="post" action="OUT/form" target="sink">
      <input name="a" value="b"></form><script>sent.submit()</script>""",
}
SCRIPTS = {
    "fetch": 'fetch("OUT/fetch", {mode: "no-cors"})',
    "redirected-fetch": 'fetch("/away/redirected-fetch", {mode: "no-cors"})',
    "preflight": 'fetch("OUT/preflight", {method: "PUT", headers: {"x-a": "1"}})',
    "keepalive": 'fetch("OUT/keepalive", {mode: "no-cors", keepalive: true})',
    "xhr": 'const x = new XMLHttpRequest(); x.open("GET", "OUT/xhr"); x.send()',
    "beacon": 'navigator.sendBeacon("OUT/beacon", "x")',
    "socket": 'new WebSocket("ws://outside.test/socket")',
    "event-source": 'new EventSource("OUT/event-source")',
    "module": 'import("OUT/module")',
    "worker": """new Worker(URL.createObjectURL(new Blob(['fetch("OUT/worker", {mode: "no-cors"})'])))""",
    "worker-socket": """new Worker(URL.createObjectURL(new Blob([
      'new WebSocket("ws://outside.test/worker-socket")'])))""",
    "worker-import": """new Worker(URL.createObjectURL(new Blob(['importScripts("OUT/worker-import")'])))""",
    "shared-worker": 'new SharedWorker("/shared.js")',
    "service-worker": 'navigator.serviceWorker.register("/service.js")',
    "blob-frame": """const f = document.createElement("iframe"); document.documentElement.append(f);
      f.src = URL.createObjectURL(new Blob(['<img src="OUT/blob-frame">'], {type: "text/html"}))""",
    "window": 'window.open("OUT/window")',
    "stun": """const p = new RTCPeerConnection({iceServers: [{urls: "stun:127.0.0.1:DATAGRAMS"}]});
      p.createDataChannel("x"); p.createOffer().then((offer) => p.setLocalDescription(offer))""",
    "turn": """const p = new RTCPeerConnection({iceServers: [{urls: "turn:127.0.0.1:PORT?transport=tcp",
      username: "a", credential: "b"}]}); p.createDataChannel("x");
      p.createOffer().then((offer) => p.setLocalDescription(offer))""",
    "web-transport": 'new WebTransport("https://outside.test:PORT/web-transport")',
    "fetch-later": 'fetchLater("OUT/fetch-later", {activateAfter: 0})',
}
CLICKS = {
    "link": '<a href="OUT/link">link</a>',
    "redirected-link": '<a href="/away/redirected-link">redirected-link</a>',
    "new-tab": '<a href="OUT/new-tab" target="_blank">new-tab</a>',
    "redirected-tab": '<a href="/away/redirected-tab" target="_blank">redirected-tab</a>',
    "script-link": """<a href="javascript:location = 'OUT/script-link'">script-link</a>""",
    "opened": """<button onclick="window.open('OUT/opened', '', 'noopener')">opened</button>""",
    "assigned": """<button onclick="location.assign('OUT/assigned')">assigned</button>""",
    "posted": '<form method="post" action="OUT/posted"><button>posted</button></form>',
    "posted-tab": """<form method="post" target="_blank" action="OUT/posted-tab">
      <button>posted-tab</button></form>""",
    "ping": '<a href="#x" ping="OUT/ping">ping</a>',
    "download": '<a href="OUT/download" download>download</a>',
    "refresh": '<a href="/refresh/refresh">refresh</a>',
    "leaving": """<a href="/ok" onclick="addEventListener('pagehide', () =>
      navigator.sendBeacon('OUT/leaving'))">leaving</a>""",
}
LOCAL = {
    "file": '<a href="file:///etc/passwd">file</a>',
    "chrome": '<a href="chrome://version">chrome</a>',
    "data": '<a href="data:text/html,<h1>data</h1>">data</a>',
    "source": '<a href="view-source:http://shop.test/">source</a>',
}
NEVER = {
    *("dns-prefetch", "manifest", "icon", "attribution", "stun", "turn", "web-transport", "fetch-later"),
    *("ping", "service-worker", "speculative-prerender", "preconnect", "leaving", "download"),
    "speculative-prefetch",
}
"""What need not arrive where the wall is down: Chromium does not do it here, or not at once."""


class Outside:
    """Another host: what reached it."""

    def __init__(self) -> None:
        self.met: set[str] = set()
        self.last = time.monotonic()
        self.port = self.datagrams = 0

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Note what was asked for, be it over HTTP or as a socket."""
        self.note(scope["path"].removeprefix("/"))
        if scope["type"] == "websocket":
            await send({"type": "websocket.close"})
            return
        await Response("x", headers={"access-control-allow-origin": "*"})(scope, receive, send)

    def note(self, name: str) -> None:
        self.met.add(name)
        self.last = time.monotonic()

    def wait(self, window: Window) -> None:
        """Wait until nothing has arrived for a while; a page has a second at least."""
        self.last, ends = time.monotonic(), time.monotonic() + LONGEST_S

        async def wait() -> None:
            while time.monotonic() < min(ends, self.last + QUIET_S):
                await asyncio.sleep(0.05)

        window.run(wait())


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, outside: Outside) -> None:
        self._outside = outside

    def datagram_received(self, data: bytes, addr: Any) -> None:
        self._outside.note("stun")


@contextmanager
def outside_host(chromium: Chromium) -> Iterator[Outside]:
    outside = Outside()

    async def listen() -> asyncio.DatagramTransport:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: _Datagrams(outside), local_addr=("127.0.0.1", 0)
        )
        return transport

    transport = chromium.run(listen())
    outside.datagrams = transport.get_extra_info("sockname")[1]
    with served(outside) as outside.port:
        yield outside
    transport.close()


def hostile_shop(outside: Outside) -> dict[str, Content]:
    def fill(text: str) -> str:
        text = text.replace("OUT", OUT).replace("ADDRESS", f"http://127.0.0.1:{outside.port}")
        return text.replace("PORT", str(outside.port)).replace("DATAGRAMS", str(outside.datagrams))

    async def away(request: Request) -> Response:
        return RedirectResponse(f"{OUT}/{request.path_params['path'].rpartition('/')[2]}")

    async def refresh(request: Request) -> Response:
        name = request.path_params["path"].rpartition("/")[2]
        return HTMLResponse(f"<meta http-equiv='refresh' content='0;url={OUT}/{name}'><p>On your way</p>")

    tried = "".join(f"<script>try {{ {script} }} catch {{}}</script>" for script in SCRIPTS.values())
    home = HTMLResponse(
        fill("<h1>Hostile</h1>" + "".join(TAGS.values()) + tried),
        headers={
            "link": f"<{OUT}/link-header>; rel=preload; as=image",
            "reporting-endpoints": f'default="{OUT}/reports"',
        },
    )
    policy = {"content-security-policy": f"img-src 'none'; report-uri {OUT}/policy-report"}
    script = "text/javascript"
    pages: dict[str, Content] = {
        "/": home,
        "/ok": "<p>ok</p>",
        "/links": fill("<h1>Links</h1>" + "".join((CLICKS | LOCAL).values())),
        "/policy": HTMLResponse("<img src='/ok'>", headers=policy),
        "/prerendered": f"<img src='{OUT}/speculative-prerender'>",
        "/shared.js": Response(f'fetch("{OUT}/shared-worker", {{mode: "no-cors"}})', media_type=script),
        "/service.js": Response(
            f'self.oninstall = () => fetch("{OUT}/service-worker", {{mode: "no-cors"}})', media_type=script
        ),
    }
    for name in ("picture", "frame", "fetch", "link", "tab"):
        pages[f"/away/redirected-{name}"] = away
    for name in ("refreshed-frame", "refresh"):
        pages[f"/refresh/{name}"] = refresh
    return pages


Arrivals = dict[str, tuple[set[str], set[str], list[str], list[str]]]
"""By wall: what arrived as a page loaded and after clicks, hosts recorded as blocked, pages seen."""


@pytest.fixture(scope="module")
def arrivals(chromium: Chromium) -> Arrivals:
    found: Arrivals = {}
    for wall in ("down", "up"):
        with outside_host(chromium) as outside:
            routes = {"outside.test": ("127.0.0.1", outside.port)}
            more = ["outside.test", f"127.0.0.1:{outside.port}"] if wall == "down" else []
            shop = hostile_shop(outside)
            with Window(chromium, shop, routes=routes, hosts=Hosts.of(SHOP, more)) as window:
                window.open()
                outside.wait(window)
                loaded = set(outside.met)
                blocked, urls = [], []
                seen = window.open("/links")
                for name in CLICKS:
                    if window.page.url != f"{SHOP}links":
                        seen = window.open("/links")
                    (link,) = [it.name for it in seen.simplified.elements if it.label == name]
                    result = window.act(click(link))
                    blocked += [str(event.detail) for event in result.events if event.kind == "blocked"]
                    urls.append(result.seen.page.url)
                outside.wait(window)
                found[wall] = (loaded, set(outside.met) - loaded, blocked, urls)
    return found


def test_without_the_wall_most_channels_reach_the_other_host(arrivals: Arrivals) -> None:
    loaded, clicked, _, _ = arrivals["down"]
    assert {*TAGS, *SCRIPTS, "link-header"} - NEVER - loaded == set()
    assert set(CLICKS) - NEVER - clicked == set()


@pytest.mark.parametrize("channel", [*TAGS, *SCRIPTS, *CLICKS, "link-header", ""])
def test_by_no_channel_does_anything_leave(arrivals: Arrivals, channel: str) -> None:
    loaded, clicked, _, _ = arrivals["up"]
    assert channel not in loaded | clicked


def test_nothing_else_leaves_and_the_shopper_stays(arrivals: Arrivals) -> None:
    loaded, clicked, blocked, urls = arrivals["up"]
    assert loaded | clicked == set()
    assert {url for url in urls if not url.startswith(SHOP)} == set()
    assert blocked.count("outside.test") >= 8


def test_pages_of_the_machine_itself_are_not_opened(chromium: Chromium) -> None:
    with outside_host(chromium) as outside, Window(chromium, hostile_shop(outside)) as window:
        seen = window.open("/links")
        for name in LOCAL:
            (link,) = [it.name for it in seen.simplified.elements if it.label == name]
            assert window.act(click(link)).seen.page.url.startswith(f"{SHOP}links"), name


def test_what_a_page_blocked_loads_is_recorded(chromium: Chromium) -> None:
    shop = {"/": "<a href='/two'>Two</a>", "/two": f"<img src='{OUT}/a'><img src='{OUT}/b'><p>Two</p>"}
    with Window(chromium, shop) as window:
        window.open()
        result = window.act(click("two"))
    assert [(event.kind, event.detail, event.count) for event in result.events] == [
        ("blocked", "outside.test", 2)
    ]


def test_the_shopper_says_what_it_is(chromium: Chromium) -> None:
    async def echo(request: Request) -> Response:
        return HTMLResponse(f"<p>{escape(request.headers['user-agent'])}</p>")

    with Window(chromium, {"/": echo}) as window:
        assert "shop-r1/" in (html := window.open().page.html) and "simulated shopper" in html


def test_a_visit_that_has_received_its_bytes_ends(chromium: Chromium) -> None:
    shop = {"/": "<a href='/two'>Two</a>", "/two": "<p>Two</p>" + " " * 200_000}
    with Window(chromium, shop, max_bytes=100_000) as window:
        window.open()
        result = window.act(click("two"))
    assert result.has_ended and result.error == "the visit has received the 100000 bytes that it may"
