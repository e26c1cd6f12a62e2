"""Which elements are items: one of several alike, such as a product in a list or a line of a cart."""

import re

from shop_r1.pages import rules
from shop_r1.pages.parse.node import Node, spoken_text

_HEAD = re.compile(rules.HEAD_CLASS, re.I)


def find_items(node: Node) -> None:
    """Note whether an element whose children are read is an item, or its children are."""
    if node.tag in rules.ITEM_TAGS or ("role" in node.attributes and node.role in rules.ITEM_ROLES):
        # An article under the page's own title is the page's subject, not one of several.
        node.is_item = node.is_item or node.heading is None or node.heading.tag != "h1"
    elif node.controls >= rules.REPEATED_MIN:
        _mark_repeated(node)


def bounds_heading(node: Node) -> bool:
    """Return whether a block holds something to act on beside its heading, and is not only a part's head."""
    heading = node.heading
    assert heading is not None
    return node.controls > heading.controls + bool(heading.control) and not _HEAD.search(node.get("class"))


def _mark_repeated(node: Node) -> None:
    """Mark a node's alike children as items: same tag and first class, each with controls and a title."""
    alike: dict[tuple[str, str], list[Node]] = {}
    for child in node.children:
        if isinstance(child, Node) and child.controls > 1 and (child.heading or child.link or child.image):
            alike.setdefault((child.tag, child.get("class").split(" ")[0]), []).append(child)
    for children in alike.values():
        first = children[0]
        is_many = len(children) >= rules.REPEATED_MIN and first.tag not in ("td", "table", "tbody")
        if is_many or (
            len(children) > 1
            and first.is_item  # where a list stands in it, its first link is what the list is about
            and not any(isinstance(child, Node) and child.tag in rules.LIST_TAGS for child in first.children)
        ):
            _untitle_common_links(children)
        if is_many:
            for child in children:
                child.is_item = True


def _untitle_common_links(items: list[Node]) -> None:
    """Take back titles that several items share: "Add to cart" is what one can do with each of them.

    Of items that say the same altogether, such as a slide and its copy, the title is theirs.
    """
    sharing: dict[str, list[Node]] = {}
    for item in items:
        if item.link is not None:
            sharing.setdefault(item.link.text, []).append(item)
    for group in sharing.values():
        if len(group) > 1 and len({spoken_text(item) for item in group}) > 1:
            for item in group:
                item.link = None
