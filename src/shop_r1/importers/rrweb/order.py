"""Events as they came about: each tab's by themselves, by their time, and none twice."""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import Final

from shop_r1.importers.rrweb.events import Event

_BEGINNING: Final = float("-inf")


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

    Recorders send their events in batches, which arrive late, or twice. Events of one time keep their order,
    as in rrweb's own player; one without a time stays behind the event before it. The same at the same time
    is one event that was sent twice.

    Args:
        events: of one tab, in the order in which they stand in the file.
        counts: counts what was there twice.
        remarks: counts what was out of order.
    """
    placed: list[tuple[float, Event]] = []
    latest = time = _BEGINNING
    for event in events:
        time = time if event.time is None else event.time
        if event.time is not None and time < latest:
            remarks["events out of order, sorted by time"] += 1
        latest = max(latest, time)
        placed.append((time, event))
    placed.sort(key=lambda each: each[0])
    ordered: list[Event] = []
    for _, same in groupby(placed, lambda each: each[0]):
        ordered += _unique([event for _, event in same], counts)
    return ordered


def _unique(events: list[Event], counts: Counter[str]) -> list[Event]:
    """Return events of one time without those that were there before."""
    if len(events) == 1:
        return events
    kept: dict[str, Event] = {}
    for number, event in enumerate(events):
        known = kept.setdefault(_identity(event, number), event)
        if known is not event:
            counts["events sent twice"] += 1
    return list(kept.values())


def _identity(event: Event, number: int) -> str:
    if event.time is None:
        return f"event {number}"
    try:
        return f"{event.type} {json.dumps(event.data, sort_keys=True)}"
    except RecursionError:  # nested too deeply to be written
        return f"event {number}"
