"""What an element is called: accessible names (W3C accname, for static HTML) and section words."""

import re
from collections.abc import Iterator
from itertools import takewhile

from shop_r1.pages import rules
from shop_r1.pages.naming.counts import is_counted, is_number, without_count
from shop_r1.pages.naming.identifiers import class_words, id_words
from shop_r1.pages.naming.names import join_words, query_words, slug_words, to_words
from shop_r1.pages.parse.node import WORD, Node, clean, spoken_text
from shop_r1.pages.parse.tree import Tree

_DIGIT = re.compile(r"\d")
_SKIP = re.compile(r"#[A-Za-z][\w-]*")  # not #/page or #!page, which are addresses that a script reads
_CAPTION_TAGS = {"fieldset": "legend", "table": "caption", "details": "summary"}
_NATIVE_LABELS = rules.FIELD_TAGS | {"option", "area"}
_CLIMB_MAX = 8  # ancestors looked at for a label (ours)
_ABOVE_CLIMB = 3  # ancestors in which the text before a control is looked for (ours)
_COUNTING = frozenset({"a", "button", "summary"})  # what may say how much is in the cart


def accessible_label(node: Node, tree: Tree) -> str:
    """Return an element's accessible name: labelled-by, aria-label, its own label, content, title; or ""."""
    label = _aria_label(node, tree) if node.bits & rules.TELLS else ""
    if not label and node.tag in _NATIVE_LABELS:
        label = _native_label(node, tree)
    if not label and node.tag not in rules.FIELD_TAGS:
        is_valued = False
        if "role" in node.attributes:
            is_valued = holds_value(node)
            if is_valued or node.role in rules.TOGGLE_ROLES:
                label = _label_element_text(node, tree)
        if not label and not is_valued:
            heading = node.heading if node.control == "a" and node.heading is not node else None
            label = (spoken_text(heading) if heading else "") or spoken_text(node)
    return clean(label or node.get("title") or node.get("placeholder"))


def holds_value(node: Node) -> bool:
    """Return whether what stands in a control is what was chosen or typed there, not what it is called."""
    if "role" not in node.attributes:
        return False
    role = node.role
    return role in rules.VALUED_ROLES or (role in rules.TYPED_ROLES and "contenteditable" in node.attributes)


def _aria_label(node: Node, tree: Tree) -> str:
    by = node.get("aria-labelledby")
    if by and holds_value(node):  # some are labelled by their value as well
        by = " ".join(each for each in by.split() if each != node.get("id"))
    if by and (text := " ".join(filter(None, map(tree.text_of, by.split()[:4])))):
        return text
    return " ".join(node.get("aria-label").split())


def _native_label(node: Node, tree: Tree) -> str:
    if node.tag == "input" and node.control == "button":
        return node.get("alt") or node.get("value") or node.get("title")
    if node.tag == "option":
        return node.text or node.get("label")
    if node.tag == "area":
        return node.get("alt")
    return _label_element_text(node, tree)


def _label_element_text(node: Node, tree: Tree) -> str:
    label = label_of(node, tree)
    return spoken_text(label) if label is not None else ""


def label_of(field: Node, tree: Tree) -> Node | None:
    """Return the label element of a field: the one that points at it, else the one around it."""
    label = tree.labels.get(field.get("id")) if field.bits & rules.KNOWN else None
    return label or next((node for node in field.ancestors(_CLIMB_MAX) if node.tag == "label"), None)


def label_words(node: Node, label: str, before: str) -> list[str]:
    """Return the words that name an element.

    They are its label's; without one a field's are those of the text before it on its line, and else come
    from its address, picture, field name or classes, in this order; at last from what it is. What changes
    from page to page, such as how much is in the cart, is in none.
    """
    words = to_words(label)
    if not words:
        return next(filter(None, _other_words(node, before)))
    if node.control not in _COUNTING or not any(word.isdigit() for word in words):
        return words
    if is_number(words):  # a badge at the cart's picture
        named = next(filter(None, _other_words(node, "")))
        return named if is_counted(named) else words
    return without_count(_without_count(node, words))


def _other_words(node: Node, before: str) -> Iterator[list[str]]:
    """Yield what else tells of an element without a label: what its author wrote, at last what it is."""
    is_valued = holds_value(node)
    if is_valued or (node.tag in rules.FIELD_TAGS and node.control != "button"):
        yield to_words(before[-rules.LABEL_MAX :])
    if is_valued or node.get("type").lower() == "range":
        yield [word for word in to_words(node.get("aria-valuetext")) if not word.isdigit()]
        yield to_words(text_above(node))
    if is_valued:
        yield to_words(node.text)
    if node.control == "a":
        yield slug_words(node.get("href"))
        yield query_words(node.get("href"))
    yield to_words(node.get("value")) if node.tag == "img" else []
    yield slug_words(node.get("src"))
    for attribute in ("name", "id"):
        yield id_words(node.get(attribute))
    if node.control != "input":
        yield class_words(node.get("class"))
    yield to_words(node.get("type") if node.tag == "input" else node.role)
    yield ["link" if node.control == "a" else node.control]


def text_above(node: Node) -> str:
    """Return the text that stands right before a control in what is around it; "" where a control does.

    A sentence is no label: what is longer than a label can be is left.
    """
    found = node  # what stands for the control among the children: plain blocks around it are taken apart
    for around in node.ancestors(_ABOVE_CLIMB):
        children = around.children
        if len(children) > rules.SIBLINGS_MAX:
            return ""
        place = next((index for index, each in enumerate(children) if each is found or each is node), -1)
        for child in reversed(children[: max(0, place)]):
            if isinstance(child, Node) and (child.control or child.controls):
                return ""
            text = child.text if isinstance(child, Node) else child or ""
            if WORD.search(text):
                text = clean(text)
                return text if len(text) <= rules.LABEL_MAX else ""
        if place >= 0:
            found = around
    return ""


def _without_count(node: Node, words: list[str]) -> list[str]:
    """Return the visible words where the label only adds a number to them: `cart`, not `cart_2_items`.

    A count changes from page to page, and the name should not change with it.
    """
    shown = to_words(node.text) if node.get("aria-label") else []
    rest = words[len(shown) :]
    if shown and words[: len(shown)] == shown and any(word.isdigit() for word in rest):
        return shown
    return words


def section_name(node: Node, tree: Tree) -> str:
    """Return the words that a landmark, labelled list, form, table or dialog adds to names; "" for none."""
    role = node.role or rules.SECTION_ROLES.get(node.tag, "")
    if role not in rules.LANDMARK_WORDS or (node.tag in ("header", "footer") and _within_section(node)):
        return ""
    if role == "search":
        return "search"
    label = _aria_label(node, tree)
    if not label and node.tag in _CAPTION_TAGS:
        tag = _CAPTION_TAGS[node.tag]
        label = next((each.text for each in node.children if isinstance(each, Node) and each.tag == tag), "")
    if not label and role in ("dialog", "alertdialog") and node.heading is not None:
        label = node.heading.text
    words = to_words(label)
    if role == "navigation" and rules.GENERIC_NAV_WORDS.issuperset(words):
        return rules.LANDMARK_WORDS[role]
    return join_words(words, rules.SECTION_MAX) or rules.LANDMARK_WORDS[role]


def _within_section(node: Node) -> bool:
    parts = ("article", "section", "aside", "nav", "li", "main")
    return any(ancestor.tag in parts for ancestor in node.ancestors(rules.SECTION_CLIMB))


def item_title(node: Node, tree: Tree) -> tuple[list[str], bool]:
    """Return the words of an item's title, and whether they are written rather than a picture's.

    They are those of the title that a recipe says it has, its label's, its heading's, else those of its first
    link or picture with words.
    """
    if node.title is not None and (words := to_words(spoken_text(node.title))):
        return words, bool(node.title.text)
    label = _aria_label(node, tree) or _menu_head(node)
    if not label and node.heading is not None:
        label = spoken_text(node.heading)
    if label:
        return to_words(label), True
    if node.controls > rules.SAME_LINK_CONTROLS and node.tag not in rules.ITEM_TAGS:
        return [], False  # a page's whole head, say, beside two more blocks made like it
    # A link to a part of its own page ("Skip to main content") is no thing's title.
    leads_on = node.link is not None and _SKIP.fullmatch(node.link.get("href").strip()) is None
    linked = to_words(spoken_text(node.link)) if node.link and leads_on else []
    pictured = to_words(node.image.get("alt") or node.image.get("title")) if node.image else []
    if not linked and not pictured:
        return to_words(_leading_text(node)), True
    # "View details" is in every item, while a picture's text says which one it is.
    is_poor = len(linked) < rules.TITLE_WORDS_MIN and len(pictured) > len(linked)
    return (pictured, False) if is_poor else (linked, True)


def _menu_head(node: Node) -> str:
    """Return the text before the list in a list item that holds one: the links in that are entries under it.

    Where a link stands outside of the list, it says what the item is about, unless a heading in a menu would.
    """
    if node.tag != "li" or not (text := _leading_text(node)):
        return ""
    if node.link is None or (node.heading is not None and node.controls > rules.MENU_LINKS_MIN):
        return text if any(inner.tag in rules.LIST_TAGS for inner in node.elements()) else ""
    around = takewhile(lambda each: each is not node, node.link.ancestors())
    return text if any(each.tag in rules.LIST_TAGS for each in around) else ""


def _leading_text(node: Node) -> str:
    """Return the text that stands in a node before anything that can be acted on."""
    for child in node.children:
        if isinstance(child, Node):
            if child.control or child.controls:
                return ""
            if child.text:
                return child.text
        elif child and not child.isspace():
            return child
    return ""


def nearby_title(node: Node, tree: Tree) -> str:
    """Return the title of the smallest part around a control that has one of its own; "" for none.

    A heading or a picture's text is one anywhere; a link's text only in an item, where the link is the
    item's. A link such as "Skip to main content" beside a search field is no title.
    """
    for part in takewhile(lambda each: each.controls <= rules.SAME_LINK_CONTROLS, node.ancestors(_CLIMB_MAX)):
        for words in _titles_near(part, node, tree):
            if words and words != to_words(node.text):
                return join_words(words, rules.TITLE_MAX)
    return ""


def _titles_near(part: Node, node: Node, tree: Tree) -> Iterator[list[str]]:
    """Yield what could be the title of a part of the page around a control, the best first."""
    is_titled = part.heading or part.image or part.link not in (None, node)
    if (part.is_item or part.heading is not None) and is_titled:
        yield item_title(part, tree)[0]
    if part.image is not None and part.image is not node:
        yield to_words(part.image.get("alt") or part.image.get("title"))


def place_words(node: Node) -> str:
    """Return the words of the nearest id around a control that a person wrote; "" for none near it.

    For a select too: its options would all carry the longer name.
    """
    if node.control == "select":
        return ""
    for ancestor in node.ancestors(rules.SAME_LINK_CLIMB):
        identity = ancestor.get("id") if ancestor.bits & rules.KNOWN else ""
        if not identity or _DIGIT.search(identity):  # with digits a machine may have made it
            continue
        if words := id_words(identity):
            return join_words(words, rules.SECTION_MAX)
    return ""
