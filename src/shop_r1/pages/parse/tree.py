"""What of a document can be seen, as nodes, and what was left out of it."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode

from shop_r1.pages import rules
from shop_r1.pages.parse.node import Node, spoken_text

MARKER = "page"
"""The first tag of a simplified page: what stands in it is already short and named."""

_EXAMPLE_CHARS = 160


class Marks(NamedTuple):
    """What a recipe says of a document's elements; each element is told by its `mem_id`."""

    left_out: Collection[int]
    sections: Mapping[int, str]
    """Each with the word that names it."""
    items: Collection[int]
    titles: Mapping[int, int]
    """Each with the item that it is the title of."""


class Hidden(NamedTuple):
    """A part that was left out since it is hidden."""

    source: LexborNode
    reason: str


@dataclass
class Tree:
    """A document's visible nodes and what was left out of it."""

    document: LexborHTMLParser
    root: Node
    is_simplified: bool
    links: list[Node] = field(default_factory=list)
    drawn_toggles: list[Node] = field(default_factory=list)
    """Elements that are no fields and have a checkbox's, radio button's or switch's role."""
    menus: list[tuple[int, int, Node]] = field(default_factory=list)
    """Elements in which only links can be acted on, each with the range of its links in `links`."""
    ids: dict[str, Node] = field(default_factory=dict)
    labels: dict[str, Node] = field(default_factory=dict)
    dropped: Counter[str] = field(default_factory=Counter)
    hidden: list[Hidden] = field(default_factory=list)
    """Parts left out as hidden that may be the page itself."""
    shown: Counter[str] = field(default_factory=Counter)
    """Parts that are hidden as the page stands and are shown all the same, by reason."""
    examples: dict[str, list[str]] | None = None
    _sources: dict[str, LexborNode] | None = None
    _hidden_texts: dict[str, str] = field(default_factory=dict)

    def text_of(self, identity: str) -> str:
        """Return the text of an element that may be hidden (accname 1.2, step 2B); "" where there is none."""
        if identity in self.ids:
            return spoken_text(self.ids[identity])
        if self._sources is None:
            found = reversed(self.document.css("[id]"))
            self._sources = {node.attributes["id"] or "": node for node in found}
        source = self._sources.get(identity)
        if source is None or source.tag in rules.DROPPED_TAGS:
            return ""
        if identity not in self._hidden_texts:
            self._hidden_texts[identity] = " ".join(_first_text(source).split())[: rules.LABEL_TEXT_MAX]
        return self._hidden_texts[identity]

    @property
    def characters(self) -> int:
        """How many characters of text are visible."""
        return sum(
            len(child.strip())
            for node in (self.root, *self.root.elements())
            for child in node.children
            if isinstance(child, str)
        )

    def drop(self, reason: str, part: LexborNode | Node) -> None:
        """Count a part that is left out; keep it as an example when examples are asked for."""
        self.dropped[reason] += 1
        if self.examples is not None:
            known = self.examples.setdefault(reason, [])
            if len(known) < rules.EXAMPLES_SHOWN:
                known.append(_snippet(part))


def _first_text(source: LexborNode) -> str:
    """Return the text at and below an element, not read further than a label can be long."""
    parts: list[str] = []
    size = 0
    for node in islice(source.traverse(include_text=True), rules.HIDDEN_NODES_MAX + 1):
        if size >= rules.HIDDEN_TEXT_MAX:
            break
        if node.tag == "-text":
            parts.append((node.text_content or "")[: rules.HIDDEN_TEXT_MAX])
            size += len(parts[-1])
    return "".join(parts)


def _snippet(part: LexborNode | Node) -> str:
    if isinstance(part, Node):
        written = "".join(f' {name}="{value or ""}"' for name, value in part.attributes.items())
        text = f"<{part.tag}{written}>{spoken_text(part)}"
    else:
        text = part.html or ""
    text = " ".join(text[: 20 * _EXAMPLE_CHARS].split())
    return text if len(text) <= _EXAMPLE_CHARS else f"{text[: _EXAMPLE_CHARS - 1]}…"


def is_simplified(document: LexborHTMLParser) -> bool:
    """Return whether a document is a simplified page: the first thing in it is the marker."""
    for child in document.body.iter(include_text=True) if document.body is not None else ():
        if child.tag != "-text" or (child.text_content or "").strip():
            return child.tag == MARKER
    return False
