"""What the player of a session's page is given: the recording, compressed, and where its steps are in it."""

import base64
import gzip
import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shop_r1.records.recordings import ASSETS_FOLDER, Assets, Recording, read_recording
from shop_r1.records.replays import make_replay
from shop_r1.report.session_view import show_page
from shop_r1.report.simulation.journey import Journey, ShownStep
from shop_r1.report.simulation.safe_recording import safe_css, safe_events
from shop_r1.report.simulation.timeline import (
    Moment,
    Timeline,
    timeline_of_recording,
    timeline_of_steps,
)

_SNAPSHOT = 2


@dataclass(frozen=True)
class Player:
    """A session's player."""

    timeline: Timeline
    data: dict[str, Any]
    """JSON values: `steps`, the `pages` that they point into, `last_path`, and whether it is `recorded`."""
    recording: str | None = None
    """Base64 of gzip of JSON: rrweb's `events`, and by `reference` and SHA-256 the `assets` in them."""
    left_out: Counter[str] = field(default_factory=Counter)
    """What of the recording is not shown, in words."""


def make_player(journey: Journey) -> Player:
    """Return the session's player, with its recording where there is one that shows something.

    Raises:
        DataError: the recording or what it refers to is not what it should be.
    """
    recording = read_recording(journey.recording) if journey.recording is not None else None
    timeline = timeline_of_recording(recording, journey.steps) if recording is not None else None
    left_out = Counter[str]()
    if recording is not None and timeline is None:
        left_out["recordings without marks of the steps"] += 1
    packed = None
    if recording is not None and timeline is not None and journey.recording is not None:
        packed = _pack(recording, timeline, journey.recording.parent / ASSETS_FOLDER, left_out)
    timeline = timeline or timeline_of_steps(journey.steps, journey.started)
    pages: dict[tuple[str, str], int] = {}  # each page once, with its place
    steps = [
        _step(step, moment, journey.screenshots.get(step.index))
        | {"page": pages.setdefault((step.step.page.url, step.step.page.html), len(pages))}
        for step, moment in zip(journey.steps, timeline.moments, strict=True)
    ]
    shown = [show_page(url, html).model_dump(mode="json") for url, html in pages]
    data = {
        "recorded": packed is not None,
        "steps": steps,
        "pages": shown,
        "last_path": _last_path(journey, timeline),
    }
    return Player(timeline, data, packed, left_out)


def _last_path(journey: Journey, timeline: Timeline) -> str:
    """Return where the visit ended: on the page that loaded last, as far as that is known."""
    loads = timeline.moments[-1].loads if timeline.moments else ()
    return loads[-1].path if loads else journey.last.path if journey.last is not None else ""


def _pack(recording: Recording, timeline: Timeline, assets: Path, left_out: Counter[str]) -> str | None:
    """Return the recording for the page; None where it shows nothing."""
    replay = make_replay(recording, Assets(assets))
    events, dropped = safe_events(replay.events)
    left_out += replay.left_out + dropped
    kept = [
        {**event, "timestamp": event["timestamp"] - timeline.begin}
        for event in events
        if event["timestamp"] > timeline.begin
    ]
    if len(kept) < 2 or not any(event["type"] == _SNAPSHOT for event in kept):
        left_out["recordings that show nothing"] += 1
        return None
    sheets = {
        name: text if text.startswith("data:image/") else safe_css(text)
        for name, text in replay.assets.items()
    }
    whole = json.dumps(
        {"events": kept, "assets": sheets, "reference": replay.reference},
        separators=(",", ":"),
        allow_nan=False,
    )
    return base64.b64encode(gzip.compress(whole.encode("utf-8", "replace"), 9, mtime=0)).decode()


def _step(step: ShownStep, moment: Moment, screenshot: Path | None) -> dict[str, Any]:
    target = moment.target
    return {
        "begin": round(moment.begin, 1),
        "at": round(moment.at, 1),
        "until": round(moment.until, 1),
        "node": target.node if target is not None else None,
        "box": list(target.box) if target is not None and target.box is not None else None,
        "name": step.step.action.name,
        "text": step.step.action.text,
        "path": step.path,
        "shot": _data_url(screenshot) if screenshot is not None else None,
    }


def _data_url(path: Path) -> str:
    return "data:image/jpeg;base64," + base64.b64encode(path.read_bytes()).decode()
