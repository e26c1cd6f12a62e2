"""How settings name pages and elements: addresses in which `*` stands for anything, and CSS selectors."""

import re
from functools import lru_cache
from typing import Annotated

from pydantic import AfterValidator, Field
from selectolax.lexbor import LexborHTMLParser, SelectolaxError

_HOST = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#]*", re.IGNORECASE)


def matches(pattern: str, address: str) -> bool:
    """Return whether an address is of this form, in which `*` stands for anything.

    A pattern that begins with a slash is of what follows the host. What stands behind `?` and `#` in the
    address may be in the pattern or not.

    >>> shop = "https://shop.example/search?q=mug"
    >>> [matches(each, shop) for each in ("/search", "/search?q=*", "*/search*", "https://*", "/sea", "/")]
    [True, True, True, True, False, False]
    """
    plain = address.partition("#")[0]
    forms = {address, plain, plain.partition("?")[0]}
    if pattern.startswith("/"):
        forms = {_HOST.sub("", each, count=1) or "/" for each in forms}
    return any(_expression(pattern).fullmatch(each) for each in forms)


def is_pattern(text: str) -> bool:
    """Return whether a text can be an address and not a name: whether it has a slash or a `*`."""
    return "/" in text or "*" in text


@lru_cache(maxsize=256)
def _expression(pattern: str) -> re.Pattern[str]:
    return re.compile(".*".join(map(re.escape, pattern.split("*"))), re.DOTALL)


def _check_selector(text: str) -> str:
    try:
        LexborHTMLParser("<p>").css(text)
    except SelectolaxError:
        raise ValueError("is no CSS selector; expected one such as .reviews or button[name=add]") from None
    return text


Pattern = Annotated[str, Field(min_length=1, max_length=500)]
"""An address with `*`, for `matches`."""
Selector = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(_check_selector)]
"""A CSS selector."""
