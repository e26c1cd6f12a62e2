"""What blocks make of the lines of the short page: headings, lists, tables, terms, struck-out text."""

from dataclasses import dataclass

from shop_r1.pages import rules
from shop_r1.pages.naming.sections import Scope, Sections
from shop_r1.pages.parse.controls import heading_level
from shop_r1.pages.parse.node import Node
from shop_r1.pages.serialize.writer import Writer

_LAYOUT_TAGS = frozenset({
    "table", "ul", "ol", "dl", "form", "fieldset", "section", "article", "h1", "h2", "h3", "h4", "h5",
    "h6",
})  # fmt: skip
_CELL_TAGS = frozenset({"td", "th"})
_ROW_TAGS = _CELL_TAGS | {"tr"}


@dataclass(slots=True)
class OpenBlock:
    """An element whose children are being written."""

    node: Node
    scope: Scope | None = None  # what its end leads back to in the sections, where it began a part
    depth: int = 0  # the tag's, as `Writer.open` returned it; 0 where none is written
    end: str = ""  # the end tag's kind, "" where none is needed
    inline: bool = False  # all in it stands on one line


class Blocks:
    """Opens and closes the elements that are no controls."""

    def __init__(self, writer: Writer, sections: Sections, *, is_raw: bool):
        self._writer = writer
        self._sections = sections
        self._is_raw = is_raw
        self._lists: list[bool] = []  # whether each open list has an open item
        self._tables: list[bool] = []  # whether each open table is data (else layout)
        self._after_term = False

    @property
    def in_data(self) -> bool:
        """Whether the innermost open table is one of data."""
        return bool(self._tables) and self._tables[-1]

    def open(self, node: Node) -> OpenBlock:
        """Write what stands before an element's children."""
        block = OpenBlock(node)
        tag = node.tag
        is_cell = tag in _CELL_TAGS and self.in_data
        if _is_block(node) and not is_cell and not (tag == "dd" and self._after_term):
            self._writer.break_line()
        self._after_term = False
        if self._is_raw:
            block.scope = self._sections.enter(node, is_item=node.is_item and (tag != "tr" or self.in_data))
        self._open_tag(node, block)
        self._writer.inline += block.inline
        return block

    def _open_tag(self, node: Node, block: OpenBlock) -> None:
        tag, writer = node.tag, self._writer
        if tag == "li":
            if self._lists and not self._lists[-1] and not writer.inline:
                self._lists[-1] = True
                block.depth = writer.open("li")
        elif tag == "table":
            self._open_table(node, block)
        elif tag in _ROW_TAGS:
            if self.in_data:
                block.depth, block.inline = writer.open(tag), tag != "tr"
        elif tag in rules.STRUCK_TAGS:
            if not writer.in_control:
                writer.text(" ")
                block.depth, block.end, block.inline = writer.open("s"), "/s", True
        elif writer.inline:
            pass
        elif tag in rules.LIST_TAGS:
            kind = "ol" if tag == "ol" else "ul"
            block.depth, block.end = writer.open(kind, own_line=True), f"/{kind}"
            self._lists.append(False)
        elif tag in rules.HEADING_TAGS or node.role == "heading":
            if not (self._is_raw and node.controls and (self._sections.item or self._lists)):
                kind = f"h{heading_level(node)}"
                block.depth, block.end = writer.open(kind), f"/{kind}"
            block.inline = True

    def _open_table(self, table: Node, block: OpenBlock) -> None:
        self._tables.append(not self._writer.inline and self._is_data(table))
        if not self.in_data:
            return
        for child in table.children:
            if isinstance(child, Node) and child.tag == "caption":
                # On a line before the table: text within it would not be read back there.
                self._writer.text(child.text)
                self._writer.line()
        block.depth, block.end = self._writer.open("table", own_line=True), "/table"

    def _is_data(self, table: Node) -> bool:
        """Return whether a table holds rows of facts rather than the page's layout."""
        if not self._is_raw:
            return True
        if table.role in ("presentation", "none"):
            return False
        cells = 0
        for node in table.elements():
            if node.tag in _LAYOUT_TAGS:
                return False
            cells += node.tag in _CELL_TAGS
        return cells > 1

    def close(self, block: OpenBlock) -> None:
        """Write what stands after an element's children."""
        node, tag, writer = block.node, block.node.tag, self._writer
        writer.inline -= block.inline
        if block.depth:
            if tag in rules.LIST_TAGS:
                writer.line()
                self._lists.pop()
            elif tag == "li":
                self._lists[-1] = False
        if tag == "table" and self._tables.pop():
            writer.line()
        if block.depth:
            writer.close(block.depth, block.end)
        if tag == "dt" and not writer.inline and self._is_raw:
            if text := node.text:  # the line stays open for the description: `Material: ceramic`
                writer.text(": " if text[-1].isalnum() else " ")
                self._after_term = True
        elif _is_block(node) and not (tag in _CELL_TAGS and block.depth):
            writer.break_line()
        elif block.end == "/s":
            writer.space()
        if self._is_raw:
            if block.scope is not None:
                self._sections.leave(block.scope)
            if node.heading is node or tag == "dt":
                self._sections.note_heading(node)


def _is_block(node: Node) -> bool:
    """Return whether an element ends the line; a heading by its role is written as one, so it does too."""
    return node.tag not in rules.INLINE_TAGS or (bool(node.bits & rules.ACTS) and node.role == "heading")
