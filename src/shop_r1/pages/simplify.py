"""Raw HTML to the short page that the model reads, with a name on everything that can be acted on."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_r1.errors import PageError
from shop_r1.pages import rules
from shop_r1.pages.controls import heading_level, input_markup, role_of, state_markup, states_of, value_of
from shop_r1.pages.document import parse_document
from shop_r1.pages.elements import Element, SimplifiedPage
from shop_r1.pages.labels import (
    accessible_label,
    is_search_field,
    label_words,
)
from shop_r1.pages.names import NameRequest, is_name, join_words, label_within, to_words, unique_names
from shop_r1.pages.node import Node, visible_text
from shop_r1.pages.sections import Scope, Sections
from shop_r1.pages.tree import MARKER, Tree, build_tree, fold_duplicate_links
from shop_r1.pages.writer import Writer, attribute, clean, escape

_PLACE = re.compile("\0(\\d+)\0")
_WORD = re.compile(r"[^\W_]")
_STRUCTURE = rules.SCOPE_TAGS | {"tr", "tbody", "thead", "tfoot", "dt", "dd"}
# Elements of these tags without these attributes only hold others: no name, state or section hangs on them.
_PLAIN_BLOCKS = frozenset({"div", "p", "center", "body", "tbody", "thead", "tfoot"})
_PLAIN_TAGS = _PLAIN_BLOCKS | {"span", "b", "strong", "em", "i", "font", "small", "sup", "sub", "label"}
_TELLING = frozenset({
    "role", "aria-label", "title", "onclick", "tabindex", "contenteditable", "aria-labelledby",
})  # fmt: skip
_LAYOUT_TAGS = frozenset({
    "table", "ul", "ol", "dl", "form", "fieldset", "section", "article", "h1", "h2", "h3", "h4", "h5",
    "h6",
})  # fmt: skip


def simplify_page(html: str | bytes) -> SimplifiedPage:
    """Return the short page, its named elements and the counts of what was left out.

    The same page always gives the same result, and a page that is already simplified (its first tag is
    `<page>`) comes back as it is.

    Raises:
        PageError: the input is empty, too large or not HTML.
    """
    tree = build_tree(parse_document(html))
    if not tree.is_simplified:
        fold_duplicate_links(tree)
    return _Walk(tree).run()


def describe(file: Path) -> dict[str, Any]:
    """Return what `shop-r1 simplify` prints of a file: `file`, `html`, `elements`, `dropped`.

    Raises:
        PageError: the file cannot be read, or is not HTML; the message names it.
    """
    try:
        page = simplify_page(file.read_bytes())
    except OSError as error:
        raise PageError(f"{file}: cannot be read: {error.strerror or error}") from error
    except PageError as error:
        raise PageError(f"{file}: {error}") from error
    elements = []
    for element in page.elements:
        row = {"name": element.name, "tag": element.tag, "label": element.label}
        if element.href is not None:
            row["href"] = element.href
        elements.append(row)
    return {"file": str(file), "html": page.html, "elements": elements, "dropped": dict(page.dropped)}


@dataclass(slots=True)
class _Exit:
    """What to do when a node's children have been walked."""

    node: Node
    scope: Scope | None = None
    depth: int = 0
    markup: str = ""
    control: bool = False
    inline: bool = False


class _Walk:
    """One pass over the visible nodes, in page order, that writes lines and collects requests for names."""

    def __init__(self, tree: Tree):
        self.tree = tree
        self.writer = Writer()
        self.nodes: list[tuple[Node, str]] = []  # what can be acted on, with its label
        self.requests: list[NameRequest] = []
        self.sections = Sections(tree)
        self.inline = 0
        self.in_control = 0
        self.lists: list[bool] = []  # whether each open list has an open item
        self.after_term = False
        self.tables: list[bool] = []  # whether each open table is data (else layout)
        self.option_slots: dict[int, list[int]] = {}

    def run(self) -> SimplifiedPage:
        """Walk the tree and return the page."""
        work: list[Node | str | _Exit | None] = [self.tree.root]
        while work:
            step = work.pop()
            if isinstance(step, str):
                self._text(step)
            elif step is None:
                self._break()
            elif isinstance(step, _Exit):
                self._leave(step)
            elif step.tag in _PLAIN_TAGS and not step.is_item and not _TELLING.intersection(step.attributes):
                if step.tag in _PLAIN_BLOCKS:
                    self._break()
                    work.append(None)
                work.extend(reversed(step.children))
            else:
                leave = self._enter(step)
                if leave is not None:
                    work.append(leave)
                    work.extend(reversed(step.children))
        return self._finished()

    def _finished(self) -> SimplifiedPage:
        names = unique_names(self.requests)
        body = _PLACE.sub(lambda match: names[int(match.group(1))], self.writer.html())
        elements = []
        for index, (node, label) in enumerate(self.nodes):
            options = tuple(names[slot] for slot in self.option_slots.get(index, ()))
            elements.append(self._element(node, label, names[index], options))
        dropped = {reason: count for reason, count in sorted(self.tree.dropped.items()) if count}
        return SimplifiedPage(f"<{MARKER}>\n{body}" if body else f"<{MARKER}>", tuple(elements), dropped)

    def _text(self, text: str) -> None:
        if not self.tree.is_simplified or self.inline or "\n" not in text:
            self.writer.text(text)
            return
        first = True
        for line in text.split("\n"):
            if not first:
                self.writer.line()
            self.writer.text(line)
            first = False

    def _enter(self, node: Node) -> _Exit | None:
        """Write what stands before a node's children; None when they are not to be walked."""
        if node.folded:
            return None
        if node.tag == "caption" and self._in_data():
            return None
        if node.control and (kept := self._as_control(node)) is not node:
            return kept if isinstance(kept, _Exit) else None
        if node.tag == "img":
            self._image(node)
            return None
        if node.tag == "br":
            self._break()
            return None
        spoken = self._spoken(node)
        if spoken:
            self.writer.text(f" {spoken} ")
            return None
        leave = _Exit(node)
        self._open_block(node, leave)
        return leave

    def _break(self) -> None:
        if self.inline:
            self.writer.space()
        else:
            self.writer.line()

    def _spoken(self, node: Node) -> str:
        """Return what a screen reader says of a node drawn without words, such as a row of stars."""
        label = node.get("aria-label") or node.get("title")
        if not label or node.controls or node.tag in _STRUCTURE or not _WORD.search(label):
            return ""
        if node.role == "img" or not _WORD.search(visible_text(node, images=True)):
            return label
        return ""

    def _image(self, node: Node) -> None:
        alt = clean(node.get("alt") or node.get("title"))
        item = self.sections.item
        if item and join_words(to_words(alt), rules.TITLE_MAX) == item:
            self.tree.dropped["duplicate_image"] += 1
            return
        self.writer.control(f"<img{attribute('alt', alt)}>")
        self.writer.close_control("")

    # Blocks: landmarks, headings, lists, tables

    def _open_block(self, node: Node, leave: _Exit) -> None:
        tag = node.tag
        is_cell = tag in ("td", "th") and self._in_data()
        if tag not in rules.INLINE_TAGS and not is_cell and not (tag == "dd" and self.after_term):
            self._break()
        self.after_term = False
        if self.tree.is_simplified:
            self._open_tag(node, leave)
            return
        is_item = node.is_item and (tag != "tr" or self._in_data())
        leave.scope = self.sections.enter(node, is_item=is_item)
        self._open_tag(node, leave)

    def _in_data(self) -> bool:
        return bool(self.tables) and self.tables[-1]

    def _open_tag(self, node: Node, leave: _Exit) -> None:
        tag = node.tag
        if tag in rules.STRUCK_TAGS and not self.in_control:
            self.writer.text(" ")
            leave.depth, leave.markup = self.writer.open("<s>"), "</s>"
            leave.inline = True
        elif tag == "table":
            self.tables.append(not self.inline and self._is_data_table(node))
            if self.tables[-1]:
                self._caption(node)
                leave.depth, leave.markup = self.writer.open("<table>", own_line=True), "</table>"
        elif tag in ("tr", "td", "th") and self._in_data():
            leave.depth = self.writer.open(f"<{tag}>")
            leave.inline = tag != "tr"
        elif self.inline:
            pass
        elif tag in rules.HEADING_TAGS or node.role == "heading":
            level = heading_level(node)
            is_title = (
                bool(self.sections.item or self.lists) and node.controls and not self.tree.is_simplified
            )
            if not is_title:
                leave.depth, leave.markup = self.writer.open(f"<h{level}>"), f"</h{level}>"
            leave.inline = True
        elif tag in ("ul", "ol", "menu"):
            self._open_list(node, leave)
        elif tag == "li" and self.lists and not self.lists[-1]:
            self.lists[-1] = True
            leave.depth = self.writer.open("<li>")
        self.inline += leave.inline

    def _caption(self, table: Node) -> None:
        """Write a table's caption on a line before it: text within a table would not be read back there."""
        for child in table.children:
            if isinstance(child, Node) and child.tag == "caption":
                self.writer.text(visible_text(child))
                self.writer.line()

    def _open_list(self, node: Node, leave: _Exit) -> None:
        name = "ol" if node.tag == "ol" else "ul"
        leave.depth, leave.markup = self.writer.open(f"<{name}>", own_line=True), f"</{name}>"
        self.lists.append(False)

    def _is_data_table(self, table: Node) -> bool:
        """Return whether a table holds rows of facts rather than the page's layout."""
        if self.tree.is_simplified:
            return True
        if table.role in ("presentation", "none"):
            return False
        cells = 0
        for node in table.elements():
            if node.tag in _LAYOUT_TAGS:
                return False
            cells += node.tag in ("td", "th")
        return cells > 1

    def _leave(self, leave: _Exit) -> None:
        node, writer = leave.node, self.writer
        if leave.control:
            self.in_control -= 1
            self.inline -= 1
            writer.close_control(leave.markup)
            if self._stands_alone(node):
                self._break()
            if node.control == "a" and node.heading is not None and not self.tree.is_simplified:
                self.sections.note_heading(node.heading)
            return
        self.inline -= leave.inline
        if node.tag in ("ul", "ol", "menu") and leave.depth:
            writer.line()
            self.lists.pop()
        elif node.tag == "li" and leave.depth:
            self.lists[-1] = False
        if node.tag == "table" and self.tables.pop():
            writer.line()
        if leave.depth:
            writer.close(leave.depth, leave.markup)
        if node.tag == "dt" and not self.inline and not self.tree.is_simplified:
            self._end_term(node)
        elif node.tag not in rules.INLINE_TAGS and not (node.tag in ("td", "th") and leave.depth):
            self._break()
        elif leave.markup == "</s>":
            writer.space()
        if not self.tree.is_simplified:
            if leave.scope is not None:
                self.sections.leave(leave.scope)
            self.sections.note_heading(node)

    def _end_term(self, term: Node) -> None:
        """Leave the line of a term open for its description: `Material: ceramic`."""
        text = visible_text(term)
        if text:
            self.writer.text(": " if text[-1].isalnum() else " ")
            self.after_term = True

    # Controls

    def _as_control(self, node: Node) -> Node | _Exit | None:
        """Write a control; the node itself comes back when it is to be treated as a plain element."""
        native = node.tag in ("a", "area", "button", "input", "select", "textarea", "summary")
        if node.tag == "option":  # outside of a select: nothing can be chosen
            return node
        if self.in_control and node.control in ("a", "button", "summary"):
            self.tree.dropped["nested_control"] += 1
            return node
        if not native and node.controls:
            self.tree.dropped["clickable_wrapper"] += 1
            return node
        label = clean(accessible_label(node, self.tree))
        index = self._add_element(node, label)
        match node.control:
            case "select":
                self._select(node, index)
            case "input":
                self.writer.control(input_markup(node, index, label, simplified=self.tree.is_simplified))
                self.writer.close_control("")
            case "textarea":
                value = clean(visible_text(node, limit=rules.LABEL_TEXT_MAX * 10))
                self.writer.control(f'<textarea name="\0{index}\0"{self._states(node)}>{escape(value)}')
                self.writer.close_control("</textarea>")
            case _:
                return self._clickable(node, index, label)
        return None

    def _clickable(self, node: Node, index: int, label: str) -> _Exit | None:
        role = node.role
        shown = f' role="{role}"' if role in rules.ACTION_ROLES and role not in ("button", "link") else ""
        is_block = self._stands_alone(node)
        if is_block:
            self._break()
        self.writer.control(f'<{node.control} name="\0{index}\0"{shown}{self._states(node)}>')
        if node.tag == "input" or not (_WORD.search(visible_text(node)) or _holds_field(node)):
            self.writer.text(label)
            self.writer.close_control(f"</{node.control}>")
            if is_block:
                self._break()
            return None
        self.in_control += 1
        self.inline += 1
        return _Exit(node, markup=f"</{node.control}>", control=True)

    def _stands_alone(self, control: Node) -> bool:
        """Return whether a control takes a line of its own; on a simplified page the lines are given."""
        return control.tag not in rules.INLINE_TAGS and not self.tree.is_simplified

    def _select(self, node: Node, index: int) -> None:
        own = self.requests[index]
        slots: list[int] = []
        lines = [f'<select name="\0{index}\0"{self._states(node)}>']
        for option in node.elements():
            if option.tag == "optgroup" and option.get("label"):
                lines.append(f"<optgroup{attribute('label', option.get('label'))}>")
            if option.tag != "option":
                continue
            label = clean(accessible_label(option, self.tree))
            slots.append(self._add_element(option, label, (*own.sections, own.label)))
            lines.append(f'<option name="\0{slots[-1]}\0"{self._states(option)}>{escape(label)}')
        self.option_slots[index] = slots
        self.writer.control("".join(lines))
        self.writer.close_control("</select>")

    def _states(self, node: Node) -> str:
        return state_markup(node, simplified=self.tree.is_simplified)

    def _add_element(self, node: Node, label: str, sections: tuple[str, ...] | None = None) -> int:
        """Record an element and its request for a name; its index is returned."""
        if sections is None:
            sections = self.sections.words
        given = node.get("name") if self.tree.is_simplified and is_name(node.get("name")) else ""
        words = label_words(node, label)
        if self.sections.item and len(words) > 1:
            words = label_within(words, self.sections.item.split("_"))
        address = node.get("href") if node.control == "a" else ""
        request = NameRequest(sections, join_words(words, rules.LABEL_MAX), address, given=given)
        if node.control == "input" and is_search_field(node):
            request = NameRequest((), "search_input", hint=sections[-1] if sections else "", given=given)
        self.requests.append(request)
        self.nodes.append((node, label))
        return len(self.nodes) - 1

    def _element(self, node: Node, label: str, name: str, options: tuple[str, ...]) -> Element:
        href = node.attributes.get("href") if node.control == "a" else None
        return Element(
            name=name,
            tag=node.tag,
            role=role_of(node),
            label=label[: rules.LABEL_TEXT_MAX],
            path=node.path,
            href=href.strip() if href is not None else None,
            value=value_of(node),
            states=states_of(node, simplified=self.tree.is_simplified),
            options=options,
        )


def _holds_field(node: Node) -> bool:
    """Return whether a field that is printed within a link or button stands in it."""
    return node.controls > 0 and any(
        inner.control in ("input", "select", "textarea") for inner in node.elements()
    )
