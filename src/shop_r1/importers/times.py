"""When a step was recorded: what other people's records write, as seconds since 1970 in UTC."""

import math
from datetime import datetime

from shop_r1.records.sessions import MILLISECONDS_FROM
from shop_r1.validation_messages import show

EXPECTED = "expected seconds or milliseconds since 1970, or ISO 8601 with its offset (2025-04-14T21:52:57Z)"


def read_time(value: object) -> float:
    """Return the time in seconds since 1970-01-01T00:00:00Z.

    A number below `MILLISECONDS_FROM` is of seconds, one from there on of milliseconds. A time without an
    offset is refused: which instant it is depends on where it was written.

    Raises:
        ValueError: it is no such time; the message says what was found and what was expected.

    >>> read_time("2023-11-14T22:13:20+00:00"), read_time(1700000000), read_time(1700000000500)
    (1700000000.0, 1700000000.0, 1700000000.5)
    """
    if isinstance(value, str):
        return _read_text(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"is no time (found {show(value)}); {EXPECTED}")
    if not 0 <= value < MILLISECONDS_FROM * 1000:  # not a number is in no range
        raise ValueError(f"is out of range (found {show(value)}); {EXPECTED}")
    return value / 1000 if value >= MILLISECONDS_FROM else float(value)


def _read_text(value: str) -> float:
    try:
        when = datetime.fromisoformat(value.strip())
    except ValueError:
        raise ValueError(f"is no time (found {show(value)}); {EXPECTED}") from None
    if when.tzinfo is None:
        raise ValueError(f"has no offset from UTC (found {show(value)}); {EXPECTED}")
    try:
        seconds = when.timestamp()
    except (OverflowError, OSError):
        seconds = math.nan
    if not 0 <= seconds < MILLISECONDS_FROM:
        raise ValueError(f"is out of range (found {show(value)}); {EXPECTED}")
    return seconds
