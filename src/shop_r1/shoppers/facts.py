"""What a shopper reads off a page: its kind, the query, the items with their prices, ratings and badges.

Read from the recorded page alone (its address and simplified HTML), so that a saved session says as much
about the choices in it as the live one did.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal
from urllib.parse import parse_qs, urlsplit

import numpy as np
from numpy.typing import NDArray
from selectolax.lexbor import LexborHTMLParser, LexborNode

from shop_r1.records.sessions import Page, Step

PageKind = Literal["home", "departments", "results", "product", "reviews", "cart", "checkout", "other"]

_PRICE = re.compile(r"\$([\d,]+\.\d\d)")
_RATING = re.compile(r"(\d(?:\.\d)?) stars? \((\d+)\)")
_STARS = re.compile(r"(\d) stars?(?! \()")
_DELIVERY = re.compile(r"(?:Free delivery|Delivery included|Delivery \$([\d,]+\.\d\d)), (\d+) days?")
_PAGES = re.compile(r"Page (\d+) of (\d+)")
_TOTAL = re.compile(r"Total: \$([\d,]+\.\d\d)")
_PATHS: tuple[tuple[re.Pattern[str], PageKind], ...] = (
    (re.compile(r"/"), "home"),
    (re.compile(r"/departments"), "departments"),
    (re.compile(r"/(?:search|department/.*)"), "results"),
    (re.compile(r"/product/[^/]+"), "product"),
    (re.compile(r"/product/[^/]+/reviews"), "reviews"),
    (re.compile(r"/cart"), "cart"),
    (re.compile(r"/checkout"), "checkout"),
)


@dataclass(frozen=True, slots=True)
class Item:
    """A product in a list."""

    name: str
    """The name of its link."""
    words: tuple[str, ...]
    """The title's words in lower case; the first is the brand."""
    price_cents: int
    rating: float | None
    """In stars; None where the page does not say."""
    in_stock: bool
    best_seller: bool
    sponsored: bool
    delivery_cents: int | None = None
    """What delivery costs beside the price; None where the list does not say."""
    delivery_days: int | None = None

    @property
    def stars(self) -> float:
        """The rating; not a number where the page does not say, which is neither too low nor high enough."""
        return math.nan if self.rating is None else self.rating

    @property
    def slug(self) -> str:
        """The title as addresses spell it."""
        return "-".join(self.words)

    @property
    def cost_cents(self) -> int:
        """The price with delivery, as far as the list says."""
        return self.price_cents + (self.delivery_cents or 0)


@dataclass(frozen=True, slots=True)
class Named:
    """Something that can be acted on."""

    label: str
    """In lower case."""
    name: str
    is_current: bool
    """Whether it is chosen: an option, a filter, a sort."""


@dataclass(frozen=True)
class PageFacts:
    """What one page says."""

    kind: PageKind
    """Which of the store's pages it is."""
    query: tuple[str, ...]
    """The words searched for, in lower case; empty away from results."""
    is_cheap_only: bool
    """Whether results are cut to those under a price."""
    is_good_only: bool
    """Whether results are cut to four stars and more."""
    slug: str
    """The product in question, on its page and its reviews' page."""
    items: tuple[Item, ...]
    names: Mapping[str, str]
    """First name of an element under each label (lower case)."""
    price_cents: int = 0
    rating: float | None = None
    """The product's rating in stars; None where the page does not say."""
    review_count: int | None = None
    """How many rated it; None where the page does not say."""
    stars: tuple[int, ...] = ()
    """Stars of the reviews shown."""
    delivery_days: int = 0
    """Days until it arrives; 0 where the page does not say."""
    delivery_cents: int = 0
    selected: frozenset[str] = frozenset()
    """Labels (lower case) of the options that are chosen."""
    department: str = ""
    """The department in question, as its address spells it, on its page."""
    elements: tuple[Named, ...] = ()
    """Everything that can be acted on, in the page's order."""
    page_number: int = 1
    """Which page of a list or of reviews it is, and of how many."""
    page_count: int = 1
    total_cents: int = 0
    """What a cart or an order costs; 0 elsewhere."""

    @property
    def rated_words(self) -> str:
        """The rating in words that follow a price; empty where the page does not say."""
        return "" if self.rating is None else f" with {self.rating} stars"

    def is_rated_below(self, floor: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Return for which of the floors, in stars, the product is rated too low; (P,) as they are.

        A rating that the page does not say is not too low.
        """
        return np.zeros_like(floor, dtype=bool) if self.rating is None else self.rating < floor

    @property
    def search_field(self) -> str | None:
        """Name of the field to search in."""
        return self.names.get("search")

    @property
    def price_filter(self) -> tuple[str, str] | None:
        """Label and name of the first filter by price, the lowest; None where there is none."""
        return next(
            ((label, name) for label, name in self.names.items() if label.startswith("under $")), None
        )

    @property
    def rating_filter(self) -> str | None:
        """Name of the filter by rating."""
        return next((name for label, name in self.names.items() if label.endswith("stars up")), None)


@dataclass(frozen=True)
class SessionFacts:
    """What a session so far says: the page before the shopper and what came earlier."""

    page: PageFacts
    queries: tuple[tuple[str, ...], ...]
    """The words of each search so far, in order."""
    seen: frozenset[str]
    """Slugs of the products whose page was left before the present one."""
    reviewed: frozenset[str]
    """Slugs of the products whose reviews were read."""
    has_filtered: bool
    """Whether a filter was set on an earlier page or is on the present one."""


def read_session(history: Sequence[Step], page: Page) -> SessionFacts:
    """Return the facts of the steps so far and the page that they led to."""
    present = read_page(page.url, page.html)
    earlier = [read_page(step.page.url, step.page.html) for step in history]
    typed = [step.action.value("text") for step in history if step.action.type == "type_and_submit"]
    return SessionFacts(
        page=present,
        queries=tuple(tuple(text.lower().split()) for text in typed),
        seen=frozenset(facts.slug for facts in earlier if facts.kind == "product") - {present.slug},
        reviewed=frozenset(facts.slug for facts in earlier if facts.kind == "reviews"),
        has_filtered=any(facts.is_cheap_only or facts.is_good_only for facts in (present, *earlier)),
    )


@lru_cache(maxsize=4096)
def read_page(url: str, html: str) -> PageFacts:
    """Return what the page says; what it does not say is left at its default."""
    try:
        address = urlsplit(url)
        path, params = address.path, parse_qs(address.query, max_num_fields=100)
    except ValueError:  # an invalid address in a log
        path, params = "", {}
    kind: PageKind = next((kind for pattern, kind in _PATHS if pattern.fullmatch(path)), "other")
    document = LexborHTMLParser(html)
    text = _text(document.body) if document.body else ""
    elements = _read_elements(document)
    names: dict[str, str] = {}
    for element in elements:
        names.setdefault(element.label, element.name)
    paging = _PAGES.search(text)
    price, rating, delivery = _PRICE.search(text), _RATING.search(text), _DELIVERY.search(text)
    return PageFacts(
        kind=kind,
        query=tuple(params.get("q", [""])[0].lower().split()),
        is_cheap_only="price" in params,
        is_good_only="rating" in params,
        slug=path.split("/")[2] if kind in ("product", "reviews") else "",
        items=tuple(item for node in document.css("li") if (item := _read_item(node)) is not None),
        names=names,
        price_cents=_cents(price),
        rating=float(rating[1]) if rating else None,
        review_count=int(rating[2]) if rating else None,
        stars=tuple(int(stars) for stars in _STARS.findall(text)) if kind == "reviews" else (),
        delivery_days=int(delivery[2]) if delivery else 0,
        delivery_cents=_cents(delivery),
        selected=frozenset(element.label for element in elements if element.is_current),
        department=path.split("/")[2] if path.startswith("/department/") else "",
        elements=elements,
        page_number=int(paging[1]) if paging else 1,
        page_count=int(paging[2]) if paging else 1,
        total_cents=_cents(_TOTAL.search(text)),
    )


def _text(node: LexborNode) -> str:
    return " ".join(node.text(separator=" ").split())


def _cents(match: re.Match[str] | None) -> int:
    """Return the price that the match's first group spells; 0 where there is none."""
    return int(re.sub("[,.]", "", match[1])) if match and match[1] else 0


def _read_elements(document: LexborHTMLParser) -> tuple[Named, ...]:
    """Return everything with a name, in the page's order."""
    elements = []
    for node in document.css("[name]"):
        name = node.attributes.get("name") or ""
        if node.tag == "input":
            label = "search" if node.attributes.get("type") == "search" else name
        else:
            label = _text(node).lower()
        elements.append(Named(label, name, "current" in node.attributes))
    return tuple(elements)


def _read_item(node: LexborNode) -> Item | None:
    """Return the list's entry as an item; None when it has no link with words or no price."""
    link, text = node.css_first("a[name]"), _text(node)
    price, rating, delivery = _PRICE.search(text), _RATING.search(text), _DELIVERY.search(text)
    if link is None or price is None or not _text(link):
        return None
    return Item(
        name=link.attributes.get("name") or "",
        words=tuple(_text(link).lower().split()),
        price_cents=_cents(price),
        rating=float(rating[1]) if rating else None,
        in_stock="Out of stock" not in text,
        best_seller="Best seller" in text,
        sponsored="Sponsored" in text,
        delivery_cents=_cents(delivery) if delivery else None,
        delivery_days=int(delivery[2]) if delivery else None,
    )
