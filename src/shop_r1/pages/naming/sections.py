"""Where on the page we are, in the words that go before a label: landmarks, headings, items."""

from typing import NamedTuple

from shop_r1.pages import rules
from shop_r1.pages.naming.labels import item_title, section_name
from shop_r1.pages.naming.names import join_words, to_words
from shop_r1.pages.parse.controls import heading_level
from shop_r1.pages.parse.node import Node, spoken_text
from shop_r1.pages.parse.tree import Tree

_NAMING = frozenset({"role", "aria-label", "aria-labelledby"})
_NAMED_BY_ITSELF = frozenset({
    "main", "nav", "footer", "search", "dialog", "fieldset", "table", "details", "dl",
})  # fmt: skip
_TERM_LEVEL = 7  # a <dt> heads the descriptions after it, below every heading
_PART = 0  # the level of a landmark, list or item: no heading ends it
_NAMED = -1  # the level of a section that a recipe names: around it only such sections count


class _Item(NamedTuple):
    """An item that we are in: its title cut for names, a written one's words, whether a recipe gave it."""

    name: str
    words: list[str]
    is_given: bool


Scope = tuple[tuple[str, ...], tuple[int, ...], int, tuple[_Item, ...]]
"""What to go back to when a part of the page ends: its words, levels, base and items."""


class Sections:
    """The parts and headings that the walk is under, outermost first."""

    def __init__(self, tree: Tree):
        self._tree = tree
        self.words: tuple[str, ...] = ()
        """Their names, outermost first."""
        self._levels: tuple[int, ...] = ()  # of each the heading's level, or _PART or _NAMED
        self._base = 0  # headings below this index belong to an outer part
        self._items: tuple[_Item, ...] = ()
        self._titles: set[Node] = set()  # the first headings of sections that a recipe names

    @property
    def item(self) -> str:
        """The title of the item that we are in, "" outside of items."""
        return self._items[-1].name if self._items else ""

    def says(self, words: list[str]) -> bool:
        """Return whether these are the words of the written title of the item that we are in."""
        return bool(self._items) and words == self._items[-1].words

    def enter(self, node: Node, *, is_item: bool) -> Scope | None:
        """Begin a part of the page; None when the node is none."""
        if not self._begins_part(node, is_item):
            return None
        scope = (self.words, self._levels, self._base, self._items)
        level, words = _PART, node.section or section_name(node, self._tree)
        if node.section:
            level = _NAMED
            if node.heading is not None:
                self._titles.add(node.heading)
            # No part or item around a recipe's section counts, unless another such section is around it.
            if not self._levels or self._levels[0] != _NAMED:
                self.words, self._levels, self._items = (), (), ()
        if words or node.tag == "main" or node.role == "main":
            # A part with a name of its own does not belong to the heading of the part before it, nor does the
            # page's main part.
            self._end_headings(_PART + 1)
        if not words and is_item and (node.title is not None or not self._in_given_item):
            title, is_written = item_title(node, self._tree)
            words = join_words(title, rules.TITLE_MAX)
            self._items += (_Item(words, title if is_written else [], node.title is not None),)
        if words:
            self._begin(level, words)
        self._base = len(self._levels)
        return scope

    def _begin(self, level: int, words: str) -> None:
        self.words += (words,)
        self._levels += (level,)

    @property
    def _in_given_item(self) -> bool:
        """Whether a recipe gave the title of the item that we are in: nothing in it is an item by itself."""
        return bool(self._items) and self._items[-1].is_given

    def _begins_part(self, node: Node, is_item: bool) -> bool:
        """Return whether a node may have words for names, or holds headings that must not reach past it."""
        if is_item or node.section or node.bits & rules.BOUNDS or not _NAMING.isdisjoint(node.attributes):
            return True
        return node.tag in rules.SCOPE_TAGS and (node.heading is not None or node.tag in _NAMED_BY_ITSELF)

    def leave(self, scope: Scope) -> None:
        """End the part that `enter` began."""
        self.words, self._levels, self._base, self._items = scope

    def _end_headings(self, level: int) -> None:
        """End the headings of this level and below it, as far as they belong to the innermost part."""
        while len(self._levels) > self._base and self._levels[-1] >= level:
            self.words, self._levels = self.words[:-1], self._levels[:-1]

    def end_for(self, heading: Node) -> None:
        """End the parts that a heading will end, before what it stands in is named: a card that is one link.

        Else the second of two such cards would be named after the first.
        """
        if self._in_given_item or heading in self._titles:
            return
        self._end_headings(heading_level(heading))

    def note_heading(self, node: Node) -> None:
        """Let what follows a heading be named after it; the page's own title (level 1) is in no name.

        Nor is the first heading in a section that a recipe names, whose name stands for it. In an item whose
        title a recipe gives, headings are mere text: a brand above the title, for instance.
        """
        if node in self._titles or self._in_given_item:
            return
        is_term = node.tag == "dt"
        if not (is_term or node.tag in rules.HEADING_TAGS or node.role == "heading"):
            return
        level = _TERM_LEVEL if is_term else heading_level(node)
        self._end_headings(level)
        words = to_words(spoken_text(node))
        if level > 1 and words and join_words(words, rules.TITLE_MAX) != self.item:
            self._begin(level, join_words(words, rules.SECTION_MAX))
