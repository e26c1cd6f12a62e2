"""Whoever wrote a recording: it is read, written and made a replay of, or refused with a reason."""

import json
import random
from pathlib import Path
from typing import Any

import pytest

from shop_r1.errors import DataError
from shop_r1.importers.rrweb.recordings import RecordingTally, import_recordings
from shop_r1.records.recordings import Assets, as_recording, write_recording
from shop_r1.records.replays import make_replay

RECORDINGS = Path(__file__).parents[1] / "pages" / "evershop" / "recordings"
JUNK: tuple[Any, ...] = (
    *(None, True, -1, 10**30, 1.5, "", "shop-r1", "shop-r1-asset:" + "0" * 64, "http://[", "\ud800", [], {}),
    *([[]], [{}], {"": None}, {"type": 2, "id": 1, "childNodes": 7}, "url(", "a" * 300, "@import 'x'"),
)


def events() -> Any:
    from shop_r1.jsonl import read_json

    return read_json(RECORDINGS / "evershop-search.json.zst")


def places(value: Any) -> list[tuple[Any, Any]]:
    """Return every object or list in a JSON value, with each key or index in it."""
    found: list[tuple[Any, Any]] = []
    work = [value]
    while work:
        holder = work.pop()
        for key, inner in holder.items() if isinstance(holder, dict) else enumerate(holder):
            found.append((holder, key))
            if isinstance(inner, dict | list):
                work.append(inner)
    return found


@pytest.mark.parametrize("seed", range(40))
def test_no_value_in_a_recording_breaks_what_reads_it(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    value = events()
    for holder, key in rng.sample(places(value), 60):
        holder[key] = rng.choice(JUNK)
    (tmp_path / "assets").symlink_to(RECORDINGS / "assets")
    path = tmp_path / "visit.json"
    path.write_text(json.dumps(value))
    try:
        recording = as_recording(value)
        list(recording.marks())
        make_replay(recording, Assets(tmp_path / "assets")).self_contained()
    except DataError as error:
        assert len(str(error)) > 10
    try:
        list(import_recordings([path], RecordingTally()))
    except DataError as error:
        assert len(str(error)) > 10


@pytest.mark.parametrize("seed", range(10))
def test_no_event_of_a_page_breaks_what_writes_it(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    value = [event for event in events() if event["type"] != 5]
    inner = [(holder, key) for holder, key in places(value) if holder is not value and holder not in value]
    for holder, key in rng.sample(inner, 60):
        holder[key] = rng.choice(JUNK)
    recording = as_recording(value)
    path = write_recording(tmp_path, "visit", recording)
    assert path.stat().st_size > 1000
    make_replay(recording, Assets(tmp_path / "assets"))
