"""What kind of page a shop's page is, and how far down the funnel a visit came.

Read from the recorded page alone, its address first and its simplified HTML second, so that whoever watches
a visit and whoever reads its record later count the same.
"""

import re
from collections.abc import Iterable
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from shop_r1.records.actions import Action
from shop_r1.records.sessions import Page, Step

PageKind = Literal["home", "search", "product", "cart", "checkout", "order", "other"]
"""`search` is every list of products: results, categories, collections; `order` is an order's confirmation;
`other` are texts, accounts, errors and what no rule knows."""
Stage = Literal["home", "search", "product", "cart", "purchase"]
"""How far a visit came."""
STAGES: tuple[Stage, ...] = ("home", "search", "product", "cart", "purchase")
"""In order."""

_LOCALE = re.compile(
    r"(?:ar|bg|cs|da|de|el|en|es|et|fi|fr|he|hr|hu|id|it|ja|ko|lt|lv|nb|nl|no|pl|pt|ro|ru|sk|sl|sv|th|tr|uk"
    r"|vi|zh)(?:[-_][a-z]{2})?"
)
_HOME = re.compile(r"(?:index|home|default)(?:\.\w+)?")
_SEGMENTS: tuple[tuple[PageKind, re.Pattern[str]], ...] = (
    ("order", re.compile(r"thank[-_]?you|order[-_](?:received|confirmation|confirmed|complete|placed)")),
    ("checkout", re.compile(r"checkouts?|onepage|payment")),
    ("cart", re.compile(r"(?:shopping[-_]?|view[-_]?)?(?:cart|basket|bag|trolley)")),
)
"""A part of the path that says the kind wherever it stands; the last part that matches counts."""
_SUCCESS = re.compile(r"success|complete|completed|confirmation|confirmed")
_PARENTS: tuple[tuple[PageKind, re.Pattern[str]], ...] = (
    ("order", re.compile(r"orders?")),
    ("product", re.compile(r"products?|dp|p|items?|itm|prod|sku")),
)
"""A part of the path that says the kind where another follows it."""
_LISTS = re.compile(
    r"search|results|product[-_]categor(?:y|ies)|catalog(?:ue)?(?:search)?|categor(?:y|ies)|collections?|departments?|brands?|browse"
    r"|products|shop|s|c|b|sale"
)
_QUERIES = frozenset(
    {"q", "query", "keyword", "keywords", "k", "s", "search", "search_query", "searchterm", "term"}
)
_ACCOUNT = re.compile(r"accounts?|customers?|login|register|signin|signup|profile|help|support|pages?|blogs?")
_FILE_ENDING = re.compile(r"\.(?:html?|php|aspx?|jsp|do)\Z")

_NAME = re.compile(r'<(?:a|button|input|select)\b[^<>]*? name="([^"<>]*)"')
_ADDS = re.compile(r"add(?:_[a-z]{1,12}){0,3}_to(?:_[a-z]{1,12})?_(?:cart|basket|bag|trolley)(?:_\d+)?")
_OF_CART = re.compile(r"(?:your_|my_|shopping_)?(?:cart|basket|bag)\..*")
_BUYS = re.compile(r"buy_(?:it_)?now(?:_\d+)?")
_PRICE = re.compile(r"(?:[$€£¥₹]|\b(?:USD|EUR|GBP|CHF|SEK)) ?\d|\d ?(?:[$€£¥₹]|(?:USD|EUR|GBP|CHF|SEK)\b)")
_COUNTED = re.compile(r"\b\d+[,.]* (?:found|results?|products?|items?)\b", re.IGNORECASE)
_SORTED = re.compile(r"sort(?:_by)?(?:_\d+)?")
_LIST_PRICES = 4
"""As many lines with a price make a list: more than a product's own, its old one and its delivery. Ours."""


def page_kind(page: Page) -> PageKind:
    r"""Return the kind of a page.

    >>> page_kind(Page(url="https://shop.example/search?q=mug", html="<page>"))
    'search'
    >>> page_kind(Page(url="/mugs/red", html='<page>\n<button name="buy_box.add_to_cart">Add</button>'))
    'product'
    """
    if page.status is not None and page.status >= 400:
        return "other"
    names = element_names(page)
    if names and all(map(_OF_CART.fullmatch, names)):  # a drawer that covers the page whose address stays
        return "cart"
    segments, is_searched = _read_url(page.url)
    if is_searched:
        return "search"
    if segments is None:
        return _kind_of_html(page.html) or "other"
    if not segments or (len(segments) == 1 and _HOME.fullmatch(segments[0])):
        return "home"
    found = _kind_of_path(segments) or _kind_of_html(page.html)
    is_list = any(map(_LISTS.fullmatch, segments))  # of a product's address it may be a part
    return found or ("search" if is_list else "other")


def element_names(page: Page) -> list[str]:
    r"""Return the names of links, buttons and fields, in the page's order.

    >>> element_names(Page(html='<page>\n<a name="results.red_mug">Red mug</a>'))
    ['results.red_mug']
    """
    return _NAME.findall(page.html)


def adds_to_cart(action: Action) -> bool:
    """Return whether the action is a click on what puts something into the cart, by the element's name."""
    label = action.value("name").rpartition(".")[2]
    return action.type == "click" and (_ADDS.fullmatch(label) or _BUYS.fullmatch(label)) is not None


def page_stage(page: Page) -> Stage | None:
    """Return how far down the funnel a page stands; None for those beside it.

    A checkout is of the cart, and so is an order's page: it may be an old one's, and what was bought in this
    visit its outcome says.
    """
    kind = page_kind(page)
    if kind == "other":
        return None
    return "cart" if kind == "checkout" or kind == "order" else kind


def step_stage(step: Step) -> Stage | None:
    """Return how far a step came: its page's stage, or the cart where it put something into it.

    A shop whose cart is a drawer has no page of its own for it.
    """
    shown = page_stage(step.page)
    added: Stage | None = "cart" if step.error is None and adds_to_cart(step.action) else None
    return furthest((shown, added))


def furthest(stages: Iterable[Stage | None]) -> Stage | None:
    """Return the last of the stages in the order of the funnel; None where there is none.

    >>> furthest(["search", "product", None, "home"])
    'product'
    """
    return max((stage for stage in stages if stage is not None), key=STAGES.index, default=None)


def visit_stage(steps: Iterable[Step], outcome: str | None) -> Stage | None:
    """Return how far a visit came: to the purchase by its outcome, else by its steps."""
    return "purchase" if outcome == "purchase" else furthest(map(step_stage, steps))


def _read_url(url: str) -> tuple[list[str] | None, bool]:
    """Return the parts of the address's path, None where there is none, and whether it asks for a search."""
    try:
        parts = urlsplit(url)
        if parts.fragment.startswith(("/", "!")):  # a route of a script's
            parts = urlsplit("//" + parts.netloc + "/" + parts.fragment.lstrip("!/"))
    except ValueError:  # not an address, such as //[
        return None, False
    if not parts.path and not parts.netloc:
        return None, False
    is_searched = any(key.lower() in _QUERIES for key, _ in parse_qsl(parts.query))
    segments = [_FILE_ENDING.sub("", part) for part in parts.path.lower().split("/") if part]
    has_locale = bool(segments) and _LOCALE.fullmatch(segments[0]) is not None
    return segments[1:] if has_locale else segments, is_searched


def _kind_of_path(segments: list[str]) -> PageKind | None:
    """Return what the path says for sure; None where it says nothing."""
    if _ACCOUNT.fullmatch(segments[0]):
        return "other"
    has_succeeded = any(map(_SUCCESS.fullmatch, segments))
    for part in reversed(segments):
        for kind, pattern in _SEGMENTS:
            if pattern.fullmatch(part):
                return "order" if kind == "checkout" and has_succeeded else kind
    for kind, pattern in _PARENTS:
        if any(map(pattern.fullmatch, segments[:-1])):
            return kind
    return None


def _kind_of_html(html: str) -> PageKind | None:
    """Return what the simplified page says: one thing to buy, a list of them, or nothing."""
    labels = [name.rpartition(".")[2] for name in _NAME.findall(html)]
    adding = sum(_ADDS.fullmatch(label) is not None for label in labels)
    buying = sum(_BUYS.fullmatch(label) is not None for label in labels)
    if max(adding, buying) == 1:
        return "product"
    prices = sum(_PRICE.search(line) is not None for line in html.splitlines())
    is_counted = _COUNTED.search(html) is not None or any(map(_SORTED.fullmatch, labels))
    is_list = adding > 1 or prices >= _LIST_PRICES or (prices > 0 and is_counted)
    return "search" if is_list else None
