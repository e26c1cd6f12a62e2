"""Which element of a page a record means: by its name, a CSS path, an address or its text."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import cached_property, partial
from typing import NamedTuple, Self

from pydantic import Field, model_validator
from rapidfuzz import fuzz, process
from selectolax.lexbor import LexborHTMLParser, LexborNode

from shop_r1.errors import PageError
from shop_r1.importers.selectors import select_nodes
from shop_r1.jsonl import Record
from shop_r1.pages import rules
from shop_r1.pages.addresses import in_full
from shop_r1.pages.elements import Element, SimplifiedPage, find_element
from shop_r1.pages.naming.same_links import scripted_alike
from shop_r1.pages.parse.document import locate, parse_document
from shop_r1.pages.parse.tree import is_simplified
from shop_r1.pages.parse.visibility import count_actions
from shop_r1.pages.simplify import simplify_page
from shop_r1.pages.sites.recipes import Recipe, fits

_POSITION = re.compile(r":nth-child\((\d+)\)")
_FIELD_ROLES = frozenset({"textbox", "searchbox", "combobox", "spinbutton"})
_MAX_MATCHES = 200  # elements that a CSS path may match; past that it points at nothing (ours)
_CLOSEST_SHOWN = 3
_SHOWN_CHARS = 80
_TEXT_NODES = "img[alt], h1, h2, h3, h4, h5, h6, a, button, [role=button], summary"  # in what has a name

Place = tuple[int, ...]
"""An element's positions among its siblings, from below `html` down to it."""


class Target(Record):
    """What is known of an element that was acted on; at least one of these.

    The fields are matched in this order; of the elements that one fits, those are kept that the next fits
    too. Fields that fit, but each another element, are an error. A field that fits no element of the page is
    ignored, and the result says so.
    """

    name: str | None = Field(None, min_length=1)
    """Its name on the simplified page."""
    css: str | None = Field(None, min_length=1)
    """A CSS path in the page as it was recorded, of the element or of something in it."""
    href: str | None = Field(None, min_length=1)
    """Where it leads, as the page writes it or in full."""
    label: str | None = Field(None, min_length=1)
    """Its text as a shopper sees or hears it."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.name is None and self.css is None and self.href is None and self.label is None:
            raise ValueError("says nothing of the element; expected name, css, href or label")
        return self


class TargetError(PageError):
    """A target fits no element of the page, or several."""

    reason = "element not found"


class ContradictoryTargetError(TargetError):
    """Each field of a target fits an element, but not the same one."""

    reason = "contradictory target"


class _NoMatchError(TargetError):
    """One field fits no element; `is_other`: it fits one that nothing can be typed into."""

    def __init__(self, message: str, *, is_other: bool = False):
        super().__init__(message)
        self.is_other = is_other


class Found(NamedTuple):
    """An element, and the words for how it was found: `CSS path`, `address and text`, `first of several`."""

    element: Element
    way: str


class _Match(NamedTuple):
    """The elements that one field of a target fits, and the field in words."""

    way: str
    elements: Sequence[Element]


_Matcher = Callable[[Sequence[Element]], _Match]
"""Returns which of some elements a field fits, or raises `_NoMatchError`."""


class TargetPage:
    """A page with what leads from its original document to the elements of its short form."""

    def __init__(self, html: str | bytes, recipes: Sequence[Recipe] = ()):
        """Simplify a page, with the first recipe that fits it.

        Raises:
            PageError: the page cannot be read.
        """
        self._html = html
        can_fit = bool(recipes) and not is_simplified(self._document)
        self.recipe = next((each for each in recipes if can_fit and fits(each, self._document)), None)
        self.simplified: SimplifiedPage = simplify_page(html, self.recipe)

    @cached_property
    def _document(self) -> LexborHTMLParser:
        return parse_document(self._html)

    @cached_property
    def _by_place(self) -> dict[Place, Element]:
        """Each element at its own place and at those of the elements that do the same.

        What stands around an element and does the same (a list item that can be clicked) stands for it only
        while it is no larger than a product's box: a click somewhere in half the page means no one element.
        """
        places = {place_of_path(element.path): element for element in self.simplified.elements}
        ordered = sorted(places)
        for element in self.simplified.elements:
            own = place_of_path(element.path)
            for path in element.also:
                other = place_of_path(path)
                if own[: len(other)] == other:
                    first = bisect_left(ordered, other)
                    past = bisect_left(ordered, (*other[:-1], other[-1] + 1)) if other else len(ordered)
                    if past - first > rules.SAME_LINK_CONTROLS:
                        continue
                places.setdefault(other, element)
        return places

    def element_around(self, node: LexborNode) -> Element | None:
        """Return the element that is clicked when a node of the page is: it, or the nearest around it."""
        place = place_of_node(node)
        around = (place[:length] for length in range(len(place), 0, -1))
        return next((self._by_place[each] for each in around if each in self._by_place), None)

    @cached_property
    def _inner_texts(self) -> dict[str, set[str]]:
        """Texts within elements (a picture's, a card's title, a folded link's words) and the elements' names.

        A label that an element has for all that stands in it is then not the only one by which it is found.
        """
        names: dict[str, set[str]] = {}
        for node in self._document.css(_TEXT_NODES):
            text = node.attributes.get("alt") if node.tag == "img" else node.text()
            plain = _plain(text or "")
            if plain and len(plain) <= rules.LABEL_TEXT_MAX and (element := self.element_around(node)):
                names.setdefault(plain, set()).add(element.name)
        return names

    def find(self, target: Target, *, typed: bool = False, base: str = "") -> Found:
        """Return the element that a record means.

        Of several links to one address that do the same the first is taken, and the result says so; links in
        two items do not do the same.

        Where text was `typed` into it only fields come into question. `base` is the page's own address, to
        compare addresses in full.

        Raises:
            TargetError: no element fits, or several that differ.
            ContradictoryTargetError: the target's fields fit different elements.
        """
        candidates: Sequence[Element] = self.simplified.elements
        if typed:
            candidates = [element for element in candidates if takes_text(element)]
        left = candidates
        ways: list[str] = []
        misses: dict[str, _NoMatchError] = {}
        for way, match in self._matchers(target, in_full(self.simplified.base, base)):
            try:
                found, left = match(left)
                ways.append(found)
            except _NoMatchError as error:
                with suppress(_NoMatchError):
                    if ways:
                        others = match(candidates)
                        raise ContradictoryTargetError(
                            f"its {' and '.join(ways)} leads to {_names(left)}, but its {others.way} to "
                            f"{_names(others.elements)}; expected all to mean one element: correct or leave "
                            "out what is wrong"
                        ) from None
                misses[way] = error
        if not ways:
            raise TargetError("; ".join(map(str, misses.values())))
        for miss in misses.values():
            if miss.is_other:
                raise ContradictoryTargetError(f"{miss}, and its {' and '.join(ways)} to {_names(left)}")
        return self._choose(left, ways, list(misses))

    def _choose(self, left: Sequence[Element], ways: Sequence[str], misses: Sequence[str]) -> Found:
        """Return the one element that is left, or the first of several that do the same."""
        way = " and ".join(ways)
        if len(left) > 1:
            if "address" not in ways or not self._do_the_same(left):
                raise TargetError(
                    f"{len(left)} elements fit its {way} ({_names(left)}); add what tells them apart"
                )
            way = "first of several" if ways == ["address"] else f"{way}, first of several"
        return Found(left[0], f"{way} ({' and '.join(misses)} fits nothing)" if misses else way)

    def _do_the_same(self, links: Sequence[Element]) -> bool:
        """Return whether links to one address do the same: in no two items, and alike to scripts."""
        first, *others = (locate(self._document, link.path) for link in links)
        return not any(
            _in_two_items(first, node) or not scripted_alike(first.attributes, node.attributes)
            for node in others
        )

    def _matchers(self, target: Target, base: str) -> Iterator[tuple[str, _Matcher]]:
        """Yield how each field of a target is matched, with the field in words."""
        if target.name is not None:
            yield "name", partial(self._match_name, target.name)
        if target.css is not None:
            yield "CSS path", partial(self._match_css, target.css)
        if target.href is not None:
            yield "address", partial(_match_address, target.href.strip(), base)
        if target.label is not None:
            yield "text", partial(self._match_label, target.label)

    def _match_name(self, name: str, candidates: Sequence[Element]) -> _Match:
        try:
            found = find_element(self.simplified, name)
        except PageError as error:
            raise _NoMatchError(str(error)) from None
        return _among(candidates, "name", [found], f"{name[:120]!r}")

    def _match_css(self, css: str, candidates: Sequence[Element]) -> _Match:
        shown = f"the CSS path {css[:_SHOWN_CHARS]!r}"
        try:
            nodes = select_nodes(self._document, css)
        except PageError as error:
            raise _NoMatchError(f"{shown} {error}") from None
        if not nodes or len(nodes) > _MAX_MATCHES:
            raise _NoMatchError(f"{shown} matches {len(nodes) or 'no'} elements")
        found = {element.name: element for node in nodes if (element := self.element_around(node))}
        if not found:
            raise _NoMatchError(f"{shown} matches nothing that has a name or stands in what has one")
        return _among(candidates, "CSS path", found.values(), shown)

    def _match_label(self, label: str, candidates: Sequence[Element]) -> _Match:
        """Return those with this label, else those that hold it as a text, else those whose label has it."""
        wanted = _plain(label)
        within = self._inner_texts.get(wanted, ())
        labels = [(element, _plain(element.label)) for element in candidates if wanted]
        matches = (
            _Match("text", [element for element, text in labels if text == wanted]),
            _Match("text within", [element for element in candidates if element.name in within]),
            _Match("part of the text", [element for element, text in labels if wanted in text]),
        )
        if match := next((each for each in matches if each.elements), None):
            return match
        close = _closest(label, [element.label for element in candidates])
        raise _NoMatchError(f"no element is labelled {label[:_SHOWN_CHARS]!r}{close}")


def takes_text(element: Element) -> bool:
    """Return whether text can be typed into an element."""
    return element.tag == "textarea" or (element.role in _FIELD_ROLES and element.tag != "select")


def _match_address(href: str, base: str, candidates: Sequence[Element]) -> _Match:
    wanted = in_full(href, base)
    links = [element for element in candidates if element.href is not None]
    found = [link for link in links if in_full(link.href or "", base) == wanted]
    if found:
        return _Match("address", found)
    close = _closest(href, [link.href or "" for link in links])
    raise _NoMatchError(f"no named element leads to {href[:_SHOWN_CHARS]!r}{close}")


def _among(candidates: Sequence[Element], way: str, found: Iterable[Element], shown: str) -> _Match:
    """Return those found that are candidates; where none is, they are of roles that take no text."""
    roles = {element.name: element.role for element in found}
    kept = [element for element in candidates if element.name in roles]
    if not kept:
        role = next(iter(roles.values()))
        raise _NoMatchError(f"{shown} leads to a {role}, which takes no text", is_other=True)
    return _Match(way, kept)


def _names(elements: Sequence[Element]) -> str:
    """Return the first names, for a message."""
    names = [element.name for element in elements[:_CLOSEST_SHOWN]]
    return ", ".join([*names, "…"] if len(elements) > _CLOSEST_SHOWN else names)


def _in_two_items(first: LexborNode, second: LexborNode) -> bool:
    """Return whether two nodes stand in two parts made alike, side by side: two products, two rows."""
    places = {each.mem_id: branch for branch, each in _around(first)}
    for branch, around in _around(second):
        ours = places.get(around.mem_id)
        if ours is not None:
            alike = (ours.tag, ours.attributes.get("class")) == (branch.tag, branch.attributes.get("class"))
            return alike and branch.mem_id != second.mem_id and _is_small(ours) and _is_small(branch)
    return False


def _is_small(part: LexborNode) -> bool:
    """Return whether a part of the page may be one product's rather than a column of the page."""
    return count_actions(part) <= rules.SAME_LINK_CONTROLS


def _around(node: LexborNode) -> Iterator[tuple[LexborNode, LexborNode]]:
    """Yield what is around a node, innermost first, each with the child in which the node stands."""
    while (around := node.parent) is not None:
        yield node, around
        node = around


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _closest(wanted: str, texts: Sequence[str]) -> str:
    """Return the page's texts nearest to one that is not on it, for a message."""
    known = list(dict.fromkeys(text[:_SHOWN_CHARS] for text in texts if text))
    close = process.extract(wanted[:_SHOWN_CHARS], known, scorer=fuzz.ratio, limit=_CLOSEST_SHOWN)
    return f" (the closest: {', '.join(repr(match[0]) for match in close)})" if close else ""


def place_of_path(path: str) -> Place:
    """Return the place that an `Element.path` leads to.

    >>> place_of_path("html > body:nth-child(2) > a:nth-child(1)")
    (2, 1)
    """
    return tuple(int(position) for position in _POSITION.findall(path))


def place_of_node(node: LexborNode) -> Place:
    """Return the place of an element of a parsed document."""
    positions: list[int] = []
    while node.parent is not None and node.parent.is_element_node:
        position, before = 1, node.prev
        while before is not None:
            position += before.is_element_node
            before = before.prev
        positions.append(position)
        node = node.parent
    return tuple(reversed(positions))
