"""One visible element, and the text that stands in it."""

import re
from collections.abc import Iterator

from shop_r1.pages import rules

_PLAIN_TAG = re.compile(r"[a-z][a-z0-9-]*")


class Node:
    """An element that a shopper may perceive.

    Attributes:
        tag: lower-case tag name.
        attributes: as written; an attribute without a value has None.
        parent: None for the root.
        position: 1-based among its parent's child elements in the original, dropped ones included.
        children: text and visible elements in page order.
        control: the tag it is printed as when it can be acted on, else "".
        controls: how many nodes below it (not itself) can be acted on.
        heading: the first heading at or below it.
        link: the first link with words at or below it.
        images: how many images stand at or below it.
        is_item: whether it is one of several alike (a product in a list, a line of a cart).
        folded: whether it repeats a link beside it and is left out.
    """

    __slots__ = (
        "attributes", "children", "control", "controls", "folded", "heading", "images", "is_item", "link",
        "parent", "path_cache", "position", "tag", "text_cache",
    )  # fmt: skip

    def __init__(self, tag: str, attributes: dict[str, str | None], parent: "Node | None", position: int):
        self.tag = tag
        self.attributes = attributes
        self.parent = parent
        self.position = position
        self.children: list[Node | str] = []
        self.control = ""
        self.controls = 0
        self.heading: Node | None = None
        self.link: Node | None = None
        self.is_item = False
        self.folded = False
        self.images = 0
        self.path_cache = ""
        self.text_cache: str | None = None

    def get(self, name: str) -> str:
        """Return an attribute's text, "" when it is absent or empty."""
        return self.attributes.get(name) or ""

    @property
    def role(self) -> str:
        """The first role that the page's author gave it, lower case, else ""."""
        given = self.attributes.get("role")
        return given.split()[0].lower() if given and not given.isspace() else ""

    @property
    def path(self) -> str:
        """A CSS path from the root that holds in the original document and in a live page."""
        chain: list[Node] = []
        node: Node | None = self
        while node is not None and not node.path_cache:
            chain.append(node)
            node = node.parent
        path = node.path_cache if node is not None else ""
        for link in reversed(chain):
            if link.parent is None:
                path = "html"
            else:
                tag = link.tag if _PLAIN_TAG.fullmatch(link.tag) else "*"
                path = f"{path} > {tag}:nth-child({link.position})"
            link.path_cache = path
        return path

    def elements(self) -> Iterator["Node"]:
        """Yield every node below this one in page order."""
        stack = [child for child in reversed(self.children) if isinstance(child, Node)]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(child for child in reversed(node.children) if isinstance(child, Node))


def visible_text(node: Node, *, images: bool = False, limit: int = rules.LABEL_TEXT_MAX) -> str:
    """Return the text at and below a node, whitespace collapsed, cut at `limit` characters.

    Args:
        node: where to read.
        images: whether images stand in with their alt text.
        limit: in characters; reading stops once past it, so that the cost does not grow with the page.
    """
    if limit != rules.LABEL_TEXT_MAX:
        return _read_text(node, images, limit)
    if images and node.images:
        return _read_text(node, True, limit)
    if node.text_cache is None:
        node.text_cache = _read_text(node, False, limit)
    return node.text_cache


def _read_text(node: Node, images: bool, limit: int) -> str:
    parts: list[str] = []
    size = 0
    stack: list[Node | str] = [node]
    while stack and size < limit:
        child = stack.pop()
        if isinstance(child, str):
            if len(child) > limit:
                child = f" {' '.join(child.split())[:limit]} "
            parts.append(child)
            size += len(child.strip())
        elif child.tag == "img":
            if images:
                parts.append(f" {child.get('alt') or child.get('title')} ")
        elif child.tag not in ("select", "textarea") or child is node:
            if child.tag not in rules.INLINE_TAGS or child.tag in ("button", "br"):
                parts.append(" ")
                stack.append(" ")
            stack.extend(reversed(child.children))
    return " ".join("".join(parts).split())[:limit].rstrip()
