"""The shapes that recorders and vendors export, each with the same events in it."""

import gzip
import json
import zlib
from collections import Counter
from typing import Any

import pytest
from tests.importers.rrweb.snapshots import (
    Entry,
    add,
    click,
    document,
    full,
    meta,
    mutation,
    tag,
    text,
    timed,
)

from shop_r1.importers.rrweb import exports
from shop_r1.importers.rrweb.events import Event
from shop_r1.importers.rrweb.exports import EventReader

CHANGE = mutation(adds=[add(4, None, tag(20, "p", None, text(21, "mügs ☕")))])
EVENTS = timed([meta("https://shop.example/"), full(document(tag(10, "a"))), CHANGE, click(10)])
PLAIN = [Event(each["type"], each["data"], each["timestamp"] / 1000) for each in EVENTS]

WITH_WINDOW = [event | {"windowId": "w1"} for event in EVENTS]


def found(*values: Any) -> tuple[list[Event], Counter[str]]:
    counts: Counter[str] = Counter()
    return list(EventReader(counts).read(values)), counts


def latin(content: bytes) -> str:
    return content.decode("latin-1")


def zipped(value: Any) -> str:
    """Return a value as PostHog's recorder compresses it into an event."""
    return latin(gzip.compress(json.dumps(value).encode(), mtime=0))


def compressed(event: Entry) -> Entry:
    data = event["data"]
    if event["type"] == 2:
        data = zipped(data)
    elif "adds" in data:
        data = data | {name: zipped(data[name]) for name in ("adds", "removes", "texts", "attributes")}
    return event | {"data": data, "cv": "2024-10"}


SHAPES: dict[str, list[Any]] = {
    "a list": [EVENTS],
    "lines": EVENTS,
    "lines of JSON strings": [json.dumps(event) for event in EVENTS],
    "a list of JSON strings": [[json.dumps(event) for event in EVENTS]],
    "numbers as text": [
        event | {"type": str(event["type"]), "timestamp": str(event["timestamp"])} for event in EVENTS
    ],
    "times in ISO 8601": [
        event | {"timestamp": f"2023-11-14T22:13:20.{number}00Z"} for number, event in enumerate(EVENTS)
    ],
    "times in seconds, as Sentry's spans have them": [
        event | {"timestamp": event["timestamp"] / 1000} for event in EVENTS
    ],
    "an object with a list": [{"events": EVENTS}],
    "rrweb's packer": [latin(zlib.compress(json.dumps(event | {"v": "v1"}).encode())) for event in EVENTS],
    "Sentry's segments": [[EVENTS[:2], EVENTS[2:]]],
    "a Sentry segment's head": [{"segment_id": 0}, EVENTS],
    "Datadog's segments": [{"records": EVENTS[:3], "view": {"id": "v"}}, {"records": EVENTS[3:]}],
    "PostHog's compressed fields": [compressed(event) for event in EVENTS],
    "rows of a data base": [{"session": 7, "event": json.dumps(event)} for event in EVENTS],
    "batches as text": [{"id": 1, "events": json.dumps(part)} for part in (EVENTS[:2], EVENTS[2:])],
}


@pytest.mark.parametrize("shape", SHAPES)
def test_events_are_found_in_every_shape(shape: str) -> None:
    events, counts = found(*SHAPES[shape])
    assert events == PLAIN
    assert counts == ({"entries that are no events": 1} if "head" in shape else {})


@pytest.mark.parametrize(
    "values",
    [
        [{"version": "2023-08-01", "data": {"person": None, "snapshots": WITH_WINDOW}}],
        [{"window_id": "w1", "data": EVENTS[:2]}, {"window_id": "w1", "data": EVENTS[2:]}],
        [["w1", event] for event in EVENTS],
        [[["w1", event] for event in EVENTS]],
        [{"tabId": "w1", "events": EVENTS}],
    ],
)
def test_the_tab_is_the_window_that_posthog_names(values: list[Any]) -> None:
    events, counts = found(*values)
    assert (events, counts) == ([event._replace(tab="w1") for event in PLAIN], {})


def test_what_is_no_event_is_counted() -> None:
    wrong: list[Any] = [
        3,
        None,
        "text",
        "x no zlib",
        {"type": "session"},
        {"type": True, "timestamp": 1},
        {"type": 3},
        [],
    ]
    events, counts = found(wrong)
    assert (events, counts) == ([], {"entries that are no events": len(wrong)})


@pytest.mark.parametrize("data", [None, 3, "text", [1], zipped([1]), "\x1f\x8b broken"])
def test_an_event_whose_data_cannot_be_read_has_none(data: Any) -> None:
    assert found({"type": 2, "data": data, "timestamp": "soon"}) == ([Event(2, {})], {})


def test_what_is_packed_without_end_is_not_unpacked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exports, "MAX_RECORDING_BYTES", 10_000)
    large = {"type": 2, "timestamp": 1, "data": zipped({"node": "x" * 8000})}
    events, _ = found(large, large)
    assert [bool(event.data) for event in events] == [True, False]


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ({"EventType": "click", "EventStart": "2023-11-14", "PageUrl": "/"}, "a FullStory data export"),
        ({"e": ["0.7"], "a": [], "p": [[1, 2]]}, "Microsoft Clarity's own encoding"),
        ({"timestamp": 1, "envelope": {}, "dom": []}, "a decoded Microsoft Clarity payload"),
        ({"title": "Visit", "steps": [{"type": "navigate"}]}, "a flow of Chrome's Recorder panel"),
        ({"log": {"creator": {}, "entries": []}}, "an HTTP archive (HAR)"),
        (
            {"type": 2, "timestamp": 1, "data": {"wireframes": []}},
            "a mobile recording of PostHog, which has drawings in place of pages",
        ),
        ({"session_id": "a", "steps": []}, "a file of this project's sessions"),
    ],
)
def test_other_formats_are_known_by_their_fields(value: Any, name: str) -> None:
    reader = EventReader(Counter())
    list(reader.read([value]))
    assert reader.formats == {name}
