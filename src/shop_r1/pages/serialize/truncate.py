"""A page within a number of tokens: what says least goes first, and the page says what is gone."""

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import cache

from shop_r1.errors import PageError
from shop_r1.pages.elements import Element, SimplifiedPage
from shop_r1.pages.serialize.cuts import cut_pieces
from shop_r1.pages.serialize.nodes import Line, Tag, plain_tag, read_lines, write_html, write_line
from shop_r1.pages.serialize.series import pieces_of, shown_lines
from shop_r1.pages.tokens import CountTokens, estimate_tokens

_LIST_ENDS = {kind: write_line([plain_tag(f"/{kind}")]) for kind in ("ul", "ol", "table")}
_ITEMS = {"li": "list_items", "tr": "table_rows"}
_OTHERS = {"img": "images", "option": "options"}
_MORE = re.compile(r"<(?:li|tr><td)>… \d+ more")
_MORE_LINES = re.compile(r"… \d+ more lines")
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
        PageError: even the shortest form of the page takes more (the message says how many tokens), or it is
            too long and no simplified page.
    """
    tokens = count_tokens(page.html)
    if tokens <= max_tokens:
        return page
    before = page.lines or read_lines(page.html)
    after = _fit_lines(page.html, before, tokens, max_tokens, count_tokens)
    html = write_html(after)
    names = set(_names(after))
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
        PageError: as `fit_page`.
    """
    tokens = count_tokens(html)
    if tokens <= max_tokens:
        return html
    return write_html(_fit_lines(html, None, tokens, max_tokens, count_tokens))


def _fit_lines(
    html: str, lines: Sequence[Line] | None, tokens: int, max_tokens: int, count_tokens: CountTokens
) -> Sequence[Line]:
    """Return the lines of a page that takes too many tokens, shortened as far as needed."""
    if not html.startswith("<page>"):
        raise PageError(
            f"a page of {tokens} tokens cannot be shortened to {max_tokens}: it is not simplified"
        )
    count_tokens = cache(count_tokens)  # most lines are counted two or three times
    lines = lines or read_lines(html)
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
    counts = [count_tokens(line.html) + 1 for line in lines]
    scale = tokens / sum(counts)
    return [count * scale for count in counts]


def _leave_frame_out(lines: Sequence[Line], max_tokens: int, count_tokens: CountTokens) -> Sequence[Line]:
    """Return the page with less of what stands before its title, as far as needed: the shop's menus, mostly.

    The query field stays. A page without a title, or with one in a list, keeps all of it.
    """
    title = next((index for index, line in enumerate(lines) if "<h1>" in line.html), 0)
    started = sum(_end_of_list(line) is not None for line in lines[:title])
    ended = sum(line.html.startswith(("</ul>", "</ol>", "</table>")) for line in lines[:title])
    if title < 2 or started > ended:
        return lines
    costs = _line_costs(lines, count_tokens(write_html(lines)), count_tokens)
    query = {index: line for index in range(1, title) if (line := _query_line(lines[index])) is not None}
    kept = write_html([_frame_note(lines[:title]), *query.values()])
    target = max_tokens - sum(costs[title:]) - count_tokens(kept) - 2
    stop, ends = _last_stop(lines[:title], costs[:title], target)
    left_out = [lines[index] for index in range(stop, title) if index not in query]
    if not left_out:
        return lines
    query_after = [line for index, line in query.items() if index >= stop]
    return [*lines[:stop], *ends, _frame_note(left_out), *query_after, *lines[title:]]


def _end_of_list(line: Line) -> Line | None:
    """Return the line that ends the list which begins at the end of a line; None where none does."""
    last = line.nodes[-1] if line.nodes else ""
    return _LIST_ENDS.get(last.kind) if isinstance(last, Tag) else None


def _query_line(line: Line) -> Line | None:
    """Return a line with the query field, no longer an item of a list; None for any other line."""
    tags = [node for node in line.nodes if isinstance(node, Tag)]
    if line.html.startswith("<tr>") or not any(
        tag.kind == "input" and tag.name.startswith("search_input") for tag in tags
    ):
        return None
    return write_line(line.nodes[1:]) if line.html.startswith("<li>") else line


def _frame_note(lines: Iterable[Line]) -> Line:
    return write_line([f"(left out before the title: {_count_elements(lines)})"])


def _rest_note(rest: Sequence[Line]) -> Line:
    count = f": {_count_elements(rest)}" if _names(rest) else ""
    return write_line([f"{_REST}{count})"])


def _count_elements(lines: Iterable[Line]) -> str:
    count = len(_names(lines))
    return f"{count} element{'' if count == 1 else 's'}"


def _names(lines: Iterable[Line]) -> list[str]:
    return [node.name for line in lines for node in line.nodes if isinstance(node, Tag) and node.name]


def _leave_rest_out(lines: Sequence[Line], max_tokens: int, count_tokens: CountTokens) -> Sequence[Line]:
    """Return the longest beginning of the page that fits, and how many elements went with the rest."""
    whole = count_tokens(write_html(lines))
    if whole <= max_tokens:
        return lines
    costs = _line_costs(lines, whole, count_tokens)
    note = count_tokens(_rest_note(lines).html) + 1
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
        if total + _END_TAG_TOKENS * len(ends) <= target and _end_of_list(lines[stop - 1]) is None:
            best = stop, ends[::-1]
        total += costs[stop]
        if total > target:
            break
        if ends and lines[stop].html == ends[-1].html:
            ends.pop()
        if (end := _end_of_list(lines[stop])) is not None:
            ends.append(end)
    return best


def _parts(lines: Sequence[Line]) -> Counter[str]:
    """Return how many items, rows, other lines, options and images the lines have, without notes of cuts."""
    counts = Counter(map(_kind, lines))
    for tag in (node for line in lines for node in line.nodes if isinstance(node, Tag)):
        if tag.kind in _OTHERS:
            counts[_OTHERS[tag.kind]] += 1
    del counts[""]
    return counts


def _kind(line: Line) -> str:
    """Return under which word a line is counted; "" for a list's first and last and for our notes."""
    first = line.nodes[0] if line.nodes else ""
    if isinstance(first, str):
        return "" if _MORE_LINES.fullmatch(line.html) or first.startswith(_REST) else "lines"
    if first.kind in _ITEMS:
        return "" if _MORE.fullmatch(line.html) else _ITEMS[first.kind]
    return "" if first.kind.removeprefix("/") in _LIST_ENDS else "lines"


def _with_options(element: Element, names: set[str]) -> Element:
    if all(option in names for option in element.options):
        return element
    return element._replace(options=tuple(option for option in element.options if option in names))
