"""What an element is called: accessible names (W3C accname, for static HTML) and section words."""

import re

from shop_r1.pages import rules
from shop_r1.pages.names import is_identifier, join_words, slug_words, to_words
from shop_r1.pages.node import Node, spoken_text
from shop_r1.pages.tree import Tree

_SEARCH = re.compile(r"search|suche|recherche|buscar|ricerca|zoek", re.I)
_CLIMB_MAX = 8  # ancestors looked at for a label or a search form (ours)


def accessible_label(node: Node, tree: Tree) -> str:
    """Return an element's accessible name: labelled-by, aria-label, its own label, content, title; or ""."""
    label = _aria_label(node, tree) or _native_label(node, tree)
    if not label and node.tag not in ("input", "select", "textarea"):
        heading = node.heading if node.control == "a" and node.heading is not node else None
        label = (spoken_text(heading) if heading else "") or spoken_text(node)
    return label or node.get("title").strip() or node.get("placeholder").strip()


def _aria_label(node: Node, tree: Tree) -> str:
    by = node.get("aria-labelledby")
    if by:
        found = [tree.ids[key] for key in by.split()[:4] if key in tree.ids]
        text = " ".join(spoken_text(target) for target in found)
        if text:
            return text
    return " ".join(node.get("aria-label").split())


def _native_label(node: Node, tree: Tree) -> str:
    if node.tag == "input" and node.control == "button":
        return node.get("alt") or node.get("value") or node.get("title")
    if node.tag == "option":
        return node.text or node.get("label")
    if node.tag == "area":
        return node.get("alt")
    if node.tag not in ("input", "select", "textarea"):
        return ""
    label = tree.labels.get(node.get("id")) if node.get("id") else None
    climbed = 0
    ancestor = node.parent
    while label is None and ancestor is not None and climbed < _CLIMB_MAX:
        label = ancestor if ancestor.tag == "label" else None
        ancestor, climbed = ancestor.parent, climbed + 1
    return spoken_text(label) if label is not None else ""


def label_words(node: Node, label: str) -> list[str]:
    """Return the words that name an element: its label's, else those of its address, field name or kind."""
    words = to_words(label)
    if words:
        return _without_count(node, words)
    if node.control == "a":
        return slug_words(node.get("href")) or ["link"]
    for attribute in ("name", "id"):
        words = [word for word in to_words(_spaced(node.get(attribute))) if not is_identifier(word)]
        if words:
            return words
    kind = node.get("type") if node.tag == "input" else node.role
    return to_words(kind) or [node.control]


def _without_count(node: Node, words: list[str]) -> list[str]:
    """Return the visible words where the label only adds a number to them: `cart`, not `cart_2_items`.

    A count changes from page to page, and the name should not change with it.
    """
    if not node.get("aria-label") or not any(word.isdigit() for word in words):
        return words
    shown = to_words(node.text)
    rest = words[len(shown) :]
    if shown and words[: len(shown)] == shown and any(word.isdigit() for word in rest):
        return shown
    return words


def _spaced(identifier: str) -> str:
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", identifier[: rules.LABEL_TEXT_MAX])


def is_search_field(node: Node) -> bool:
    """Return whether an input is where one types a query: by type, role, form or its field name."""
    kind = node.get("type").lower() or "text"
    if kind == "search" or node.role == "searchbox":
        return True
    if node.tag != "input" or kind not in rules.TEXT_TYPES:
        return False
    if kind == "text" and node.get("name").lower() in rules.SEARCH_FIELDS:
        return True
    ancestor, climbed = node.parent, 0
    while ancestor is not None and climbed < _CLIMB_MAX:
        if ancestor.tag == "search" or ancestor.role == "search":
            return True
        if ancestor.tag == "form":
            return _SEARCH.search(f"{ancestor.get('action')} {ancestor.get('id')}") is not None
        ancestor, climbed = ancestor.parent, climbed + 1
    return False


def section_name(node: Node, tree: Tree) -> str:
    """Return the words that a landmark, labelled list, form, table or dialog adds to names; "" for none."""
    role = node.role or rules.SECTION_ROLES.get(node.tag, "")
    if role not in rules.LANDMARK_WORDS or (node.tag in ("header", "footer") and _within_section(node)):
        return ""
    if role == "search":
        return "search"
    label = _aria_label(node, tree)
    if not label and node.tag in ("fieldset", "table", "details"):
        label = _first_child_text(
            node, {"fieldset": "legend", "table": "caption", "details": "summary"}[node.tag]
        )
    if not label and role in ("dialog", "alertdialog") and node.heading is not None:
        label = node.heading.text
    words = to_words(label)
    if role == "navigation" and rules.GENERIC_NAV_WORDS.issuperset(words):
        return rules.LANDMARK_WORDS[role]
    return join_words(words, rules.SECTION_MAX) or rules.LANDMARK_WORDS[role]


def _within_section(node: Node) -> bool:
    ancestor = node.parent
    while ancestor is not None:
        if ancestor.tag in ("article", "section", "aside", "nav", "li", "main"):
            return True
        ancestor = ancestor.parent
    return False


def _first_child_text(node: Node, tag: str) -> str:
    for child in node.children:
        if isinstance(child, Node) and child.tag == tag:
            return child.text
    return ""


def item_title(node: Node, tree: Tree) -> str:
    """Return the words of an item's title: its label, heading or first link with words."""
    titled = node.heading or node.link
    label = _aria_label(node, tree) or (spoken_text(titled) if titled else "")
    return join_words(to_words(label), rules.TITLE_MAX)
