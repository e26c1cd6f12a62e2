"""What to leave out of a page that is too long, one cut after the other, the least painful first."""

import re
from collections.abc import Iterator, Sequence
from html import unescape
from itertools import groupby

from shop_r1.pages.serialize.pieces import KEPT_LEAST, LEFT_OUT_LEAST, Item, Piece, Series, find_series
from shop_r1.pages.serialize.writer import attribute, escape

# Characters that a long text keeps, widest first (ours): from a long paragraph to two sentences, and at last
# the length of a heading. Halved from tier to tier, so that no text loses much more than is needed.
_TEXT_TIERS = (1600, 800, 400, 200, 80)
_TEXT_LEAST = 20  # characters: a text so little past its tier is left alone (ours)
# Items that a long series keeps, two thirds of them from its start (ours): halved from tier to tier too.
_ITEM_TIERS = (200, 100, 50, 25, 12, 6, KEPT_LEAST)

_TEXT_ATTRIBUTE = re.compile(r' (alt|value|placeholder)="([^"]*)"')
_WORD = re.compile(r"[^\W_]")
_NOTES = {
    "li": "<li>… {} more\n",
    "tr": "<tr><td>… {} more\n",
    "line": "… {} more lines\n",
    "option": '<optgroup label="… {} more">',
    "part": "… {} more ",
}


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
        (each, runs) for each in series if each.kind in ("li", "tr", "line") and (runs := each.idle_runs())
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
            shorter = _shortened_tag(piece.text, limit) if piece.tag else _shortened(piece.text, limit)
            if len(shorter) < len(piece.shown):
                saved = piece.rate * (len(piece.shown) - len(shorter))
                piece.shown = shorter
                yield saved


def _shortened(markup: str, limit: int) -> str:
    text = unescape(markup)
    words = text.strip()
    if len(words) <= limit + _TEXT_LEAST:
        return markup
    lead, trail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    return f"{lead}{escape(f'{_first_words(words, limit)} …'.lstrip())}{trail}"


def _shortened_tag(tag: str, limit: int) -> str:
    def shorter(match: re.Match[str]) -> str:
        text = unescape(match.group(2))
        kept = _first_words(text, limit)
        if len(text) <= limit + _TEXT_LEAST or not _WORD.search(kept):  # an image without words is dropped
            return match.group()
        return attribute(match.group(1), f"{kept} …")

    return _TEXT_ATTRIBUTE.sub(shorter, tag)


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
    saved = sum(pieces[i].rate * (len(pieces[i].shown) - len(text)) for i, text in shown.items())
    if saved <= 0:
        for item in going:
            item.is_kept = True
        return
    for index, text in shown.items():
        pieces[index].shown, pieces[index].is_gone = text, True
    yield saved


def _with_notes(pieces: Sequence[Piece], series: Series) -> dict[int, str]:
    """Return what is to be shown of all pieces of items that are gone: a count for those side by side."""
    shown: dict[int, str] = {}
    group = ""  # the label of the options that we are at
    for is_kept, items in groupby(series.items, key=lambda item: item.is_kept):
        across = list(items)
        start, stop = across[0].start, across[-1].stop
        if series.kind == "option":
            group = next((p.text for p in reversed(pieces[start:stop]) if p.tag == "optgroup"), group)
        if not is_kept:
            shown.update(dict.fromkeys(range(start, stop), ""))
            shown[start] = _NOTES[series.kind].format(len(across))
            shown[start] += group if pieces[stop].tag == "option" else ""  # said again for what follows
    return shown
