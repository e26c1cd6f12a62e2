"""What is recorded of visits in Chromium, from shops that are as they should be and from hostile ones."""

import asyncio
import hashlib
import json
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, RedirectResponse, Response
from tests.window import SHOP, Chromium, Window

from shop_r1.drivers.bounds.test_profile import TestProfile
from shop_r1.drivers.protocol import ActionResult
from shop_r1.drivers.recording import recorder as recorder_module
from shop_r1.drivers.recording.assets import SharedAssets
from shop_r1.drivers.recording.recorder import Recorder
from shop_r1.records.actions import Action, click, type_and_submit
from shop_r1.records.recordings import (
    Assets,
    Event,
    PageSeen,
    Recording,
    StepDone,
    VisitBegun,
    VisitEnded,
    is_mark,
    nodes_in,
    read_recording,
)
from shop_r1.records.replays import make_replay
from shop_r1.records.sessions import Page, Step

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c636060f8cf"
    "0000020101005afe2b9e0000000049454e44ae426082"
)


class Recorded:
    """A window whose visit is recorded, a call at a time."""

    def __init__(
        self, chromium: Chromium, pages: dict[str, str] | Starlette, folder: Path, **bounds: Any
    ) -> None:
        self._chromium, self._folder = chromium, folder
        profile = bounds.get("profile")
        self.recorder = Recorder(
            folder,
            SharedAssets(folder),
            VisitBegun(session_id="visit"),
            profile.conceal if profile is not None else None,
        )
        self.window = Window(chromium, pages, recorder=self.recorder, **bounds)

    def __enter__(self) -> "Recorded":
        self.window.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self.window.__exit__(*error)

    def act(self, action: Action) -> ActionResult:
        assert self.window.driver._live is not None
        page = self.window.driver._live.observation.page
        result = self.window.act(action)
        self.recorder.finish_step(Step(page=page, action=action, error=result.error))
        return result

    def call(self, text: str) -> None:
        """Send something from a frame, which has the binding as long as nobody took it away."""
        self.window.evaluate(
            f"document.body.append(frame = document.createElement('iframe')), "
            f"frame.contentWindow.{self.recorder._binding}({json.dumps(text)})"
        )

    def written(self) -> Recording:
        self._chromium.run(self.window.driver.close())
        self._chromium.run(self.recorder.write("terminate"))
        return read_recording(self._folder / "visit.json.zst")


def dropped(recording: Recording) -> dict[str, int]:
    (end,) = (mark for _, mark in recording.marks() if isinstance(mark, VisitEnded))
    return end.dropped


def snapshots(recording: Recording) -> list[Event]:
    return [event for event in recording.events if event["type"] == 2]


def text_of(event: Event) -> str:
    return " ".join(" ".join(node.get("textContent", "") for node, _ in nodes_in(event)).split())


def test_each_page_has_a_snapshot_and_each_step_its_place_and_target(
    chromium: Chromium, tmp_path: Path
) -> None:
    shop = {"/": "<a href='/mugs'>Mugs</a><p>Welcome</p>", "/mugs": "<button>Add a mug</button>"}
    with Recorded(chromium, shop, tmp_path) as visit:
        visit.window.open()
        visit.act(click("mugs"))
        visit.act(click("add_a_mug"))
        recording = visit.written()
    assert [text_of(each) for each in snapshots(recording)] == ["Mugs Welcome", "Add a mug"]
    marks = [mark for _, mark in recording.marks()]
    assert isinstance(marks[0], VisitBegun) and isinstance(marks[-1], VisitEnded)
    pages = [mark.url for mark in marks if isinstance(mark, PageSeen)]
    assert pages == [SHOP, f"{SHOP}mugs", f"{SHOP}mugs"]
    times = [event["timestamp"] for event in recording.events]
    assert times == sorted(times) and dropped(recording) == {}
    for name, snapshot, step in zip(
        ("Mugs", "Add a mug"),
        snapshots(recording),
        [mark for mark in marks if isinstance(mark, StepDone)],
        strict=True,
    ):
        assert step.target is not None and step.target.box is not None
        (target,) = (node for node, _ in nodes_in(snapshot) if node["id"] == step.target.node)
        assert target["childNodes"][0]["textContent"] == name
        assert step.target.box[2] > 10 and step.target.box[3] > 5, "wide and high as its text"
    clicked = next(each for each in recording.events if each["data"].get("source") == 2)
    step_time = next(time for time, mark in recording.marks() if isinstance(mark, StepDone))
    assert step_time <= clicked["timestamp"], "the step stands before what it does"


def test_a_target_in_a_frame_has_its_number_and_its_box_in_the_window(
    chromium: Chromium, tmp_path: Path
) -> None:
    style = "<style>* { margin: 0 } iframe { margin: 40px 70px; border: 5px solid; width: 300px }</style>"
    shop = {
        "/": f"{style}<iframe src=/frame></iframe>",
        "/frame": "<style>* { margin: 0; font: 16px/20px monospace }</style><p>Mugs</p><button>Add</button>",
    }
    with Recorded(chromium, shop, tmp_path) as visit:
        visit.window.open()
        visit.act(click("frame.add"))
        recording = visit.written()
    (target,) = (mark.target for _, mark in recording.marks() if isinstance(mark, StepDone))
    assert target is not None and target.box is not None
    assert target.box[:2] == (75, 65), "the margin and border of the frame, and in it the line before"
    (shown,) = (
        node for event in recording.events for node, _ in nodes_in(event) if node.get("id") == target.node
    )
    assert shown["tagName"] == "button"


def test_what_is_held_back_or_covered_has_its_target_too(chromium: Chromium, tmp_path: Path) -> None:
    cover = "<div style='position: absolute; inset: 50px 0 0; background: red'>Sale</div>"
    page = f"<button>Place order</button>{cover}<button style='margin-top: 90px'>Mugs</button>"
    with Recorded(chromium, {"/": page}, tmp_path) as visit:
        seen = visit.window.open()
        held, covered = visit.act(click("place_order")), visit.act(click("mugs"))
        recording = visit.written()
    assert held.is_purchase and covered.error is not None and "covered" in covered.error, seen.page.html
    for target in (mark.target for _, mark in recording.marks() if isinstance(mark, StepDone)):
        assert target is not None and target.node is not None and target.box is not None


def test_pictures_and_sheets_are_stored_once_whoever_shows_them(chromium: Chromium, tmp_path: Path) -> None:
    asked: list[str] = []

    async def show(request: Request) -> Response:
        path = request.url.path
        asked.append(path)
        if path == "/old.png":
            return RedirectResponse("/new.png")
        if path.endswith(".png"):
            return Response(PNG, media_type="image/png")
        if path.endswith(".css"):
            return Response("p { background: url(/b.png) }" + "/* */" * 60, media_type="text/css")
        return HTMLResponse(
            "<link rel=stylesheet href=/a.css><img src=/old.png><p>Mugs</p><a href=/next>Next</a>"
        )

    app = Starlette()
    app.add_route("/{path:path}", show)
    with Recorded(chromium, app, tmp_path) as visit:
        visit.window.open()
        visit.act(click("next"))
        recording = visit.written()
    kept = {address.removeprefix(SHOP) for address in recording.assets}
    assert kept == {"old.png", "new.png", "b.png", "a.css"}
    assert {recording.assets[SHOP + name].media_type for name in ("old.png", "b.png")} == {"image/png"}
    assert Assets(tmp_path / "assets").read(recording.assets[f"{SHOP}old.png"].sha256) == PNG
    replay = make_replay(recording, Assets(tmp_path / "assets"))
    assert replay.left_out == {}
    for snapshot in (each for each in replay.self_contained() if each["type"] == 2):
        shown = {node["tagName"]: node["attributes"] for node, _ in nodes_in(snapshot) if "tagName" in node}
        assert shown["img"]["src"].startswith("data:image/png;base64,")
        assert 'url("data:image/png;base64,' in shown["link"]["_cssText"]


def test_passwords_and_the_profile_are_nowhere_in_a_recording(chromium: Chromium, tmp_path: Path) -> None:
    form = (
        "<form action=/in><input type=password name=p aria-label=Password>"
        "<input autocomplete=cc-csc aria-label=Code><input aria-label=Email name=e><button>Go</button></form>"
    )
    profile = TestProfile({"password": "hunter22", "code": "zq7", "email": 'a"b@shop.example'})
    with Recorded(chromium, {"/": form, "/in": "<p>In</p>"}, tmp_path, profile=profile) as visit:
        visit.window.open()
        for name in ("password", "code"):
            visit.act(Action(type="input", name=name, text=f"{{{{{name}}}}}"))
        sent = visit.act(type_and_submit("email", "{{email}}"))
        assert sent.seen.page.url == f"{SHOP}in?p={{{{password}}}}&e={{{{email}}}}"
        recording = visit.written()
    typed = [each["data"]["text"] for each in recording.events if each["data"].get("source") == 5]
    assert set(typed) == {"*" * 8, "***", "{{email}}"}
    (href,) = (each["data"]["href"] for each in recording.events if "/in" in each["data"].get("href", ""))
    assert href == sent.seen.page.url
    everything = json.dumps(recording.events) + "".join(map(str, recording.assets))
    for copy in (tmp_path / "assets").iterdir():
        everything += Assets(tmp_path / "assets").read_text(copy.stem.removesuffix(".zst"))
    for secret in ("hunter22", "zq7", "b@shop", "b%40shop"):
        assert secret not in everything, secret


def test_the_code_of_a_card_is_in_no_record_whatever_its_field_is_called(
    chromium: Chromium, tmp_path: Path
) -> None:
    page, profile = "<input aria-label=Digits name=d>", TestProfile({"code": "917"})
    with Recorded(chromium, {"/": page}, tmp_path, profile=profile) as visit:
        visit.window.open()
        typed = visit.act(Action(type="input", name="digits", text="{{code}}"))
        assert visit.window.evaluate("document.querySelector('input').value") == "917"
        recording = visit.written()
    assert 'value="{{code}}"' in typed.seen.page.html
    assert "{{code}}" in [each["data"].get("text") for each in recording.events]
    seen = [mark.copy_sha256 for _, mark in recording.marks() if isinstance(mark, PageSeen)]
    copies = [Assets(tmp_path / "assets").read_text(each) for each in seen]
    assert not [copy for copy in copies if "917" in copy]


def test_the_script_is_the_one_of_the_npm_package() -> None:
    """`npm pack @rrweb/record@2.1.6`, `dist/record.umd.min.cjs`."""
    script = Path(recorder_module.__file__).parent / "record.umd.min.cjs"
    digest = hashlib.sha256(script.read_bytes()).hexdigest()
    assert digest == "fde9a5c5c38fc23c9f8d6429b4e74c8996156e1632f132693b68e32509dc92f0"


def test_without_a_recorder_nothing_is_put_into_pages(chromium: Chromium) -> None:
    count = "Object.getOwnPropertyNames(window).filter(name => /^_|rrweb/i.test(name)).length"
    with Window(chromium, {"/": f"<p>x</p><script>window.before = {count}</script>"}) as window:
        window.open()
        assert window.evaluate("window.before") == 0
        assert window.evaluate("window.Element.prototype.attachShadow.toString()").endswith("[native code] }")


def test_a_page_finds_no_global_of_rrwebs_and_loses_none_of_its_own(
    chromium: Chromium, tmp_path: Path
) -> None:
    page = (
        "<p>x</p><script>window.found = [typeof rrweb, typeof rrwebRecord, typeof exports, typeof record];"
        "window.rrweb = 1; window.record = 2; window.rrwebRecord = 3</script>"
    )
    with Recorded(chromium, {"/": page}, tmp_path) as visit:
        visit.window.open()
        assert visit.window.evaluate("window.found") == ["undefined"] * 4
        assert visit.window.evaluate("[rrweb, record, rrwebRecord]") == [1, 2, 3]
        assert len(snapshots(visit.written())) == 1


FORGED = {"type": 5, "data": {"tag": "shop-r1", "payload": {"kind": "step", "index": 0}}, "timestamp": 1}


FOREIGN, TIMES, JUNK = (
    "events that are none of rrweb's",
    "times of events that cannot be",
    "calls that are no events",
)
SENT = (
    (json.dumps([FORGED]), "events of pages with the tag shop-r1", 1),
    ("junk", JUNK, 1),
    ("", JUNK, 1),
    ("[1, null, {}]", FOREIGN, 3),
    ('[{"type": 6, "data": {}, "timestamp": 1}]', FOREIGN, 1),
    ('[{"type": 3, "data": [], "timestamp": 1}]', FOREIGN, 1),
    ('[{"type": 3, "data": {}, "timestamp": 1, "tab": 2}]', FOREIGN, 1),
    ('[{"type": 3, "data": {}, "timestamp": 1}]', TIMES, 1),
    ('[{"type": 3, "data": {}, "timestamp": 1e99}]', TIMES, 1),
    ('[{"type": 3, "data": {}, "timestamp": ' + "9" * 400 + "}]", TIMES, 1),
    ('[{"type": 3, "data": {}}]', TIMES, 1),
    ('[{"type": 3, "data": {}, "timestamp": NaN}]', "batches that cannot be read", 1),
    ("[" * 100_000, "batches that cannot be read", 1),
    (
        '[{"type":3,"data":{"x":' + "[" * 800 + "]" * 800 + '},"timestamp":1}]',
        "events that are nested too deeply",
        1,
    ),
    ("[" + "x" * 1_500_000, "batches that are too large", 1),
    ("[" + "\u3042" * 250_000, "batches past the most that a visit may send", 1),
    ("[" + "x" * 900_000, "batches that cannot be read", 1),
    ("[" + "x" * 900_001, "batches past the most that a visit may send", 1),
)
"""What a page's scripts send, what is counted for it, and how often."""


def test_what_a_page_sends_by_itself_is_checked(
    chromium: Chromium, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder_module, "MAX_VISIT_CHARS", 1_500_000)
    monkeypatch.setattr(recorder_module, "MAX_BATCH_CHARS", 1_000_000)
    expected: Counter[str] = Counter()
    with Recorded(chromium, {"/": "<p>Mugs</p>"}, tmp_path) as visit:
        visit.window.open()
        for sent, counted, times in SENT:
            visit.call(sent)
            expected[counted] += times
        visit.call("node:17")  # what nobody asked for
        recording = visit.written()
    assert dropped(recording) == expected
    assert text_of(snapshots(recording)[0]) == "Mugs"
    assert [type(mark).__name__ for _, mark in recording.marks()] == ["VisitBegun", "PageSeen", "VisitEnded"]


def test_no_event_of_a_page_comes_before_the_visit(chromium: Chromium, tmp_path: Path) -> None:
    """By its first event a recording is known as ours (`importers.rrweb.own_recordings.is_own`)."""
    with Recorded(chromium, {"/": "<p>Mugs</p>"}, tmp_path) as visit:
        visit.window.open()
        early = {"type": 3, "data": {"source": 7}, "timestamp": visit.recorder._began_ms - 3000}
        visit.call(json.dumps([early]))
        recording = visit.written()
    first, *rest = recording.events
    assert is_mark(first) and isinstance(next(recording.marks())[1], VisitBegun)
    (found,) = (each for each in rest if each["data"].get("source") == 7)
    assert found["timestamp"] == first["timestamp"]


def test_marks_keep_their_order_when_the_clock_is_set_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recorder = Recorder(tmp_path, SharedAssets(tmp_path), VisitBegun(session_id="visit"))
    now = time.time_ns()
    monkeypatch.setattr(time, "time_ns", lambda: now - 60 * 10**9)
    page = Page(html="<page>")
    for number in range(3):
        recorder.see(page, "<p>Mugs</p>", {"modal": number})
        recorder.begin_step()
        recorder.finish_step(Step(page=page, action=Action(type="scroll")))
        time.sleep(0.002)  # since times are whole milliseconds
    asyncio.run(recorder.write("max_steps"))
    marks = [mark for _, mark in read_recording(tmp_path / "visit.json.zst").marks()]
    places = [(type(mark).__name__, getattr(mark, "index", None)) for mark in marks]
    between = [mark for number in range(3) for mark in (("PageSeen", None), ("StepDone", number))]
    assert places == [("VisitBegun", None), *between, ("VisitEnded", None)]


BREAKING = (
    "JSON.stringify = () => 'x'; JSON.parse = null",
    "Array.prototype.push = () => { throw 1 }; Array.prototype.toJSON = () => 'a list'",
    "window.Promise = null; window.MutationObserver = null; window.setTimeout = () => {}",
    "Object.defineProperty(Object.prototype, 'toJSON', {get() { throw 1 }})",
    "Map.prototype.get = WeakMap.prototype.get = () => ({}); Date.now = () => 5",
    "Node.prototype.appendChild = Element.prototype.getAttribute = () => { throw 1 }",
)


def test_a_page_that_breaks_the_language_breaks_its_own_recording_at_most(
    chromium: Chromium, tmp_path: Path
) -> None:
    shop = {
        f"/{number}": f"<script>{script}</script><a href=/{number + 1}>Next</a>"
        for number, script in enumerate(BREAKING)
    }
    last = len(BREAKING)
    with Recorded(chromium, {**shop, f"/{last}": "<p>Two mugs</p>"}, tmp_path) as visit:
        visit.window.open("/0")
        assert [visit.act(click("next")).error for _ in BREAKING] == [None] * last
        recording = visit.written()
    assert "Two mugs" in text_of(snapshots(recording)[-1])
    seen = [mark.url for _, mark in recording.marks() if isinstance(mark, PageSeen)]
    assert seen == [f"{SHOP}{number}" for number in range(last + 1)]


@pytest.mark.slow
def test_a_page_of_20_megabytes_is_left_out_and_the_next_is_not(chromium: Chromium, tmp_path: Path) -> None:
    large = f"<p>{'words and words ' * 1000}</p>" * 1300
    shop = {"/": f"<a href=/mugs>Mugs</a>{large}", "/mugs": "<p>Two mugs</p>"}
    with Recorded(chromium, shop, tmp_path) as visit:
        visit.window.open()
        visit.act(click("mugs"))
        recording = visit.written()
    assert [text_of(each) for each in snapshots(recording)] == ["Two mugs"]
    # A page that hardly answers may go before it has said that it is too large.
    expected = {"pages that are too large to be recorded", "targets that were not found"}
    assert set(dropped(recording)) <= expected


def test_a_crash_leaves_the_recording_so_far(chromium: Chromium, tmp_path: Path) -> None:
    with Recorded(chromium, {"/": "<a href=/mugs>Mugs</a>", "/mugs": "<p>Two mugs</p>"}, tmp_path) as visit:
        visit.window.open()
        visit.act(click("mugs"))
        window = visit.window.driver._window
        assert window is not None
        page = window.page

        async def crash() -> None:
            crashed = asyncio.Event()
            page.on("crash", lambda _: crashed.set())
            session = await page.context.new_cdp_session(page)
            crashing = asyncio.ensure_future(session.send("Page.crash"))
            await crashed.wait()
            crashing.cancel()

        chromium.run(crash())
        assert visit.act(Action(type="scroll")).has_ended
        recording = visit.written()
    assert [text_of(each) for each in snapshots(recording)] == ["Mugs", "Two mugs"]
    assert len([mark for _, mark in recording.marks() if isinstance(mark, StepDone)]) == 2


def test_the_tab_before_the_shopper_is_recorded_and_no_other(chromium: Chromium, tmp_path: Path) -> None:
    shop = {
        "/": "<a href=/mugs target=_blank>Mugs</a><p id=t>0</p>"
        "<script>setInterval(() => { t.firstChild.data = +t.firstChild.data + 1 }, 20)</script>",
        "/mugs": "<p>Two mugs</p><button onclick='window.close()'>Close</button>",
    }
    with Recorded(chromium, shop, tmp_path) as visit:
        visit.window.open()
        seen = visit.act(click("mugs")).seen
        while "close" not in seen.simplified.by_name:  # the tab opens when the browser gets to it
            seen = visit.act(Action(type="scroll")).seen
        result = visit.act(click("close"))
        assert "closed_tab" in {event.kind for event in result.events}
        recording = visit.written()
    first, second, third = map(text_of, snapshots(recording))
    assert "Mugs" in first and "Two mugs" in second and "Mugs" in third and "Two" not in third
    assert dropped(recording)["events of tabs in the background"] > 0
    inside = recording.events[
        recording.events.index(snapshots(recording)[1]) : recording.events.index(snapshots(recording)[2])
    ]
    assert not [each for each in inside if each["data"].get("source") == 0 and each["data"]["texts"]]
