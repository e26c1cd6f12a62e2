"""What is recorded of an edited page is the edited page."""

import asyncio
import json
from pathlib import Path

import pytest
from tests.drivers.edits.variants import edits_of
from tests.window import Chromium, Window

from shop_r1.drivers.recording.assets import SharedAssets
from shop_r1.drivers.recording.recorder import Recorder
from shop_r1.records.recordings import VisitBegun, read_recording

PAGE = "<h1 class=name>Red mug</h1><p class=old>12</p><img class=hero src=/a.png><div id=more></div>"
LATER = "<script>setTimeout(() => { more.innerHTML = '<b class=name>Blue mug</b>'; }, 100)</script>"
ADOPTED = 15
"""rrweb's number of a change of a document's style sheets."""


@pytest.mark.slow
def test_recordings_show_the_edited_page(chromium: Chromium, tmp_path: Path) -> None:
    (tmp_path / "hero.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg' width='7' height='5'/>")
    edits = edits_of(
        {"do": "text", "selector": ".name", "to": "Offer"},
        {"do": "hide", "selector": ".old"},
        {"do": "image", "selector": ".hero", "file": "hero.svg"},
        folder=tmp_path,
    )
    recorder = Recorder(tmp_path, SharedAssets(tmp_path), VisitBegun(session_id="visit"))
    with Window(chromium, {"/": PAGE + LATER}, edits=edits, recorder=recorder) as window:
        window.open()
        window.run(asyncio.sleep(0.3))
    chromium.run(recorder.write("terminate"))
    recording = read_recording(tmp_path / "visit.json.zst")
    snapshot = next(json.dumps(event) for event in recording.events if event["type"] == 2)
    assert "Offer" in snapshot and "Red mug" not in snapshot
    sheets = [event["data"] for event in recording.events if event["data"].get("source") == ADOPTED]
    assert ".old { display: none" in json.dumps(sheets)
    changes = [json.dumps(event) for event in recording.events if event["data"].get("source") == 0]
    assert any("Offer" in each for each in changes)
    (picture,) = [url for url in recording.assets if "/shop-r1-edit/2-" in url]
    assert recording.assets[picture].media_type == "image/svg+xml"
