"""What a page's own style elements hide: the simple part of the cascade (CSS 2.2, section 6.4).

Rules whose selector is one compound (`.is-hidden`, `div#promo`, `li.more`) can hide an element. Any selector
can show it again: longer ones are read compound by compound, and a rule for `:hover` or `:focus` says that a
shopper can open the part, so it stays. Style sheets in files of their own are not read.

All of it is counted as work. A page that has used up `rules.STYLE_WORK_MAX` hides nothing more by its rules.
"""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from shop_r1.pages import rules
from shop_r1.pages.parse.node import Attributes
from shop_r1.pages.styles.media import media_holds
from shop_r1.pages.styles.sheets import ASIDE, read_blocks, rewrite, split_selectors, unescape, unwrap

_MAY_HIDE = re.compile(rules.HIDDEN_STYLE, re.I)
_DECLARATION = re.compile(r"(?:^|;)\s*(display|visibility)\s*:\s*([a-z-]+)\s*(!\s*important)?", re.I)
_COMPOUND = re.compile(rf"([a-zA-Z][\w-]*|\*)?((?:[.#][\w{ASIDE}-]+)*)")
_PART = re.compile(rf"([.#])([\w{ASIDE}-]+)")
_LAST_COMPOUND = re.compile(r"[\s>+~]")
_OPENS = re.compile(r":(?:hover|focus|focus-within|target|active)\b")
_CALL = re.compile(r"::?[\w-]+\([^()]*\)")
_CALLS_MAX = 4  # one within the other, as in `:is(:where(.group):hover *)` (ours)
_PSEUDO = re.compile(r"::?[\w-]+|\[[^\[\]]*\]")
# What a part of a longer selector may hold to be looked at: pseudo-classes that count siblings or search
# below take time that grows with the square of the page, and no rule of the 91 real pages needs one.
_STEP = re.compile(
    r"\s*([>+~]?)\s*((?:[^\s>+~()\[\]:]|\[[^\[\]]*\]|:not\([^\s>+~():]*\)"
    r"|:(?:first-child|last-child|only-child|checked|empty|root)(?![\w(-]))+)"
)
_SIBLINGS = ("+", "~")
_NEXT = (">", "+")


class _Compound(NamedTuple):
    """Tag ("" for any), id ("" for any) and classes that an element must have."""

    tag: str
    identity: str
    classes: frozenset[str]

    def holds(self, tag: str, identity: str | None, classes: frozenset[str]) -> bool:
        """Return whether an element of this tag, id and classes is one of these."""
        return self.tag in ("", tag) and self.identity in ("", identity) and self.classes <= classes


class _Rule(NamedTuple):
    """One declaration that hides or shows: where it holds, and how strong it is."""

    selector: str
    last: _Compound
    is_simple: bool
    prop: str
    hides: bool
    precedence: tuple[bool, int, int, int]  # important, layer, specificity, order


_Key = tuple[str, str | None, str | None]  # an element's tag, id and class
_Marks = tuple[str, str | None, frozenset[str]]  # its tag, id and classes


@dataclass
class Hiding:
    """The rules under the one class, id or tag that an element must have for them to match."""

    document: LexborHTMLParser
    work_left: int = rules.STYLE_WORK_MAX
    rules: dict[str, list[_Rule]] = field(default_factory=dict)
    hiding_keys: set[str] = field(default_factory=set)
    _verdicts: dict[_Key, list[_Rule]] = field(default_factory=dict)
    _may_hide: dict[str | None, bool] = field(default_factory=dict)
    _known: dict[str, frozenset[int]] = field(default_factory=dict)  # the elements of a compound, by `mem_id`
    _read: dict[int, _Marks] = field(default_factory=dict)  # elements that were compared, by `mem_id`

    def hides(self, source: LexborNode, tag: str, attributes: Attributes) -> bool:
        """Return whether the page's style elements take this element off the screen."""
        given = attributes.get("class")
        may_hide = self._may_hide.get(given)
        if may_hide is None:
            may_hide = any(f".{name}" in self.hiding_keys for name in (given or "").split())
            self._may_hide[given] = may_hide
        if not (may_hide or tag in self.hiding_keys or f"#{attributes.get('id')}" in self.hiding_keys):
            return False
        if self.work_left <= 0:
            return False
        key = (tag, attributes.get("id"), given)
        found = self._verdicts.get(key)
        if found is None:
            found = self._verdicts[key] = self._hiding(key)
        return any(not self._shown_again(rule, source, key) for rule in found)

    def _candidates(self, key: _Key) -> Iterator[_Rule]:
        tag, identity, given = key
        classes = frozenset((given or "").split())
        for name in (tag, f"#{identity}", *(f".{name}" for name in sorted(classes))):
            found = self.rules.get(name, ())
            self.work_left -= len(found)
            for rule in found:
                if rule.last.holds(tag, identity, classes):
                    yield rule

    def _hiding(self, key: _Key) -> list[_Rule]:
        """Return the strongest simple rule for each property where that rule hides."""
        strongest: dict[str, _Rule] = {}
        for rule in self._candidates(key):
            known = strongest.get(rule.prop)
            if rule.is_simple and (known is None or rule.precedence > known.precedence):
                strongest[rule.prop] = rule
        return [rule for rule in strongest.values() if rule.hides]

    def _shown_again(self, hiding: _Rule, source: LexborNode, key: _Key) -> bool:
        for rule in self._candidates(key):
            if rule.is_simple or rule.hides or rule.prop != hiding.prop:
                continue
            if _OPENS.search(rule.selector):
                return True
            if rule.precedence > hiding.precedence and self._matches(source, rule.selector):
                return True
        return False

    def _matches(self, source: LexborNode, selector: str) -> bool:
        """Return whether a selector holds for an element: right to left, all that may match a part at once.

        One that needs more than the work left, or that is not looked at (see `_STEP`), is taken not to hold.
        Lexbor is not asked for all of it: it searches below the element, too, and takes for ever for
        `.a .b .c .d .e`.
        """
        self.work_left -= len(selector)
        found = [source]
        steps = _steps(selector)
        for index in range(len(steps) - 1, -1, -1):
            combinator, compound = steps[index]
            found = self._matching(found, compound)
            if index == 0 or not found:
                return bool(found) and not combinator
            found = self._before(found, combinator)
        return False

    def _matching(self, nodes: list[LexborNode], compound: str) -> list[LexborNode]:
        """Return those of the nodes for which a compound such as `li.more[title]` holds."""
        self.work_left -= rules.STYLE_ASK_WORK * len(nodes)
        plain = _read_compound(compound)
        if plain is not None:
            return [node for node in nodes if plain.holds(*self._marks(node))]
        if compound not in self._known:
            self._known[compound] = frozenset()
            self.work_left -= self._page_elements
            if self.work_left > 0:
                with suppress(SelectolaxError):
                    self._known[compound] = frozenset(
                        node.mem_id for node in self.document.css(rewrite(compound))
                    )
        return [node for node in nodes if node.mem_id in self._known[compound]]

    def _marks(self, node: LexborNode) -> _Marks:
        # Read once: an attribute may be as long as the page, and what is below it asks each time.
        found = self._read.get(node.mem_id)
        if found is None:
            attributes = node.attributes
            classes = frozenset((attributes.get("class") or "").split())
            found = self._read[node.mem_id] = node.tag or "", attributes.get("id"), classes
        return found

    @cached_property
    def _page_elements(self) -> int:
        return len(self.document.css("*"))

    def _before(self, nodes: list[LexborNode], combinator: str) -> list[LexborNode]:
        """Return the elements that a combinator leads to from the nodes: ancestors, or siblings before."""
        found: dict[int, LexborNode] = {}
        for node in nodes:
            near = node.prev if combinator in _SIBLINGS else node.parent
            while near is not None and near.mem_id not in found and self.work_left > 0:
                self.work_left -= 1
                if near.is_element_node:
                    found[near.mem_id] = near
                    if combinator in _NEXT:
                        break
                near = near.prev if combinator in _SIBLINGS else near.parent
        return list(found.values())


def hiding_of(document: LexborHTMLParser, styles: Iterable[LexborNode]) -> Hiding | None:
    """Return what these style elements of a page hide; None when they hide nothing."""
    sheets = [
        style.text() or ""
        for style in styles
        if media_holds(style.attributes.get("media"))
        and (style.attributes.get("type") or "text/css").lower() == "text/css"
    ]
    text = "\n".join(sheets)
    if not _MAY_HIDE.search(text.replace("{", ";")):
        return None
    hiding = Hiding(document)
    selectors: dict[str, list[str]] = {}  # split once: a rule with others in it has a block after each
    for order, block in enumerate(read_blocks(text)):
        # Of one property the last declaration counts; a rule may repeat it without end.
        declared = {
            (prop.lower(), bool(important)): value.lower() in ("none", "hidden", "collapse")
            for prop, value, important in _DECLARATION.findall(block.body)
        }
        if declared and block.selectors not in selectors:
            selectors[block.selectors] = [*_selectors(block.selectors)]
        for selector in selectors[block.selectors] if declared else ():
            hiding.work_left -= rules.STYLE_RULE_WORK
            if hiding.work_left <= 0:
                return hiding
            for (prop, important), hides in declared.items():
                # Of important declarations the first layer's counts most, and those of no layer least.
                precedence = important, -block.layer if important else block.layer, order
                _add_rule(hiding, selector, prop, hides, precedence)
    return hiding


def _selectors(text: str) -> Iterator[str]:
    for selector in split_selectors(text):
        if selector.startswith(":") and len(selector) <= rules.SELECTOR_MAX_CHARS:
            yield from unwrap(selector)
        else:
            yield selector


def _add_rule(
    hiding: Hiding, selector: str, prop: str, hides: bool, precedence: tuple[bool, int, int]
) -> None:
    """Add a rule whose precedence is known but for its specificity."""
    if len(selector) > rules.SELECTOR_MAX_CHARS:
        return
    plain = _without_pseudo(selector)
    last = _LAST_COMPOUND.split(plain)[-1]
    compound = _read_compound(last)
    if compound is None or last in ("", "*"):
        return
    tag, identity, classes = compound
    specificity = plain.count("#") * 10_000 + (plain.count(".") + selector.count("[")) * 100
    specificity += len(re.findall(r"(?:^|[\s>+~])[a-zA-Z]", plain))
    key = f"#{identity}" if identity else f".{min(classes)}" if classes else tag
    important, layer, order = precedence
    strength = important, layer, specificity, order
    rule = _Rule(selector, compound, selector == last, prop, hides, strength)
    known = hiding.rules.setdefault(key, [])
    if len(known) < rules.STYLE_RULES_MAX:
        known.append(rule)
        if rule.is_simple and hides:
            hiding.hiding_keys.add(key)


def _without_pseudo(selector: str) -> str:
    """Return a selector without pseudo-classes, what stands in their brackets, and attributes."""
    for _ in range(_CALLS_MAX):
        if "(" not in selector:
            break
        selector = _CALL.sub("", selector)
    return _PSEUDO.sub("", selector)


def _read_compound(text: str) -> _Compound | None:
    """Return a compound of tag, ids and classes; None for any other."""
    match = _COMPOUND.fullmatch(text)
    if match is None:
        return None
    parts = [(mark, unescape(name)) for mark, name in _PART.findall(match.group(2))]
    identity = next((name for mark, name in parts if mark == "#"), "")
    classes = frozenset([name for mark, name in parts if mark == "."])
    return _Compound((match.group(1) or "").lower().replace("*", ""), identity, classes)


def _steps(selector: str) -> list[tuple[str, str]]:
    """Return a selector's compounds, each with the combinator before it ("" for a blank); [] for others."""
    found = list(_STEP.finditer(selector))
    is_read = sum(len(step.group()) for step in found) == len(selector)
    return [(step.group(1), step.group(2)) for step in found] if is_read else []
