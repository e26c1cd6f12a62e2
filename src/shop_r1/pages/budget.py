"""A page within a number of tokens: what says least goes first, and the page says what is gone.

The work is done on the lines that `simplify_page` writes. They are counted once each and what is taken out is
subtracted, so that a slow tokenizer reads the page a few times, however much is cut.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

from shop_r1.errors import PageError
from shop_r1.pages.elements import Element, SimplifiedPage
from shop_r1.pages.writer import attribute, escape

CountTokens = Callable[[str], int]
"""How many tokens a text takes."""

# Characters that a long text keeps, widest first (ours): from a long paragraph to two sentences, and at last
# the length of a heading. Halved from tier to tier, so that no text loses much more than is needed.
_TEXT_TIERS = (1600, 800, 400, 200, 80)
_TEXT_LEAST = 20  # characters: a text so little past its tier is left alone (ours)
# Items that a long list keeps, two thirds of them from its start (ours): halved from tier to tier too. Three
# are the least that shows what a list holds.
_LIST_TIERS = (200, 100, 50, 25, 12, 6, 3)
# Facts without controls keep six: a name, a rating and two prices stay together.
_RUN_TIERS = _LIST_TIERS[:-1]
_ITEMS_LEAST = 3  # items: leaving out fewer hardly pays for the line that says so (ours)

_RECOUNT = 7 / 8  # of a line's tokens: below, it is counted again; so all recounts cost a few times the line

_TAG = re.compile(r'<(/?)([a-z][a-z0-9-]*)((?: [^\s"=<>]+(?:="[^"]*")?)*)>')
_MARKUP = re.compile(r"<[a-zA-Z/!?]")
_NAME = re.compile(r' name="([^"]*)"')
_LABEL = re.compile(r' label="([^"]*)"')
_TEXT_ATTRIBUTE = re.compile(r' (alt|value|placeholder)="([^"]*)"')
_QUOTED = re.compile(r'"[^"]*"')
_CHOSEN = re.compile(r" (?:checked|selected|pressed|current)(?= |$)")
_WORD = re.compile(r"[^\W_]")
_PRICE = re.compile(
    r"[$£€¥₩₹₽₺₴]\s?\d|\d\s?(?:[$£€¥₩₹₽₺₴]|(?:kr|zł|Kč|руб|EUR|USD|GBP|CHF)\b)|(?:EUR|USD|GBP|CHF)\s\d"
)

_HOLDERS = frozenset({"a", "button", "summary", "select", "textarea"})  # controls with an end tag
_CONTROLS = _HOLDERS | {"input", "option"}
_ITEM_OF = {"ul": "li", "ol": "li", "table": "tr"}
_HEADINGS = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_STRUCTURE = _ITEM_OF.keys() | _HEADINGS | {"page", "li", "tr", "td", "th"}
_INLINE = _HOLDERS | {"input", "img", "s", "option", "optgroup"}

_MORE = r"… (\d+) more"
_ITEM_NOTE = re.compile(rf"(?:<li>|<tr><td>)?{_MORE}(?: lines?| images)?")
_ENDLESS_NOTES = {"li": "<li>… 1 more", "tr": "<tr><td>… 1 more"}
_PART_NOTE = re.compile(rf"({_MORE} )")
_REST_NOTE = re.compile(r"\(rest of the page left out(?:: (\d+) elements?)?\)")

_FREE_TEXT, _CONTROL_TEXT = 1, 2  # which texts a step may shorten; 0 for none

# A rule for each kind of piece, in the order in which Qwen2's own pattern would split them.
_PIECE = re.compile(
    # an English word, with the mark before it
    r"([!-/:-@\[-`{-~]?[A-Za-z]+(?![A-Za-z\u00c0-\u024f\u0400-\u052f]))"
    r"|([A-Za-z\u00c0-\u024f\u0400-\u052f]+)"  # a word with accents, or in Cyrillic
    r"|([!-/:-@\[-`{-~]+\n*)"  # marks
    r"|(\n+| {2,})"
    r"|([^\W_]|[\u2010-\u203a])"  # a digit, a letter of any other script, a dash or a typographic quote
    r"|([^\s\x00-\x7f]+)"  # symbols, emoji, vowel signs
)


def estimate_tokens(text: str) -> int:
    """Return about how many tokens a tokenizer of Qwen2's kind makes of a text, rather more than fewer.

    The rule is ours. English words cost a token for each four letters begun, the mark before them included
    (`_red` is one piece in Qwen2); words with accents or in Cyrillic one for two letters; digits one each, as
    in Qwen2; marks one for two; letters of all other scripts, Chinese among them, one each; symbols one for
    each byte of their UTF-8, which no tokenizer on bytes exceeds. Blanks between words are free.

    Checked against bounds only, as no tokenizer of Qwen2's real vocabulary was at hand. On each of the 91
    real pages it is below the count of our own tokenizer of 2,048 entries (a small vocabulary makes more
    tokens), by a third over all. A token is 2.7 characters there, against the 4 usually given for English
    prose on large vocabularies; names and markup take more.

    >>> estimate_tokens('<a name="results.red_mug">Red mug</a>')
    13
    >>> estimate_tokens("$12.99"), estimate_tokens("红色杯子")
    (6, 4)
    """
    total = 0
    for match in _PIECE.finditer(text):
        size = match.end() - match.start()
        match match.lastindex:
            case 1:
                total += (size + 3) // 4
            case 2 | 3:
                total += (size + 1) // 2
            case 6:
                total += len(match.group().encode(errors="replace"))
            case _:
                total += 1
    return total


def fit_page(
    page: SimplifiedPage, max_tokens: int, count_tokens: CountTokens = estimate_tokens
) -> SimplifiedPage:
    """Return the page within a budget: itself when it fits, else a shorter one that says what is gone.

    In this order, each only as far as needed:

    1. long texts outside of controls end in ` …`;
    2. of long runs of items, rows and lines without controls, the ends stay, with a count (`<li>… 37 more`);
       lines with prices stay too;
    3. so of lists, tables, selects and rows of controls in a line, the innermost first, of those the longest;
       what is checked, selected, pressed or current stays;
    4. long texts within controls end in ` …`;
    5. a line longer than all of the budget goes; then the end of the page, and a line says how many elements
       went with it.

    Names stay as they are. `elements` are those whose names are still on the page. `cut` counts what is gone:
    `list_items`, `table_rows`, other `lines`, `options`, `images`, `elements`, and the `text_characters` that
    lines which are still there have lost; what an earlier fit cut is in it.

    Args:
        page: as `simplify_page` or this function returns it.
        max_tokens: what the whole of `html` may take.
        count_tokens: counts as the model's tokenizer does; called on each line, on what goes, and on the
            whole before and after.

    Raises:
        PageError: even the shortest form of the page takes more; the message says how many tokens.
    """
    if count_tokens(page.html) <= max_tokens:
        return page
    draft = _Draft(page, count_tokens)
    target, slack = max_tokens, 1
    while True:
        draft.shrink(target)
        fitted = draft.page()
        tokens = count_tokens(fitted.html)
        if tokens <= max_tokens:
            return fitted
        if target <= 0:
            raise PageError(
                f"the page does not fit into {max_tokens} tokens: as short as it can be, it takes {tokens}"
            )
        # The lines count for less apart than together: aim lower, ever faster, by what they differ.
        slack = max(2 * slack, tokens - max_tokens)
        target = min(target, draft.total_to_end) - slack


@dataclass(slots=True)
class _Unit:
    """Something that can be left out, with the note that then stands in its place."""

    text: str
    gone: bool = False
    note: str = ""

    @property
    def shown(self) -> str:
        """What is printed of it now."""
        return self.note if self.gone else self.text


@dataclass(slots=True)
class _Token(_Unit):
    """A tag or a text of a line.

    Attributes:
        tag: the tag's name, "" for text.
        closes: whether it is an end tag.
        names: of the elements that go with it.
        stage: which step may shorten its text.
        source: its text before that.
        taken: characters that the step took.
    """

    tag: str = ""
    closes: bool = False
    attributes: str = ""
    names: tuple[str, ...] = ()
    stage: int = 0
    source: str = ""
    taken: int = 0

    @property
    def starts(self) -> str:
        """The tag's name if it is a start tag, else ""."""
        return "" if self.closes else self.tag

    @property
    def is_chosen(self) -> bool:
        """Whether the shopper has chosen it, or stands on it."""
        return bool(self.attributes) and _CHOSEN.search(_QUOTED.sub("", self.attributes)) is not None


@dataclass(slots=True)
class _Line(_Unit):
    """A line of the page.

    Attributes:
        tokens: its tags and texts.
        cost: tokens of the model that it takes unless it is gone.
        counted: that cost when it was last counted.
    """

    tokens: Sequence[_Token] = ()
    cost: int = 0
    counted: int = 0

    @property
    def shown(self) -> str:
        """What is printed of it now."""
        return self.note if self.gone else "".join(token.shown for token in self.tokens)

    @property
    def item(self) -> str:
        """`li` or `tr` if it begins an item, else ""."""
        tag = self.tokens[0].starts if self.tokens else ""
        return tag if tag in ("li", "tr") else ""

    @property
    def opens(self) -> str:
        """The list or table that begins after it, else ""."""
        tag = self.tokens[-1].starts if self.tokens else ""
        return tag if tag in _ITEM_OF else ""

    @property
    def closes(self) -> str:
        """The list or table that it ends, else ""."""
        first = self.tokens[0] if self.tokens else None
        return first.tag if first is not None and first.closes and first.tag in _ITEM_OF else ""

    @property
    def is_note(self) -> bool:
        """Whether an earlier fit wrote it."""
        return _ITEM_NOTE.fullmatch(self.text) is not None or _REST_NOTE.fullmatch(self.text) is not None

    @property
    def is_plain(self) -> bool:
        """Whether it is text or images that are no item of anything and no heading."""
        return not any(token.tag in _STRUCTURE or token.tag in _CONTROLS for token in self.tokens)


@dataclass(slots=True)
class _Item:
    """One of a series.

    Attributes:
        start: the first of its units.
        stop: the unit after its last.
        count: how many it stands for: 1, or what the note of an earlier fit says.
        kept: whether it is still there; a note is not.
        stays: whether it must be kept.
        acts: whether a control stands in it.
        lead: what has to stand before it after a note: the label of its group of options.
    """

    start: int
    stop: int
    count: int = 1
    kept: bool = True
    stays: bool = False
    acts: bool = False
    lead: str = ""


@dataclass(slots=True)
class _Series:
    """Alike things in a row, of which the middle can be left out.

    Attributes:
        kind: `li`, `tr`, `line`, `option` or `part`: a control in a line, with the text up to the next.
        units: the lines of the page, or the tokens of one line.
        items: one behind the other.
        opener: the unit that it is gone with.
        line: the line that the tokens are of; None where the units are lines.
        height: how many lists are nested in it.
    """

    kind: str
    units: Sequence[_Unit]
    items: list[_Item]
    opener: _Unit
    line: _Line | None = None
    height: int = 0

    @property
    def is_gone(self) -> bool:
        """Whether it went with something around it."""
        return self.opener.gone or (self.line is not None and self.line.gone)

    def idle_runs(self) -> list[list[int]]:
        """Return the items without controls, as far as they stand beside each other."""
        return [run for run in _consecutive(not item.acts for item in self.items) if _is_long(run)]

    def remaining(self, candidates: Sequence[int]) -> list[int]:
        """Return those of the items that are still there."""
        return [index for index in candidates if self.items[index].kept]

    def middle(self, candidates: Sequence[int], keep: int) -> list[int]:
        """Return the items to leave out of the candidates so that `keep` of them, and what must stay, do."""
        there = self.remaining(candidates)
        last = keep // 3
        return [index for index in there[keep - last : len(there) - last] if not self.items[index].stays]

    def gaps(self, going: Sequence[int]) -> list[range]:
        """Return the items that are gone side by side once `going` are, where any of those is among them."""
        gaps: list[range] = []
        gone = {index for index, item in enumerate(self.items) if not item.kept}.union(going)
        for index in going:
            if gaps and index < gaps[-1].stop:
                continue
            start, stop = index, index + 1
            while start - 1 in gone:
                start -= 1
            while stop in gone:
                stop += 1
            gaps.append(range(start, stop))
        return gaps

    def span(self, gap: range) -> Sequence[_Unit]:
        """Return the units of the items in a gap."""
        return self.units[self.items[gap.start].start : self.items[gap.stop - 1].stop]

    def note(self, gap: range) -> str:
        """Return what stands in the place of the items that are gone."""
        more = f"… {sum(self.items[index].count for index in gap)} more"
        match self.kind:
            case "li":
                return f"<li>{more}"
            case "tr":
                return f"<tr><td>{more}"
            case "option":
                lead = self.items[gap.stop].lead if gap.stop < len(self.items) else ""
                return f'<optgroup label="{more}">{lead}'
            case "part":
                return f"{more} "
        return f"{more} {'images' if all(map(_is_image, self.span(gap))) else 'lines'}"


class _Draft:
    """A page while it is being cut.

    Attributes:
        total: tokens of all lines as they are now, as a sum over lines.
        end: the page goes up to this line; what follows is the rest that was left out.
        total_to_end: tokens of the page as it would be printed now.
    """

    def __init__(self, page: SimplifiedPage, count_tokens: CountTokens):
        self._page = page
        self._count_tokens = count_tokens
        self._overhead = count_tokens("")  # what a tokenizer adds to every text: a mark of its beginning
        self._costs: dict[str, int] = {}
        self._lines = [_read_line(text, page.by_name) for text in page.html.split("\n")]
        for line in self._lines:
            line.cost = line.counted = max(1, self._count(line.text + "\n"))  # 1: never is all of it free
        self.total = self.total_to_end = sum(line.cost for line in self._lines)
        self.end = len(self._lines)

    def shrink(self, target: int) -> None:
        """Cut until the lines take at most `target` tokens, or only the first is left."""
        if self.total > target and all(self.total > target for _ in self._cuts()):
            self._leave_endless_out(target)
        self.total_to_end = self.total
        if self.total > target:
            self._leave_rest_out(target)

    def page(self) -> SimplifiedPage:
        """Return the page as it is now."""
        lines = [line.shown for line in self._lines[: self.end] if line.shown]
        if self.end < len(self._lines):
            lines += [f"</{tag}>" for tag in reversed(self._open_at_end())]
            lines.append(self._rest_note())
        names = {name for token in self._tokens_shown() for name in token.names}
        elements = tuple(_with_options(e, names) for e in self._page.elements if e.name in names)
        cut = Counter(self._page.cut) + self._counts()
        cut["elements"] += len(self._page.elements) - len(elements)
        return replace(
            self._page,
            html="\n".join(lines),
            elements=elements,
            cut={kind: count for kind, count in sorted(cut.items()) if count},
        )

    @cached_property
    def _series(self) -> list[_Series]:
        found = _line_series(self._lines)
        for line in self._lines:
            found += _token_series(line)
        return found

    def _cuts(self) -> Iterator[None]:
        """Make one cut after the other, from the least to the most painful."""
        yield from self._shorten_texts(_FREE_TEXT)
        for keep in _RUN_TIERS:
            for kind in ("li", "tr", "line"):
                alike = [series for series in self._series if series.kind == kind]
                runs = [(series, run) for series in alike for run in series.idle_runs()]
                runs.sort(key=lambda pair: -len(pair[0].remaining(pair[1])))
                for series, run in runs:
                    self._cut(series, run, keep)
                    yield
        for keep in _LIST_TIERS:
            lists = [(series, range(len(series.items))) for series in self._series if series.kind != "line"]
            lists.sort(key=lambda pair: (pair[0].height, -len(pair[0].remaining(pair[1]))))
            for series, whole in lists:
                self._cut(series, whole, keep)
                yield
        yield from self._shorten_texts(_CONTROL_TEXT)

    def _cut(self, series: _Series, candidates: Sequence[int], keep: int) -> None:
        going = series.middle(candidates, keep) if not series.is_gone else []
        if len(going) < _ITEMS_LEAST:
            return
        notes = [(series.span(gap), series.note(gap)) for gap in series.gaps(going)]
        end = "" if series.line else "\n"
        saved = sum(self._cost(unit) for units, _ in notes for unit in units)
        saved -= sum(self._count(note + end) for _, note in notes)
        if saved <= 0:
            return
        for index in going:
            series.items[index].kept = False
        for units, note in notes:
            for unit in units:
                unit.gone, unit.note = True, ""
            units[0].note = note
        if series.line is None:
            self.total -= saved
        else:
            self._save(series.line, saved)

    def _save(self, line: _Line, saved: int) -> None:
        """Lower a line's cost by what went of it; recount it now and then, as parts count for more apart."""
        cost = line.cost - saved
        if cost < line.counted * _RECOUNT:
            cost = line.counted = self._count(line.shown + "\n")
        self.total += max(1, cost) - line.cost
        line.cost = max(1, cost)

    def _shorten_texts(self, stage: int) -> Iterator[None]:
        texts = [
            (line, token, length)
            for line in self._lines
            for token in line.tokens
            if token.stage == stage and (length := _text_length(token)) > _TEXT_TIERS[-1]
        ]
        texts.sort(key=lambda entry: -entry[2])
        for limit in _TEXT_TIERS:
            for line, token, length in texts:
                if length - token.taken > limit + _TEXT_LEAST and not (line.gone or token.gone):
                    before = self._cost(token)
                    token.text, token.taken = _shortened(token, limit)
                    self._save(line, before - self._cost(token))
                    yield

    def _leave_endless_out(self, target: int) -> None:
        """Leave out each line that takes more than all of the target, so that what follows it may stay."""
        for line in self._lines[1:]:
            if line.cost > target > 0 and not (line.gone or line.opens or line.closes):
                line.gone, line.note = True, _ENDLESS_NOTES.get(line.item, "… 1 more line")
                self.total += self._cost(line) - line.cost

    def _leave_rest_out(self, target: int) -> None:
        """Move `end` to the last line before which the page can stop, and fits."""
        room = target - self._count(_rest_note(len(self._page.elements)) + "\n")
        self.end, total, is_opener = 1, self._cost(self._lines[0]), False
        self.total_to_end = total
        closing = 0
        for index, line in enumerate(self._lines[1:], 1):
            if total > room:
                break
            if not line.shown:
                continue
            if total + closing <= room and not is_opener and index > 1:
                self.end, self.total_to_end = index, total + closing + target - room
            total += self._cost(line)
            is_opener = not line.gone and bool(line.opens)
            if is_opener:
                closing += self._count(f"</{line.opens}>\n")
            elif not line.gone and line.closes:
                closing -= self._count(f"</{line.closes}>\n")

    def _open_at_end(self) -> list[str]:
        stack: list[str] = []
        for line in self._lines[: self.end]:
            if line.gone:
                continue
            if line.closes and stack and stack[-1] == line.closes:
                stack.pop()
            if line.opens:
                stack.append(line.opens)
        return stack

    def _rest_note(self) -> str:
        gone = 0
        for line in self._lines[self.end :]:
            earlier = _REST_NOTE.fullmatch(line.text)
            gone += int(earlier.group(1) or 0) if earlier else sum(len(token.names) for token in line.tokens)
        return _rest_note(gone)

    def _tokens_shown(self) -> Iterator[_Token]:
        for line in self._lines[: self.end]:
            if not line.gone:
                yield from (token for token in line.tokens if not token.gone)

    def _counts(self) -> Counter[str]:
        """Return what is gone by kind, but for elements, which `names` tell."""
        counts: Counter[str] = Counter()
        for index, line in enumerate(self._lines):
            is_gone = line.gone or index >= self.end
            if is_gone and not line.is_note and not line.closes and (line.item or not line.opens):
                counts[{"li": "list_items", "tr": "table_rows"}.get(line.item, "lines")] += 1
            for token in line.tokens:
                if not is_gone and not token.gone:
                    counts["text_characters"] += token.taken
                elif token.starts in ("option", "img"):
                    counts["options" if token.tag == "option" else "images"] += 1
                elif not is_gone and not token.tag and token.stage == _FREE_TEXT:
                    counts["text_characters"] += _text_length(token)
        return counts

    def _cost(self, unit: _Unit) -> int:
        """Return the tokens of what is shown of a line or token."""
        if isinstance(unit, _Line):
            if not unit.gone:
                return unit.cost
            return self._count(unit.note + "\n") if unit.note else 0
        return self._count(unit.shown) if unit.shown else 0

    def _count(self, text: str) -> int:
        if len(text) > 200:
            return self._count_tokens(text) - self._overhead
        cost = self._costs.get(text)
        if cost is None:
            cost = self._costs[text] = self._count_tokens(text) - self._overhead
        return cost


def _rest_note(elements: int) -> str:
    count = f": {elements} element{'s' if elements > 1 else ''}" if elements else ""
    return f"(rest of the page left out{count})"


def _with_options(element: Element, names: set[str]) -> Element:
    if all(option in names for option in element.options):
        return element
    return element._replace(options=tuple(option for option in element.options if option in names))


# Texts


def _plain(markup: str) -> str:
    """Return the text that `writer.escape` and `writer.attribute` made this markup of."""
    return markup.replace("&quot;", '"').replace("&lt;", "<").replace("&amp;", "&")


def _text_length(token: _Token) -> int:
    """Return the characters of a token's text, or of the longest attribute that is one."""
    if not token.tag:
        return len(_plain(token.source).strip())
    return max((len(_plain(value)) for _, value in _TEXT_ATTRIBUTE.findall(token.attributes)), default=0)


def _shortened(token: _Token, limit: int) -> tuple[str, int]:
    """Return a token's markup with at most `limit` characters of each text, and how many went."""
    if not token.tag:
        text = _plain(token.source)
        kept = _first_words(text.strip(), limit)
        lead, trail = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
        return f"{lead}{escape(f'{kept} …'.lstrip())}{trail}", len(text.strip()) - len(kept)
    taken = 0

    def shorter(match: re.Match[str]) -> str:
        nonlocal taken
        text = _plain(match.group(2))
        kept = _first_words(text, limit)
        if len(text) <= limit + _TEXT_LEAST or not _WORD.search(kept):  # an image without words is dropped
            return match.group()
        taken += len(text) - len(kept)
        return attribute(match.group(1), kept + " …")

    return _TEXT_ATTRIBUTE.sub(shorter, token.source), taken


def _first_words(text: str, limit: int) -> str:
    """Return a text's first words within `limit` characters; one too long, or Chinese, is cut itself."""
    end = text.rfind(" ", 0, limit + 1)
    return text[: end if end > limit // 2 else limit].rstrip(" ,;:-–")


# Reading the lines that `simplify_page` writes


def _read_line(text: str, by_name: Mapping[str, Element]) -> _Line:
    tokens: list[_Token] = []
    position = 0
    for match in _TAG.finditer(text):
        tokens += _text_tokens(text[position : match.start()])
        whole = match.group()
        tokens.append(
            _Token(
                whole,
                tag=match.group(2),
                closes=bool(match.group(1)),
                attributes=match.group(3),
                source=whole,
            )
        )
        position = match.end()
    tokens += _text_tokens(text[position:])
    _set_stages(tokens)
    _set_names(tokens, by_name)
    return _Line(text, tokens=tokens)


def _text_tokens(text: str) -> list[_Token]:
    """Return a text as a token, with notes of an earlier fit as tokens of their own."""
    if "… " not in text:
        return [_Token(text, source=text)] if text else []
    pieces = _PART_NOTE.split(text)
    del pieces[2::3]  # the number within each note
    return [_Token(piece, source=piece) for piece in pieces if piece]


def _set_stages(tokens: Sequence[_Token]) -> None:
    """Mark the texts that may be shortened; not those of options, whose names they may stand for."""
    holders: list[_Token] = []
    for token in tokens:
        if token.tag in _HOLDERS:
            if not token.closes:
                holders.append(token)
            elif holders and holders[-1].tag == token.tag:
                holders.pop()
        if token.closes or token.tag in ("select", "option", "optgroup") or _MARKUP.search(token.text, 1):
            continue
        if token.tag not in _CONTROLS and not holders:
            token.stage = _FREE_TEXT if not _MARKUP.match(token.text) or token.tag == "img" else 0
        elif all(holder.tag != "select" and _NAME.search(holder.attributes) for holder in holders):
            token.stage = _CONTROL_TEXT if not token.tag or _NAME.search(token.attributes) else 0


def _set_names(tokens: Sequence[_Token], by_name: Mapping[str, Element]) -> None:
    """Note which elements each tag prints; options may be printed without their names."""
    for token in tokens:
        if token.starts in _CONTROLS:
            token.names = tuple(_NAME.findall(token.attributes))
    for start, options in _selects(tokens):
        element = by_name.get(tokens[start].names[0]) if tokens[start].names else None
        if element is None:
            continue
        if len(element.options) == len(options):
            for index, name in zip(options, element.options, strict=True):
                tokens[index].names = (name,)
        else:
            tokens[start].names += element.options


def _selects(tokens: Sequence[_Token]) -> list[tuple[int, list[int]]]:
    """Return where each select of a line begins, and where its options stand."""
    selects: list[tuple[int, list[int]]] = []
    is_open = False
    for index, token in enumerate(tokens):
        if token.tag == "select":
            is_open = not token.closes
            if is_open:
                selects.append((index, []))
        elif is_open and token.starts == "option":
            selects[-1][1].append(index)
    return selects


# Finding what stands in a row


def _line_series(lines: Sequence[_Line]) -> list[_Series]:
    """Return the lists and tables of a page, and its runs of lines without controls."""
    found: list[_Series] = []
    stack: list[_Series] = []
    for index, line in enumerate(lines):
        if stack and line.item == stack[-1].kind:
            _end_item(stack[-1], index)
            stack[-1].items.append(_Item(index, index + 1))
        if stack and line.closes and stack[-1].kind == _ITEM_OF[line.closes]:
            found.append(_close_list(stack, index))
        if line.opens:
            stack.append(_Series(_ITEM_OF[line.opens], lines, [], line))
    while stack:
        found.append(_close_list(stack, len(lines)))
    for series in found:
        for item in series.items:
            _describe(item, lines[item.start : item.stop])
    return [series for series in [*found, *_plain_runs(lines)] if _is_long(series.items)]


def _end_item(series: _Series, stop: int) -> None:
    if series.items:
        series.items[-1].stop = stop


def _close_list(stack: list[_Series], stop: int) -> _Series:
    series = stack.pop()
    _end_item(series, stop)
    if stack:
        stack[-1].height = max(stack[-1].height, series.height + 1)
    return series


def _plain_runs(lines: Sequence[_Line]) -> Iterator[_Series]:
    is_plain = (line.is_plain and _REST_NOTE.fullmatch(line.text) is None for line in lines)
    for run in _consecutive(is_plain):
        items = [_Item(index, index + 1, stays=_PRICE.search(lines[index].text) is not None) for index in run]
        for item in items:
            _describe(item, lines[item.start : item.stop])
        yield _Series("line", lines, items, lines[run[0]])


def _describe(item: _Item, lines: Sequence[_Line]) -> None:
    """Note what is in an item of lines."""
    note = _ITEM_NOTE.fullmatch(lines[0].text) if len(lines) == 1 else None
    if note is not None:
        item.count, item.kept = int(note.group(1)), False
    tokens = [token for line in lines for token in line.tokens]
    item.acts = any(token.tag in _CONTROLS for token in tokens)
    item.stays = item.stays or any(map(_must_stay, tokens))


def _must_stay(token: _Token) -> bool:
    """Return whether a tag keeps its item: not an option, for each select has one that is selected."""
    return token.tag != "option" and token.is_chosen


def _is_image(line: _Unit) -> bool:
    text = line.text
    return (text.startswith("<img ") and text.endswith(">")) or text.endswith(" more images")


def _token_series(line: _Line) -> list[_Series]:
    """Return the selects of a line and its rows of controls."""
    found: list[_Series] = []
    for start, options in _selects(line.tokens):
        if _is_long(options) and all(line.tokens[index].names for index in options):
            found.append(_option_series(line, start))
    if all(not token.tag or token.tag in _INLINE or token.tag in _STRUCTURE for token in line.tokens):
        found += _part_series(line)
    return found


def _option_series(line: _Line, start: int) -> _Series:
    """Return a select's options; a group's label stands with its first, and again after a gap."""
    tokens = line.tokens
    items: list[_Item] = []
    group, label = "", -1  # the group's tag; where it stands until an option has taken it
    index = start + 1
    while index < len(tokens) and tokens[index].tag != "select":
        token = tokens[index]
        earlier = _group_note(token) if token.tag == "optgroup" else 0
        if token.tag == "optgroup" and not earlier:
            group, label = token.text, index
        elif token.tag == "option" or earlier:
            lead = group if label < 0 and not earlier else ""
            stays = token.is_chosen
            begin = label if label >= 0 else index
            items.append(_Item(begin, index, earlier or 1, kept=not earlier, stays=stays, lead=lead))
            group, label = "" if earlier else group, -1
        if items:
            items[-1].stop = index + 1 if label < 0 else items[-1].stop
        index += 1
    return _Series("option", tokens, items, tokens[start], line)


def _group_note(token: _Token) -> int:
    """Return how many options an earlier fit left out here, 0 where the group is one of the page's own."""
    label = _LABEL.search(token.attributes)
    note = _ITEM_NOTE.fullmatch(label.group(1)) if label else None
    return int(note.group(1)) if note else 0


def _part_series(line: _Line) -> Iterator[_Series]:
    """Yield the controls, images and struck-out texts between a line's structural tags."""
    tokens = line.tokens
    items: list[_Item] = []
    depth = 0
    for index, token in enumerate(tokens):
        if token.tag in _STRUCTURE:
            if _is_long(items):
                yield _Series("part", tokens, items, tokens[items[0].start], line)
            items, depth = [], 0
            continue
        earlier = _PART_NOTE.fullmatch(token.text) if not token.tag else None
        if depth == 0 and not token.closes and (token.tag or earlier):
            items.append(_Item(index, index, int(earlier.group(2)) if earlier else 1, kept=not earlier))
        if items:
            items[-1].stop = index + 1
            items[-1].stays = items[-1].stays or _must_stay(token)
        if token.tag in _HOLDERS or token.tag == "s":
            depth = max(0, depth + (-1 if token.closes else 1))
    if _is_long(items):
        yield _Series("part", tokens, items, tokens[items[0].start], line)


def _is_long(items: Sequence[object]) -> bool:
    """Return whether a series can be cut at all at the last tier."""
    return len(items) >= _LIST_TIERS[-1] + _ITEMS_LEAST


def _consecutive(flags: Iterable[bool]) -> Iterator[list[int]]:
    """Yield the indices of each stretch of true flags."""
    run: list[int] = []
    for index, flag in enumerate(flags):
        if flag:
            run.append(index)
        elif run:
            yield run
            run = []
    if run:
        yield run
