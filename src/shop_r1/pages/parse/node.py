"""One visible element, and the text that stands in it."""

import re
import sys
from collections.abc import Iterator

from shop_r1.pages import rules

_PLAIN_TAG = re.compile(r"[a-z][a-z0-9-]*")
_COMMON = rules.INLINE_TAGS | rules.PLAIN_TAGS | rules.SCOPE_TAGS
_SPACED = frozenset({"button", "br"})
_INVISIBLE = re.compile(
    "[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\ue000-\uf8ff\ufff0-\uffff"
    "\U000f0000-\U0010ffff]"
)
Attributes = dict[str, str | None]
WORD = re.compile(r"[^\W_]")  # a letter or digit: something that is said


class Node:
    """An element that a shopper may perceive."""

    # Most elements never set these, so their defaults stand on the class: that makes a node cheap.
    bits: int = 0  # what its tag and attributes may mean (`rules.ATTRIBUTE_BITS`)
    control: str = ""  # the tag it is printed as when it can be acted on
    controls: int = 0  # how many nodes below it (not itself) can be acted on
    heading: "Node | None" = None  # the first at or below it
    link: "Node | None" = None  # the first with words at or below it
    image: "Node | None" = None  # the first at or below it; images without a text are none
    is_item: bool = False  # one of several alike (a product in a list, a line of a cart)
    section: str = ""  # the word that a recipe names it by
    title: "Node | None" = None  # of an item, the element that a recipe calls its title
    folded: bool = False  # it repeats what stands elsewhere and is left out
    same: "Node | None" = None  # of a folded control, the one that stays
    _others: "list[Node] | None" = None
    light: "list[Node | str | None] | None" = None  # of a shadow host, its children that no slot has yet
    place: "Node | None" = None  # where it stands in the document, if a slot shows it elsewhere
    choice: Attributes | None = None  # of a label, those of its hidden checkbox or radio button
    _path: str = ""
    _text: str | None = None

    def __init__(self, tag: str, attributes: Attributes, parent: "Node | None", position: int):
        self.tag = tag  # lower case
        self.attributes = attributes  # an attribute without a value has None
        self.parent = parent  # None for the root
        self.position = position  # 1-based among all child elements of its parent, dropped ones included
        self.children: list[Node | str | None] = []  # None: a block taken apart began or ended (`builder`)

    def get(self, name: str) -> str:
        """Return an attribute's text, "" when it is absent or empty."""
        return self.attributes.get(name) or ""

    @property
    def role(self) -> str:
        """The first known role that the page's author gave it, lower case, else ""."""
        given = self.attributes.get("role")
        return role_in(given) if given else ""

    @property
    def path(self) -> str:
        """A CSS path from the root that holds in the original document and in a live page."""
        steps = [self._step()]
        node = self.place or self.parent
        while node is not None and node.parent is not None and node.controls <= 1:
            steps.append(node._step())
            node = node.place or node.parent
        if node is None:
            return "html"
        steps.append(node._path or node._shared_path())
        return " > ".join(reversed(steps))

    def _shared_path(self) -> str:
        """Return the path of an element around several controls, which is asked for once for each of them."""
        steps: list[str] = []
        node: Node = self
        while node.parent is not None and not node._path:
            steps.append(node._step())
            node = node.place or node.parent
        steps.append(node._path or "html")
        self._path = " > ".join(reversed(steps))
        return self._path

    def _step(self) -> str:
        tag = self.tag
        return f"{tag if tag in _COMMON or _PLAIN_TAG.fullmatch(tag) else '*'}:nth-child({self.position})"

    def stand_for(self, *others: "Node") -> None:
        """Let other elements lead to this one: acting on them does the same."""
        if self._others is None:
            self._others = []
        self._others += others

    @property
    def also(self) -> "tuple[Node, ...]":
        """The other elements that do the same when acted on, and those that these stood for."""
        if self._others is None:
            return ()
        found: dict[Node, None] = {}
        stack = self._others[::-1]
        while stack:
            node = stack.pop()
            if node not in found:
                found[node] = None
                stack += (node._others or ())[::-1]
        return tuple(found)

    @property
    def text(self) -> str:
        """The text at and below it, whitespace collapsed, cut at the longest label; images say nothing."""
        if self._text is None:
            self._text = _read_text(self, False, rules.LABEL_TEXT_MAX)
        return self._text

    def ancestors(self, limit: int = sys.maxsize) -> Iterator["Node"]:
        """Yield the elements around it, the innermost first, at most `limit`."""
        ancestor = self.parent
        while ancestor is not None and limit > 0:
            yield ancestor
            ancestor, limit = ancestor.parent, limit - 1

    def elements(self) -> Iterator["Node"]:
        """Yield every node below this one in page order."""
        stack = [child for child in reversed(self.children) if isinstance(child, Node)]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(child for child in reversed(node.children) if isinstance(child, Node))


def clean(text: str) -> str:
    """Return the text with whitespace collapsed and without characters that nobody sees.

    Private-use characters are dropped too: on the web they are icon fonts' glyphs.
    """
    text = " ".join(text.split())
    return text if text.isprintable() else " ".join(_INVISIBLE.sub("", text).split())


def role_in(given: str | None) -> str:
    """Return the first role of WAI-ARIA in a role attribute, lower case; "" for none.

    >>> role_in("doc-chapter Button link"), role_in(None)
    ('button', '')
    """
    if not given:
        return ""
    role = given.lower()
    return role if role in rules.ROLES else next((each for each in role.split() if each in rules.ROLES), "")


def spoken_text(node: Node, *, limit: int = rules.LABEL_TEXT_MAX) -> str:
    """Return the text at and below a node with the images' texts in it, cut at `limit` characters."""
    if node.image is not None or limit != rules.LABEL_TEXT_MAX:
        return _read_text(node, True, limit)
    return node.text


def _read_text(node: Node, images: bool, limit: int) -> str:
    """Read on until past the limit, so that the cost does not grow with the page."""
    children = node.children
    if len(children) == 1 and isinstance(children[0], str):
        return " ".join(children[0][: 20 * limit].split())[:limit].rstrip()
    parts: list[str] = []
    size = 0
    stack: list[Node | str | None] = [node]
    left = rules.TEXT_NODES_MAX * max(1, limit // rules.LABEL_TEXT_MAX)
    while stack and size < limit and left:
        child = stack.pop()
        left -= 1
        if isinstance(child, str):
            if len(child) > limit:
                child = f" {' '.join(child.split())[:limit]} "
            parts.append(child)
            size += len(child.strip())
        elif child is None:
            parts.append(" ")
        elif child.tag == "img":
            if images:
                parts.append(f" {child.get('alt') or child.get('title')} ")
        elif child.tag not in ("select", "textarea") or child is node:
            if child.tag not in rules.INLINE_TAGS or child.tag in _SPACED:
                parts.append(" ")
                stack.append(" ")
            stack.extend(reversed(child.children))
    return " ".join("".join(parts).split())[:limit].rstrip()
