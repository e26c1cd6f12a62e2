"""How visits ended and what shoppers saw, in words that people use."""

from collections.abc import Iterable, Mapping

from shop_r1.records.page_kinds import PageKind
from shop_r1.records.sessions import EventKind, StepEvent, Timing
from shop_r1.report.safe_page import clean_text
from shop_r1.report.simulation.page_texts import PageTexts

OUTCOMES: Mapping[str, str] = {
    "purchase": "bought",
    "terminate": "left",
    "max_steps": "reached the step limit",
    "error": "ended in an error",
    "no step": "took no step",
    "stopped": "broke off",
    "unfinished": "unfinished",
    "unknown": "ended",
}
"""How a visit ended, as the end of a sentence about shoppers."""
KIND_WORDS: Mapping[PageKind, str] = {
    "home": "home page",
    "search": "search page",
    "product": "product page",
    "cart": "cart",
    "checkout": "checkout",
    "order": "order page",
    "other": "other page",
}
KIND_RULES: Mapping[PageKind, str] = {
    "home": "the root of the shop, or of one of its languages",
    "search": "every list of products: an address that asks for a search or names a list, such as /search, "
    "/category or /collections; or a page with several prices",
    "product": "an address with /product, /dp, /p or /item before a name; or a page with one button that "
    "puts something into the cart",
    "cart": "an address with cart, basket, bag or trolley",
    "checkout": "an address with checkout or payment; it counts as the cart",
    "order": "an address with thank-you, order-received or the like, or /order before a number",
    "other": "texts, accounts, pages that answer with an error, and what no rule knows",
}
"""What `records.page_kinds` goes by."""
EVENTS: Mapping[EventKind, str] = {
    "dialog": "a dialog was answered",
    "new_tab": "a new tab opened",
    "closed_tab": "a tab closed",
    "download": "a download was refused",
    "file_chooser": "a file chooser was refused",
    "http_authentication": "the page asked for a login",
    "crash": "the page crashed",
    "no_answer": "the page did not answer",
    "blocked": "a request was refused",
    "purchase_held": "a purchase was held back",
    "not_settled": "the page was still changing",
    "named_again": "the element was drawn anew",
    "covered": "something covered the element",
    "enter_ignored": "Enter did nothing",
    "cut": "the page was too large to be read whole",
    "page_error": "a script of the page failed",
    "edited": "the version's edit held",
    "edit_undone": "the page took the version's edit back",
}


def say_page(kind: PageKind, texts: PageTexts) -> str:
    """Return what was seen: the kind of page and its heading."""
    words = KIND_WORDS[kind]
    has_name = texts.heading and texts.heading.lower() != words  # as “Checkout” at the checkout has none
    return words[0].upper() + words[1:] + (f" “{texts.heading}”" if has_name else "")


def count_of(number: int, thing: str, many: str | None = None) -> str:
    """Return a number of things.

    >>> count_of(1, "step"), count_of(2, "step")
    ('1 step', '2 steps')
    >>> count_of(1000, "visit")
    '1,000 visits'
    """
    return f"{number:,} {thing if number == 1 else many or thing + 's'}"


def join_words(parts: Iterable[str]) -> str:
    """Return the parts as a list in a sentence.

    >>> join_words(["a", "b", "c"])
    'a, b and c'
    """
    first = list(parts)
    last = first.pop() if first else ""
    return f"{', '.join(first)} and {last}" if first else last


def say_event(event: StepEvent) -> str:
    """Return what happened, how often and what is known of it.

    >>> say_event(StepEvent(kind="dialog", detail="alert: Hello", count=2))
    'A dialog was answered, 2 times: alert: Hello'
    """
    words = EVENTS[event.kind][0].upper() + EVENTS[event.kind][1:]
    times = f", {event.count} times" if event.count > 1 else ""
    return f"{words}{times}" + (f": {clean_text(event.detail)}" if event.detail else "")


def say_timing(timing: Timing) -> str:
    """Return what took how long.

    >>> say_timing(Timing(decide=1.24, act=0.1))
    'decided in 1.24 s, acted 0.10 s'
    """
    parts = {
        "decided in": timing.decide,
        "acted": timing.act,
        "waited for the page": timing.settle,
        "read it": timing.observe,
    }
    return ", ".join(f"{words} {seconds:.2f} s" for words, seconds in parts.items() if seconds is not None)
