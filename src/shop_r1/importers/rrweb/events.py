"""Events in rrweb's format (versions 1 and 2): what they are, and their order in each browser tab."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from itertools import groupby
from operator import itemgetter
from typing import Any, NamedTuple


class Kind(IntEnum):
    """What an event is about; all others are ignored."""

    FULL_SNAPSHOT = 2
    INCREMENTAL = 3
    META = 4
    CUSTOM = 5


class Source(IntEnum):
    """What an incremental event is about; resizing, media and the like are ignored."""

    MUTATION = 0
    MOUSE_MOVE = 1
    INTERACTION = 2
    SCROLL = 3
    INPUT = 5
    TOUCH_MOVE = 6
    STYLE_SHEET_RULE = 8
    STYLE_DECLARATION = 13
    ADOPTED_STYLE_SHEET = 15


class Interaction(IntEnum):
    """What was done; a touch is followed by its click, so it is ignored."""

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
    """One of `Kind`, or another number."""
    data: Mapping[str, Any]
    time: float | None = None
    """Seconds since 1970, or since the recording's beginning where the recorder counts from there."""
    tab: str = ""
    """The recorder's name for the browser tab it is from, "" where it gives none."""


def split_tabs(events: Sequence[Event]) -> dict[str, list[Event]]:
    """Return each tab's events in their order, by its name; where only one tab has a name, all are its."""
    names = {event.tab for event in events} - {""}
    only = names.pop() if len(names) == 1 else None
    tabs: dict[str, list[Event]] = {}
    for event in events:
        tabs.setdefault(only or event.tab, []).append(event)
    return tabs


def order_events(events: Iterable[Event], counts: Counter[str], remarks: Counter[str]) -> list[Event]:
    """Return one tab's events by time, each once.

    Recorders send their events in batches, which arrive late, or twice. Events of one time keep the file's
    order, as in rrweb's own player; one without a time stays behind the event before it. `counts` counts
    those that were sent twice, `remarks` those that were out of order.
    """
    placed: list[tuple[float, Event]] = []
    latest = time = float("-inf")
    for event in events:
        time = time if event.time is None else event.time
        if event.time is not None and time < latest:
            remarks["events out of order, sorted by time"] += 1
        latest = max(latest, time)
        placed.append((time, event))
    placed.sort(key=itemgetter(0))
    ordered: list[Event] = []
    for _, group in groupby(placed, itemgetter(0)):
        same = [event for _, event in group]
        if len(same) > 1:
            same = list({_identity(event, number): event for number, event in enumerate(same)}.values())
        ordered += same
    if repeated := len(placed) - len(ordered):
        counts["events sent twice"] += repeated
    return ordered


def _identity(event: Event, number: int) -> str:
    if event.time is None:
        return f"event {number}"
    try:
        return f"{event.type} {json.dumps(event.data, sort_keys=True)}"
    except RecursionError:  # nested too deeply to be written
        return f"event {number}"
