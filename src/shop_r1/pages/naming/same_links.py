"""Whether two links to one address do the same: by their attributes, and by what they stand in.

An address alone does not say so. In the list of a shop's mugs every "Add to cart" leads to `/cart`, and a
script or a data attribute says which mug is meant.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from shop_r1.pages import rules
from shop_r1.pages.naming.names import to_words
from shop_r1.pages.parse.node import WORD, Node, spoken_text

_STATES = frozenset(state[0] for state in rules.ARIA_STATES)


def act_alike(first: Node, second: Node) -> bool:
    """Return whether no attribute makes a script treat two links to one address differently.

    What a script reads must be the same at both (`onclick`, `data-id`). A `data-` attribute that only one of
    them has makes them differ where their words do too: "Red mug" and "Remove", the latter with
    `data-method`.
    """
    ours, theirs = first.attributes, second.attributes
    if not scripted_alike(ours, theirs):
        return False
    return not any(map(_is_data, ours.keys() ^ theirs.keys())) or _say_alike(first, second)


def scripted_alike(ours: Mapping[str, str | None], theirs: Mapping[str, str | None]) -> bool:
    """Return whether two links' attributes give a script no other values to read.

    A `data-` attribute that only one of them has is none, nor are those that only measure or test.
    """
    for name, _ in ours.items() ^ theirs.items():
        if name in rules.SCRIPTED or name.startswith(rules.SCRIPTED_PREFIXES):
            return False
        if name in ours and name in theirs and _is_data(name):
            return False
    return True


def _is_data(name: str) -> bool:
    """Return whether a script may read an attribute to tell one link from another."""
    return name.startswith("data-") and not (
        name in rules.MEASURED or name.startswith(rules.MEASURED_PREFIXES)
    )


def _say_alike(first: Node, second: Node) -> bool:
    """Return whether two links say the same, or one says nothing; a link without words says its title."""
    words, others = [
        to_words(spoken_text(link) or link.get("aria-label") or link.get("title")) for link in (first, second)
    ]
    return not words or not others or words == others


class Items:
    """In which items of a page its nodes stand; each answer is kept, so that asking again costs little."""

    def __init__(self) -> None:
        self._around: dict[Node, Node | None] = {}

    def around(self, node: Node) -> Node | None:
        """Return the innermost item around a node, itself not among them; None outside of items."""
        asked: list[Node] = []
        while node not in self._around:
            asked.append(node)
            if node.parent is None or node.parent.is_item:
                self._around[node] = node.parent
            else:
                node = node.parent
        found = self._around[node]
        self._around.update(dict.fromkeys(asked, found))
        return found

    def chain(self, node: Node) -> list[Node]:
        """Return the items around a node, innermost first; of those past the bound none."""
        chain: list[Node] = []
        item = self.around(node)
        while item is not None and len(chain) < rules.SAME_LINK_CLIMB:
            chain.append(item)
            item = self.around(item)
        return chain

    def part(self, first: Node, second: Node) -> bool:
        """Return whether two nodes stand in two items, none of which is around the other."""
        ours, theirs = self.around(first), self.around(second)
        if ours is theirs or ours is None or theirs is None:
            return False
        return ours not in self.chain(second) and theirs not in self.chain(first)


def box_around(
    first: Node, second: Node, controls_max: int = rules.SAME_LINK_CONTROLS
) -> tuple[Node, Node, Node] | None:
    """Return the smallest element around two links, and the parts of it that each stands in.

    None where it has more to act on than `controls_max`, by default as much as one product's box has, or is
    the page itself.
    """
    above = list(first.ancestors(rules.SAME_LINK_CLIMB))
    branches = dict(zip(above, (first, *above), strict=False))
    branch, ancestor = second, second.parent
    while ancestor is not None and ancestor.controls <= controls_max:
        if ancestor in branches:
            is_page = ancestor.tag in ("html", "body", "main")
            return None if is_page else (ancestor, branches[ancestor], branch)
        branch, ancestor = ancestor, ancestor.parent
    return None


def stand_together(first: Node, second: Node) -> bool:
    """Return whether two links stand in one product's box, and nothing in it parts them.

    Links with a state stay apart where each says something else: the chosen colour and the chosen size lead
    to one address, the page's own.
    """
    words, others = to_words(spoken_text(first)), to_words(spoken_text(second))
    is_same = words == others
    if not is_same and words and others and not _STATES.isdisjoint([*first.attributes, *second.attributes]):
        return False
    found = box_around(first, second)
    if found is None:
        return False
    box, ours, theirs = found
    if ours.tag in rules.ITEM_TAGS and theirs.tag in rules.ITEM_TAGS and not _is_picture_of(first, second):
        return False
    is_same = is_same and bool(first.text) == bool(second.text)  # a title may repeat its picture's words
    if _are_alike(ours, theirs, is_same=is_same):
        beside, besides = _words_beside(ours, words), _words_beside(theirs, others)
        if beside and besides and beside != besides:
            return False
        if is_same and not beside and not besides and ours is not first and _made_alike(ours, theirs):
            return False  # two goods of which the pictures have no text
    return not _is_parted(box, first, second, is_same=is_same)


def _is_picture_of(first: Node, second: Node) -> bool:
    """Return whether one of two links is only a picture, and of what the other one says."""
    if bool(first.text) == bool(second.text):
        return False
    words, others = to_words(spoken_text(first)), to_words(spoken_text(second))
    return words == others or not words or not others


def _made_alike(ours: Node, theirs: Node) -> bool:
    return ours.tag == theirs.tag and ours.get("class") == theirs.get("class")


def _are_alike(ours: Node, theirs: Node, *, is_same: bool) -> bool:
    """Return whether two parts of the page may be two of a kind: each with its heading, or of one class.

    Where the links in them say the same (`is_same`), the same tag is enough.
    """
    if ours.tag != theirs.tag:
        return False
    if is_same or (ours.heading is not None and theirs.heading is not None):
        return True
    return bool(ours.get("class")) and _made_alike(ours, theirs)


def _words_beside(part: Node, words: list[str]) -> list[str]:
    """Return what a part of the page says beside the words of the link in it, sorted."""
    return sorted((Counter(to_words(spoken_text(part))) - Counter(words)).elements())


def _is_parted(box: Node, first: Node, second: Node, *, is_same: bool) -> bool:
    """Return whether something between two links of a box begins another thing.

    That is a heading after one for the first link. Between two links that say the same it is any word at all
    ("Red mug [Add] Blue mug [Add]"), unless the first is what an item begins with, its title.
    """
    above: Node | None = None  # the last heading before the first link
    begins = are_words_before = are_words_between = is_past_first = False
    stack: list[Node | str | None] = list(reversed(box.children))
    while stack:
        piece = stack.pop()
        if piece is second:
            break
        if piece is first:
            is_past_first = True
        elif isinstance(piece, str):
            if WORD.search(piece):
                are_words_between = are_words_between or is_past_first
                are_words_before = are_words_before or not is_past_first
        elif piece is not None:
            if piece.tag in rules.HEADING_TAGS:
                if not is_past_first:
                    above = piece
                elif above is not None and piece not in tuple(second.ancestors(rules.SAME_LINK_CLIMB + 1)):
                    level = rules.HEADING_TAGS[piece.tag]
                    begins = begins or level <= rules.HEADING_TAGS[above.tag]
            if is_past_first and piece.tag == "img" and piece.image is not None:
                are_words_between = True
            stack += reversed(piece.children)
    # An element between them counts even if it was left out (a picture without text).
    are_apart = first.parent is second.parent and second.position - first.position > 1
    are_words_between = are_words_between or are_apart
    is_title = box.is_item and box.link is first and not are_words_before
    return begins or (is_same and are_words_between and not is_title)


def same_menu(menu: Node, links: Sequence[Node], others: Sequence[Node], items: Items) -> bool:
    """Return whether a block of links and a run of links that say the same do the same, too.

    Two products' "Add", "Wish", "Compare" do not: they stand in two items, or under two headings.
    """
    if not all(map(act_alike, links, others)):
        return False
    own = menu if menu.is_item else items.around(menu)
    theirs = next((item for item in items.chain(others[0]) if item in set(items.chain(others[-1]))), None)
    # A tuple, since mypyc's generators know no `in`.
    if own and theirs and own is not theirs and own not in tuple(others[0].ancestors()):
        return _is_entry(own) and _is_entry(theirs) and spoken_text(own) == spoken_text(theirs)
    found = box_around(links[0], others[0], controls_max=2 * rules.SAME_LINK_CONTROLS)
    if found is not None:
        _, our_part, their_part = found
        words = [word for link in links for word in to_words(spoken_text(link))]
        if _are_alike(our_part, their_part, is_same=False):
            beside, besides = _words_beside(our_part, words), _words_beside(their_part, words)
            if beside and besides and beside != besides:
                return False
    above, others_above = _heading_before(links[0]), _heading_before(others[0])
    return not above or not others_above or above == others_above


def _heading_before(node: Node) -> list[str]:
    """Return the words of the last heading among what stands before a node, not far from it."""
    branch = node
    for ancestor in node.ancestors(rules.SAME_LINK_CLIMB):
        if ancestor.controls > 2 * rules.SAME_LINK_CONTROLS:
            break
        if ancestor.heading is not None and branch in ancestor.children[: rules.SIBLINGS_MAX]:
            place = ancestor.children.index(branch)
            for piece in reversed(ancestor.children[:place]):
                if isinstance(piece, Node) and piece.heading is not None:
                    return to_words(spoken_text(piece.heading))
        branch = ancestor
    return []


def _is_entry(item: Node) -> bool:
    """Return whether an item is an entry of a menu: without heading, and it says what a link in it does."""
    if item.heading is not None or item.link is None:
        return False
    return spoken_text(item).startswith(spoken_text(item.link))
