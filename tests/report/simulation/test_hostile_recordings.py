"""A recording that tries to run something, to fetch something, or to lead somewhere, in real Chromium.

Each wall is tried by itself: once as reports are, and once with the cleaning of events taken away, so that
the sandbox and the policy stand alone. In both, what must not be clicked is made clickable and clicked. A
middle click is the one thing that neither wall sees: a browser opens a tab of its own for it. There the
frame's inertness is the wall, and behind it that no link of a cleaned recording has an address.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from tests.report.simulation.visits import (
    BEGAN,
    done,
    element,
    leaving,
    opening,
    page_events,
    searching,
    session,
    text,
    write_events,
    write_folder,
)

from shop_r1.records.recordings import Assets, Event, Recording, is_mark
from shop_r1.records.replays import Replay
from shop_r1.records.sessions import Alternative, StepEvent
from shop_r1.report.simulation import player
from shop_r1.report.simulation.build import build_simulation_report
from shop_r1.report.simulation_folder import read_simulation

RUN = "for (const w of [self, parent, top, opener]) try { w.owned = 1; w.document.title = 'owned' } catch {}"


class Witness:
    """A server that must see nothing."""

    def __init__(self) -> None:
        seen = self.seen = []  # type: list[str]

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                seen.append(self.path)
                self.send_response(200)
                self.end_headers()

            do_POST = do_GET

            def log_message(self, format: str, *args: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture(scope="module")
def witness() -> Iterator[Witness]:
    made = Witness()
    yield made
    made.close()


def hostile_head(url: str) -> list[dict[str, Any]]:
    return [
        element("base", {"href": url + "/base/", "target": "_top"}),
        element("meta", {"http-equiv": "refresh", "content": f"0; url={url}/refresh"}),
        element("script", {"src": url + "/script.js"}, RUN),
        element("noscript", {}, element("img", {"src": url + "/noscript"})),
        element("link", {"rel": "stylesheet", "href": url + "/sheet.css"}),
        element("link", {"rel": "prefetch", "href": url + "/prefetch"}),
        element("link", {"rel": "preload", "as": "image", "href": url + "/preload"}),
        element("link", {"rel": "icon", "href": url + "/icon"}),
        element(
            "style", {"_cssText": f"@import url({url}/import.css); body {{ background: url({url}/css) }}"}
        ),
        element("style", {}, f"@font-face {{ font-family: x; src: url({url}/font) }} p {{ font-family: x }}"),
        # With escapes, which the cleaning does not see: here the policy is the wall.
        element(
            "style", {"_cssText": rf"@\69mport '{url}/escaped.css'; p {{ background: \75rl({url}/escaped) }}"}
        ),
    ]


def hostile_body(url: str) -> list[dict[str, Any]]:
    code = f"javascript:{RUN}"
    svg = {"isSVG": True}
    links = [
        element(
            "a", {"href": href, "target": target, "class": "bait", "ping": url + "/ping"}, f"link {place} "
        )
        for place, (href, target) in enumerate(
            [
                (url + "/top", "_top"),
                (url + "/self", ""),
                (url + "/blank", "_blank"),
                (code, ""),
                (code, "_top"),
            ]
        )
    ]
    form = {"action": url + "/form", "method": "post", "target": "_top"}
    return [
        element("p", {}, "Hostile", id=60),
        *links,
        element(
            "form", form, element("button", {"class": "bait", "formaction": url + "/formaction"}, "send")
        ),
        element("button", {"class": "bait", "onclick": RUN, "onfocus": RUN}, "button"),
        element("input", {"class": "bait", "autofocus": "", "onfocus": RUN}),
        element("img", {"src": url + "/img", "srcset": url + "/srcset 2x", "onerror": RUN}),
        element("img", {"src": "data:,", "onerror": RUN, "onload": RUN}),
        element("iframe", {"src": url + "/iframe", "width": "50"}),
        element("iframe", {"srcdoc": f"<script>{RUN}</script><img src={url}/srcdoc>", "width": "50"}),
        element("iframe", {"src": code}),
        element("object", {"data": url + "/object"}),
        element("embed", {"src": url + "/embed"}),
        element(
            "video",
            {"src": url + "/video", "poster": url + "/poster", "autoplay": "", "rr_mediaState": "played"},
        ),
        element("audio", {"src": url + "/audio", "rr_mediaState": "played"}),
        element(
            "svg",
            {"onload": RUN},
            element("script", {"href": url + "/svg.js"}, RUN, **svg),
            element("image", {"href": url + "/svg-image", "width": "9", "height": "9"}, **svg),
            element("use", {"href": url + "/use.svg#x"}, **svg),
            element(
                "a",
                {"xlink:href": url + "/svg-link", "class": "bait"},
                element("text", {"y": "9"}, "x", **svg),
                **svg,
            ),
            element("foreignObject", {}, element("img", {"src": url + "/foreign"}), **svg),
            **svg,
        ),
        element("x-custom", {"onclick": RUN}, "custom", isCustom=True),
        element("p", {"style": f"background: url({url}/style); list-style: url('{url}/list')"}, "styled"),
        element("table", {"background": url + "/background"}),
        element("canvas", {"rr_dataURL": url + "/canvas"}, id=61),
        element(
            "div",
            {"is": "x-custom", "onanimationstart": RUN, "popover": "", "contenteditable": "true"},
            "div",
        ),
        element("style", {}, text(f"div {{ background-image: image-set('{url}/image-set' 1x) }}")),
    ]


def hostile_changes(url: str) -> list[Event]:
    at = int(1000 * (BEGAN + 1.2))
    add = {"parentId": 60, "nextId": None, "node": element("img", {"src": url + "/added", "onerror": RUN})}
    mutation = {
        "source": 0,
        "adds": [add],
        "removes": [],
        "texts": [],
        "attributes": [
            {"id": 60, "attributes": {"onclick": RUN, "style": {"background": f"url({url}/mutated)"}}},
            {"id": 1, "attributes": {"__proto__": "x", "constructor": RUN}},
        ],
    }
    canvas = {
        "source": 9,
        "id": 61,
        "type": 0,
        "commands": [
            {"property": "constructor", "args": [RUN]},
            {
                "property": "drawImage",
                "args": [{"rr_type": "HTMLImageElement", "src": url + "/canvas-image"}],
            },
            {"property": "fillStyle", "args": [RUN], "setter": True},
        ],
    }
    font = {"source": 10, "family": "x", "fontSource": f"url({url}/font-face)", "buffer": False}
    rule = {"source": 8, "id": 60, "adds": [{"rule": f"p {{ background: url({url}/rule) }}"}]}
    media = {"source": 7, "id": 61, "type": 0}
    plugin = {"plugin": "rrweb/console@1", "payload": {"level": "log", "payload": [RUN], "trace": []}}
    return [
        *(
            {"type": 3, "data": each, "timestamp": at + n}
            for n, each in enumerate([mutation, canvas, font, rule, media])
        ),
        {"type": 6, "data": plugin, "timestamp": at + 8},
        {"type": 5, "data": {"tag": "<img src=x onerror=owned=1>", "payload": RUN}, "timestamp": at + 9},
        {"type": 3, "data": {"source": 2, "type": 5, "id": 60}, "timestamp": at + 10},
    ]


def write_hostile(folder: Path, url: str) -> None:
    markup = f"<img src={url}/text onerror='{RUN}'></script><script>{RUN}</script>"
    steps = [
        searching(
            rationale=markup,
            error=markup,
            events=(StepEvent(kind="dialog", detail=markup),),
            alternatives=(Alternative(action=opening().action, probability=0.25),),
        ),
        leaving(f"/search?q={markup}", html=f"<page>\n<h1>{markup}</h1>{markup}", rationale=markup),
    ]
    visit = session('a"><b>', *steps)
    plain = session("hostile", *steps)
    write_folder(folder, [visit, plain])
    events = page_events(0.0, "/", hostile_head(url), hostile_body(url))
    events += [done(1.0, 0, steps[0], 60), *hostile_changes(url)]
    events += page_events(1.4, "/search", hostile_head(url), hostile_body(url))
    write_events(folder, "hostile", [*events, done(2.0, 1, steps[1])])


def open_session(chromium: Browser, folder: Path, name: str) -> tuple[Page, list[str]]:
    """Return the page of a session, and a list that takes what it does: windows, dialogs, downloads."""
    report = build_simulation_report(read_simulation(folder), folder / "report" / "index.html")
    found = next((report.parent / "sessions").glob(f"*-{name}.html"))
    context = chromium.new_context(viewport={"width": 1300, "height": 900})
    page, happened = context.new_page(), list[str]()
    context.on("page", lambda each: happened.append(f"window {each.url}"))
    page.on("dialog", lambda each: happened.append(f"dialog {each.message}"))
    page.on("download", lambda each: happened.append(f"download {each.url}"))
    page.goto(found.as_uri())
    expect(page.locator("#message")).to_be_hidden()
    page.wait_for_selector("#outline:not([hidden])", state="attached")
    return page, happened


def unlock(page: Page) -> Locator:
    """Make the frame clickable, which the report does not, and return all that might lead somewhere."""
    page.evaluate(
        """() => {
            for (const each of document.querySelectorAll('#replay, #replay iframe')) each.inert = false;
            document.querySelector('#replay iframe').style.pointerEvents = 'auto';
            document.getElementById('outline').remove();
        }"""
    )
    return page.frame_locator("#replay iframe").locator(".bait")


def click_baits(page: Page, ways: Sequence[str]) -> int:
    """Click all of them, and return how many there were; an emptied frame is filled anew."""
    baits = unlock(page)
    count = baits.count()
    for place in range(count):
        for way in ways:
            if baits.count() != count:
                page.reload()
                page.wait_for_selector("#outline:not([hidden])", state="attached")
                baits = unlock(page)
            if way == "Enter":
                baits.nth(place).press("Enter", timeout=3000)
            else:
                baits.nth(place).click(force=True, button="left" if way == "left" else "middle", timeout=3000)
    return count


def owned(page: Page) -> list[Any]:
    return [frame.evaluate("[self.owned, document.title === 'owned']") for frame in page.frames]


def let_all_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """Take the cleaning of recordings away, so that the player is given what the page chose to be."""

    def unchanged(events: Iterable[Event]) -> tuple[list[Event], Counter[str]]:
        return [each for each in events if not is_mark(each)], Counter()

    def uncleaned(recording: Recording, assets: Assets) -> Replay:
        return Replay("no reference", list(recording.events))

    monkeypatch.setattr(player, "safe_events", unchanged)
    monkeypatch.setattr(player, "make_replay", uncleaned)


@pytest.mark.parametrize("wall", ["all", "sandbox and policy alone"])
def test_nothing_of_a_recorded_page_runs_loads_or_leads_anywhere(
    chromium: Browser, witness: Witness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wall: str
) -> None:
    if wall != "all":
        let_all_through(monkeypatch)
    witness.seen.clear()
    write_hostile(tmp_path, witness.url)
    page, happened = open_session(chromium, tmp_path, "hostile")
    at = page.url
    for key in ("ArrowRight", "ArrowLeft", " ", " ", "End", "Home", "Tab", "Enter"):
        page.keyboard.press(key)
    assert page.locator("#replay iframe").get_attribute("sandbox") == "allow-same-origin"
    assert click_baits(page, ("left", "Enter", *(["middle"] if wall == "all" else []))) >= 8
    page.wait_for_load_state("networkidle")  # what a script or a request would need
    assert page.url.partition("#")[0] == at.partition("#")[0]
    assert [each for each in happened if at.partition("#")[0] not in each] == []
    assert all(values == [None, False] for values in owned(page))
    assert witness.seen == []
    page.context.close()


def test_a_mouse_and_a_keyboard_do_not_reach_the_recorded_page(
    chromium: Browser, witness: Witness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_all_through(monkeypatch)
    witness.seen.clear()
    write_hostile(tmp_path, witness.url)
    page, happened = open_session(chromium, tmp_path, "hostile")
    baits = page.frame_locator("#replay iframe").locator(".bait")
    assert baits.count() >= 8
    for place in range(baits.count()):
        box = baits.nth(place).bounding_box()
        assert box is not None
        for button in ("left", "middle"):
            page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, button=button)
    for _ in range(40):
        page.keyboard.press("Tab")
        assert page.evaluate("document.activeElement.closest('#replay') === null")
    assert (witness.seen, happened) == ([], [])
    page.context.close()


def test_what_pages_and_models_say_is_shown_as_text(
    chromium: Browser, witness: Witness, tmp_path: Path
) -> None:
    write_hostile(tmp_path, witness.url)
    page, happened = open_session(chromium, tmp_path, "hostile")
    assert page.locator("#list img, #list script, .lead img, #track img").count() == 0
    assert "<img src=" in page.locator(".step").first.locator(".why").inner_text()
    page.goto((tmp_path / "report" / "index.html").as_uri())
    assert page.locator("main img, main script").count() == 0
    assert page.evaluate("self.owned") is None
    assert happened == []
    page.context.close()


def test_a_recording_that_stops_the_player_leaves_the_steps_to_be_read(
    chromium: Browser, tmp_path: Path
) -> None:
    steps = [searching(), opening(), leaving()]
    write_folder(tmp_path, [session("empty", *steps)])
    bare = {"node": {"type": 0, "id": 1, "childNodes": []}, "initialOffset": {"left": 0, "top": 0}}
    events = page_events(0.0, "/", [], [element("p", {}, "Home")])
    events += [done(1.0, 0, steps[0]), {"type": 2, "data": bare, "timestamp": int(1000 * (BEGAN + 1.2))}]
    write_events(tmp_path, "empty", [*events, done(1.5, 1, steps[1]), done(2.0, 2, steps[2])])
    report = build_simulation_report(read_simulation(tmp_path), tmp_path / "report" / "index.html")
    page = chromium.new_page()
    page.goto(next((report.parent / "sessions").iterdir()).as_uri())
    expect(page.locator("#message")).to_be_hidden()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    expect(page).to_have_url(re.compile("#step-3$"))
    expect(page.locator(".step.current .did")).to_have_text("Left the shop")
    expect(page.locator("#message")).to_contain_text("The recording cannot be shown")
    page.get_by_role("button", name="As read").click()
    expect(page.locator("#message")).to_be_hidden()
    expect(page.frame_locator("#page iframe").locator("h1")).to_have_text("Results for mug")
    page.get_by_role("button", name="Replay").click()
    expect(page.locator("#message")).to_contain_text("The recording cannot be shown")
    page.close()


def test_a_field_that_is_named_like_a_way_up_does_not_hang_the_player(
    chromium: Browser, tmp_path: Path
) -> None:
    step = searching()
    write_folder(tmp_path, [session("form", step)])
    far = element("button", {"style": "position: absolute; top: 3000px"}, "Go", id=60)
    form = element("form", {}, element("input", {"name": "parentElement"}), far)
    write_events(tmp_path, "form", [*page_events(0.0, "/", [], [form]), done(1.0, 0, step, 60)])
    page, _ = open_session(chromium, tmp_path, "form")
    expect(page.frame_locator("#replay iframe").locator("button")).to_be_in_viewport(timeout=5000)
    page.context.close()


def test_without_the_policy_the_same_recording_does_fetch(
    chromium: Browser, witness: Witness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_all_through(monkeypatch)
    write_hostile(tmp_path, witness.url)
    report = build_simulation_report(read_simulation(tmp_path), tmp_path / "report" / "index.html")
    file = next((report.parent / "sessions").glob("*-hostile.html"))
    html, count = re.subn(r'<meta http-equiv="Content-Security-Policy"[^>]*>', "", file.read_text("utf-8"))
    file.write_text(html, "utf-8")
    assert count == 1
    witness.seen.clear()
    page = chromium.new_page()
    page.goto(file.as_uri())
    page.wait_for_selector("#outline:not([hidden])", state="attached")
    page.wait_for_load_state("networkidle")
    fetched = {"/img", "/css", "/sheet.css", "/video", "/list", "/canvas", "/escaped.css", "/escaped"}
    assert fetched <= set(witness.seen)
    page.close()
