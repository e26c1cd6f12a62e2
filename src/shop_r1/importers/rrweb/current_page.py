"""The page that the shopper sees at an event: its nodes, its address, and whether the recording shows it."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shop_r1.errors import PageError
from shop_r1.importers.masking import are_masked
from shop_r1.importers.rrweb.events import NodeKind
from shop_r1.importers.rrweb.mirror import Mirror
from shop_r1.importers.rrweb.nodes import DomNode
from shop_r1.importers.rrweb.writer import MARK, write_page
from shop_r1.importers.targets import TargetPage
from shop_r1.pages.addresses import in_full
from shop_r1.pages.elements import Element
from shop_r1.pages.parse.document import parse_document
from shop_r1.pages.sites.recipes import Recipe
from shop_r1.records.sessions import Page

TAGS: Final = frozenset({
    "pageview", "urlchange", "urlchanged", "navigate", "navigation", "routechange", "routechanged",
    "locationchange", "locationchanged", "pushstate", "replacestate", "popstate", "hashchange",
})  # fmt: skip
"""Tags of the custom events that announce a new address, as lower-case letters: PostHog's `$pageview`
and `$url_changed`, Highlight's and LaunchDarkly's `Navigate`, and the names in shops' own code."""
FIELDS: Final = ("href", "url", "to")
"""Where in such an event's payload the address stands, unless the payload is the address."""

_NO_LETTER = re.compile(r"[^a-z]")
_ADDRESS = re.compile(r"https?://|[/?#]", re.IGNORECASE)
_ROUTE = ("#/", "#!")  # what stands behind these is a page to shops that have but one document


class CurrentPage:
    """Follows what is shown in one tab."""

    def __init__(self, counts: Counter[str], remarks: Counter[str], recipes: Sequence[Recipe] = ()):
        """Begin with no page; `counts` counts what cannot be followed or read, `remarks` masked pages."""
        self.mirror = Mirror(counts)
        self.urls: list[str] = []
        # Whether the nodes are those of the page that is shown. They are not before the first snapshot, after
        # the head of one (a meta event) that does not come or cannot be read, and after another page's event.
        self.is_known = False
        self._counts = counts
        self._remarks = remarks
        self._recipes = recipes
        self._simplified: tuple[int, TargetPage] | None = None  # the page of that version

    @property
    def url(self) -> str:
        """The address, "" where none is known."""
        return self.urls[-1] if self.urls else ""

    def differs(self, url: str) -> bool:
        """Return whether an address is that of another page than the one shown."""
        return bool(self.urls) and page_address(url) != page_address(self.url)

    def move(self, url: str) -> None:
        """Take a new address."""
        if url != self.url:
            self.urls.append(url)

    def resolve(self, node: DomNode) -> tuple[Page, Element] | None:
        """Return the page as it stands and the element at or around a node, None if that has no name."""
        page, root = self._simplify(), self.mirror.root
        if page is None or root is None:
            return None
        marked = parse_document(write_page(root, self.url, node)).css_first(f"[{MARK}]")
        element = page.element_around(marked) if marked is not None else None
        return None if element is None else (self._record(page), element)

    def page(self) -> Page | None:
        """Return the page as it stands, None if it cannot be read."""
        page = self._simplify()
        return None if page is None else self._record(page)

    def _record(self, page: TargetPage) -> Page:
        return Page(url=self.url, html=page.simplified.html)

    def _simplify(self) -> TargetPage | None:
        version, root = self.mirror.version, self.mirror.root
        if self._simplified is None or self._simplified[0] != version:
            assert root is not None, "nothing is resolved before the first page"
            try:
                page = TargetPage(write_page(root, self.url), self._recipes)
            except PageError:
                self._counts["pages that cannot be read"] += 1
                return None
            if are_masked(root.texts()):
                self._remarks["pages whose text is masked"] += 1
            self._simplified = version, page
        return self._simplified[1]


def is_in_frame(node: DomNode) -> bool:
    """Return whether a node is in a frame's page."""
    return sum(each.kind == NodeKind.DOCUMENT for each in node.around()) > 1


def page_address(url: str) -> str:
    """Return what of an address identifies a page: all but a place on the page.

    >>> page_address("https://shop.example/mugs#reviews"), page_address("https://shop.example/#/mugs")
    ('https://shop.example/mugs', 'https://shop.example/#/mugs')
    """
    page, mark, place = url.partition("#")
    return url if f"{mark}{place}".startswith(_ROUTE) else page


def announced_address(data: Mapping[str, Any], url: str) -> str | None:
    """Return the new address that a custom event announces, in full; None where it announces none.

    `data` has its tag and payload. The address may be relative to `url`, the one so far.
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
