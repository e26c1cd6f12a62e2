"""The short page as `simplify_page` writes it, taken to pieces: tags and texts, and what stands in a row."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate, groupby, pairwise

from shop_r1.pages.tokens import CountTokens

LEFT_OUT_LEAST = 3
"""Items: leaving out fewer hardly pays for the note that says so (ours)."""
KEPT_LEAST = 3
"""Items that a long series keeps at least: they show what it holds (ours)."""

_TAG = re.compile(r'(</?[a-z][a-z0-9]*(?: [^\s"=<>]+(?:="[^"]*")?)*>)')
_TAG_NAME = re.compile(r"/?[a-z][a-z0-9]*")
_QUOTED = re.compile(r'"[^"]*"')
_CHOSEN = re.compile(r" (?:checked|selected|pressed|current)(?= |>)")
_PRICE = re.compile(
    r"[$£€¥₩₹₽₺₴]\s?\d|\d\s?(?:[$£€¥₩₹₽₺₴]|(?:kr|zł|Kč|руб|EUR|USD|GBP|CHF)\b)|(?:EUR|USD|GBP|CHF)\s\d"
)

_END = "\n"  # the tag of the piece that ends a line
_HOLDERS = frozenset({"a", "button", "summary", "select", "textarea"})  # controls with an end tag
_CONTROLS = _HOLDERS | {"input", "option"}
_PARTS = _HOLDERS | {"input", "img", "s"}
_INLINE = _PARTS | {"option", "optgroup"}
_ITEM_OF = {"ul": "li", "ol": "li", "table": "tr"}


@dataclass(slots=True)
class Piece:
    """A tag, a text or the end of a line.

    Attributes:
        text: as the page has it.
        tag: the tag's name, with `/` before an end tag's; "" for a text.
        rate: tokens a character, as on its line.
        holder: the link, button, select or the like in which it stands, or which it begins; else "".
        is_gone: whether it was left out; then `shown` is "" or the note in its place.
        shown: what is printed of it now.
    """

    text: str
    tag: str
    rate: float
    holder: str = ""
    is_gone: bool = False
    shown: str = field(default="", init=False)

    def __post_init__(self) -> None:
        self.shown = self.text

    @property
    def is_chosen(self) -> bool:
        """Whether the shopper has chosen it, or stands on it."""
        return self.tag in _CONTROLS and _CHOSEN.search(_QUOTED.sub("", self.text)) is not None


@dataclass(slots=True)
class Item:
    """One of a series.

    Attributes:
        start: the first of its pieces.
        stop: the piece after its last.
        acts: whether a control stands in it.
        stays: whether it must be kept: something in it is chosen, or it is a line with a price.
        is_kept: whether it is still there, as far as its series goes.
    """

    start: int
    stop: int
    acts: bool
    stays: bool
    is_kept: bool = True


@dataclass(slots=True)
class Series:
    """Alike things in a row, of which the middle can be left out.

    Attributes:
        kind: `li`, `tr`, `line` (without controls), `option`, or `part`: a control, image or struck-out text
            in a line, with the text up to the next.
        items: one behind the other.
        height: how many lists are nested in it.
    """

    kind: str
    items: list[Item]
    height: int = 0

    def idle_runs(self) -> list[list[Item]]:
        """Return the items without controls, as far as they stand beside each other."""
        return [list(run) for acts, run in groupby(self.items, key=lambda item: item.acts) if not acts]


def read_pieces(html: str, tokens: int, count_tokens: CountTokens) -> list[Piece]:
    """Return the page's tags, texts and line ends in order; `tokens` is what the whole of it takes."""
    lines = html.split("\n")
    pieces: list[Piece] = []
    for line, cost in zip(lines, line_costs(lines, tokens, count_tokens), strict=True):
        rate = cost / (len(line) + 1)
        holder = ""
        for place, text in enumerate(_TAG.split(line)):
            name = _TAG_NAME.match(text, 1) if place % 2 else None  # every second one is a tag
            tag = name.group() if name else ""
            # Within a select nothing but its end counts.
            if holder != "select" and tag in _HOLDERS:
                holder = tag
            if text:
                pieces.append(Piece(text, tag, rate, holder))
            if tag == f"/{holder}":
                holder = ""
        pieces.append(Piece("\n", _END, rate))
    return pieces


def shown_html(pieces: Sequence[Piece]) -> str:
    """Return the page as its pieces are shown now."""
    return "".join(piece.shown for piece in pieces).removesuffix("\n")


def line_costs(lines: Sequence[str], tokens: int, count_tokens: CountTokens) -> list[float]:
    """Return what each line takes with its end, so that the sum is `tokens`, however lines count apart."""
    counts = [count_tokens(line) + 1 for line in lines]
    scale = tokens / sum(counts)
    return [count * scale for count in counts]


def find_series(pieces: Sequence[Piece]) -> list[Series]:
    """Return what stands in a row on a page and is long enough that something of it can be left out."""
    acts = [0, *accumulate(piece.tag in _CONTROLS for piece in pieces)]
    chosen = [0, *accumulate(piece.is_chosen for piece in pieces)]
    # Each select has an option that is selected: that is no reason to keep the item around it.
    options = [0, *accumulate(piece.is_chosen and piece.tag == "option" for piece in pieces)]
    found = []
    for kind, bounds, height in (*_lists(pieces), *_lines(pieces), *_options(pieces), *_parts(pieces)):
        if len(bounds) - 1 < KEPT_LEAST + LEFT_OUT_LEAST:
            continue
        series = Series(kind, [], height)
        for start, stop in pairwise(bounds):
            stays = chosen[stop] - chosen[start]
            if kind == "line":
                stays = _PRICE.search("".join(piece.text for piece in pieces[start:stop])) is not None
            elif kind != "option":
                stays -= options[stop] - options[start]
            series.items.append(Item(start, stop, acts[stop] > acts[start], bool(stays)))
        found.append(series)
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
        is_plain = is_plain and piece.tag in ("", _END, "img", "s", "/s")
        if piece.tag == _END and is_plain:
            bounds.append(index + 1)
        elif piece.tag == _END:
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
        elif is_open and piece.tag in ("/select", _END):
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
