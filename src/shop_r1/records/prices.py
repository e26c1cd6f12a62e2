"""What a page says of money."""

import re

from shop_r1.records.page_kinds import page_kind
from shop_r1.records.sessions import Page

_MONEY = r"(?:[$€£¥₹] ?([\d.,]*\d)|([\d.,]*\d) ?(?:[$€£¥₹]|(?:USD|EUR|GBP|CHF|SEK)\b))"
_TOTAL = re.compile(rf"\btotal\b[^\d$€£¥₹\n]{{0,20}}\s*{_MONEY}", re.IGNORECASE)
_DELIVERY = re.compile(rf"\b(?:delivery|shipping):? {_MONEY}", re.IGNORECASE)
_PRICE = re.compile(_MONEY)
_TAG = re.compile(r"<[^<>]*>")


def paid_price(page: Page) -> float | None:
    """Return what was paid on this page, delivery included as far as it says; None where it says no price.

    On a cart or a checkout that is the total, else the page's first price.
    """
    text = " ".join(_TAG.sub(" ", page.html).split())
    if page_kind(page) in ("cart", "checkout") and (found := _TOTAL.search(text)):
        return _number(found)
    price, delivery = _PRICE.search(text), _DELIVERY.search(text)
    if price is None:
        return None
    paid = _number(price)
    return round(paid + _number(delivery), 2) if delivery is not None else paid


def _number(found: re.Match[str]) -> float:
    """Return an amount; its last dot or comma is the decimal one where one or two digits follow it.

    >>> [_number(match) for match in _PRICE.finditer("$1,299.50 or 1.299,5 €, or $1,299")]
    [1299.5, 1299.5, 1299.0]
    """
    text = next(filter(None, found.groups()))
    match = re.fullmatch(r"(.*)[.,](\d{1,2})", text)
    if match is None:
        return float(re.sub(r"[.,]", "", text))
    return float(f"{re.sub(r'[.,]', '', match[1]) or '0'}.{match[2]}")
