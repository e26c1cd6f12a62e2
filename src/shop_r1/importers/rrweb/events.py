"""What an event is; the numbers are those of rrweb's own format (versions 1 and 2)."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, NamedTuple


class Kind(IntEnum):
    """What an event is about; all others are passed over."""

    FULL_SNAPSHOT = 2
    INCREMENTAL = 3
    META = 4
    CUSTOM = 5


class Source(IntEnum):
    """What an incremental event tells; resizing, media and the like are passed over."""

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
    """One event, its form checked as far as here: it has a type, and data as an object.

    Attributes:
        type: one of `Kind`, or another number.
        data: what it tells.
        time: seconds since the Unix epoch, or since the recording's beginning where the recorder counts from
            there; None where it has no time.
        tab: the recorder's name for the browser tab it is from, "" where it gives none.
    """

    type: int
    data: Mapping[str, Any]
    time: float | None = None
    tab: str = ""
