"""Recordings on disk, and what a player gets of them; expected bytes and texts are written by hand."""

import base64
import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import zstandard

from shop_r1.errors import DataError
from shop_r1.records.actions import click
from shop_r1.records.recordings import (
    Asset,
    Assets,
    Event,
    Mark,
    PageSeen,
    Recording,
    StepDone,
    Target,
    VisitBegun,
    mark_event,
    read_recording,
    recording_path,
    write_recording,
)
from shop_r1.records.replays import make_replay
from shop_r1.records.sessions import Page, Step

SHEET = "a { color: red; }" + "/* so that it stands by itself */" * 10 + 'b { background: url("/p.png"); }'
PICTURE = b"\x89PNG, or what a shop says is one"
URL = "http://shop.test/p.png"
SHA = hashlib.sha256(PICTURE).hexdigest()
EMPTY_SHA = hashlib.sha256(b"").hexdigest()


def element(number: int, tag: str, below: list[Any] | None = None, **attributes: Any) -> dict[str, Any]:
    if "xlink" in attributes:
        attributes["xlink:href"] = attributes.pop("xlink")
    return {"type": 2, "id": number, "tagName": tag, "attributes": attributes, "childNodes": below or []}


def page(*nodes: dict[str, Any], url: str = "http://shop.test/mugs") -> list[Event]:
    document = {"type": 0, "id": 1, "childNodes": [element(2, "html", list(nodes))]}
    return [
        {"type": 4, "data": {"href": url, "width": 1280, "height": 800}, "timestamp": 1000},
        {"type": 2, "data": {"node": document, "initialOffset": {"top": 0, "left": 0}}, "timestamp": 1001},
    ]


def mutation(**lists: Any) -> Event:
    empty: dict[str, list[Any]] = {"adds": [], "removes": [], "texts": [], "attributes": []}
    return {"type": 3, "data": {"source": 0, **empty, **lists}, "timestamp": 1002}


def kept(folder: Path) -> dict[str, Asset]:
    return {URL: Asset(sha256=Assets(folder / "assets").add(PICTURE), media_type="image/png")}


def nodes(events: list[Event]) -> list[dict[str, Any]]:
    """Return the nodes below the html element of the first snapshot."""
    found: list[dict[str, Any]] = events[1]["data"]["node"]["childNodes"][0]["childNodes"]
    return found


def test_what_is_written_is_read_again_and_sheets_are_stored_once(tmp_path: Path) -> None:
    events = page(element(3, "style", _cssText=SHEET)) + page(element(3, "link", _cssText=SHEET))
    before = json.loads(json.dumps(events))
    path = write_recording(tmp_path, "visit-1", Recording(events, kept(tmp_path)))
    recording = read_recording(path)
    assert path == tmp_path / "visit-1.json.zst" and recording.assets == kept(tmp_path)
    on_disk = zstandard.ZstdDecompressor().decompressobj().decompress(path.read_bytes())
    assert SHEET.encode()[:40] not in on_disk and isinstance(json.loads(on_disk), list)
    digest = hashlib.sha256(SHEET.encode()).hexdigest()
    assert {file.name for file in (tmp_path / "assets").iterdir()} == {f"{digest}.zst", SHA}
    assert Assets(tmp_path / "assets").read_text(digest) == SHEET
    replay = make_replay(recording, Assets(tmp_path / "assets"))
    replayed = replay.self_contained()
    assert [event["type"] for event in replayed] == [event["type"] for event in before]
    assert nodes(replayed)[0]["attributes"]["_cssText"].startswith("a { color: red; }")


def test_a_page_cannot_write_a_reference_of_its_own(tmp_path: Path) -> None:
    forged = f"shop-r1-asset:{SHA}"
    events = page(element(3, "style", _cssText=forged), element(4, "p", title=forged))
    recording = read_recording(write_recording(tmp_path, "v", Recording(events, kept(tmp_path))))
    replayed = make_replay(recording, Assets(tmp_path / "assets")).self_contained()
    assert nodes(replayed)[0]["attributes"]["_cssText"] == forged
    assert nodes(replayed)[1]["attributes"]["title"] == forged


def test_pictures_become_data_wherever_rrweb_keeps_their_addresses(tmp_path: Path) -> None:
    data = "data:image/png;base64," + base64.b64encode(PICTURE).decode()
    events = page(
        element(3, "img", src=URL, srcset=f"{URL} 1x, {URL} 2x", onerror="alert(1)"),
        element(4, "video", poster="/p.png"),
        element(5, "div", style=f"background: url({URL}) no-repeat"),
        element(6, "style", _cssText=SHEET),
        element(7, "image", xlink=URL),
        element(8, "a", href="http://shop.test/cart"),
        element(9, "img", src="http://shop.test/other.png"),
    )
    events += [
        mutation(attributes=[{"id": 9, "attributes": {"src": URL, "alt": None}}]),
        mutation(
            attributes=[{"id": 5, "attributes": {"style": {"background-image": [f"url('{URL}')", ""]}}}]
        ),
        mutation(
            adds=[{"parentId": 6, "node": {"type": 3, "id": 20, "textContent": "i{background:url(p.png)}"}}]
        ),
        mutation(texts=[{"id": 20, "value": f'i{{background:image-set("{URL}" 1x)}}'}]),
        mutation(texts=[{"id": 99, "value": "url(p.png) is text"}]),
        {
            "type": 3,
            "data": {"source": 8, "id": 6, "adds": [{"rule": f"b{{mask:url({URL})}}"}]},
            "timestamp": 1,
        },
        {"type": 3, "data": {"source": 13, "id": 6, "set": {"value": f"url({URL})"}}, "timestamp": 1},
        {
            "type": 3,
            "data": {"source": 15, "styles": [{"rules": [{"rule": f"u{{mask:url({URL})}}"}]}]},
            "timestamp": 1,
        },
        {"type": 3, "data": {"source": 9, "commands": []}, "timestamp": 1},
    ]
    recording = read_recording(write_recording(tmp_path, "v", Recording(events, kept(tmp_path))))
    replay = make_replay(recording, Assets(tmp_path / "assets"))
    assert list(replay.assets.values()).count(data) == 1, "each stands once in the assets"
    found = replay.self_contained()
    image, video, div, style, svg, link, other = (node["attributes"] for node in nodes(found))
    assert image == {"src": data, "srcset": f"{data} 1x, {data} 2x"}
    assert video["poster"] == svg["xlink:href"] == data
    assert div["style"] == f'background: url("{data}") no-repeat'
    assert style["_cssText"].endswith(f'b {{ background: url("{data}"); }}')
    assert link["href"] == "http://shop.test/cart" and other["src"] == "data:,"
    source, styled, added, text, plain, rule, declared, adopted = (event["data"] for event in found[2:])
    assert source["attributes"][0]["attributes"] == {"src": data, "alt": None}
    assert styled["attributes"][0]["attributes"]["style"]["background-image"] == [f'url("{data}")', ""]
    assert added["adds"][0]["node"]["textContent"] == f'i{{background:url("{data}")}}'
    assert text["texts"][0]["value"] == f'i{{background:image-set(url("{data}") 1x)}}'
    assert plain["texts"][0]["value"] == "url(p.png) is text"
    assert rule["adds"][0]["rule"] == f'b{{mask:url("{data}")}}'
    assert declared["set"]["value"] == f'url("{data}")'
    assert adopted["styles"][0]["rules"][0]["rule"] == f'u{{mask:url("{data}")}}'
    assert replay.left_out == {"pictures that were not stored": 1, "drawings on canvases": 1}
    assert "http" not in json.dumps(found).replace("http://shop.test/cart", "").replace(
        "http://shop.test/mugs", ""
    )


def test_of_a_pictures_sizes_those_are_kept_that_were_fetched(tmp_path: Path) -> None:
    events = page(
        element(3, "img", src="/small.png", srcset="/small.png 1x, /p.png 2x,/large.png 3x"),
        element(4, "img", src="/p.png", srcset="/small.png 300w, /large.png 900w", sizes="50vw"),
        element(5, "source", srcset="/small.png"),
        element(6, "img", srcset="x " * 500_000),
        element(7, "img", srcset="x" * 500_000 + " y"),
    )
    replay = make_replay(Recording(events, kept(tmp_path)), Assets(tmp_path / "assets"))
    (data,) = replay.assets.values()
    first, second, source, *_ = (node["attributes"] for node in nodes(replay.self_contained()))
    assert first == {"src": data, "srcset": f"{data} 2x"}
    assert second == {"src": data, "sizes": "50vw"} and source == {}
    assert replay.left_out == {}, "a size that was not fetched is no picture that is missing"


@pytest.mark.parametrize("said", ['image/png"),url(http://out.test/x', "text/html", "image/png; x=1"])
def test_a_shop_writes_no_address_by_the_type_of_a_picture(tmp_path: Path, said: str) -> None:
    found = {URL: kept(tmp_path)[URL].model_copy(update={"media_type": said})}
    replay = make_replay(Recording(page(element(3, "img", src=URL)), found), Assets(tmp_path / "assets"))
    (data,) = replay.assets.values()
    assert data.partition(";")[0] in ("data:image/png", "data:image/x-unknown") and "out.test" not in data


def test_a_picture_that_is_too_large_is_blank_and_counted(tmp_path: Path) -> None:
    recording, assets = (
        Recording(page(element(3, "img", src=URL)), kept(tmp_path)),
        Assets(tmp_path / "assets"),
    )
    replay = make_replay(recording, assets, max_picture_bytes=len(PICTURE) - 1)
    (image,) = nodes(replay.self_contained())
    assert image["attributes"]["src"] == "data:," and replay.left_out == {"pictures that are too large": 1}


def test_a_long_hostile_sheet_takes_no_time(tmp_path: Path) -> None:
    sheet = "url(" + " " * 500_000
    replay = make_replay(Recording(page(element(3, "style", _cssText=sheet))), Assets(tmp_path / "assets"))
    (style,) = nodes(replay.self_contained())
    assert style["attributes"]["_cssText"] == sheet


def test_a_sheet_of_another_origin_comes_from_what_the_page_fetched(tmp_path: Path) -> None:
    sheet = "a{background:url(../p.png)}"
    assets = Assets(tmp_path / "assets")
    found = kept(tmp_path) | {
        "http://cdn.test/css/a.css": Asset(sha256=assets.add(sheet.encode()), media_type="text/css")
    }
    found["http://cdn.test/p.png"] = found.pop(URL)
    events = page(
        element(3, "link", rel="stylesheet", href="http://cdn.test/css/a.css"),
        element(4, "link", rel="preload", href="http://cdn.test/font.woff2"),
        element(5, "iframe", srcdoc="<script>1</script>", src="http://shop.test/frame"),
    )
    replay = make_replay(Recording(events, found), assets)
    first, second, frame = (node["attributes"] for node in nodes(replay.self_contained()))
    assert first["_cssText"].startswith('a{background:url("data:image/png;base64,')
    assert second == {} and frame == {}


def test_a_replay_cannot_be_blown_up_by_one_picture_shown_often(tmp_path: Path) -> None:
    events = page(*(element(number, "img", src=URL) for number in range(3, 103)))
    replay = make_replay(Recording(events, kept(tmp_path)), Assets(tmp_path / "assets"))
    (size,) = map(len, replay.assets.values())
    shown = [node["attributes"]["src"] for node in nodes(replay.self_contained(max_chars=size * 10))]
    assert [bool(each) for each in shown] == [True] * 10 + [False] * 90
    assert sum(replay.left_out.values()) == 90


def test_marks_say_whose_visit_it_is_and_give_back_its_steps(tmp_path: Path) -> None:
    step = Step(page=Page(url="/", html="<p>"), action=click("cart"), rationale="I want it.", time=3.5)
    done = StepDone.of(0, step, Target(node=17, box=(1, 2, 30, 40)))
    seen = PageSeen(url="/", copy_sha256=EMPTY_SHA, html_sha256=EMPTY_SHA, hidden={"modal": 2})
    marks: list[Mark] = [VisitBegun(session_id="v", user_id="u"), seen, done]
    events = [*(mark_event(mark, 1000 + place) for place, mark in enumerate(marks)), *page()]
    recording = read_recording(write_recording(tmp_path, "v", Recording(events)))
    assert list(recording.marks()) == [(1000.0 + place, mark) for place, mark in enumerate(marks)]
    assert done.on(step.page) == step


def test_a_box_without_bounds_is_none_of_a_step() -> None:
    done = mark_event(StepDone.of(0, Step(page=Page(url="/", html=""), action=click("cart")), None), 1)
    done["data"]["payload"]["target"] = {"box": [float("inf"), 1, 1, 1]}
    with pytest.raises(DataError, match=r"expected a finite number"):
        list(Recording([done]).marks())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[", "is not JSON"),
        (b"{}", "is no list"),
        (b'[{"type": 4}]', r"\[0\] is no event"),
        (b'[{"type": true, "data": {}, "timestamp": 1}]', r"\[0\] is no event"),
        (b'[{"type": 4, "data": {}, "timestamp": NaN}]', "NaN is no number"),
        (b'[{"type": 4, "data": {}, "timestamp": 1e999}]', r"\[0\] is no event"),
        (b'[{"type": 4, "data": {}, "timestamp": 1' + b"0" * 400 + b"}]", r"\[0\] is no event"),
        (b"[" * 100_000, "is not JSON"),
    ],
)
def test_what_is_no_recording_is_refused(tmp_path: Path, content: bytes, problem: str) -> None:
    path = tmp_path / "v.json.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(content))
    with pytest.raises(DataError, match=problem):
        read_recording(path)


def test_a_small_file_that_unpacks_into_a_huge_one_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shop_r1.records.recordings.MAX_RECORDING_BYTES", 10_000_000)
    path = tmp_path / "v.json.zst"
    path.write_bytes(zstandard.ZstdCompressor().compress(b" " * 50_000_000))
    assert path.stat().st_size < 10_000
    with pytest.raises(DataError, match="is too large; at most 10000000 bytes"):
        read_recording(path)


def test_a_forged_mark_is_refused_by_name(tmp_path: Path) -> None:
    event = {"type": 5, "data": {"tag": "shop-r1", "payload": {"kind": "step", "index": -1}}, "timestamp": 1}
    with pytest.raises(DataError, match=r"events\.0 has the tag 'shop-r1'"):
        list(Recording([event]).marks())


def test_an_asset_that_was_changed_is_not_used(tmp_path: Path) -> None:
    kept(tmp_path)
    (tmp_path / "assets" / SHA).write_bytes(b"another picture")
    with pytest.raises(DataError, match="does not hold what its name says"):
        Assets(tmp_path / "assets").read(SHA)
    with pytest.raises(DataError, match="cannot be read"):
        Assets(tmp_path / "assets").read(EMPTY_SHA)


@pytest.mark.parametrize("session_id", ["../v", "a/b", "", ".hidden", "x" * 300])
def test_a_session_id_that_leads_elsewhere_is_refused(tmp_path: Path, session_id: str) -> None:
    with pytest.raises(DataError, match="cannot be a file's name"):
        recording_path(tmp_path, session_id)
