"""Which element of a page a record means: by its name, a CSS path, an address or its text."""

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
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
_MATCHES_MAX = 200  # elements that a CSS path may match; past that it points at nothing (ours)
_CLOSEST_SHOWN = 3
_SHOWN_CHARS = 80
_SAYING = "img[alt], h1, h2, h3, h4, h5, h6, a, button, [role=button], summary"  # in what has a name

Place = tuple[int, ...]
"""An element's positions among its siblings, from below `html` down to it."""


class Target(Record):
    """What is known of an element that was acted on; at least one of these.

    They are asked in this order; of the elements that one fits, those are kept that the next fits too. Where
    they fit, but each another element, they contradict each other, and none is taken. One that no element of
    the page fits is passed over, and said to be.
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


class Found(NamedTuple):
    """An element, and the words for how it was found: `CSS path`, `address and text`, `first of several`."""

    element: Element
    way: str


class _Hint(NamedTuple):
    """What one hint says: its word, the elements that fit, and what to say if there are none.

    `is_other` says that it leads to an element, to one that nothing can be typed into.
    """

    way: str
    elements: Sequence[Element]
    fault: str = ""
    is_other: bool = False


class Contradiction(str):
    """Why an element is not told: what is known of it means two."""


class TargetPage:
    """A page with what leads from its original document to the elements of its short form.

    Attributes:
        simplified: the short page.
        recipe: which of the given recipes it was made with, if any fits.
    """

    def __init__(self, html: str | bytes, recipes: Sequence[Recipe] = ()):
        """Simplify a page, with the first recipe that fits it.

        Raises:
            PageError: the page cannot be read.
        """
        self._html = html
        self.recipe = next((each for each in recipes if self._is_fit(each)), None)
        self.simplified: SimplifiedPage = simplify_page(html, self.recipe)

    def _is_fit(self, recipe: Recipe) -> bool:
        return not is_simplified(self._document) and fits(recipe, self._document)

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
        """Return the element that is clicked when a node of the document is: it, or the nearest around it."""
        return self.element_at(place_of_node(node))

    def element_at(self, place: Place) -> Element | None:
        """Return the element at a place, or the nearest around it."""
        while place:
            element = self._by_place.get(place)
            if element is not None:
                return element
            place = place[:-1]
        return None

    @cached_property
    def _said(self) -> dict[str, set[str]]:
        """What stands in elements: a picture's text, a card's title, a folded link's words; with their names.

        A label that an element has for all that stands in it is then not the only one by which it is found.
        """
        said: dict[str, set[str]] = {}
        for node in self._document.css(_SAYING):
            text = node.attributes.get("alt") if node.tag == "img" else node.text()
            plain = _plain(text or "")
            if plain and len(plain) <= rules.LABEL_TEXT_MAX and (element := self.element_around(node)):
                said.setdefault(plain, set()).add(element.name)
        return said

    def find(self, target: Target, *, typed: bool = False, base: str = "") -> Found | str:
        """Return the element that a record means, or why it is none or not one alone.

        Of several links to one address that do the same the first is taken, and said to be that; in two
        items they do not.

        Args:
            target: what is known of it.
            typed: whether text was typed into it; then only fields come into question.
            base: the page's own address, to compare addresses in full.

        Returns:
            The element; else a sentence, a `Contradiction` where hints fit, but each another element.
        """
        everything: Sequence[Element] = self.simplified.elements
        if typed:
            everything = [element for element in everything if takes_text(element)]
        left = everything
        ways: list[str] = []
        vain: list[_Hint] = []
        for ask in self._questions(target, in_full(self.simplified.base, base)):
            hint = ask(left)
            if hint.elements:
                left = hint.elements
                ways.append(hint.way)
            elif ways and (others := ask(everything)).elements:
                return _contradiction(ways, left, others)
            else:
                vain.append(hint)
        if not ways:
            return "; ".join(hint.fault for hint in vain)
        other = next((hint for hint in vain if hint.is_other), None)
        if other is not None:
            return Contradiction(f"{other.fault}, and its {' and '.join(ways)} to {_some(left)}")
        return self._settle(left, ways, [hint.way for hint in vain])

    def _settle(self, left: Sequence[Element], ways: Sequence[str], vain: Sequence[str]) -> Found | str:
        """Return the one element that is left, or the first of several that do the same."""
        way = " and ".join(ways)
        if len(left) > 1:
            if "address" not in ways or not self._do_the_same(left):
                return f"{len(left)} elements fit its {way} ({_some(left)}); add what tells them apart"
            way = "first of several" if ways == ["address"] else f"{way}, first of several"
        return Found(left[0], f"{way} ({' and '.join(vain)} fits nothing)" if vain else way)

    def _do_the_same(self, links: Sequence[Element]) -> bool:
        """Return whether links to one address do the same: in no two items, and alike to scripts."""
        nodes = [locate(self._document, link.path) for link in links]
        first = nodes[0]
        return not any(
            _in_two_items(first, node) or not scripted_alike(first.attributes, node.attributes)
            for node in nodes[1:]
        )

    def _questions(self, target: Target, base: str) -> list[Callable[[Sequence[Element]], _Hint]]:
        """Return what to ask of the candidates, in the order of the target's fields."""
        name, css, href, label = target.name, target.css, target.href, target.label
        questions: list[Callable[[Sequence[Element]], _Hint]] = []
        if name is not None:
            questions.append(lambda candidates: self._named(name, candidates))
        if css is not None:
            questions.append(lambda candidates: self._selected(css, candidates))
        if href is not None:
            questions.append(lambda candidates: _leading(href.strip(), base, candidates))
        if label is not None:
            questions.append(lambda candidates: self._labelled(label, candidates))
        return questions

    def _named(self, name: str, candidates: Sequence[Element]) -> _Hint:
        try:
            return _among(candidates, "name", [find_element(self.simplified, name)], f"{name[:120]!r}")
        except PageError as error:
            return _Hint("name", (), str(error))

    def _selected(self, css: str, candidates: Sequence[Element]) -> _Hint:
        shown = f"the CSS path {css[:_SHOWN_CHARS]!r}"
        nodes = select_nodes(self._document, css)
        if isinstance(nodes, str):
            return _Hint("CSS path", (), f"{shown} {nodes}")
        if not nodes or len(nodes) > _MATCHES_MAX:
            return _Hint("CSS path", (), f"{shown} matches {len(nodes) or 'no'} elements")
        found = {element.name: element for node in nodes if (element := self.element_around(node))}
        if not found:
            return _Hint("CSS path", (), f"{shown} matches nothing that has a name or stands in what has one")
        return _among(candidates, "CSS path", found.values(), shown)

    def _labelled(self, label: str, candidates: Sequence[Element]) -> _Hint:
        """Return those labelled so, else those in which just this stands, else those whose label has it."""
        wanted = _plain(label)
        same = [element for element in candidates if _plain(element.label) == wanted]
        if wanted and same:
            return _Hint("text", same)
        named = self._said.get(wanted, ())
        if said := [element for element in candidates if element.name in named]:
            return _Hint("text within", said)
        holding = [element for element in candidates if wanted in _plain(element.label)]
        if wanted and holding:
            return _Hint("part of the text", holding)
        close = _closest(label, [element.label for element in candidates])
        return _Hint("text", (), f"no element is labelled {label[:_SHOWN_CHARS]!r}{close}")


def takes_text(element: Element) -> bool:
    """Return whether text can be typed into an element."""
    return element.tag == "textarea" or (element.role in _FIELD_ROLES and element.tag != "select")


def _among(candidates: Sequence[Element], way: str, found: Iterable[Element], shown: str) -> _Hint:
    """Return those found that are still in question; else say what was found instead."""
    roles = {element.name: element.role for element in found}
    kept = [element for element in candidates if element.name in roles]
    role = next(iter(roles.values()))
    return _Hint(way, kept, f"{shown} leads to a {role}, which takes no text", is_other=True)


def _contradiction(ways: Sequence[str], left: Sequence[Element], others: _Hint) -> Contradiction:
    return Contradiction(
        f"its {' and '.join(ways)} leads to {_some(left)}, but its {others.way} to {_some(others.elements)}; "
        "expected all to mean one element: correct or leave out what is wrong"
    )


def _some(elements: Sequence[Element]) -> str:
    """Return the first names, for a message."""
    names = [element.name for element in elements[:_CLOSEST_SHOWN]]
    return ", ".join([*names, "…"] if len(elements) > _CLOSEST_SHOWN else names)


def _in_two_items(first: LexborNode, second: LexborNode) -> bool:
    """Return whether two nodes stand in two parts made alike, side by side: two goods, two rows."""
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


def _leading(href: str, base: str, candidates: Sequence[Element]) -> _Hint:
    wanted = in_full(href, base)
    links = [element for element in candidates if element.href is not None]
    found = [link for link in links if in_full(link.href or "", base) == wanted]
    if found:
        return _Hint("address", found)
    close = _closest(href, [link.href or "" for link in links])
    return _Hint("address", (), f"no named element leads to {href[:_SHOWN_CHARS]!r}{close}")


def _plain(text: str) -> str:
    return " ".join(text.casefold().split())


def _closest(wanted: str, there: Sequence[str]) -> str:
    """Return the texts of the page nearest to one that is not there, for a message."""
    known = list(dict.fromkeys(text[:_SHOWN_CHARS] for text in there if text))
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
