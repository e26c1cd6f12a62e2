"""The events in what recorders and session-replay tools export: lists, batches, envelopes, packed strings.

What is no event is looked into, so that any envelope does: PostHog's exports and its snapshot API's lines
(`["window", event]`, `{"window_id": …, "data": […]}`), Sentry's list of segments, Datadog's segments
(`{"records": […]}`), events that are written as strings, or that rrweb's packer or PostHog's recorder
compressed.
"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from shop_r1.importers.rrweb.events import Event
from shop_r1.importers.rrweb.files import MAX_RECORDING_BYTES, unpack
from shop_r1.importers.times import read_time
from shop_r1.text_files import CorruptError

_TAB_FIELDS: Final = ("windowId", "window_id", "tabId", "tab_id")
_TYPES: Final = 100  # an event's type is a number below this; rrweb has 7 types, others add theirs

FORMATS: Final[Mapping[str, frozenset[str]]] = {
    "a FullStory data export": frozenset({"EventType", "EventStart"}),
    "Microsoft Clarity's own encoding": frozenset({"e", "a", "p"}),
    "a decoded Microsoft Clarity payload": frozenset({"envelope", "timestamp"}),
    "a list of Microsoft Clarity's metrics": frozenset({"metricName", "information"}),
    "a flow of Chrome's Recorder panel": frozenset({"title", "steps"}),
    "an HTTP archive (HAR)": frozenset({"creator", "entries"}),
    "a mobile recording of PostHog, which has drawings in place of pages": frozenset({"wireframes"}),
    "a file of this project's sessions": frozenset({"session_id", "steps"}),
}
"""What is not rrweb, and the fields that show it."""


class _Item(NamedTuple):
    """Something that may be or hold events, the tab it is from, and whether it counts if it is neither."""

    content: Any
    tab: str
    is_entry: bool


class EventReader:
    """Finds the events in a recording's JSON values, and the names of `FORMATS` that stand among them."""

    def __init__(self, counts: Counter[str]):
        """Begin; `counts` counts what is no event."""
        self.formats: set[str] = set()
        self._counts = counts
        self._bytes_left = MAX_RECORDING_BYTES  # of what is packed within the file

    def read(self, values: Iterable[Any]) -> Iterator[Event]:
        """Yield the events in the values, in their order."""
        for value in values:
            work = [_Item(value, "", is_entry=True)]
            while work:
                item = work.pop()
                content = self._unpack(item.content) if isinstance(item.content, str) else item.content
                event = self._event(content, item.tab) if isinstance(content, dict) else None
                if event is not None:
                    yield event
                    continue
                inner = self._inside(content, item.tab)
                if not inner and item.is_entry:
                    self._counts["entries that are no events"] += 1
                work += reversed(inner)

    def _inside(self, content: Any, tab: str) -> list[_Item]:
        """Return what may hold events in what is none itself."""
        if isinstance(content, dict):
            self._note_format(content)
            tab = _tab_of(content) or tab
            return [_Item(each, tab, is_entry=False) for each in content.values() if _may_hold_events(each)]
        if isinstance(content, list):
            if len(content) == 2 and isinstance(content[0], str) and isinstance(content[1], dict):
                return [_Item(content[1], content[0], is_entry=True)]
            return [_Item(each, tab, is_entry=True) for each in content]
        return []

    def _event(self, item: Mapping[str, Any], tab: str) -> Event | None:
        kind = _number(item.get("type"))
        if isinstance(kind, bool) or kind not in range(_TYPES) or not item.keys() & {"data", "timestamp"}:
            return None
        data = item.get("data")
        if isinstance(data, str):
            data = self._unpack(data)
        if not isinstance(data, dict):
            data = {}
        self._note_format(data)
        packed = {
            key: self._unpack(each)
            for key, each in data.items()
            if isinstance(each, str) and each.startswith("\x1f\x8b")  # gzip
        }
        return Event(int(kind), data | packed, _time(item.get("timestamp")), _tab_of(item) or tab)

    def _unpack(self, text: str) -> Any:
        """Return the JSON value in a string, plain or compressed into Latin-1; None if there is none."""
        try:
            content: str | bytes = text
            if text[:1] in ("x", "\x1f"):
                content = unpack(text.encode("latin-1"), max(self._bytes_left, 0))
            self._bytes_left -= len(content)
            return json.loads(content)
        except (ValueError, RecursionError, CorruptError):
            return None

    def _note_format(self, item: Mapping[str, Any]) -> None:
        self.formats |= {name for name, fields in FORMATS.items() if fields <= item.keys()}


def _may_hold_events(value: Any) -> bool:
    return isinstance(value, dict | list) or (isinstance(value, str) and value[:1] in ("[", "{", "x", "\x1f"))


def _tab_of(item: Mapping[str, Any]) -> str:
    found = next((item[name] for name in _TAB_FIELDS if isinstance(item.get(name), str | int)), "")
    return str(found)


def _number(value: Any) -> Any:
    """Return the number that a text writes, any other value as it is."""
    if isinstance(value, str) and len(value) < 20:
        try:
            return float(value)
        except ValueError:
            return value
    return value


def _time(value: Any) -> float | None:
    """Return a time in seconds since 1970, None where there is none: recorders write milliseconds mostly."""
    try:
        return read_time(_number(value))
    except ValueError:
        return None
