"""One pass over the visible nodes, in page order, that writes lines and collects requests for names."""

import re
from dataclasses import dataclass

from shop_r1.errors import PageError
from shop_r1.pages import rules
from shop_r1.pages.elements import SimplifiedPage
from shop_r1.pages.naming.labels import (
    accessible_label,
    is_search_field,
    label_of,
    label_words,
    nearby_title,
    place_words,
)
from shop_r1.pages.naming.names import NameRequest, is_name, join_words, label_within, to_words, unique_names
from shop_r1.pages.naming.sections import Scope, Sections
from shop_r1.pages.parse.controls import (
    heading_level,
    holds_field,
    input_markup,
    make_element,
    role_markup,
    state_markup,
    states_of,
)
from shop_r1.pages.parse.node import Node, spoken_text
from shop_r1.pages.parse.tree import MARKER, Tree
from shop_r1.pages.serialize.writer import Writer, attribute, clean, escape

_WORD = re.compile(r"[^\W_]")
_STRUCTURE = rules.SCOPE_TAGS | {"tr", "tbody", "thead", "tfoot", "dt", "dd"}
_LAYOUT_TAGS = frozenset({
    "table", "ul", "ol", "dl", "form", "fieldset", "section", "article", "h1", "h2", "h3", "h4", "h5",
    "h6",
})  # fmt: skip
_CELL_TAGS = frozenset({"td", "th"})
_ROW_TAGS = _CELL_TAGS | {"tr"}
_NATIVE_TAGS = frozenset({"a", "area", "button", "input", "select", "textarea", "summary"})
_VALUED = frozenset({"input", "select", "textarea"})  # printed within a link or button that holds them
_CUT_MARGIN = 20
_CLICKED = frozenset({"a", "button", "summary"})


@dataclass(slots=True)
class _Exit:
    """What to do when a node's children have been walked."""

    node: Node
    scope: Scope | None = None
    depth: int = 0
    markup: str = ""
    control: bool = False
    inline: bool = False


class Walk:
    """The walk's state: where it is on the page, and what it has written so far."""

    def __init__(self, tree: Tree):
        self.tree = tree
        self.is_raw = not tree.is_simplified
        self.writer = Writer(drop_decoration=self.is_raw)
        self.nodes: list[tuple[Node, str, tuple[str, ...]]] = []  # what can be acted on: label, states
        self.requests: list[NameRequest] = []
        self.options: dict[int, list[int]] = {}  # each select's options: indices in `nodes`
        self.sections = Sections(tree)
        self.inline = 0
        self.controls: list[Node] = []  # the links and buttons that we are in
        self.lists: list[bool] = []  # whether each open list has an open item
        self.tables: list[bool] = []  # whether each open table is data (else layout)
        self.after_term = False

    def run(self) -> SimplifiedPage:
        """Walk the tree and return the page."""
        work: list[Node | str | _Exit | None] = [self.tree.root]
        while work:
            step = work.pop()
            if step == " ":
                self.writer.space()
            elif isinstance(step, str):
                self._text(step)
            elif step is None:
                self._break()
            elif isinstance(step, _Exit):
                self._leave(step)
            elif step.tag in rules.PLAIN_TAGS and not (
                step.control or step.is_item or step.bits & rules.TELLS
            ):  # it only holds others
                if step.tag in rules.PLAIN_BLOCKS:
                    self._break()
                    work.append(None)
                work += reversed(step.children)
            else:
                leave = self._enter(step)
                if leave is not None:
                    work.append(leave)
                    work += reversed(step.children)
        return self._finished()

    def _text(self, text: str) -> None:
        if self.is_raw or self.inline or "\n" not in text:
            self.writer.text(text)
            return
        first = True
        for line in text.split("\n"):
            if not first:
                self.writer.line()
            self.writer.text(line)
            first = False

    def _break(self) -> None:
        if self.inline:
            self.writer.space()
        else:
            self.writer.line()

    def _enter(self, node: Node) -> _Exit | None:
        """Write what stands before a node's children; None when they are not to be walked."""
        if node.folded:
            return None
        if node.control and (kept := self._as_control(node)) is not node:
            return kept if isinstance(kept, _Exit) else None
        tag = node.tag
        if tag == "img":
            self._image(node)
            return None
        if tag == "br":
            self._break()
            return None
        if tag == "caption" and self._in_data():
            return None
        if node.bits & rules.TELLS and not node.controls and (spoken := _spoken(node)):
            self.writer.text(f" {spoken} ")
            return None
        return self._open_block(node)

    def _image(self, node: Node) -> None:
        alt = clean(node.get("alt") or node.get("title"))
        if not _WORD.search(alt):
            self.tree.drop("image_without_alt", node)
            return
        if self.sections.item and self.sections.says(to_words(alt)):
            self.tree.drop("duplicate_image", node)
            return
        self.writer.control(f"<img{attribute('alt', alt)}>")

    # Blocks: landmarks, headings, lists, tables

    def _open_block(self, node: Node) -> _Exit:
        leave = _Exit(node)
        tag = node.tag
        is_cell = tag in _CELL_TAGS and self._in_data()
        if _is_block(node) and not is_cell and not (tag == "dd" and self.after_term):
            self._break()
        self.after_term = False
        if self.is_raw:
            leave.scope = self.sections.enter(node, is_item=node.is_item and (tag != "tr" or self._in_data()))
        self._open_tag(node, leave)
        return leave

    def _in_data(self) -> bool:
        return bool(self.tables) and self.tables[-1]

    def _open_tag(self, node: Node, leave: _Exit) -> None:
        tag = node.tag
        if tag == "li":
            if self.lists and not self.lists[-1] and not self.inline:
                self.lists[-1] = True
                leave.depth = self.writer.open("<li>")
        elif tag == "table":
            self._open_table(node, leave)
        elif tag in _ROW_TAGS:
            if self._in_data():
                leave.depth = self.writer.open(f"<{tag}>")
                leave.inline = tag != "tr"
        elif tag in rules.STRUCK_TAGS:
            if not self.controls:
                self.writer.text(" ")
                leave.depth, leave.markup = self.writer.open("<s>"), "</s>"
                leave.inline = True
        elif self.inline:
            pass
        elif tag in rules.LIST_TAGS:
            self._open_list(node, leave)
        elif tag in rules.HEADING_TAGS or node.role == "heading":
            level = heading_level(node)
            if not (self.is_raw and node.controls and (self.sections.item or self.lists)):
                leave.depth, leave.markup = self.writer.open(f"<h{level}>"), f"</h{level}>"
            leave.inline = True
        self.inline += leave.inline

    def _open_table(self, node: Node, leave: _Exit) -> None:
        self.tables.append(not self.inline and self._is_data_table(node))
        if self.tables[-1]:
            self._caption(node)
            leave.depth, leave.markup = self.writer.open("<table>", own_line=True), "</table>"

    def _caption(self, table: Node) -> None:
        """Write a table's caption on a line before it: text within a table would not be read back there."""
        for child in table.children:
            if isinstance(child, Node) and child.tag == "caption":
                self.writer.text(child.text)
                self.writer.line()

    def _open_list(self, node: Node, leave: _Exit) -> None:
        name = "ol" if node.tag == "ol" else "ul"
        leave.depth, leave.markup = self.writer.open(f"<{name}>", own_line=True), f"</{name}>"
        self.lists.append(False)

    def _is_data_table(self, table: Node) -> bool:
        """Return whether a table holds rows of facts rather than the page's layout."""
        if not self.is_raw:
            return True
        if table.role in ("presentation", "none"):
            return False
        cells = 0
        for node in table.elements():
            if node.tag in _LAYOUT_TAGS:
                return False
            cells += node.tag in _CELL_TAGS
        return cells > 1

    def _leave(self, leave: _Exit) -> None:
        if leave.control:
            self._leave_control(leave)
            return
        node, tag, writer = leave.node, leave.node.tag, self.writer
        self.inline -= leave.inline
        if leave.depth:
            if tag in rules.LIST_TAGS:
                writer.line()
                self.lists.pop()
            elif tag == "li":
                self.lists[-1] = False
        if tag == "table" and self.tables.pop():
            writer.line()
        if leave.depth:
            writer.close(leave.depth, leave.markup)
        if tag == "dt" and not self.inline and self.is_raw:
            self._end_term(node)
        elif _is_block(node) and not (tag in _CELL_TAGS and leave.depth):
            self._break()
        elif leave.markup == "</s>":
            writer.space()
        if self.is_raw:
            if leave.scope is not None:
                self.sections.leave(leave.scope)
            if node.heading is node or tag == "dt":
                self.sections.note_heading(node)

    def _end_term(self, term: Node) -> None:
        """Leave the line of a term open for its description: `Material: ceramic`."""
        text = term.text
        if text:
            self.writer.text(": " if text[-1].isalnum() else " ")
            self.after_term = True

    # Controls

    def _as_control(self, node: Node) -> Node | _Exit | None:
        """Write a control; the node itself comes back when it is to be treated as a plain element."""
        control = node.control
        if control == "option":  # outside of a select: nothing can be chosen
            return node
        if self.controls and control in _CLICKED:
            self._merge("nested_control", node, self.controls[-1])
            return node
        if node.controls and node.tag not in _NATIVE_TAGS:
            self._merge("clickable_wrapper", node, _stands_for(node))
            return node
        label = accessible_label(node, self.tree)
        if node.controls and not node.text and control in _CLICKED:
            label = self._take_in(node, label)
        if node.heading is not None and self.is_raw:
            self.sections.end_for(node.heading)
        index = self._add_element(node, label)
        states = state_markup(self.nodes[index][2])
        match control:
            case "select":
                self._select(node, index, states)
            case "input" | "choice":
                self._note_toggle_label(node)
                markup = input_markup(node, index, label, simplified=not self.is_raw)
                self.writer.control(f"{markup}{states}>")
                return node if control == "choice" else None
            case "textarea":
                value = spoken_text(node, limit=rules.LABEL_TEXT_MAX * 10)
                self.writer.control(f'<textarea name="\0{index}\0"{states}>{escape(clean(value))}</textarea>')
            case _:
                return self._clickable(node, index, label, states)
        return None

    def _take_in(self, node: Node, label: str) -> str:
        """Let controls within a link or button without words lead to its name; return the label to use."""
        for inner in node.elements():
            if inner.control and inner.control not in _VALUED:
                label = label or accessible_label(inner, self.tree)
                self._merge("nested_control", inner, node)
        return label

    def _note_toggle_label(self, node: Node) -> None:
        """Let a checkbox's or radio button's label lead to the same name: clicking either does the same."""
        if node.tag == "input" and node.get("type").lower() in ("checkbox", "radio"):
            label = label_of(node, self.tree)
            if label is not None and not label.control:
                node.stand_for(label)

    def _merge(self, reason: str, node: Node, kept: Node | None) -> None:
        """Let a control that holds another, or stands in one, go: acting on either does the same."""
        self.tree.drop(reason, node)
        if kept is not None and self.is_raw:
            kept.stand_for(node)

    def _clickable(self, node: Node, index: int, label: str, states: str) -> _Exit | None:
        start, end = f'<{node.control} name="\0{index}\0"{role_markup(node)}{states}>', f"</{node.control}>"
        # A control takes a line of its own where its element does; on a simplified page the lines are given.
        is_block = self.is_raw and node.tag not in rules.INLINE_TAGS
        if is_block:
            self._break()
        shown = self._shown_text(node, label)
        if shown is None:
            self.writer.open_control(start)
            self.controls.append(node)
            self.inline += 1
            return _Exit(node, markup=end, control=True)
        self.writer.control(f"{start}{escape(shown)}{end}")
        if is_block:
            self._break()
        return None

    def _shown_text(self, node: Node, label: str) -> str | None:
        """Return all that a link or button shows; None where its children must be walked for it."""
        is_cut = len(label) > rules.LABEL_TEXT_MAX - _CUT_MARGIN  # a label ends before its length, at a word
        if node.tag == "input" or not (_WORD.search(node.text) or holds_field(node)):
            return (
                clean(spoken_text(node, limit=10 * rules.LABEL_TEXT_MAX)) if is_cut and node.image else label
            )
        if len(node.children) == 1 and isinstance(node.children[0], str) and not is_cut:
            return clean(node.children[0])
        return None

    def _leave_control(self, leave: _Exit) -> None:
        node = leave.node
        self.controls.pop()
        self.inline -= 1
        self.writer.close_control(leave.markup)
        if self.is_raw:
            if node.tag not in rules.INLINE_TAGS:
                self._break()
            if node.control == "a" and node.heading is not None:
                self.sections.note_heading(node.heading)

    def _select(self, node: Node, index: int, states: str) -> None:
        slots = self.options[index] = []
        lines = [f'<select name="\0{index}\0"{states}>']
        for option in node.elements():
            if option.tag == "optgroup" and option.get("label"):
                lines.append(f"<optgroup{attribute('label', option.get('label'))}>")
            if option.tag != "option":
                continue
            label = accessible_label(option, self.tree)
            if option.controls:
                option.stand_for(*[inner for inner in option.elements() if inner.control])
            slots.append(self._add_element(option, label, index))
            state = state_markup(self.nodes[slots[-1]][2])
            lines.append(f'<option name="\0{slots[-1]}\0"{state}>{escape(label)}')
        self.writer.control(f"{''.join(lines)}</select>")

    def _add_element(self, node: Node, label: str, select: int | None = None) -> int:
        """Record an element and its request for a name; its index is returned."""
        index = len(self.nodes)
        self.nodes.append((node, label, states_of(node, simplified=not self.is_raw)))
        given = node.get("name")
        if not self.is_raw and is_name(given):
            request = self._request(node, label, select)
            request.given = given
            self.requests.append(request)
        elif node.control == "input" and is_search_field(node):
            self.requests.append(NameRequest(self.sections.words, "search_input", shown=0, subject=node))
        else:
            self.requests.append(self._request(node, label, select))
        return index

    def _request(self, node: Node, label: str, select: int | None) -> NameRequest:
        words = label_words(node, label, self.writer.run_text if not label else "")
        if self.sections.says(words):  # the item's title: cut as in the names of all that is in the item
            words = self.sections.item.split("_")
        elif self.sections.item and len(words) > 1:
            words = label_within(words, self.sections.item.split("_"))
        is_link = node.control == "a"
        return NameRequest(
            sections=self.sections.words,
            label=join_words(words, rules.LABEL_MAX),
            address=node.get("href") if is_link else "",
            shown=1 if is_link else rules.SECTIONS_SHOWN,
            select=select,
            subject=node,
        )

    def _finished(self) -> SimplifiedPage:
        if self.writer.decorations:
            self.tree.dropped["decoration"] += self.writer.decorations
        names = unique_names(
            self.requests,
            nearby=lambda request: nearby_title(request.subject, self.tree),
            place=lambda request: place_words(request.subject),
        )
        pieces = self.writer.html().split("\0")
        pieces[1::2] = [names[int(place)] for place in pieces[1::2]]
        body = "".join(pieces)
        elements = []
        paths_left = rules.PATHS_MAX_CHARS
        for index, (node, label, states) in enumerate(self.nodes):
            options = tuple([names[slot] for slot in self.options[index]]) if index in self.options else ()
            element = make_element(node, label, states, names[index], options)
            elements.append(element)
            paths_left -= len(element.path) + (sum(map(len, element.also)) if element.also else 0)
            if paths_left < 0:
                raise PageError(
                    f"the page's elements to act on stand too deep: {len(self.nodes)} paths take "
                    f"more than {rules.PATHS_MAX_CHARS} characters"
                )
        examples = {reason: tuple(parts) for reason, parts in sorted((self.tree.examples or {}).items())}
        return SimplifiedPage(
            html=f"<{MARKER}>\n{body}" if body else f"<{MARKER}>",
            elements=tuple(elements),
            dropped=dict(sorted(self.tree.dropped.items())),
            examples=examples,
            shown=dict(sorted(self.tree.shown.items())),
        )


def _spoken(node: Node) -> str:
    """Return what a screen reader says of a node drawn without words, such as a row of stars."""
    label = node.get("aria-label") or node.get("title")
    if not label or node.tag in _STRUCTURE or not _WORD.search(label):
        return ""
    if node.role == "img" or not _WORD.search(spoken_text(node)):
        return label
    return ""


def _stands_for(wrapper: Node) -> Node | None:
    """Return the control that does what a click on the box around it does; None where none is known to.

    That is its first one. Of a box that itself leads somewhere it is a link, or a button that says all: a
    click beside "Add to cart" on a product's box opens the product and adds nothing.
    """
    first = next((inner for inner in wrapper.elements() if inner.control and not inner.folded), None)
    leads = "onclick" in wrapper.attributes or wrapper.role == "link"
    if not leads or first is None or first.control != "button":
        return first
    if spoken_text(first) == spoken_text(wrapper):
        return first
    return next((inner for inner in wrapper.elements() if inner.control == "a" and not inner.folded), None)


def _is_block(node: Node) -> bool:
    """Return whether an element ends the line; a heading by its role is written as one, so it does too."""
    return node.tag not in rules.INLINE_TAGS or (bool(node.bits & rules.ACTS) and node.role == "heading")
