"""Which field takes a query for the whole shop: it is called `search_input` on every page."""

import re
from itertools import islice

from shop_r1.pages import rules
from shop_r1.pages.naming import vocabulary
from shop_r1.pages.naming.names import to_words
from shop_r1.pages.parse.node import Node, spoken_text

_SEARCH = re.compile(r"search|suche|recherche|buscar|ricerca|zoek", re.I)
_CLIMB_MAX = 8  # ancestors looked at (ours)
_PARTS = frozenset({"aside", "fieldset", "details"})
_PART_ROLES = frozenset({"complementary", "group", "radiogroup", "listbox"})
_TOGGLES_MIN = 2  # beside a field make it a list's own search (ours)
_BESIDE_MAX = 100  # elements looked at for them (ours)


def is_search_field(node: Node, label: str) -> bool:
    """Return whether an input is where one types a query for the shop.

    Its type, role, form, field name or label says so; a search within a list of options, such as a filter's,
    is none.
    """
    kind = node.get("type").lower() or "text"
    is_typed = kind == "search" or node.role == "searchbox"
    if not is_typed and (node.tag != "input" or kind not in rules.TEXT_TYPES):
        return False
    if kind in ("text", "search") and node.get("name").lower() in vocabulary.SEARCH_FIELDS:
        return True
    for ancestor in node.ancestors(_CLIMB_MAX):
        if ancestor.tag == "search" or ancestor.role == "search":
            return True
        if ancestor.tag == "form":
            if _SEARCH.search(f"{ancestor.get('action')} {ancestor.get('id')}") is not None:
                return True
            break
    words = set(to_words(label))
    if not is_typed and (
        words.isdisjoint(vocabulary.SEARCH_WORDS) or not words <= vocabulary.SEARCH_LABEL_WORDS
    ):
        return False
    return words.isdisjoint(vocabulary.FILTER_WORDS) and not _narrows(node)


def _narrows(node: Node) -> bool:
    """Return whether a field stands in a part about something else, or with options to choose from."""
    for ancestor in node.ancestors(_CLIMB_MAX):
        if ancestor.tag in _PARTS or ancestor.role in _PART_ROLES:
            title = ancestor.get("aria-label") or (spoken_text(ancestor.heading) if ancestor.heading else "")
            if title and not _SEARCH.search(title):
                return True
    around = next((each for each in node.ancestors(_CLIMB_MAX) if each.controls > 1), None)
    beside = islice(around.elements(), _BESIDE_MAX) if around is not None else ()
    return sum(map(_is_toggle, beside)) >= _TOGGLES_MIN


def _is_toggle(node: Node) -> bool:
    if node.control == "input":
        return node.get("type").lower() in rules.TOGGLE_TYPES
    return node.control == "choice" or (bool(node.control) and node.role in rules.TOGGLE_ROLES)
