"""The visible part of a document as light nodes, with what later steps ask of each already counted."""

import re
from collections import Counter
from dataclasses import dataclass, field

from selectolax.lexbor import LexborHTMLParser, LexborNode

from shop_r1.pages import rules
from shop_r1.pages.node import Node, visible_text

MARKER = "page"
"""The first tag of a simplified page: what stands in it is already short and named."""

_HIDDEN_STYLE = re.compile(rules.HIDDEN_STYLE, re.I)
_COLLAPSED_MENU = re.compile(rules.COLLAPSED_MENU, re.I)
_WORD = re.compile(r"[^\W_]")


@dataclass
class Tree:
    """A document's visible nodes and what was left out of it."""

    root: Node
    is_simplified: bool
    links: list[Node] = field(default_factory=list)
    ids: dict[str, Node] = field(default_factory=dict)
    labels: dict[str, Node] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)


def build_tree(document: LexborHTMLParser) -> Tree:
    """Return the document's visible nodes; iterative, so that no depth of nesting can overflow."""
    source = document.root
    assert source is not None, "parse_document returns a document with a root"
    root = Node("html", {}, None, 1)
    tree = Tree(root, _is_simplified(document))
    parent, position, positions = root, 0, list[int]()
    sources = [source]
    current: LexborNode | None = source.first_child
    while True:
        if current is None:
            if parent is root:
                return tree
            _finish(parent, tree)
            assert parent.parent is not None
            parent, position, current = parent.parent, positions.pop(), sources.pop().next
            continue
        tag = current.tag or ""
        if tag == "-text":
            parent.children.append(current.text_content or "")
        elif tag[:1] in "-!":
            tree.dropped["comment"] += tag == "-comment"
        else:
            position += 1
            node = _visible_node(current, tag, parent, position, tree)
            if node is not None:
                parent.children.append(node)
                child = current.first_child if tag not in ("svg", "textarea") else None
                if child is not None:
                    sources.append(current)
                    positions.append(position)
                    parent, position, current = node, 0, child
                    continue
                _finish(node, tree)
        current = current.next


def _is_simplified(document: LexborHTMLParser) -> bool:
    body = document.body
    child = body.first_child if body is not None else None
    while child is not None and child.tag == "-text" and not (child.text_content or "").strip():
        child = child.next
    return child is not None and child.tag == MARKER


def _visible_node(source: LexborNode, tag: str, parent: Node, position: int, tree: Tree) -> Node | None:
    """Return the element as a node, or None after counting why it is dropped."""
    reason = rules.DROPPED_TAGS.get(tag)
    if reason is None:
        attributes: dict[str, str | None] = source.attributes
        reason = _hidden_reason(tag, attributes) if attributes or tag == "dialog" else None
        if reason is None:
            if tag == "svg":
                return _svg_image(source, attributes, parent, position, tree)
            if tag == "img" and not _WORD.search(attributes.get("alt") or attributes.get("title") or ""):
                reason = "image_without_alt"
    if reason is not None:
        if tag != "head" or source.first_child is not None:
            tree.dropped[reason] += 1
        return None
    node = Node(tag, attributes, parent, position)
    if tag == "textarea":
        node.children.append(source.text() or "")
    _index(node, tree)
    return node


def _hidden_reason(tag: str, attributes: dict[str, str | None]) -> str | None:
    if "hidden" in attributes and attributes["hidden"] != "until-found":
        return "hidden"
    if attributes.get("aria-hidden") == "true":
        return "aria_hidden"
    style = attributes.get("style")
    if style and _HIDDEN_STYLE.search(style):
        return None if _COLLAPSED_MENU.search(attributes.get("class") or "") else "hidden_style"
    if tag == "input" and (attributes.get("type") or "").lower() == "hidden":
        return "hidden_input"
    if tag == "dialog" and "open" not in attributes:
        return "closed_dialog"
    return None


def _svg_image(
    source: LexborNode, attributes: dict[str, str | None], parent: Node, position: int, tree: Tree
) -> Node | None:
    """Return a drawing that has a title or label as an image with that text; others are decoration."""
    label = attributes.get("aria-label") or ""
    child = source.first_child
    while not label and child is not None:
        label = (child.text() or "") if child.tag == "title" else ""
        child = child.next
    if not _WORD.search(label):
        tree.dropped["svg"] += 1
        return None
    return Node("img", {"alt": label}, parent, position)


def _index(node: Node, tree: Tree) -> None:
    attributes = node.attributes
    node.control = "a" if tree.is_simplified and node.tag == "a" else printed_tag(node.tag, attributes)
    if not attributes:
        return
    if node.control == "a":
        tree.links.append(node)
    identity = attributes.get("id")
    if identity:
        tree.ids.setdefault(identity, node)
    if node.tag == "label" and attributes.get("for"):
        tree.labels.setdefault(attributes["for"] or "", node)


def printed_tag(tag: str, attributes: dict[str, str | None]) -> str:
    """Return the tag that an element is printed as if it can be acted on, else ""."""
    match tag:
        case "a" | "area":
            if attributes.keys() & {"href", "onclick", "tabindex"} or (
                attributes.get("name") and "role" in attributes
            ):
                return "a"
        case "button" | "select" | "textarea" | "summary" | "option":
            return tag
        case "input":
            return "button" if (attributes.get("type") or "").lower() in rules.BUTTON_TYPES else "input"
    if not attributes:
        return ""
    role = attributes.get("role")
    if role and role.strip().lower() in rules.ACTION_ROLES:
        return rules.ACTION_ROLES[role.strip().lower()]
    if "onclick" in attributes or attributes.get("tabindex") == "0":
        return "button"
    if attributes.get("contenteditable") in ("", "true"):
        return "button"
    return ""


def _finish(node: Node, tree: Tree) -> None:
    """Hand what is now known of a finished node to its parent, and find alike children."""
    parent = node.parent
    assert parent is not None
    tag = node.tag
    if tag in rules.HEADING_TAGS or node.attributes.get("role") == "heading":
        node.heading = node.heading or node
    if tag in rules.ITEM_TAGS or (node.attributes and node.role in rules.ITEM_ROLES):
        # An article under the page's own title is the page's subject, not one of several.
        node.is_item = node.controls > 1 and (node.heading is None or node.heading.tag != "h1")
    elif node.controls >= rules.REPEATED_MIN:
        _mark_repeated(node)
    if node.control == "a" and node.link is None and visible_text(node):
        node.link = node
    if tag == "img":
        node.images = 1
    parent.images += node.images
    parent.controls += node.controls + (1 if node.control else 0)
    if parent.heading is None:
        parent.heading = node.heading
    if parent.link is None:
        parent.link = node.link


def _mark_repeated(node: Node) -> None:
    """Mark a node's alike children as items: same tag and first class, each with controls and a title."""
    alike: dict[tuple[str, str], list[Node]] = {}
    for child in node.children:
        if isinstance(child, Node) and child.controls > 1 and (child.heading or child.link):
            alike.setdefault((child.tag, child.get("class").split(" ")[0]), []).append(child)
    for children in alike.values():
        if len(children) >= rules.REPEATED_MIN and children[0].tag not in ("td", "table", "tbody"):
            for child in children:
                child.is_item = True


def fold_duplicate_links(tree: Tree) -> None:
    """Mark image links that stand beside a text link to the same address and say nothing more."""
    recent: dict[str, tuple[int, Node]] = {}
    for index, link in enumerate(tree.links):
        href = link.get("href").strip()
        if not href or href.lower().startswith(rules.EMPTY_HREFS) or link.controls:
            continue
        seen = recent.get(href)
        recent[href] = (index, link)
        if seen is None or index - seen[0] > 3:
            continue
        spare = _spare_link(seen[1], link)
        if spare is not None:
            spare.folded = True
            tree.dropped["duplicate_link"] += 1
            recent[href] = (index, link if spare is seen[1] else seen[1])


def _spare_link(first: Node, second: Node) -> Node | None:
    """Return the one of two links to one address that can go, or None when both say something."""
    texts = [visible_text(link, images=True).lower() for link in (first, second)]
    drawn = [not _WORD.search(visible_text(link)) for link in (first, second)]
    if not _WORD.search(texts[0]) or (drawn[0] and texts[0] in texts[1]):
        return first
    if not _WORD.search(texts[1]) or texts[0] == texts[1] or (drawn[1] and texts[1] in texts[0]):
        return second
    if (drawn[0] and texts[1] in texts[0]) or (drawn[1] and texts[0] in texts[1]):
        return first if drawn[0] else second
    return None
