"""Addresses of pages, those of one template taken together."""

import re
from urllib.parse import SplitResult, urlsplit

from shop_r1.records.page_kinds import PageKind
from shop_r1.report.safe_page import clean_text

_BEFORE_NAME = re.compile(r"products?|dp|p|items?|itm|prod|sku|orders?|success")
"""A part of the path behind which one product or order is named."""


def split_address(url: str) -> SplitResult:
    """Return the address's parts; all are empty where it is none."""
    try:
        return urlsplit(clean_text(url))
    except ValueError:  # such as //[
        return SplitResult("", "", "", "", "")


def path_of(url: str) -> str:
    """Return the address without its host.

    >>> path_of("http://shop.test/search?q=mug")
    '/search?q=mug'
    """
    address = split_address(url)
    return (address.path or "/") + (f"?{address.query}" if address.query else "")


def template_of(url: str, kind: PageKind) -> str:
    """Return the address's path, a star in place of what names one product or order.

    >>> template_of("http://shop.test/product/red-mug/reviews?page=2", "product")
    '/product/*/reviews'
    >>> template_of("http://shop.test/kitchen/red-mug", "product"), template_of("http://shop.test", "home")
    ('/kitchen/*', '/')
    """
    parts, named = _named_part(url, kind)
    return "/" + "/".join("*" if place == named else part for place, part in enumerate(parts))


def item_of(url: str, kind: PageKind) -> str:
    """Return the path as far as the name of the product or order; the whole path of other pages.

    >>> item_of("http://shop.test/product/red-mug/reviews", "product")
    '/product/red-mug'
    """
    parts, named = _named_part(url, kind)
    return "/" + "/".join(parts if named is None else parts[: named + 1])


def _named_part(url: str, kind: PageKind) -> tuple[list[str], int | None]:
    """Return the path's parts, and the place of the one that names a product or order."""
    parts = [part for part in split_address(url).path.split("/") if part]
    if kind not in ("product", "order") or not parts:
        return parts, None
    marks = [place for place, part in enumerate(parts[:-1]) if _BEFORE_NAME.fullmatch(part.lower())]
    return parts, marks[-1] + 1 if marks else len(parts) - 1
