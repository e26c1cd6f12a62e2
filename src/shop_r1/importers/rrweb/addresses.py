"""The address that an event tells of: a page's own, or one that scripts changed without a new page."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urljoin

TAGS: Final = frozenset({
    "pageview", "urlchange", "urlchanged", "navigate", "navigation", "routechange", "routechanged",
    "locationchange", "locationchanged", "pushstate", "replacestate", "popstate", "hashchange",
})  # fmt: skip
"""Tags of the custom events that tell of a new address, small and nothing but letters: PostHog's `$pageview`
and `$url_changed`, Highlight's and LaunchDarkly's `Navigate`, and what shops' own code calls it."""
FIELDS: Final = ("href", "url", "to")
"""Where in such an event's payload the address stands, unless the payload is the address."""

_NO_LETTER = re.compile(r"[^a-z]")
_ADDRESS = re.compile(r"https?://|[/?#]", re.IGNORECASE)
_ROUTE = ("#/", "#!")  # what stands behind these is a page to shops that have but one document


def page_address(url: str) -> str:
    """Return what of an address tells pages apart: all but a place on the page.

    >>> page_address("https://shop.example/mugs#reviews"), page_address("https://shop.example/#/mugs")
    ('https://shop.example/mugs', 'https://shop.example/#/mugs')
    """
    page, mark, place = url.partition("#")
    return url if f"{mark}{place}".startswith(_ROUTE) else page


def in_full(address: str, url: str) -> str:
    """Return an address in full, where it is relative to that of a page."""
    try:
        return urljoin(url, address)
    except ValueError:  # an address that is none, such as //[
        return address


def told_address(data: Mapping[str, Any], url: str) -> str | None:
    """Return the new address that a custom event tells of, in full; None where it tells of none.

    Args:
        data: the event's tag and payload.
        url: the address so far, to which that of the event may be relative.
    """
    tag, payload = data.get("tag"), data.get("payload")
    if not isinstance(tag, str):
        return None
    name = _NO_LETTER.sub("", tag.lower())
    if name in TAGS:
        found = payload
        if isinstance(payload, dict):
            found = next((payload[field] for field in FIELDS if isinstance(payload.get(field), str)), None)
    else:
        found = _sentry_address(tag, payload) if isinstance(payload, dict) else None
    if not isinstance(found, str) or not _ADDRESS.match(found):
        return None
    return in_full(found, url)


def _sentry_address(tag: str, payload: Mapping[str, Any]) -> Any:
    """Return the address in what Sentry records of the browser's history."""
    if tag == "performanceSpan" and payload.get("op") == "navigation.push":
        return payload.get("description")
    if tag == "breadcrumb" and payload.get("category") == "navigation":
        data = payload.get("data")
        return data.get("to") if isinstance(data, dict) else None
    return None
