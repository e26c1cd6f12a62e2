"""A page within a number of tokens: what says least goes first, and the page says what is gone."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from shop_r1.errors import PageError
from shop_r1.pages.elements import Element, SimplifiedPage
from shop_r1.pages.serialize.cutting import cut_pieces
from shop_r1.pages.serialize.pieces import line_costs, read_pieces, shown_html
from shop_r1.pages.tokens import CountTokens, estimate_tokens

_NAMED = re.compile(r'<(?:a|button|input|select|option|textarea|summary) name="([^"]*)"')
_QUERY_FIELD = re.compile(r'^(?!<tr>).*<input name="search_input')
_LIST_START = re.compile(r"<(ul|ol|table)>$")
# Items and lines of the page, without our notes of what is gone.
_KINDS = {
    "images": re.compile(r"<img "),
    "lines": re.compile(
        r"^(?!<li>|<tr>|<[uo]l>|<table>|</[uo]l>|</table>|… \d+ more lines$|\(rest of the page left out)",
        re.M,
    ),
    "list_items": re.compile(r"^<li>(?!… \d+ more$)", re.M),
    "options": re.compile(r"<option "),
    "table_rows": re.compile(r"^<tr>(?!<td>… \d+ more$)", re.M),
}
_RECOUNT_STEP = 50  # the share of the budget by which a wrong estimate is first corrected (ours)


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
    html = fit_html(page.html, max_tokens, count_tokens)
    if html == page.html:
        return page
    names = set(_NAMED.findall(html))
    elements = tuple(_with_options(element, names) for element in page.elements if element.name in names)
    cut = Counter(page.cut)
    cut["characters"] += len(page.html) - len(html)
    cut["elements"] += len(page.elements) - len(elements)
    for kind, pattern in _KINDS.items():
        cut[kind] += len(pattern.findall(page.html)) - len(pattern.findall(html))
    return replace(page, html=html, elements=elements, cut=dict(sorted((+cut).items())))


def fit_html(html: str, max_tokens: int, count_tokens: CountTokens = estimate_tokens) -> str:
    """Return a simplified page's html within a budget: as it is when it fits, else shorter, with notes.

    The cuts are those of `cut_pieces`, in its order, each only as far as needed; then the end of the page
    goes, and a line says how many elements went with it. The notes of an earlier fit count as an item each,
    so fit the whole page anew rather than a fitted one further.

    Args:
        html: as `simplify_page` or this function writes it.
        max_tokens: what the result may take.
        count_tokens: counts as the model's tokenizer does; called on each line, and on the whole a few times.

    Raises:
        PageError: even the shortest form of the page takes more (the message says how many tokens), or it is
            too long and no simplified page.
    """
    tokens = count_tokens(html)
    if tokens <= max_tokens:
        return html
    if not html.startswith("<page>"):
        raise PageError(
            f"a page of {tokens} tokens cannot be shortened to {max_tokens}: it is not simplified"
        )
    pieces = read_pieces(html, tokens, count_tokens)
    estimate, target, step = float(tokens), float(max_tokens), max_tokens / _RECOUNT_STEP
    for saved in cut_pieces(pieces):
        estimate -= saved
        if estimate > target:
            continue
        fitted = shown_html(pieces)
        tokens = count_tokens(fitted)
        if tokens <= max_tokens:
            return fitted
        # Cut lines and the whole count otherwise than estimated: aim lower, ever faster.
        step = max(2 * step, tokens - max_tokens)
        target = estimate - step
    without_frame = _leave_frame_out(shown_html(pieces), max_tokens, count_tokens)
    return _leave_rest_out(without_frame, max_tokens, count_tokens)


def _leave_frame_out(html: str, max_tokens: int, count_tokens: CountTokens) -> str:
    """Return the page with less of what stands before its title, as far as needed: the shop's menus, mostly.

    The query field stays. A page without a title, or with one in a list, keeps all of it.
    """
    lines = html.split("\n")
    title = next((index for index, line in enumerate(lines) if "<h1>" in line), 0)
    if title < 2 or _lists_open(lines[:title]):
        return html
    costs = line_costs(lines, count_tokens(html), count_tokens)
    query = [line.removeprefix("<li>") for line in lines[1:title] if _QUERY_FIELD.search(line)]
    room = max_tokens - sum(costs[title:]) - count_tokens("\n".join([_frame_note(lines[:title]), *query])) - 2
    stop, ends = _last_stop(lines[:title], costs[:title], room)
    left_out = [line for line in lines[stop:title] if not _QUERY_FIELD.search(line)]
    if not left_out:
        return html
    query = [line.removeprefix("<li>") for line in lines[stop:title] if _QUERY_FIELD.search(line)]
    return "\n".join([*lines[:stop], *ends, _frame_note(left_out), *query, *lines[title:]])


def _lists_open(lines: Sequence[str]) -> bool:
    starts = sum(bool(_LIST_START.search(line)) for line in lines)
    return starts > sum(line.startswith(("</ul>", "</ol>", "</table>")) for line in lines)


def _frame_note(lines: Sequence[str]) -> str:
    return f"(left out before the title: {_elements(lines)})"


def _elements(lines: Sequence[str]) -> str:
    count = sum(len(_NAMED.findall(line)) for line in lines)
    return f"{count} element{'' if count == 1 else 's'}"


def _leave_rest_out(html: str, max_tokens: int, count_tokens: CountTokens) -> str:
    """Return the longest beginning of the page that fits, and how many elements went with the rest."""
    whole = count_tokens(html)
    if whole <= max_tokens:
        return html
    lines = html.split("\n")
    costs = line_costs(lines, whole, count_tokens)
    note = count_tokens(_rest_note(lines)) + 1
    target, step = float(max_tokens - note), max_tokens / _RECOUNT_STEP
    while True:
        stop, ends = _last_stop(lines, costs, target)
        fitted = "\n".join([*lines[:stop], *ends, _rest_note(lines[stop:])])
        tokens = count_tokens(fitted)
        if tokens <= max_tokens:
            return fitted
        if stop == 1:
            least = min(whole, tokens)
            raise PageError(
                f"the page does not fit into {max_tokens} tokens: as short as it can be, it takes {least}"
            )
        step = max(2 * step, tokens - max_tokens)
        target = min(target, sum(costs[:stop])) - step


def _last_stop(lines: Sequence[str], costs: Sequence[float], target: float) -> tuple[int, list[str]]:
    """Return before which line the page can stop within the target, and the end tags that are due there."""
    best: tuple[int, list[str]] = (1, [])
    total, ends = costs[0], list[str]()
    for stop in range(1, len(lines)):
        # An end tag takes about three tokens; a list without items would not be read back.
        if total + 3 * len(ends) <= target and not _LIST_START.search(lines[stop - 1]):
            best = stop, ends[::-1]
        total += costs[stop]
        if total > target:
            break
        if ends and lines[stop] == ends[-1]:
            ends.pop()
        if match := _LIST_START.search(lines[stop]):
            ends.append(f"</{match.group(1)}>")
    return best


def _rest_note(rest: Sequence[str]) -> str:
    count = f": {_elements(rest)}" if any(map(_NAMED.search, rest)) else ""
    return f"(rest of the page left out{count})"


def _with_options(element: Element, names: set[str]) -> Element:
    if all(option in names for option in element.options):
        return element
    return element._replace(options=tuple(option for option in element.options if option in names))
