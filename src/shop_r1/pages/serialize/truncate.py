"""A page within a number of tokens: what says least goes first, and the page says what is gone."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace

from shop_r1.errors import PageError
from shop_r1.pages.elements import Element, SimplifiedPage
from shop_r1.pages.serialize.cuts import cut_pieces
from shop_r1.pages.serialize.nodes import Line, Tag, read_lines, write_html, write_line
from shop_r1.pages.serialize.series import pieces_of, shown_lines
from shop_r1.pages.tokens import CountTokens, estimate_tokens

_LISTS = frozenset({"ul", "ol", "table"})
_ITEMS = {"li": "list_items", "tr": "table_rows"}
_MORE = re.compile(r"… \d+ more")
_MORE_LINES = re.compile(r"… \d+ more lines")
_NOTE_ROW = [Tag("tr"), Tag("td")]
_REST = "(rest of the page left out"
_RECOUNT_STEP = 50  # the share of the budget by which a wrong estimate is first corrected (ours)
_END_TAG_TOKENS = 3  # about what an end tag takes


def fit_page(
    page: SimplifiedPage, max_tokens: int, count_tokens: CountTokens = estimate_tokens
) -> SimplifiedPage:
    """Return the page within a budget: itself when it fits, else with its html as `fit_html` shortens it.

    Names stay as they are. `elements` are those whose names are still on the page. `cut` counts what is gone:
    `list_items`, `table_rows`, other `lines`, `options`, `images`, `elements`, and `characters` of html; what
    an earlier fit cut is in it.

    Raises:
        PageError: even the shortest form of the page takes more; the message says how many tokens.
    """
    tokens = count_tokens(page.html)
    if tokens <= max_tokens:
        return page
    before = page.lines or _simplified_lines(page.html, tokens, max_tokens)
    after = _fit_lines(before, tokens, max_tokens, count_tokens)
    html = write_html(after)
    names = {name for line in after for name in _names(line)}
    elements = tuple([_with_options(element, names) for element in page.elements if element.name in names])
    cut = Counter(page.cut)
    cut["characters"] += len(page.html) - len(html)
    cut["elements"] += len(page.elements) - len(elements)
    cut.update(_parts(before))
    cut.subtract(_parts(after))
    return replace(page, html=html, elements=elements, lines=tuple(after), cut=dict(sorted((+cut).items())))


def fit_html(html: str, max_tokens: int, count_tokens: CountTokens = estimate_tokens) -> str:
    """Return a simplified page's html within a budget: as it is when it fits, else shorter, with notes.

    The cuts are those of `cut_pieces`, in its order, each only as far as needed; then the end of the page
    goes, and a line says how many elements went with it. The notes of an earlier fit count as an item each,
    so fit the whole page anew rather than a fitted one further. `count_tokens` is called on each line, and on
    the whole a few times.

    Raises:
        PageError: even the shortest form of the page takes more (the message says how many tokens), or it is
            too long and no simplified page.
    """
    tokens = count_tokens(html)
    if tokens <= max_tokens:
        return html
    lines = _simplified_lines(html, tokens, max_tokens)
    return write_html(_fit_lines(lines, tokens, max_tokens, count_tokens))


def _simplified_lines(html: str, tokens: int, max_tokens: int) -> list[Line]:
    if not html.startswith("<page>"):
        raise PageError(
            f"a page of {tokens} tokens cannot be shortened to {max_tokens}: it is not simplified"
        )
    return read_lines(html)


def _fit_lines(
    lines: Sequence[Line], tokens: int, max_tokens: int, count_tokens: CountTokens
) -> Sequence[Line]:
    """Return the lines of a page that takes too many tokens, shortened as far as needed."""
    pieces = pieces_of(lines, _line_costs(lines, tokens, count_tokens))
    estimate, target, step = float(tokens), float(max_tokens), max_tokens / _RECOUNT_STEP
    for saved in cut_pieces(pieces):
        estimate -= saved
        if estimate > target:
            continue
        fitted = shown_lines(pieces)
        tokens = count_tokens(write_html(fitted))
        if tokens <= max_tokens:
            return fitted
        # Cut lines and the whole count otherwise than estimated: aim lower, ever faster.
        step = max(2 * step, tokens - max_tokens)
        target = estimate - step
    without_frame = _leave_frame_out(shown_lines(pieces), max_tokens, count_tokens)
    return _leave_rest_out(without_frame, max_tokens, count_tokens)


def _line_costs(lines: Sequence[Line], tokens: int, count_tokens: CountTokens) -> list[float]:
    """Return what each line takes with its end, so that the sum is `tokens`, however lines count apart."""
    counts = [count_tokens(write_line(line)) + 1 for line in lines]
    scale = tokens / sum(counts)
    return [count * scale for count in counts]


def _leave_frame_out(lines: Sequence[Line], max_tokens: int, count_tokens: CountTokens) -> Sequence[Line]:
    """Return the page with less of what stands before its title, as far as needed: the shop's menus, mostly.

    The query field stays. A page without a title, or with one in a list, keeps all of it.
    """
    title = next((index for index, line in enumerate(lines) if Tag("h1") in line), 0)
    if title < 2 or _lists_open(lines[:title]):
        return lines
    costs = _line_costs(lines, count_tokens(write_html(lines)), count_tokens)
    kept = write_html([_frame_note(lines[:title]), *_query_lines(lines[1:title])])
    target = max_tokens - sum(costs[title:]) - count_tokens(kept) - 2
    stop, ends = _last_stop(lines[:title], costs[:title], target)
    left_out = [line for line in lines[stop:title] if not _holds_query(line)]
    if not left_out:
        return lines
    query = _query_lines(lines[stop:title])
    return [*lines[:stop], *ends, _frame_note(left_out), *query, *lines[title:]]


def _query_lines(lines: Sequence[Line]) -> list[Line]:
    """Return the lines with the query field, no longer items of a list."""
    found = [line for line in lines if _holds_query(line)]
    return [line[1:] if line[0] == Tag("li") else line for line in found]


def _holds_query(line: Line) -> bool:
    return line[:1] != [Tag("tr")] and any(
        isinstance(node, Tag) and node.kind == "input" and node.name.startswith("search_input")
        for node in line
    )


def _lists_open(lines: Sequence[Line]) -> bool:
    starts = sum(_opened(line) is not None for line in lines)
    return starts > sum(line[0] in _LIST_ENDS for line in lines if line)


def _opened(line: Line) -> Line | None:
    """Return the line that ends the list which begins at the end of a line; None where none does."""
    if line and isinstance(last := line[-1], Tag) and last.kind in _LISTS and not last.attributes:
        return [Tag(f"/{last.kind}")]
    return None


_LIST_ENDS = [Tag(f"/{kind}") for kind in sorted(_LISTS)]


def _frame_note(lines: Iterable[Line]) -> Line:
    return [f"(left out before the title: {_count_elements(lines)})"]


def _count_elements(lines: Iterable[Line]) -> str:
    count = sum(len(_names(line)) for line in lines)
    return f"{count} element{'' if count == 1 else 's'}"


def _names(line: Line) -> list[str]:
    return [node.name for node in line if isinstance(node, Tag) and node.name]


def _leave_rest_out(lines: Sequence[Line], max_tokens: int, count_tokens: CountTokens) -> Sequence[Line]:
    """Return the longest beginning of the page that fits, and how many elements went with the rest."""
    whole = count_tokens(write_html(lines))
    if whole <= max_tokens:
        return lines
    costs = _line_costs(lines, whole, count_tokens)
    note = count_tokens(write_line(_rest_note(lines))) + 1
    target, step = float(max_tokens - note), max_tokens / _RECOUNT_STEP
    while True:
        stop, ends = _last_stop(lines, costs, target)
        fitted = [*lines[:stop], *ends, _rest_note(lines[stop:])]
        tokens = count_tokens(write_html(fitted))
        if tokens <= max_tokens:
            return fitted
        if stop == 1:
            least = min(whole, tokens)
            raise PageError(
                f"the page does not fit into {max_tokens} tokens: as short as it can be, it takes {least}"
            )
        step = max(2 * step, tokens - max_tokens)
        target = min(target, sum(costs[:stop])) - step


def _last_stop(lines: Sequence[Line], costs: Sequence[float], target: float) -> tuple[int, list[Line]]:
    """Return before which line the page can stop within the target, and the end tags that are due there."""
    best: tuple[int, list[Line]] = (1, [])
    total, ends = costs[0], list[Line]()
    for stop in range(1, len(lines)):
        # A list without items would not be read back.
        if total + _END_TAG_TOKENS * len(ends) <= target and _opened(lines[stop - 1]) is None:
            best = stop, ends[::-1]
        total += costs[stop]
        if total > target:
            break
        if ends and lines[stop] == ends[-1]:
            ends.pop()
        if (end := _opened(lines[stop])) is not None:
            ends.append(end)
    return best


def _rest_note(rest: Sequence[Line]) -> Line:
    count = f": {_count_elements(rest)}" if any(map(_names, rest)) else ""
    return [f"{_REST}{count})"]


def _parts(lines: Iterable[Line]) -> Counter[str]:
    """Return how many items, rows, other lines, options and images the lines have, without notes of cuts."""
    counts = Counter[str]()
    for line in lines:
        counts[_kind(line)] += 1
        for node in line:
            if isinstance(node, Tag) and node.kind in ("option", "img"):
                counts["options" if node.kind == "option" else "images"] += 1
    del counts[""]
    return counts


def _kind(line: Line) -> str:
    """Return under which word a line is counted; "" for a list's first and last and for our notes."""
    first = line[0] if line else ""
    if isinstance(first, str):
        is_note = _MORE_LINES.fullmatch(write_line(line)) or first.startswith(_REST)
        return "" if is_note else "lines"
    if first.kind in _ITEMS:
        text = line[2:] if line[:2] == _NOTE_ROW else line[1:]
        return "" if _MORE.fullmatch(write_line(text)) else _ITEMS[first.kind]
    return "" if first.kind.removeprefix("/") in _LISTS else "lines"


def _with_options(element: Element, names: set[str]) -> Element:
    if all(option in names for option in element.options):
        return element
    return element._replace(options=tuple(option for option in element.options if option in names))
