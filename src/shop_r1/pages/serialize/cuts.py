"""What to leave out of a page that is too long, one cut after the other, the least painful first."""

from collections.abc import Iterator, Sequence
from html import unescape
from itertools import groupby

from shop_r1.pages.parse.node import WORD
from shop_r1.pages.serialize.nodes import Nodes, Tag, attribute, escape, plain_tag, write_line
from shop_r1.pages.serialize.series import END, KEPT_LEAST, LEFT_OUT_LEAST, Item, Piece, Series, find_series

# Characters that a long text keeps, widest first (ours): from a long paragraph to two sentences, and at last
# the length of a heading. Halved from tier to tier, so that no text loses much more than is needed.
_TEXT_TIERS = (1600, 800, 400, 200, 80)
_TEXT_LEAST = 20  # characters: a text so little past its tier is left alone (ours)
# Items that a long series keeps, two thirds of them from its start (ours): halved from tier to tier too.
_ITEM_TIERS = (200, 100, 50, 25, 12, 6, KEPT_LEAST)

_TEXT_ATTRIBUTES = frozenset({"alt", "value", "placeholder"})


def cut_pieces(pieces: Sequence[Piece]) -> Iterator[float]:
    """Change what is shown of the pieces, cut by cut; yield after each about how many tokens it saved.

    1. Long texts outside of controls end in ` …`.
    2. Of long runs of items, rows and lines without controls, the ends stay, with a count; prices stay too.
    3. So of lists, tables, selects and rows of controls in a line, the innermost first, of those the longest;
       what is checked, selected, pressed or current stays.
    4. Long texts within controls end in ` …`.
    """
    yield from _shorten_texts([piece for piece in pieces if not piece.holder and piece.tag in ("", "img")])
    series = sorted(find_series(pieces), key=lambda each: (each.height, -len(each.items)))
    idle = [
        (each, runs)
        for each in series
        if each.kind in ("li", "tr", "line")
        and (runs := [list(run) for acts, run in groupby(each.items, lambda item: item.acts) if not acts])
    ]
    idle.sort(key=lambda pair: -max(map(len, pair[1])))
    # Facts keep one more than the least: a name, a rating and two prices stay together.
    for keep in _ITEM_TIERS[:-1]:
        for each, runs in idle:
            yield from _leave_middles_out(pieces, each, runs, keep)
    for keep in _ITEM_TIERS:
        for each in series:
            if each.kind != "line":
                yield from _leave_middles_out(pieces, each, [each.items], keep)
    held = [piece for piece in pieces if piece.holder not in ("", "select")]
    yield from _shorten_texts([*held, *(piece for piece in pieces if piece.tag == "input")])


def _shorten_texts(pieces: Sequence[Piece]) -> Iterator[float]:
    """Shorten the pieces' texts, the longest first, to one tier after the other."""
    texts = sorted((p for p in pieces if len(p.text) > _TEXT_TIERS[-1]), key=lambda piece: -len(piece.text))
    for limit in _TEXT_TIERS:
        for piece in texts:
            if piece.is_gone or len(piece.text) <= limit:
                continue
            shorter = _shortened(piece.node, limit)
            size = len(write_line([shorter]).html)
            if size < piece.size:
                saved = piece.rate * (piece.size - size)
                piece.shown, piece.size = [shorter], size
                yield saved


def _shortened(node: Tag | str, limit: int) -> Tag | str:
    if isinstance(node, Tag):
        return Tag(node.kind, tuple([_shortened_value(each, limit) for each in node.attributes]))
    text = unescape(node)
    words = text.strip()
    if len(words) <= limit + _TEXT_LEAST:
        return node
    lead, trail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return f"{lead}{escape(f'{_first_words(words, limit)} …'.lstrip())}{trail}"


def _shortened_value(given: tuple[str, str | None], limit: int) -> tuple[str, str | None]:
    name, value = given
    text = unescape(value) if value is not None and name in _TEXT_ATTRIBUTES else ""
    if len(text) <= limit + _TEXT_LEAST:
        return given
    kept = _first_words(text, limit)
    return attribute(name, f"{kept} …") if WORD.search(kept) else given  # an image without words is dropped


def _first_words(text: str, limit: int) -> str:
    """Return a text's first words within `limit` characters; one too long, or Chinese, is cut itself."""
    end = text.rfind(" ", 0, limit + 1)
    return text[: end if end > limit // 2 else limit].rstrip(" ,;:-–")


def _leave_middles_out(
    pieces: Sequence[Piece], series: Series, runs: Sequence[Sequence[Item]], keep: int
) -> Iterator[float]:
    """Leave out the middle of each of a series' runs, so that `keep` items stay, and those that must."""
    if pieces[series.items[0].start].is_gone:  # a series keeps its first: it went with something around it
        return
    going: list[Item] = []
    for run in runs:
        there = [item for item in run if item.is_kept]
        last = keep // 3
        middle = [item for item in there[keep - last : len(there) - last] if not item.stays]
        going += middle if len(middle) >= LEFT_OUT_LEAST else []
    for item in going:
        item.is_kept = False
    shown = _with_notes(pieces, series) if going else {}
    sizes = {index: len(write_line(nodes).html) if nodes else 0 for index, nodes in shown.items()}
    saved = sum([pieces[index].rate * (pieces[index].size - size) for index, size in sizes.items()])
    if saved <= 0:
        for item in going:
            item.is_kept = True
        return
    for index, nodes in shown.items():
        pieces[index].shown, pieces[index].size, pieces[index].is_gone = nodes, sizes[index], True
    yield saved


def _with_notes(pieces: Sequence[Piece], series: Series) -> dict[int, Nodes]:
    """Return what is to be shown of all pieces of items that are gone: a count for those side by side."""
    shown: dict[int, Nodes] = {}
    group: Nodes = []  # the label of the options that we are at
    for is_kept, items in groupby(series.items, key=lambda item: item.is_kept):
        across = list(items)
        start, stop = across[0].start, across[-1].stop
        if series.kind == "option":
            labels = [piece.node for piece in pieces[start:stop] if piece.tag == "optgroup"]
            group = labels[-1:] or group
        if not is_kept:
            shown.update({index: [] for index in range(start, stop)})
            shown[start] = _note(series.kind, len(across))
            if pieces[stop].tag == "option":  # said again for what follows
                shown[start] += group
    return shown


def _note(kind: str, count: int) -> Nodes:
    match kind:
        case "li":
            return [plain_tag("li"), f"… {count} more", END]
        case "tr":
            return [plain_tag("tr"), plain_tag("td"), f"… {count} more", END]
        case "line":
            return [f"… {count} more lines", END]
        case "option":
            return [Tag("optgroup", (("label", f"… {count} more"),))]
    return [f"… {count} more "]
