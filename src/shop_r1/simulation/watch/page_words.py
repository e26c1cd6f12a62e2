"""Pages and events in a few words."""

import re
from html import unescape

from shop_r1.records.sessions import EventKind, StepEvent

_HEADING = re.compile(r"<h1\b[^<>]*>([^\n]*)")
_TAG = re.compile(r"<[^<>]*>")
_TITLE_MAX, _DETAIL_MAX = 120, 120  # characters that are shown
_EVENTS: dict[EventKind, str] = {
    "dialog": "answered a dialog",
    "new_tab": "went on in a new tab",
    "closed_tab": "a tab was closed",
    "download": "refused a download",
    "file_chooser": "left a file chooser",
    "http_authentication": "was asked for a login",
    "crash": "the page crashed",
    "no_answer": "the page did not answer",
    "blocked": "a request out of bounds was refused",
    "purchase_held": "the purchase was held back",
    "not_settled": "the page was still changing",
    "named_again": "found an element again that was drawn anew",
    "covered": "something else covered the element",
    "enter_ignored": "Enter did nothing",
    "cut": "the page was too large to be read whole",
    "page_error": "a script of the page failed",
    "edited": "saw an edited page",
    "edit_undone": "the page took an edit back",
}


def heading(html: str) -> str:
    r"""Return the first main heading of a simplified page; empty where it has none.

    >>> heading('<page>\\n<h1>Cups <b>&amp;</b> saucers</h1>')
    'Cups & saucers'
    """
    found = _HEADING.search(html)
    return cut(unescape(_TAG.sub("", found[1].partition("</h1>")[0])), _TITLE_MAX) if found else ""


def event_words(event: StepEvent) -> str:
    """Return an event in words.

    >>> event_words(StepEvent(kind="dialog", detail="alert: Sale!", count=2))
    'answered a dialog (alert: Sale!), 2 times'
    """
    detail = f" ({cut(event.detail, _DETAIL_MAX)})" if event.detail else ""
    return f"{_EVENTS[event.kind]}{detail}{f', {event.count} times' if event.count > 1 else ''}"


def cut(text: str, longest: int) -> str:
    """Return the text on one line, and no longer than that.

    >>> cut("a mug,  red", 8)
    'a mug, …'
    """
    part = text[: 2 * longest + 100]  # the text may be huge
    line = " ".join(part.split())
    is_whole = len(line) <= longest and len(part) == len(text)
    return line if is_whole else line[: longest - 1] + "…"
