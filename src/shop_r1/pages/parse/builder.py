"""One pass over a document that makes nodes of what can be seen.

A block that holds at most one thing to act on, and says nothing by itself, is taken apart as soon as it is
read: its children move up to its parent, with None for the line breaks that it made. Pages are mostly such
blocks.
"""

from collections.abc import Mapping

from selectolax.lexbor import LexborHTMLParser, LexborNode

from shop_r1.errors import PageError
from shop_r1.pages import rules
from shop_r1.pages.parse.controls import printed_tag
from shop_r1.pages.parse.items import bounds_heading, find_items
from shop_r1.pages.parse.node import WORD, Attributes, Node
from shop_r1.pages.parse.prices import cents
from shop_r1.pages.parse.ratings import rating_of
from shop_r1.pages.parse.shadow_roots import SHADOW_TAG, Slots, fill_slot, shadow_root_of
from shop_r1.pages.parse.streamed_parts import PENDING
from shop_r1.pages.parse.tree import Hidden, Marks, Tree, is_simplified
from shop_r1.pages.parse.visibility import INERT, hidden_reason, is_nearly_all, may_cover, page_within
from shop_r1.pages.styles.hiding import Hiding, hiding_of

_BITS = rules.ATTRIBUTE_BITS
_DISCLOSURE = frozenset({"details", "summary"})
_CENTS_MAX = 10  # characters of a text that may be the cents of a price


def build_tree(document: LexborHTMLParser, marks: Marks | None, slots: Slots, *, explain: bool) -> Tree:
    """Return the document's visible nodes; iterative, so that no depth of nesting can overflow.

    A simplified page is not to be given a recipe's marks.

    Raises:
        PageError: there are more than `rules.CONTROLS_MAX` elements to act on.
    """
    tree = _Builder(document, marks, slots, {}, explain=explain).build()
    fuller, shown = tree, dict[int, str]()
    for _ in range(0 if tree.is_simplified else rules.WRAPPERS_MAX):
        if not (found := page_within(fuller)):
            break
        shown |= found
        fuller = _Builder(document, marks, slots, shown, explain=explain).build()
        if is_nearly_all(fuller, tree):
            tree = fuller
    if tree.root.controls > rules.CONTROLS_MAX:
        raise PageError(
            f"the page has {tree.root.controls} elements to act on; at most {rules.CONTROLS_MAX} are named"
        )
    return tree


class _Builder:
    """One pass over a document's nodes in page order; those of `shown`, told by `mem_id`, are not hidden."""

    def __init__(
        self,
        document: LexborHTMLParser,
        marks: Marks | None,
        slots: Slots,
        shown: Mapping[int, str],
        *,
        explain: bool,
    ):
        root = Node("html", {}, None, 1)
        self.tree = Tree(document, root, is_simplified(document), examples={} if explain else None)
        self.marks = marks
        self.marked_items: dict[int, Node] = {}
        self.slots = slots
        self.shown = shown
        styles = [style for style in document.css("style") if not (slots and shadow_root_of(style))]
        self.hiding = hiding_of(document, styles)
        self.outer_hiding: list[Hiding | None] = []  # of what is around the shadow trees that we are in
        self.hidden_choices: dict[str, Attributes] = {}

    def build(self) -> Tree:
        """Walk the document; what is asked of each node most often is bound to local names, for speed."""
        source = self.tree.document.root
        assert source is not None, "parse_document returns a document with a root"
        parent, children, position = self.tree.root, self.tree.root.children, 0
        keeps_blanks, links = self.tree.is_simplified, self.tree.links
        visible = self._visible if self.marks is None else self._marked
        finish = self._finish
        open_elements: list[tuple[LexborNode, int, int]] = []
        current: LexborNode | None = source.first_child
        while True:
            while current is None:
                if not open_elements:
                    return self.tree
                closed, position, first_link = open_elements.pop()
                around = parent.parent
                assert around is not None
                finish(parent, around)
                count = parent.controls
                if count >= rules.MENU_LINKS_MIN and count == len(links) - first_link and not parent.control:
                    self.tree.menus.append((first_link, len(links), parent))
                parent, children = around, around.children
                current = closed.next
            tag = current.tag or ""
            if tag == "-text":
                text = current.text_content or ""
                if not text.isspace() or (keeps_blanks and parent.tag not in rules.TABLE_TAGS):
                    if len(text) < _CENTS_MAX and text[:1].isdecimal() and not keeps_blanks:
                        text = cents(text, parent, current)
                    children.append(text)
                elif children and children[-1] is not None and parent.tag not in rules.BLANK_TAGS:
                    children.append(" ")
            elif tag[:1] in "-!":
                if tag == "-comment":
                    is_pending = current.comment_content == PENDING
                    self.tree.drop("unfinished_part" if is_pending else "comment", current)
            else:
                position += 1
                node = visible(current, tag, parent, position)
                if node is not None:
                    children.append(node)
                    child = None if tag in rules.UNREAD_TAGS or node.children else current.first_child
                    if child is not None:
                        open_elements.append((current, position, len(links)))
                        parent, children, position, current = node, node.children, 0, child
                        continue
                    finish(node, parent)
            current = current.next

    def _visible(self, source: LexborNode, tag: str, parent: Node, position: int) -> Node | None:
        """Return the element as a node, or None after counting why it is dropped."""
        slots = self.slots
        if slots and not self._is_placed(source, tag, parent):
            return None
        reason = rules.DROPPED_TAGS.get(tag)
        if reason is not None:
            if tag != "head" or source.first_child is not None:
                self.tree.drop(reason, source)
            return None
        attributes: Attributes = source.attributes
        bits = rules.TAG_BITS.get(tag, 0)
        for name in attributes:
            bits |= _BITS.get(name, 0)
        if bits & rules.HIDES or self.hiding is not None:
            reason = hidden_reason(source, tag, attributes, self.hiding)
            if reason is not None and (tag == "body" or source.mem_id in self.shown):
                self.tree.shown[reason] += 1
                reason = None
        if parent.bits & rules.CLOSED and tag != "summary":
            reason = "closed_details"
        if reason is not None:
            self._leave_hidden(source, tag, attributes, reason, parent)
            return None
        if tag == "svg":
            return self._svg_image(source, attributes, parent, position)
        node = Node(tag, attributes, parent, position)
        if parent.bits & rules.INERT or (bits & rules.HIDES and "inert" in attributes):
            if INERT in self.shown:
                self.tree.shown["inert"] += 1
            else:
                bits |= rules.INERT
                if bits & rules.ACTS and printed_tag(tag, attributes):
                    self.tree.drop("inert", source)
                    if tag in rules.FIELD_TAGS:
                        return None
                bits &= ~rules.ACTS
        if tag in _DISCLOSURE and not self.tree.is_simplified:
            bits |= _disclosure_bits(node, source)
        if bits:
            node.bits = bits
            if bits & rules.ACTS:
                self._note_control(node)
            if bits & rules.KNOWN:
                self.tree.ids.setdefault(attributes["id"] or "", node)
        if tag == "textarea":
            node.children.append(source.text() or "")
        if slots:
            self._note_shadow(node, source)
        return node

    def _marked(self, source: LexborNode, tag: str, parent: Node, position: int) -> Node | None:
        """Do as `_visible` with a recipe; a way of its own, so that pages without one pay nothing for it."""
        key, marks = source.mem_id, self.marks
        assert marks is not None
        if key in marks.left_out:
            self.tree.drop("recipe", source)
            return None
        node = self._visible(source, tag, parent, position)
        if node is None:
            return None
        node.section, item = marks.sections.get(key, ""), marks.titles.get(key)
        if key in marks.items:
            node.is_item = True
            self.marked_items[key] = node
        if item in self.marked_items:
            self.marked_items[item].title = node
        if node.section or node.is_item or item is not None:
            node.bits |= rules.TELLS  # what a recipe speaks of is not taken apart
        return node

    def _is_placed(self, source: LexborNode, tag: str, parent: Node) -> bool:
        """Return whether an element is shown as far as its host's slots go; count it where it is not."""
        around = source.parent
        names = self.slots.get(around.mem_id) if around is not None and tag != SHADOW_TAG else None
        if names is None or (source.attributes.get("slot") or "") in names:
            return True
        self.tree.drop("unslotted", source)
        return False

    def _note_shadow(self, node: Node, source: LexborNode) -> None:
        """Set a host's children aside as its shadow tree begins, and put them into its slots."""
        host = node.parent
        if node.tag == SHADOW_TAG and host is not None:
            assert source.parent is not None
            keeps_text = "" in self.slots[source.parent.mem_id]
            host.light = [child for child in host.children if keeps_text or isinstance(child, Node)]
            host.children.clear()
            host.controls, host.heading, host.link, host.image = 0, None, None, None
            styles = [
                style
                for style in source.css("style")
                if (root := shadow_root_of(style)) and root.mem_id == source.mem_id
            ]
            self.outer_hiding.append(self.hiding)
            self.hiding = hiding_of(self.tree.document, styles)
        elif node.tag == "slot":
            fill_slot(node)
        elif "slot" in node.attributes:
            node.bits |= rules.TELLS  # it must not be taken apart before its slot has it

    def _leave_hidden(
        self, source: LexborNode, tag: str, attributes: Attributes, reason: str, parent: Node
    ) -> None:
        self.tree.drop(reason, source)
        if tag == "input" and (attributes.get("type") or "").lower() in rules.TOGGLE_TYPES:
            self._note_choice(attributes, parent)
        if may_cover(tag, reason):
            self.tree.hidden.append(Hidden(source, reason))

    def _svg_image(
        self, source: LexborNode, attributes: Attributes, parent: Node, position: int
    ) -> Node | None:
        """Return a drawing that has a title or label as an image with that text; others are decoration."""
        titles = (child.text() for child in source.iter() if child.tag == "title")
        label = attributes.get("aria-label") or next(filter(None, titles), "")
        if not WORD.search(label):
            self.tree.drop("svg", source)
            return None
        return Node("img", {"alt": label}, parent, position)

    def _note_control(self, node: Node) -> None:
        tag, attributes = node.tag, node.attributes
        if tag == "label" and (target := node.get("for")):
            self.tree.labels.setdefault(target, node)
            node.choice = self.hidden_choices.get(target)
        node.control = "a" if self.tree.is_simplified and tag == "a" else printed_tag(tag, attributes)
        if node.control == "a" and attributes:
            self.tree.links.append(node)
        if "role" in attributes and tag != "input" and node.control and node.role in rules.TOGGLE_ROLES:
            self.tree.drawn_toggles.append(node)

    def _note_choice(self, choice: Attributes, parent: Node) -> None:
        """Remember a hidden checkbox or radio button: its label, which the shop draws, is what one clicks."""
        if choice.get("id"):
            self.hidden_choices[choice["id"] or ""] = choice
        label: Node | None = parent
        while label is not None and label.tag in rules.INLINE_TAGS and label.tag != "label":
            label = label.parent
        if label is not None and label.tag == "label" and label.choice is None:
            label.choice = choice

    def _finish(self, node: Node, parent: Node) -> None:
        """Hand what is known of a finished node to its parent, find alike children, take plain ones apart."""
        tag, controls = node.tag, node.controls
        if tag == SHADOW_TAG:
            self.hiding = self.outer_hiding.pop()
        if node.bits & rules.CLOSED:
            node.children = [child for child in node.children if isinstance(child, Node)]
        if tag in rules.HEADING_TAGS or (node.bits & rules.ACTS and node.role == "heading"):
            node.heading = node.heading or node
        if controls > 1:
            find_items(node)
        elif node.choice is not None and not controls:
            node.control = "choice"
        if tag == "img":
            node.image = node if WORD.search(node.get("alt") or node.get("title")) else None
        elif not node.children and node.attributes and (rating := rating_of(node)):
            node.children.append(f" {rating} ")
        if parent.image is None:
            parent.image = node.image
        if node.control:
            controls += 1
            if node.control == "a" and node.link is None and node.text:
                node.link = node
        if controls:
            parent.controls += controls
            if controls > rules.MENU_LINKS_MIN and tag in rules.LIST_TAGS:
                node.link = None  # the first of many links in a list is no title of what holds the list
            if parent.link is None:
                parent.link = node.link
        if node.heading is not None:
            if parent.heading is None:
                parent.heading = node.heading
            if controls and tag in rules.PLAIN_BLOCKS and bounds_heading(node):
                node.bits |= rules.BOUNDS | rules.TELLS
        if controls <= 1 and tag in rules.PLAIN_TAGS and not (node.control or node.bits & rules.TELLS):
            _take_apart(node, parent)


def _take_apart(node: Node, parent: Node) -> None:
    parent.children.pop()
    if node.tag in rules.INLINE_TAGS:
        parent.children.extend(node.children)
    elif node.children:
        parent.children += (None, *node.children, None)
    elif parent.children and parent.children[-1] is not None:
        parent.children.append(None)


def _disclosure_bits(node: Node, source: LexborNode) -> int:
    """Return the bits of a <details>, and let its <summary> say whether it is open."""
    parent = node.parent
    if node.tag == "summary":
        if parent is None or parent.tag != "details":
            return 0
        is_open = "true" if "open" in parent.attributes else "false"
        node.attributes = {"aria-expanded": is_open, **node.attributes}
        return rules.STATES
    # Without a summary, browsers draw one of their own that nothing here can stand for: the content stays.
    has_summary = any(child.tag == "summary" for child in source.iter())
    return rules.CLOSED if has_summary and "open" not in node.attributes else 0
