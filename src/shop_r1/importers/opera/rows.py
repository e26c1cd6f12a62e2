"""One row of OPeRA's action table: the action that it records."""

import re
from collections.abc import Mapping
from html import unescape

from shop_r1.errors import DataError
from shop_r1.importers.opera.tables import Row, Variant
from shop_r1.importers.times import read_time
from shop_r1.records.actions import CLICK, INPUT, SCROLL, TERMINATE, Action, ActionType

KINDS: Mapping[Variant, tuple[ActionType, ...]] = {
    "filtered": (CLICK, INPUT, TERMINATE),
    "full": (CLICK, INPUT, SCROLL),
}
"""The actions of each variant; of the full set those that the paper counts (Appendix E)."""
NOT_ACTIONS = {"navigation": "navigation", "tab_activate": "tab_activate", "tabActivate": "tab_activate"}
"""What the full set also records, in each spelling, and the paper leaves out."""
COLUMNS = (
    "session_id",
    "timestamp",
    "action_type",
    "click_type",
    "semantic_id",
    "url",
    "simplified_html",
    "rationale",
    "input_text",
)
"""The columns that are read; the others are several times as large."""

PURCHASE = "purchase"
"""The `click_type` of a click on what buys: add to cart, buy now, subscribe, check out."""

_NAMED = re.compile(r"""\sname\s*=\s*(?:"([^"]*)"|'([^']*)')""")


class RowError(DataError):
    """A row cannot be used: `reason` is what it is counted under, `found` what the row has."""

    def __init__(self, reason: str, found: str = ""):
        super().__init__(f"{reason}: {found}" if found else reason)
        self.reason = reason
        self.found = found


def read_action(row: Row, variant: Variant) -> Action:
    """Return the action that the row records.

    Raises:
        RowError: there is none. A name or a text without a letter or digit is refused, since the reward
            compares words: such an action could not earn what a right one earns, and GRPO refuses it.
    """
    kinds = {kind.name: kind for kind in KINDS[variant]}
    kind = kinds.get(row["action_type"] or "")
    if kind is None:
        found = f"{(row['action_type'] or '')[:40]!r}; expected {', '.join(kinds)}"
        raise RowError("unknown action_type", found)
    columns = {"name": row["semantic_id"] or "", "text": row["input_text"] or ""}
    values = {name: columns[name] for name in kind.fields}
    for name, value in values.items():
        if not any(map(str.isalnum, value)):
            raise RowError(f"{kind.name} without a {name}", repr(value[:40]))
    click_type = (row["click_type"] or "").strip() if kind is CLICK else ""
    return Action(type=kind.name, click_type=click_type or None, **values)


def time_of(row: Row) -> float:
    """Return when the row was recorded, in seconds since 1970.

    Raises:
        RowError: its timestamp is not a time with an offset.
    """
    text = row["timestamp"] or ""
    try:
        return read_time(text)
    except ValueError:
        found = f"{text[:40]!r}; expected one like 2025-04-14T21:52:57.792Z"
        raise RowError("bad timestamp", found) from None


def user_of(session_id: str) -> str | None:
    """Return the user that a session's id begins with.

    >>> user_of("324934a2-5d58_2025-04-14T21:52:46.756000Z_2025-04-14T21:55:50.785000Z")
    '324934a2-5d58'
    """
    parts = session_id.rsplit("_", 2)
    return parts[0] or None if len(parts) == 3 else None


def is_named(html: str, name: str) -> bool:
    """Return whether something on the page has this name.

    >>> is_named('<div name="nav_bar.homepage">Homepage</div>', "nav_bar.homepage")
    True
    >>> is_named('<div name="nav_bar.homepage">Homepage</div>', "nav_bar")
    False
    """
    if f' name="{name}"' in html:
        return True
    return any(unescape(double or single) == name for double, single in _NAMED.findall(html))
