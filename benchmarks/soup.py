"""The short page made with BeautifulSoup on lxml: the other side of `benchmarks/pages.py`.

Written for its tree as ours is for Lexbor's, to the same rules, and meant to be quick: the page is decoded
beforehand (BeautifulSoup would guess), attributes stay plain strings, `find_all` is never called. One walk
surveys what is visible, a second one prints it. It makes no records of elements (paths, values) and bounds no
hostile page, so it does a little less than ours.
"""

import html as markup
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from unicodedata import category

from bs4 import BeautifulSoup, NavigableString, PageElement, Tag
from bs4.element import PreformattedString

from shop_r1.pages import rules
from shop_r1.pages.naming.names import (
    NameRequest,
    is_identifier,
    join_words,
    label_within,
    slug_words,
    to_words,
    unique_names,
)
from shop_r1.pages.parse.document import decode_page

_WORD = re.compile(r"[^\W_]")
_HIDDEN_STYLE = re.compile(rules.HIDDEN_STYLE, re.I)
_COLLAPSED_MENU = re.compile(rules.COLLAPSED_MENU, re.I)
_SEARCH = re.compile(r"search|suche|recherche|buscar|ricerca|zoek", re.I)
_CAMEL = re.compile(r"(?<=[a-z])(?=[A-Z])")
_FIELDS = frozenset({"input", "select", "textarea"})
_CLICKABLE = frozenset({"a", "button", "summary"})
_NATIVE = _FIELDS | _CLICKABLE | {"area"}
_BARE_CONTROLS = _NATIVE | {"option"}
_LISTS = frozenset({"ul", "ol", "menu"})
_ROWS = frozenset({"tr", "td", "th"})
_CELLS = frozenset({"td", "th"})
_PLAIN_BLOCKS = frozenset({"html", "body", "div", "p", "center", "tbody", "thead", "tfoot"})
_PLAIN = _PLAIN_BLOCKS | {"span", "b", "strong", "em", "i", "font", "small", "sup", "sub", "label"}
_TELLING = frozenset({
    "role", "aria-label", "aria-labelledby", "title", "onclick", "tabindex", "contenteditable",
})  # fmt: skip
_LAYOUT = frozenset(
    {"table", "ul", "ol", "dl", "form", "fieldset", "section", "article", *rules.HEADING_TAGS}
)
_STRUCTURE = rules.SCOPE_TAGS | {"tr", "tbody", "thead", "tfoot", "dt", "dd"}
_CAPTIONS = {"fieldset": "legend", "table": "caption", "details": "summary"}
_OUTER_PARTS = ["article", "section", "aside", "nav", "li", "main"]  # their header is not the page's
_CLIMB_MAX = 8  # ancestors looked at for a label or a search form, as in ours
_TERM_LEVEL = 7  # a <dt> heads what follows, below all headings
_TYPES_SHOWN = (rules.TEXT_TYPES - {"text"}) | {"checkbox", "radio", "range", "file", "color"}


def simplify_with_soup(html: str | bytes) -> tuple[str, list[str]]:
    """Return the short page and the names in it, in page order.

    Raises:
        PageError: the bytes are no text.
    """
    text = decode_page(html) if isinstance(html, bytes) else html
    survey = _Survey(BeautifulSoup(text, "lxml", multi_valued_attributes=None))
    survey.fold_links()
    return _Printer(survey).run()


@dataclass(slots=True)
class _Facts:
    """What is known of a visible element: itself, then sums and firsts over all below it."""

    tag: Tag
    control: str = ""
    alt: str = ""
    is_item: bool = False
    folded: bool = False
    controls: int = 0
    fields: int = 0
    images: int = 0
    cells: int = 0
    has_layout: bool = False
    heading: Tag | None = None
    link: Tag | None = None


class _Survey:
    """What is visible of a document. Facts lie under `id(tag)`: hashing a Tag would print all of it."""

    def __init__(self, soup: BeautifulSoup) -> None:
        self.root = soup
        self.facts: dict[int, _Facts] = {}
        self.links: list[_Facts] = []
        self.ids: dict[str, Tag] = {}
        self.labels: dict[str, Tag] = {}
        self._texts: dict[tuple[int, bool], str] = {}
        stack = [(_Facts(soup), iter(soup.contents))]
        while True:
            facts, children = stack[-1]
            for child in children:
                if isinstance(child, Tag) and (below := self._look(child)) is not None:
                    stack.append((below, iter(() if below.alt else child.contents)))
                    break
            else:
                stack.pop()
                if not stack:
                    return
                self._finish(facts, stack[-1][0])

    def _look(self, tag: Tag) -> _Facts | None:
        """Return a visible element's facts; None when it is dropped."""
        name, attributes = tag.name, tag.attrs
        if name in rules.DROPPED_TAGS or (name == "dialog" and "open" not in attributes):
            return None
        if attributes and _is_hidden(name, attributes):
            return None
        facts = _Facts(tag)
        if name in ("img", "svg"):
            facts.alt = _picture_text(tag)
            if not _WORD.search(facts.alt):
                return None
        self.facts[id(tag)] = facts
        facts.control = _control_tag(name, attributes) if attributes or name in _BARE_CONTROLS else ""
        if facts.control == "a":
            self.links.append(facts)
        if identity := attributes.get("id"):
            self.ids.setdefault(identity, tag)
        if name == "label" and (target := attributes.get("for")):
            self.labels.setdefault(target, tag)
        return facts

    def _finish(self, facts: _Facts, parent: _Facts) -> None:
        """Hand what is known of an element, now that all below it is seen, to its parent."""
        name = facts.tag.name
        if name in rules.HEADING_TAGS or facts.tag.attrs.get("role") == "heading":
            facts.heading = facts.heading or facts.tag
        if name in rules.ITEM_TAGS or _role(facts.tag) in rules.ITEM_ROLES:
            facts.is_item = facts.controls > 1 and (facts.heading is None or facts.heading.name != "h1")
        elif facts.controls >= rules.REPEATED_MIN:
            self._mark_repeated(facts.tag)
        if facts.control == "a" and facts.link is None and self.text(facts.tag):
            facts.link = facts.tag
        facts.images += bool(facts.alt)
        parent.images += facts.images
        parent.controls += facts.controls + bool(facts.control)
        parent.fields += facts.fields + (facts.control in _FIELDS)
        parent.cells += facts.cells + (name in _CELLS)
        parent.has_layout = parent.has_layout or facts.has_layout or name in _LAYOUT
        parent.heading = parent.heading or facts.heading
        parent.link = parent.link or facts.link

    def _mark_repeated(self, tag: Tag) -> None:
        """Mark an element's alike children as items."""
        alike: dict[tuple[str, str], list[_Facts]] = {}
        for child in tag.contents:
            facts = self.facts.get(id(child))
            if facts is not None and facts.controls > 1 and (facts.heading or facts.link):
                kind = (child.name, child.attrs.get("class", "").split(" ")[0])
                alike.setdefault(kind, []).append(facts)
        for (name, _), group in alike.items():
            if len(group) >= rules.REPEATED_MIN and name not in ("td", "table", "tbody"):
                for facts in group:
                    facts.is_item = True

    def fold_links(self) -> None:
        """Mark picture links that lead where a link close by leads and say nothing more."""
        recent: dict[str, tuple[int, _Facts]] = {}
        for index, facts in enumerate(self.links):
            href = facts.tag.attrs.get("href", "").strip()
            if not href or facts.controls or href.lower().startswith(rules.EMPTY_HREFS):
                continue
            before, first = recent.get(href, (-9, facts))
            recent[href] = (index, facts)
            if index - before > 3 or (spare := self._spare(first, facts)) is None:
                continue
            spare.folded = True
            if spare is facts:
                recent[href] = (index, first)

    def _spare(self, first: _Facts, second: _Facts) -> _Facts | None:
        one, two = (self.text(facts.tag, images=True).lower() for facts in (first, second))
        if not _WORD.search(one):
            return first
        if not _WORD.search(two):
            return second
        overlap = one in two or two in one
        if overlap and not _WORD.search(self.text(first.tag)):
            return first
        return second if one == two or (overlap and not _WORD.search(self.text(second.tag))) else None

    def text(self, tag: Tag, *, images: bool = False) -> str:
        """Return the visible text at and below an element on one line, with pictures' texts or without."""
        key = (id(tag), images)
        if key not in self._texts:
            self._texts[key] = self._read(tag, images)
        return self._texts[key]

    def _read(self, tag: Tag, images: bool) -> str:
        parts: list[str] = []
        size = 0
        stack: list[PageElement | str] = [tag]
        while stack and size < rules.LABEL_TEXT_MAX:
            step = stack.pop()
            if not isinstance(step, Tag):
                if not isinstance(step, PreformattedString):
                    parts.append(step)
                    size += len(step.strip())
                continue
            facts = self.facts.get(id(step))
            if facts is None or (step is not tag and step.name in ("select", "textarea")):
                continue
            if facts.alt:
                parts.append(f" {facts.alt} " if images else "")
                continue
            if step.name not in rules.INLINE_TAGS or step.name == "button":
                parts.append(" ")
                stack.append(" ")
            stack.extend(reversed(step.contents))
        return " ".join("".join(parts).split())[: rules.LABEL_TEXT_MAX].rstrip()

    # Labels: the accessible name, then what else can name an element

    def label(self, facts: _Facts) -> str:
        """Return an element's accessible name, "" without any."""
        tag = facts.tag
        label = self.given_label(tag) or self._own_label(facts)
        if not label and tag.name not in _FIELDS:
            heading = facts.heading if facts.control == "a" and facts.heading is not tag else None
            label = self.text(heading, images=True) if heading is not None else ""
            label = label or self.text(tag, images=True)
        return label or tag.attrs.get("title", "").strip() or tag.attrs.get("placeholder", "").strip()

    def given_label(self, tag: Tag) -> str:
        """Return what aria-labelledby or aria-label says, "" for nothing."""
        attributes = tag.attrs
        if by := attributes.get("aria-labelledby"):
            found = [self.ids[key] for key in by.split()[:4] if key in self.ids]
            if text := " ".join(self.text(target, images=True) for target in found):
                return text
        return " ".join(attributes.get("aria-label", "").split())

    def _own_label(self, facts: _Facts) -> str:
        tag = facts.tag
        attributes: dict[str, str] = tag.attrs
        if tag.name == "option":
            return self.text(tag) or attributes.get("label", "")
        if tag.name == "area":
            return attributes.get("alt", "")
        if tag.name == "input" and facts.control == "button":
            return attributes.get("alt") or attributes.get("value") or attributes.get("title", "")
        if tag.name not in _FIELDS:
            return ""
        label = self.labels.get(attributes.get("id", ""))
        if label is None:
            label = next((outer for outer in _ancestors(tag) if outer.name == "label"), None)
        return self.text(label, images=True) if label is not None else ""

    def label_words(self, facts: _Facts, label: str) -> list[str]:
        """Return the words that name a control: its label's, else its address's or field name's."""
        words, tag = to_words(label), facts.tag
        if words:
            return self._without_count(tag, words)
        if facts.control == "a":
            return slug_words(tag.attrs.get("href", "")) or ["link"]
        for attribute in ("name", "id"):
            given = _CAMEL.sub(" ", tag.attrs.get(attribute, "")[: rules.LABEL_TEXT_MAX])
            words = [word for word in to_words(given) if not is_identifier(word)]
            if words:
                return words
        return to_words(tag.attrs.get("type", "") if tag.name == "input" else _role(tag)) or [facts.control]

    def _without_count(self, tag: Tag, words: list[str]) -> list[str]:
        """Return the words shown where an aria-label only adds a count to them: `cart (2)`."""
        if "aria-label" in tag.attrs and any(word.isdigit() for word in words):
            shown = to_words(self.text(tag))
            size = len(shown)
            if shown and words[:size] == shown and any(word.isdigit() for word in words[size:]):
                return shown
        return words

    # Sections: the words that a part of the page adds to names

    def section_words(self, tag: Tag, facts: _Facts) -> str:
        """Return what a landmark, list, form, table or dialog adds to names, "" for nothing."""
        role = _role(tag) or rules.SECTION_ROLES.get(tag.name, "")
        if role not in rules.LANDMARK_WORDS:
            return ""
        if tag.name in ("header", "footer") and tag.find_parent(_OUTER_PARTS) is not None:
            return ""
        if role == "search":
            return role
        label = self.given_label(tag)
        if not label and tag.name in _CAPTIONS:
            label = self.caption(tag)
        if not label and role.endswith("dialog") and facts.heading is not None:
            label = self.text(facts.heading)
        words = to_words(label)
        if role == "navigation" and rules.GENERIC_NAV_WORDS.issuperset(words):
            return "nav"
        return join_words(words, rules.SECTION_MAX) or rules.LANDMARK_WORDS[role]

    def caption(self, tag: Tag) -> str:
        """Return the legend, caption or summary of a group, table or details, "" without one."""
        for child in tag.contents:
            if isinstance(child, Tag) and child.name == _CAPTIONS[tag.name]:
                return self.text(child)
        return ""

    def item_title(self, tag: Tag, facts: _Facts) -> str:
        """Return an item's label, else its heading or first link, as words."""
        titled = facts.heading or facts.link
        label = self.given_label(tag) or (self.text(titled, images=True) if titled is not None else "")
        return join_words(to_words(label), rules.TITLE_MAX)


def _is_hidden(name: str, attributes: dict[str, str]) -> bool:
    if attributes.get("hidden", "until-found") != "until-found" or attributes.get("aria-hidden") == "true":
        return True
    style = attributes.get("style")
    if style and _HIDDEN_STYLE.search(style):
        return _COLLAPSED_MENU.search(attributes.get("class", "")) is None
    return name == "input" and attributes.get("type", "").lower() == "hidden"


def _picture_text(tag: Tag) -> str:
    """Return what a picture or drawing says in words."""
    attributes: dict[str, str] = tag.attrs
    if tag.name == "img":
        return attributes.get("alt") or attributes.get("title", "")
    titles = (child for child in tag.contents if isinstance(child, Tag) and child.name == "title")
    return attributes.get("aria-label") or next((title.get_text() for title in titles), "")


def _control_tag(name: str, attributes: dict[str, str]) -> str:
    """Return the tag that an element is printed as when it can be acted on, else ""."""
    if name in ("a", "area"):
        if "href" in attributes or "onclick" in attributes or "tabindex" in attributes:
            return "a"
        if "role" in attributes and attributes.get("name"):
            return "a"
    elif name == "input":
        return "button" if attributes.get("type", "").lower() in rules.BUTTON_TYPES else "input"
    elif name in _BARE_CONTROLS:
        return name
    role = attributes.get("role", "").strip().lower()
    if role in rules.ACTION_ROLES:
        return rules.ACTION_ROLES[role]
    if "onclick" in attributes or attributes.get("tabindex") == "0":
        return "button"
    return "button" if attributes.get("contenteditable") in ("", "true") else ""


def _role(tag: Tag) -> str:
    given = tag.attrs.get("role")
    return given.split()[0].lower() if given and not given.isspace() else ""


def _ancestors(tag: Tag) -> list[Tag]:
    found: list[Tag] = []
    outer = tag.parent
    while outer is not None and len(found) < _CLIMB_MAX:
        found.append(outer)
        outer = outer.parent
    return found


def _is_search_field(tag: Tag) -> bool:
    kind = tag.attrs.get("type", "").lower() or "text"
    if kind == "search" or _role(tag) == "searchbox":
        return True
    if tag.name != "input" or kind not in rules.TEXT_TYPES:
        return False
    if kind == "text" and tag.attrs.get("name", "").lower() in rules.SEARCH_FIELDS:
        return True
    for outer in _ancestors(tag):
        if outer.name == "search" or _role(outer) == "search":
            return True
        if outer.name == "form":
            return bool(_SEARCH.search(f"{outer.attrs.get('action', '')} {outer.attrs.get('id', '')}"))
    return False


def _states(attributes: dict[str, str]) -> str:
    found: set[str] = {word for word in ("checked", "selected", "disabled") if word in attributes}
    found.update(word for name, values, word in rules.ARIA_STATES if attributes.get(name) in values)
    return "".join(f" {word}" for word in rules.STATE_WORDS if word in found) if found else ""


def _heading_level(tag: Tag) -> int:
    """Return a heading's level, 0 for what is none."""
    if tag.name in rules.HEADING_TAGS:
        return rules.HEADING_TAGS[tag.name]
    if tag.name == "dt":
        return _TERM_LEVEL
    if _role(tag) != "heading":
        return 0
    level = tag.attrs.get("aria-level", "")
    return min(6, max(1, int(level))) if level.isdecimal() and len(level) < 3 else 2


def _tidy(text: str) -> str:
    """Return the text on one line, without characters that show nothing (icon fonts' too)."""
    text = " ".join(text.split())
    if text.isprintable():
        return text
    return " ".join("".join(c for c in text if category(c) not in ("Cc", "Cf", "Co")).split())


def _attribute(name: str, value: str) -> str:
    return f' {name}="{markup.escape(_tidy(value))}"'


@dataclass(frozen=True, slots=True)
class _Place:
    """Where on the page one is: named parts (level 0) and headings, outermost first."""

    parts: tuple[tuple[int, str], ...] = ()
    base: int = 0  # headings before it belong to an outer part
    item: str = ""

    def words(self) -> tuple[str, ...]:
        return tuple(words for _, words in self.parts)

    def within(self, words: str, *, is_item: bool) -> "_Place":
        """Return the place within a new part; a named one does not stand under the heading before it."""
        parts = self.parts
        if words and not is_item:
            parts = tuple(part for n, part in enumerate(parts) if n < self.base or not part[0])
        if words:
            parts = (*parts, (0, words))
        return _Place(parts, len(parts), words if is_item else self.item)

    def under(self, level: int, words: list[str]) -> "_Place":
        """Return the place after a heading; the page's own title (level 1) is in no name."""
        parts = self.parts
        while len(parts) > self.base and parts[-1][0] >= level:
            parts = parts[:-1]
        if level > 1 and words and join_words(words, rules.TITLE_MAX) != self.item:
            parts = (*parts, (level, join_words(words, rules.SECTION_MAX)))
        return _Place(parts, self.base, self.item)


@dataclass
class _Lines:
    """The short page as pieces; a number stands for the name of that control.

    Start tags are held until something stands in them, so that what is empty leaves nothing.
    """

    pieces: list[str | int] = field(default_factory=lambda: ["<page>"])
    held: list[str] = field(default_factory=list)
    started: bool = True  # the line holds something
    glued: bool = False  # what comes next needs no space: a line or a tag has just begun
    gap: bool = False
    after_control: bool = False
    tail: str = ""  # the text's last character

    def text(self, text: str) -> None:
        words = _tidy(text)
        if not words:
            self.gap = self.gap or bool(text)
            return
        self._release()
        first = words[0]
        apart = self.gap or text[0].isspace() or (self.after_control and first.isalnum())
        # Styles set `Sale` and `$9` in two spans apart.
        if not self.glued and (
            apart or (self.tail.isalnum() and (first.isupper() or category(first) == "Sc"))
        ):
            self.pieces.append(" ")
        self.pieces.append(markup.escape(words, quote=False))
        self.started, self.glued, self.after_control = True, False, False
        self.gap, self.tail = text[-1].isspace(), words[-1]

    def control(self, *pieces: str | int) -> None:
        """Begin a control, set apart from what stands before it."""
        self._release()
        if not self.glued:
            self.pieces.append(" ")
        self.pieces.extend(pieces)
        self.started, self.glued, self.gap, self.after_control, self.tail = True, True, False, False, ""

    def end_control(self, end: str) -> None:
        self.pieces.append(end)
        self.glued, self.gap, self.after_control, self.tail = False, False, True, ""

    def line(self) -> None:
        if self.started:
            self.pieces.append("\n")
        self.started, self.glued, self.gap, self.after_control, self.tail = False, True, False, False, ""

    def hold(self, start: str) -> int:
        """Hold a start tag; what comes back is for `close`."""
        self.held.append(start)
        return len(self.held)

    def close(self, depth: int, end: str) -> None:
        """End a held tag, or take it back when nothing came."""
        if len(self.held) >= depth:
            del self.held[depth - 1 :]
        elif end:
            self.pieces.append(end)
            self.started, self.glued, self.tail = True, False, ""

    def _release(self) -> None:
        if not self.held:
            return
        if self.gap and not self.glued and self.held[0] == "<s>":
            self.pieces.append(" ")
        self.pieces.extend(self.held)
        self.started = not self.held[-1].endswith("\n")
        self.glued, self.gap, self.tail = True, False, ""
        self.held.clear()


class _Printer:
    """The second walk: prints the visible page and asks for a name for each control."""

    def __init__(self, survey: _Survey) -> None:
        self.survey = survey
        self.lines = _Lines()
        self.requests: list[NameRequest] = []
        self.place = _Place()
        self.work: list[PageElement | Callable[[], None]] = []
        self.inline = 0
        self.in_control = 0
        self.lists = 0
        self.tables: list[bool] = []  # whether each open table holds data (else layout)
        self.after_term = False

    def run(self) -> tuple[str, list[str]]:
        """Return the short page and its names."""
        work, seen, lines = self.work, self.survey.facts, self.lines
        lines.line()
        work.extend(reversed(self.survey.root.contents))
        while work:
            step = work.pop()
            if isinstance(step, Tag):
                facts = seen.get(id(step))
                if facts is not None:
                    self._tag(step, facts)
            elif not isinstance(step, NavigableString):
                step()
            elif not isinstance(step, PreformattedString):
                lines.text(step)
        names = unique_names(self.requests)
        pieces = [names[piece] if isinstance(piece, int) else piece for piece in lines.pieces]
        return "".join(pieces).rstrip("\n"), names

    def _tag(self, tag: Tag, facts: _Facts) -> None:
        name = tag.name
        if name in _PLAIN and not facts.is_item and _TELLING.isdisjoint(tag.attrs):
            if name in _PLAIN_BLOCKS:
                self._break()
                self.work.append(self._break)
            self.work.extend(reversed(tag.contents))
        elif facts.folded or (name == "caption" and self._in_data()):
            return
        elif facts.control and self._can_be_named(name, facts):
            self._control(tag, facts)
        elif facts.alt:
            self._picture(facts.alt)
        elif name == "br":
            self._break()
        elif spoken := self._spoken(tag, facts):
            self.lines.text(f" {spoken} ")
        else:
            self._block(tag, facts)

    def _break(self) -> None:
        if self.inline:
            self.lines.gap = True
        else:
            self.lines.line()

    def _in_data(self) -> bool:
        return bool(self.tables) and self.tables[-1]

    def _picture(self, alt: str) -> None:
        """Print a picture unless it only repeats its item's title."""
        item = self.place.item
        if not item or join_words(to_words(_tidy(alt)), rules.TITLE_MAX) != item:
            self.lines.control(f"<img{_attribute('alt', alt)}>")
            self.lines.end_control("")

    def _spoken(self, tag: Tag, facts: _Facts) -> str:
        """Return the words of what is drawn without any, such as a row of stars."""
        label = tag.attrs.get("aria-label") or tag.attrs.get("title")
        if not label or facts.controls or tag.name in _STRUCTURE or not _WORD.search(label):
            return ""
        if _role(tag) == "img" or not _WORD.search(self.survey.text(tag, images=True)):
            return str(label)
        return ""

    # Blocks

    def _block(self, tag: Tag, facts: _Facts) -> None:
        name = tag.name
        follows_term = name == "dd" and self.after_term
        if name not in rules.INLINE_TAGS and not follows_term and not (name in _CELLS and self._in_data()):
            self._break()
        self.after_term = False
        outer = self._enter(tag, facts)
        depth, end, inline = self._start(tag, facts)
        self.inline += inline
        self.work.append(partial(self._leave, tag, outer, depth, end, inline))
        self.work.extend(reversed(tag.contents))

    def _enter(self, tag: Tag, facts: _Facts) -> _Place | None:
        """Begin a part of the page and return the place to go back to; None when it is none."""
        is_item = facts.is_item and (tag.name != "tr" or self._in_data())
        if not (is_item or tag.name in rules.SCOPE_TAGS or tag.attrs.get("role")):
            return None
        outer = self.place
        words = self.survey.section_words(tag, facts)
        is_item = is_item and not words
        self.place = outer.within(
            self.survey.item_title(tag, facts) if is_item else words,
            is_item=is_item,
        )
        return outer

    def _start(self, tag: Tag, facts: _Facts) -> tuple[int, str, bool]:
        """Hold a block's start tag; return its depth (0 for no tag), end tag and whether lines end in it."""
        name, hold = tag.name, self.lines.hold
        if name in rules.STRUCK_TAGS and not self.in_control:
            self.lines.gap = True
            return hold("<s>"), "</s>", True
        if name == "table":
            return self._start_table(tag, facts)
        if name in _ROWS and self._in_data():
            return hold(f"<{name}>"), "", name != "tr"
        if self.inline:
            return 0, "", False
        if name in rules.HEADING_TAGS or _role(tag) == "heading":
            if facts.controls and (self.place.item or self.lists):
                return 0, "", True  # an item's title: its link says all
            level = _heading_level(tag)
            return hold(f"<h{level}>"), f"</h{level}>", True
        if name in _LISTS:
            self.lists += 1
            kind = "ol" if name == "ol" else "ul"
            return hold(f"<{kind}>\n"), f"</{kind}>", False
        return (hold("<li>") if name == "li" and self.lists else 0), "", False

    def _start_table(self, tag: Tag, facts: _Facts) -> tuple[int, str, bool]:
        is_layout = facts.has_layout or facts.cells < 2 or _role(tag) in ("presentation", "none")
        self.tables.append(not self.inline and not is_layout)
        if not self.tables[-1]:
            return 0, "", False
        self.lines.text(self.survey.caption(tag))
        self.lines.line()
        return self.lines.hold("<table>\n"), "</table>", False

    def _leave(self, tag: Tag, outer: _Place | None, depth: int, end: str, inline: bool) -> None:
        name, lines = tag.name, self.lines
        self.inline -= inline
        if depth and name in _LISTS:
            lines.line()
            self.lists -= 1
        if name == "table" and self.tables.pop():
            lines.line()
        if depth:
            lines.close(depth, end)
        if name == "dt" and not self.inline:
            self._end_term(tag)
        elif name not in rules.INLINE_TAGS and not (depth and name in _CELLS):
            self._break()
        elif end == "</s>":
            lines.gap = True
        if outer is not None:
            self.place = outer
        if level := _heading_level(tag):
            self.place = self.place.under(level, to_words(self.survey.text(tag, images=True)))

    def _end_term(self, tag: Tag) -> None:
        """Leave a term's line open for what describes it."""
        text = self.survey.text(tag)
        if text:
            self.lines.text(": " if text[-1].isalnum() else " ")
            self.after_term = True

    # Controls

    def _can_be_named(self, name: str, facts: _Facts) -> bool:
        """Return whether a control stands for itself: not in another one, and no wrapper of others."""
        if name == "option" or (self.in_control and facts.control in _CLICKABLE):
            return False
        return name in _NATIVE or not facts.controls

    def _control(self, tag: Tag, facts: _Facts) -> None:
        label = _tidy(self.survey.label(facts))
        index = self._ask(facts, label, self.place.words())
        if facts.control == "select":
            self._select(tag, index)
        elif facts.control == "input":
            self.lines.control('<input name="', index, _input_rest(tag.attrs, label))
            self.lines.end_control("")
        elif facts.control == "textarea":
            self.lines.control('<textarea name="', index, f'"{_states(tag.attrs)}>')
            self.lines.end_control(markup.escape(_tidy(tag.get_text()), quote=False) + "</textarea>")
        else:
            self._clickable(tag, facts, index, label)

    def _clickable(self, tag: Tag, facts: _Facts, index: int, label: str) -> None:
        role, end = _role(tag), f"</{facts.control}>"
        shown = f' role="{role}"' if role in rules.ACTION_ROLES and role not in ("button", "link") else ""
        if tag.name not in rules.INLINE_TAGS:
            self._break()
        self.lines.control(f'<{facts.control} name="', index, f'"{shown}{_states(tag.attrs)}>')
        self.in_control += 1
        self.inline += 1
        self.work.append(partial(self._leave_control, tag, facts, end))
        if tag.name == "input" or not (facts.fields or _WORD.search(self.survey.text(tag))):
            self.lines.text(label)
        else:
            self.work.extend(reversed(tag.contents))

    def _leave_control(self, tag: Tag, facts: _Facts, end: str) -> None:
        self.in_control -= 1
        self.inline -= 1
        self.lines.end_control(end)
        if tag.name not in rules.INLINE_TAGS:
            self._break()
        if facts.control == "a" and facts.heading is not None:
            words = to_words(self.survey.text(facts.heading, images=True))
            self.place = self.place.under(_heading_level(facts.heading), words)

    def _select(self, tag: Tag, index: int) -> None:
        pieces: list[str | int] = ['<select name="', index, f'"{_states(tag.attrs)}>']
        for option in tag.descendants:
            facts = self.survey.facts.get(id(option))
            if facts is None:
                continue
            if option.name == "optgroup" and option.attrs.get("label"):
                pieces.append(f"<optgroup{_attribute('label', option.attrs['label'])}>")
            elif option.name == "option":
                label = _tidy(self.survey.label(facts))
                pieces += ('<option name="', self._ask(facts, label, (), index))
                pieces.append(f'"{_states(option.attrs)}>{markup.escape(label, quote=False)}')
        self.lines.control(*pieces)
        self.lines.end_control("</select>")

    def _ask(self, facts: _Facts, label: str, sections: tuple[str, ...], select: int | None = None) -> int:
        """Ask for a control's name; where among the requests is returned."""
        tag = facts.tag
        words = self.survey.label_words(facts, label)
        if self.place.item and len(words) > 1:
            words = label_within(words, self.place.item.split("_"))
        address = tag.attrs.get("href", "") if facts.control == "a" else ""
        shown = 1 if facts.control == "a" else rules.SECTIONS_SHOWN
        label = join_words(words, rules.LABEL_MAX)
        request = NameRequest(sections, label, address, shown=shown, select=select)
        if facts.control == "input" and _is_search_field(tag):
            request = NameRequest(sections, "search_input", shown=0)
        self.requests.append(request)
        return len(self.requests) - 1


def _input_rest(attributes: dict[str, str], label: str) -> str:
    """Return an input's start tag from its name's end on."""
    kind = attributes.get("type", "").lower()
    parts = [f'" type="{kind}"' if kind in _TYPES_SHOWN else '"']
    if kind not in ("checkbox", "radio") and _tidy(attributes.get("value", "")):
        parts.append(_attribute("value", attributes["value"]))
    placeholder = _tidy(attributes.get("placeholder", ""))
    if placeholder and placeholder != label:
        parts.append(_attribute("placeholder", placeholder))
    return f"{''.join(parts)}{_states(attributes)}>"
