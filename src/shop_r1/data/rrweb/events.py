"""A recording's file as events; the numbers are those of rrweb's own format (versions 1 and 2)."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import IntEnum
from pathlib import Path
from typing import Any, Final, NamedTuple

from shop_r1.errors import DataError
from shop_r1.jsonl import read_json, read_lines

RECORDING_MAX_BYTES: Final = 200_000_000  # ours: JSON takes some ten times as much memory once it is read
ENDINGS: Final = (".json", ".jsonl", ".jsonl.zst")


class Kind(IntEnum):
    """What an event is about; all others are passed over."""

    FULL_SNAPSHOT = 2
    INCREMENTAL = 3
    META = 4


class Source(IntEnum):
    """What an incremental event tells; mouse moves, scrolling and the like are passed over."""

    MUTATION = 0
    INTERACTION = 2
    INPUT = 5
    STYLE_SHEET_RULE = 8
    STYLE_DECLARATION = 13
    ADOPTED_STYLE_SHEET = 15


class Interaction(IntEnum):
    """What was done; a touch is followed by its click, so it is passed over."""

    CLICK = 2
    FOCUS = 5
    BLUR = 6


class NodeKind(IntEnum):
    """What a node is."""

    DOCUMENT = 0
    DOCTYPE = 1
    ELEMENT = 2
    TEXT = 3
    CDATA = 4
    COMMENT = 5


class Event(NamedTuple):
    """One event, its form checked as far as here: it has a type, and data as an object."""

    type: int
    data: Mapping[str, Any]


def list_recordings(paths: Sequence[Path]) -> list[Path]:
    """Return the recordings' files: those given, and those in the folders given, by name.

    Raises:
        DataError: none is given, or a folder holds none.
    """
    files: list[Path] = []
    if not paths:
        raise DataError("no recordings are given; expected files of rrweb events, or folders of them")
    for path in paths:
        if not path.is_dir():
            files.append(path)
            continue
        found = sorted(file for file in path.iterdir() if file.name.endswith(ENDINGS))
        if not found:
            raise DataError.at(path, None, f"holds no recordings; expected files *{', *'.join(ENDINGS)}")
        files += found
    return files


def recording_name(path: Path) -> str:
    """Return a recording's file name without its ending."""
    ending = next((ending for ending in ENDINGS if path.name.endswith(ending)), "")
    return path.name.removesuffix(ending)


def read_events(path: Path, counts: Counter[str]) -> Iterator[Event]:
    """Yield a recording's events in its order.

    Args:
        path: a JSON list of events, or one event a line (`.jsonl`, `.jsonl.zst`).
        counts: counts what is no event.

    Raises:
        DataError: the file cannot be read, is too large, or is not JSON.
    """
    for raw in _read_lines(path) if ".jsonl" in path.name else _read_list(path):
        if isinstance(raw, dict) and isinstance(raw.get("type"), int):
            data = raw.get("data")
            yield Event(raw["type"], data if isinstance(data, dict) else {})
        else:
            counts["entries that are no events"] += 1


def _read_list(path: Path) -> list[Any]:
    try:
        size = path.stat().st_size
    except OSError as error:
        raise DataError.at(path, None, f"cannot be read ({error.strerror or error})") from None
    if size > RECORDING_MAX_BYTES:
        raise DataError.at(path, None, f"has {size} bytes; at most {RECORDING_MAX_BYTES} are read")
    events = read_json(path)
    if not isinstance(events, list):
        raise DataError.at(path, None, f"is a JSON {type(events).__name__}; expected a list of rrweb events")
    return events


def _read_lines(path: Path) -> Iterator[Any]:
    size = 0
    for number, line in read_lines(path):
        size += len(line)
        if size > RECORDING_MAX_BYTES:
            raise DataError.at(
                path, number, f"at most {RECORDING_MAX_BYTES} characters are read of a recording"
            )
        try:
            yield json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError.at(path, number, f"is not JSON ({error})") from None
