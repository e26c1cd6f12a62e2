"""Bounds on pages on which a parser's time grows with the square: nesting, unclosed formatting, attributes.

A page is read by HTML's tokens (HTML standard, 13.2.5), so that end tags in comments, scripts, quoted values
and the like close nothing here either. What is open is never taken for less than it is in the parser's tree:
where the rules are many, an element counts as open for longer.
"""

import re

from shop_r1.pages import rules

_WS = r"[ \t\n\f\r]"
_ATTRIBUTE = (
    r"[ \t\n\f\r/]*+(?:=|[^ \t\n\f\r/>=])[^ \t\n\f\r/>=]*+"
    rf"(?:{_WS}*+={_WS}*+(?:\"[^\"]*+(?:\"|\Z)|'[^']*+(?:'|\Z)|[^ \t\n\f\r>\"'][^ \t\n\f\r>]*+|(?=>)|\Z))?+"
)
_TOKEN = re.compile(
    r"<(?:!--(?:-?>|.*?(?:--!?>|\Z))"
    rf"|(?P<close>/?)(?P<name>[a-zA-Z][^ \t\n\f\r/>]*+)(?P<attributes>(?:{_ATTRIBUTE})*+)"
    r"(?P<slash>[ \t\n\f\r/]*+)(?P<end>>)?"
    r"|(?P<data>!\[CDATA\[)|[!?/])",
    re.S,
)
_FIRST_ATTRIBUTES = re.compile(rf"(?:{_ATTRIBUTE}){{0,{rules.ATTRIBUTES_MAX}}}", re.S)
_MANY_ATTRIBUTES = re.compile(
    rf"<[a-zA-Z][^\s/>]{{0,200}}+(?:{_ATTRIBUTE}){{{rules.ATTRIBUTES_MAX + 1}}}", re.S
)
_SCRIPT_END = rf"</script(?={_WS}|[/>])"
_SCRIPT_AGAIN = rf"<script(?={_WS}|[/>])"
# After `<!--` a script may hold another one with its end tag (script data double escaped state).
_ESCAPED = (
    rf"<!(?=--)(?:[^<-]++|{_SCRIPT_AGAIN}(?:[^<-]++|(?!-->|{_SCRIPT_END})[<-])*+(?:{_SCRIPT_END}|(?=-->)|\Z)"
    rf"|(?!-->|{_SCRIPT_END})[<-])*+"
)
_SCRIPT = re.compile(rf"(?:[^<]++|{_ESCAPED}|(?!{_SCRIPT_END})<)*+", re.I)
_RAW = frozenset({"style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"})
_UNSURE = _RAW - {"textarea"} | {"plaintext"}  # ignored in lists and frames
_RAW_ENDS = {tag: re.compile(rf"</{tag}(?={_WS}|[/>])", re.I) for tag in _RAW}

# What holds no tags in it, and what may hide some from a look that is quicker than the parser's.
_SKIPPED = re.compile(
    r"<!--(?:-?>|.*?(?:--!?>|\Z))"
    rf"|<script(?={_WS}|[/>])[^<>]*+>(?:[^<]++|{_ESCAPED}|(?!{_SCRIPT_END})<)*+",
    re.S | re.I,
)
_HIDING = re.compile(
    rf"<[a-zA-Z/!?][^<>]*+<|={_WS}*+(?:\"[^\"<]*+<|'[^'<]*+<)|<plaintext|<!\[CDATA\[|<math|<desc"
    r"|<foreignobject|<frameset"
    rf"|<(style|textarea|title|xmp|iframe|noembed|noframes)(?={_WS}|[/>])[^<>]*+>[^<]*+<(?!/\1[ \t\n\f\r/>])",
    re.I,
)
# A script or comment that stands in a tag or a quoted value is none, and what follows it is read.
_QUOTED = re.compile(
    rf"<[a-zA-Z/!?][^<>]*+<(?:script|!--)|={_WS}*+(?:\"[^\"<]*+<(?:script|!--)|'[^'<]*+<(?:script|!--))", re.I
)
# Drawings of shapes alone: another one may hold HTML, a script or a comment, or has no end.
_SVG = re.compile(
    r"<svg(?:[^\0<]++|</?(?:path|g|circle|rect|use|line|polygon|polyline|ellipse|defs|symbol|linearGradient"
    r"|radialGradient|stop|clipPath|mask|pattern|filter|fe[a-z]+|text|tspan|title|style|image|marker|view"
    rf"|animate[a-z]*|set)(?={_WS}|[/>]))*+(</svg)?",
    re.I,
)
_TAG_NAME = re.compile(r"<(/?)([a-zA-Z][^\s/>]*)")
# Without `a` and `nobr`: a new one closes the open one, so that outside of tables they cannot pile up.
_FORMATTING_TAG = re.compile(
    r"<(/?)(b|big|code|em|font|i|small|strike|strong|s|tt|u|td|th|caption|object|marquee|applet)(?=[\s/>])",
    re.I,
)
_VOID = frozenset({
    "area", "base", "basefont", "bgsound", "br", "col", "embed", "frame", "hr", "img", "input", "keygen",
    "link", "meta", "param", "source", "track", "wbr",
})  # fmt: skip
_FORMATTING = frozenset({
    "a", "big", "b", "code", "em", "font", "i", "nobr", "small", "strike", "strong", "s", "tt", "u",
})  # fmt: skip
_CELLS = frozenset({"td", "th", "caption", "object", "marquee", "applet"})
_CLOSED_BY_NEXT = frozenset({"p", "li", "option", "td", "th", "tr", "dt", "dd"})
_ONCE = frozenset({"html", "body", "head"})  # a second one adds no element, and an end tag closes nothing
_CELL_PARTS = frozenset({"caption", "colgroup", "tbody", "thead", "tfoot", "tr", "td", "th"})
_SCOPES = frozenset({
    "applet", "caption", "html", "table", "td", "th", "marquee", "object", "template", "mi", "mo", "mn",
    "ms", "mtext", "annotation-xml", "foreignobject", "desc", "select",
})  # fmt: skip
_LIST_SCOPES = _SCOPES | {"ol", "ul"}
_BUTTON_SCOPES = _SCOPES | {"button"}
_TABLE_SCOPES = frozenset({"html", "table", "template", "select"})
# Their end tags close what stands in them, up to a scope.
_CLOSING_BLOCKS = frozenset({
    "address", "applet", "article", "aside", "blockquote", "button", "center", "dd", "details", "dialog",
    "dir", "div", "dl", "dt", "fieldset", "figcaption", "figure", "footer", "form", "h1", "h2", "h3", "h4",
    "h5", "h6", "header", "hgroup", "li", "listing", "main", "marquee", "menu", "nav", "object", "ol", "p",
    "pre", "search", "section", "select", "summary", "ul",
})  # fmt: skip
_SPECIAL = _SCOPES | _CLOSING_BLOCKS | {
    "body", "colgroup", "frameset", "head", "iframe", "noembed", "noframes", "noscript", "plaintext",
    "script", "style", "tbody", "textarea", "tfoot", "thead", "title", "tr", "xmp",
}  # fmt: skip
_FOREIGN = frozenset({"svg", "math"})
# Elements of theirs in which HTML's own rules hold again.
_INTEGRATION = {
    "svg": frozenset({"foreignobject", "desc", "title"}),
    "math": frozenset({"mi", "mo", "mn", "ms", "mtext"}),
}
_UNSURE_IN_MATH = "annotation-xml"  # HTML or not by an attribute
_BREAKOUT = frozenset({
    "b", "big", "blockquote", "body", "br", "center", "code", "dd", "div", "dl", "dt", "em", "embed", "h1",
    "h2", "h3", "h4", "h5", "h6", "head", "hr", "i", "img", "li", "listing", "menu", "meta", "nobr", "ol",
    "p", "pre", "ruby", "s", "small", "span", "strong", "strike", "sub", "sup", "table", "tt", "u", "ul",
    "var",
})  # fmt: skip
_FONT_ATTRIBUTE = re.compile(r"(?:^|[\s/\"'])(?:color|face|size)(?=[\s=/>]|$)", re.I)


def bound(text: str, depth_max: int) -> str:
    """Return the text as it is, or tamed where it nests or piles up past the bounds."""
    return tame(text, depth_max) if _may_pile_up(text, depth_max) or _has_many_attributes(text) else text


def _may_pile_up(text: str, depth_max: int) -> bool:
    """Return whether tags may nest past the bound, or unclosed formatting elements or options pile up.

    A parser reopens each unclosed formatting element in every paragraph after it. Both are looked for where a
    page has so many tags that the square of their number can be felt. A false alert only costs the time of
    `tame`.
    """
    count = text.count("<")
    if count <= rules.FORMATTING_UNCHECKED:
        return False
    tags = _FORMATTING_TAG
    if count > rules.TAGS_UNCHECKED:
        tags = _TAG_NAME
        if _QUOTED.search(text) is not None:
            return True
        text = _SKIPPED.sub("\0", text)
        if _HIDING.search(text) is not None or not all(svg[1] for svg in _SVG.finditer(text)):
            return True
    nest = _Nest()
    for close, name in tags.findall(text):
        tag = name.lower()
        if close:
            nest.close(tag)
        else:
            nest.open(tag)
            if len(nest.tags) > depth_max or nest.piled(tag):
                return True
    return False


def _has_many_attributes(text: str) -> bool:
    """Return whether a tag outside of scripts has too many attributes (`i<n.length ...` in one is no tag)."""
    if len(text) < rules.ATTRIBUTES_UNCHECKED:
        return False
    position = 0
    while (match := _MANY_ATTRIBUTES.search(text, position)) is not None:
        script = text.rfind("<script", position, match.start())
        if script < 0 or text.find("</script", script, match.start()) >= 0:
            return True
        position = text.find("</script", match.start())
        if position < 0:
            return False
    return False


class _Nest:
    """The elements that are open, by their tags, the outermost first."""

    def __init__(self) -> None:
        self.tags: list[str] = []
        self._counts: dict[str, int] = {}
        self._options = 0
        self._cells = 0
        self._formatting: dict[str, list[int]] = {}  # for each open one, how many cells it stands in
        # Where SVG and MathML begin, and HTML ("") within them, as indices of `tags`.
        self._switches: list[tuple[int, str]] = []

    @property
    def is_foreign(self) -> bool:
        """Whether what comes next is SVG or MathML rather than HTML."""
        return bool(self._switches) and self._switches[-1][1] != ""

    @property
    def takes_data(self) -> bool:
        """Whether `<![CDATA[` begins text here: the innermost element is none of HTML's."""
        return self.is_foreign or (bool(self._switches) and self._switches[-1][0] == len(self.tags) - 1)

    def piled(self, tag: str) -> bool:
        """Return whether there are too many of a tag for the parser, whose time grows with their square."""
        if tag == "option":
            return self._options >= rules.OPTIONS_MAX
        return tag in _FORMATTING and len(self._formatting.get(tag, ())) >= rules.OPEN_FORMATTING_MAX

    def has(self, tag: str) -> bool:
        """Return whether an element is open."""
        return self._counts.get(tag, 0) > 0

    def break_out(self) -> None:
        """Leave SVG or MathML, as some tags of HTML do."""
        while self.is_foreign:
            self._pop_to(self._switches[-1][0])

    def open_foreign(self, tag: str) -> None:
        """Open an element of SVG or MathML, or the first one of them."""
        around = self._switches[-1][1] if self._switches else ""
        self._push(tag)
        if tag in _FOREIGN:
            self._switches.append((len(self.tags) - 1, tag))
        elif tag in _INTEGRATION.get(around, ()):
            self._switches.append((len(self.tags) - 1, ""))

    def open(self, tag: str) -> None:
        """Open an element of HTML, after what it closes."""
        if tag in _VOID or (tag in _ONCE and self.has(tag)):
            return
        if tag in _CELL_PARTS and not (self.has("table") or self.has("template")):
            return
        if tag == "select" and self.has("select"):
            return self.close("select")
        if tag == "option":
            self._options += 1
        elif tag == "select":
            self._options = 0
        elif tag in _FORMATTING:
            if tag in ("a", "nobr"):
                self.close(tag)
            self._formatting.setdefault(tag, []).append(self._cells)
        if tag in _CLOSED_BY_NEXT and self.tags and self.tags[-1] == tag:
            return
        if tag in ("td", "th", "tr") and self.has("table"):
            for part in ("td", "th", "tr") if tag == "tr" else ("td", "th"):
                self.close(part)
        self._push(tag)

    def _push(self, tag: str) -> None:
        self.tags.append(tag)
        self._counts[tag] = self._counts.get(tag, 0) + 1
        self._cells += tag in _CELLS

    def close(self, tag: str) -> None:
        """Close an element where an end tag surely does."""
        if tag in _FORMATTING:
            self._close_formatting(tag)
        if tag in _ONCE or not self.has(tag):
            return
        stops = _stops(tag)
        for index in range(len(self.tags) - 1, -1, -1):
            each = self.tags[index]
            if each == tag:
                # Only itself goes from a form; what is in it stays in it.
                if tag != "form" or index == len(self.tags) - 1:
                    self._pop_to(index)
                return
            if each in stops:
                if tag in _FORMATTING and each not in _SCOPES:
                    self._remove(tag, index)
                return

    def _close_formatting(self, tag: str) -> None:
        # An end tag in a table's cell does not reach what was opened outside of it.
        active = self._formatting.get(tag, [])
        while active and active[-1] > self._cells:
            active.pop()
        if active and active[-1] == self._cells:
            active.pop()

    def _remove(self, tag: str, below: int) -> None:
        """Take out a formatting element around a block, which then stands beside it."""
        for index in range(below - 1, -1, -1):
            each = self.tags[index]
            if each in _SCOPES:
                return
            if each == tag:
                del self.tags[index]
                self._counts[tag] -= 1
                self._switches = [
                    (place - (place > index), is_foreign) for place, is_foreign in self._switches
                ]
                return

    def _pop_to(self, index: int) -> None:
        for closed in self.tags[index:]:
            self._counts[closed] -= 1
            self._cells -= closed in _CELLS
        del self.tags[index:]
        while self._switches and self._switches[-1][0] >= index:
            self._switches.pop()


def _stops(tag: str) -> frozenset[str]:
    """Return the elements that an end tag does not reach beyond."""
    if tag == "template":
        return frozenset()
    if tag == "table" or tag in _CELL_PARTS:
        return _TABLE_SCOPES
    if tag not in _CLOSING_BLOCKS:
        return _SPECIAL
    return _LIST_SCOPES if tag == "li" else _BUTTON_SCOPES if tag == "p" else _SCOPES


def tame(text: str, depth_max: int) -> str:
    """Return the text without tags past the allowed depth and attributes past the allowed number."""
    parts: list[str] = []
    kept = position = 0
    nest = _Nest()
    while (token := _TOKEN.search(text, position)) is not None:
        position = token.end()
        name = token["name"]
        if not name:
            if text[token.start() : token.start() + 4] != "<!--":
                position = _end_of_declaration(text, token, nest)
            continue
        if not token["end"]:
            break  # the page ends within a tag, which is none
        tag = name.lower()
        if token["close"]:
            if nest.is_foreign and tag in ("p", "br"):
                nest.break_out()
            nest.close(tag)
            continue
        is_raw = not nest.is_foreign and (tag in _RAW or tag in ("script", "plaintext"))
        end = _end_of_raw(text, tag, position) if is_raw else position
        if len(nest.tags) >= depth_max or nest.piled(tag) or _is_unsure(nest, tag, is_raw=is_raw):
            parts.append(text[kept : token.start()])
            kept = position = end
            continue
        if (short := _with_fewer_attributes(token)) is not None:
            parts += (text[kept : token.start()], short)
            kept = position
        _leave_foreign(nest, tag, token["attributes"])
        _open(nest, tag, is_closed="/" in token["slash"])
        position = end
    parts.append(text[kept:])
    return "".join(parts)


def _is_unsure(nest: _Nest, tag: str, *, is_raw: bool) -> bool:
    """Return whether parsers may take a tag for none, so that what follows it would be tags to them."""
    if is_raw and tag in _UNSURE and (nest.has("select") or nest.has("frameset")):
        return True
    return tag == _UNSURE_IN_MATH or (tag == "script" and nest.has("frameset"))


def _leave_foreign(nest: _Nest, tag: str, attributes: str) -> None:
    """Leave SVG or MathML where this tag of HTML does so."""
    is_font = tag == "font" and _FONT_ATTRIBUTE.search(attributes) is not None
    if nest.is_foreign and (tag in _BREAKOUT or is_font):
        nest.break_out()


def _open(nest: _Nest, tag: str, *, is_closed: bool) -> None:
    if nest.is_foreign or tag in _FOREIGN:
        if not is_closed:
            nest.open_foreign(tag)
    else:
        nest.open(tag)


def _end_of_declaration(text: str, token: re.Match[str], nest: _Nest) -> int:
    """Return where `<!DOCTYPE …>`, `<?…>`, `</ …>` or `<![CDATA[…]]>` ends."""
    mark = "]]>" if token["data"] and nest.takes_data else ">"
    end = text.find(mark, token.end())
    return end + len(mark) if end >= 0 else len(text)


def _end_of_raw(text: str, tag: str, position: int) -> int:
    """Return where the end tag of an element begins in which there are no tags."""
    if tag == "script":
        body = _SCRIPT.match(text, position)
        assert body is not None, "an empty script matches too"
        return body.end()
    end = _RAW_ENDS[tag].search(text, position) if tag in _RAW else None
    return end.start() if end is not None else len(text)


def _with_fewer_attributes(token: re.Match[str]) -> str | None:
    """Return the start tag with its first attributes; None where it has no more than allowed."""
    first = _FIRST_ATTRIBUTES.match(token["attributes"])
    assert first is not None, "no attribute at all matches too"
    return f"<{token['name']}{first.group()}>" if first.end() < len(token["attributes"]) else None
