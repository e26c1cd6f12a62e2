"""The nodes of a page with what each takes, and what stands in a row and can lose its middle."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise

from shop_r1.pages.serialize.nodes import NAMED_TAGS, Line, Nodes, Tag, write_line

LEFT_OUT_LEAST = 3
"""Items: leaving out fewer hardly pays for the note that says so (ours)."""
KEPT_LEAST = 3
"""Items that a long series keeps at least: they show what it holds (ours)."""

_CHOSEN = frozenset({"checked", "selected", "pressed", "current"})
_PRICE = re.compile(
    r"[$£€¥₩₹₽₺₴]\s?\d|\d\s?(?:[$£€¥₩₹₽₺₴]|(?:kr|zł|Kč|руб|EUR|USD|GBP|CHF)\b)|(?:EUR|USD|GBP|CHF)\s\d"
)

END = "\n"
"""The node, and the tag of the piece, that ends a line."""
_HOLDERS = frozenset({"a", "button", "summary", "select", "textarea"})  # controls with an end tag
_PARTS = _HOLDERS | {"input", "img", "s"}
_INLINE = _PARTS | {"option", "optgroup"}
_ITEM_OF = {"ul": "li", "ol": "li", "table": "tr"}


@dataclass(slots=True)
class Piece:
    """A node, or the end of a line, and what is shown of it now."""

    node: Tag | str
    rate: float  # tokens a character, as on its line
    tag: str  # the tag's name, with `/` before an end tag's; "" for a text
    holder: str  # the link, button, select or the like in which it stands, or which it begins; else ""
    text: str  # the node as HTML
    shown: Nodes  # what is printed in its place now: itself, a shorter one, a note, or nothing
    size: int  # of `shown`, in characters
    is_chosen: bool = False  # the shopper has chosen it, or stands on it
    is_gone: bool = False


@dataclass(slots=True)
class Item:
    """One of a series."""

    start: int  # the first of its pieces
    stop: int  # the piece after its last
    acts: bool  # a control stands in it
    stays: bool  # it must be kept: something in it is chosen, or it is a line with a price
    is_kept: bool = True  # it is still there, as far as its series goes


@dataclass(slots=True)
class Series:
    """Alike things in a row, of which the middle can be left out."""

    kind: str
    """`li`, `tr`, `line` (without controls), `option`, or `part`: a control, image or struck-out text in a
    line, with the text up to the next."""
    items: list[Item]
    height: int  # how many lists are nested in it


def pieces_of(lines: Sequence[Line], costs: Sequence[float]) -> list[Piece]:
    """Return the nodes and line ends in order; `costs` is what each line takes with its end, in tokens."""
    pieces: list[Piece] = []
    for line, cost in zip(lines, costs, strict=True):
        rate = cost / (len(line.html) + 1)
        holder = ""
        for node in line.nodes:
            if isinstance(node, str):
                pieces.append(Piece(node, rate, "", holder, node, [node], len(node)))
                continue
            tag, text = node.kind, node.markup
            # Within a select nothing but its end counts.
            if holder != "select" and tag in _HOLDERS:
                holder = tag
            is_chosen = tag in NAMED_TAGS and any(
                value is None and state in _CHOSEN for state, value in node.attributes
            )
            pieces.append(Piece(node, rate, tag, holder, text, [node], len(text), is_chosen))
            if holder and tag == f"/{holder}":
                holder = ""
        pieces.append(Piece(END, rate, END, "", END, [END], 1))
    return pieces


def shown_lines(pieces: Sequence[Piece]) -> list[Line]:
    """Return the page as its pieces are shown now, a note and the text beside it as one."""
    lines: list[Nodes] = [[]]
    for piece in pieces:
        for node in piece.shown:
            line = lines[-1]
            if node is END:
                lines.append([])
            elif isinstance(node, str) and line and isinstance(line[-1], str):
                line[-1] += node
            else:
                line.append(node)
    return [write_line(line) for line in lines[:-1]]  # the last piece ends a line


def find_series(pieces: Sequence[Piece]) -> list[Series]:
    """Return what stands in a row on a page and is long enough that something of it can be left out."""
    acts = [0, *accumulate(piece.tag in NAMED_TAGS for piece in pieces)]
    chosen = [0, *accumulate(piece.is_chosen for piece in pieces)]
    # Each select has an option that is selected: that is no reason to keep the item around it.
    options = [0, *accumulate(piece.is_chosen and piece.tag == "option" for piece in pieces)]
    found = []
    for kind, bounds, height in (*_lists(pieces), *_lines(pieces), *_options(pieces), *_parts(pieces)):
        if len(bounds) - 1 < KEPT_LEAST + LEFT_OUT_LEAST:
            continue
        items = []
        for start, stop in pairwise(bounds):
            stays = chosen[stop] - chosen[start]
            if kind == "line":
                stays = _PRICE.search("".join([piece.text for piece in pieces[start:stop]])) is not None
            elif kind != "option":
                stays -= options[stop] - options[start]
            items.append(Item(start, stop, acts[stop] > acts[start], bool(stays)))
        found.append(Series(kind, items, height))
    return found


_Bounds = tuple[str, list[int], int]
"""A series' kind, where its items begin and its last ends, and its height."""


def _lists(pieces: Sequence[Piece]) -> Iterator[_Bounds]:
    stack: list[tuple[str, list[int]]] = []
    heights = [0]  # of what is in each open list, and in the page itself
    for index, piece in enumerate(pieces):
        if piece.tag in _ITEM_OF:
            stack.append((_ITEM_OF[piece.tag], []))
            heights.append(0)
        elif stack and piece.tag == stack[-1][0]:
            stack[-1][1].append(index)
        elif stack and _ITEM_OF.get(piece.tag[1:]) == stack[-1][0]:
            kind, starts = stack.pop()
            height = heights.pop()
            heights[-1] = max(heights[-1], height + 1)
            yield kind, [*starts, index], height


def _lines(pieces: Sequence[Piece]) -> Iterator[_Bounds]:
    """Yield the lines of text and images that are no item of anything and no heading."""
    bounds, is_plain = [0], True
    for index, piece in enumerate(pieces):
        is_plain = is_plain and piece.tag in ("", END, "img", "s", "/s")
        if piece.tag == END and is_plain:
            bounds.append(index + 1)
        elif piece.tag == END:
            yield "line", bounds, 0
            bounds, is_plain = [index + 1], True
    yield "line", bounds, 0


def _options(pieces: Sequence[Piece]) -> Iterator[_Bounds]:
    """Yield each select's options; a group's label goes with its first."""
    bounds: list[int] = []
    is_open, has_option = False, True
    for index, piece in enumerate(pieces):
        if piece.tag == "select":
            bounds, is_open, has_option = [], True, True
        elif is_open and piece.tag in ("option", "optgroup"):
            if has_option:
                bounds.append(index)
            has_option = piece.tag == "option"
        elif is_open and piece.tag in ("/select", END):
            yield "option", [*bounds, index], 0
            is_open = False


def _parts(pieces: Sequence[Piece]) -> Iterator[_Bounds]:
    bounds: list[int] = []
    depth = 0
    for index, piece in enumerate(pieces):
        tag = piece.tag.removeprefix("/")
        if tag and tag not in _INLINE:
            yield "part", [*bounds, index], 0
            bounds, depth = [], 0
            continue
        if depth == 0 and piece.tag in _PARTS:
            bounds.append(index)
        if tag in _HOLDERS or tag == "s":
            depth = max(0, depth + (1 if tag == piece.tag else -1))
