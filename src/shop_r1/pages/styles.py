"""What a page's own style elements hide: the simple part of the cascade (CSS 2.2, section 6.4).

Rules whose selector is one compound (`.is-hidden`, `div#promo`, `li.more`) can hide an element. Any selector can
show it again: longer ones are asked of Lexbor, element by element, and a rule for `:hover` or `:focus` says that
a shopper can open the part, so it stays. Style sheets in files of their own are not read.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from selectolax.lexbor import LexborHTMLParser, LexborNode, SelectolaxError

from shop_r1.pages import rules
from shop_r1.pages.node import Attributes

_MAY_HIDE = re.compile(rules.HIDDEN_STYLE, re.I)
_COMMENT = re.compile(r"/\*.*?(?:\*/|$)", re.S)
_BRACE = re.compile(r"([^{}]*)([{}])")
_DECLARATION = re.compile(r"(?:^|;)\s*(display|visibility)\s*:\s*([a-z-]+)\s*(!\s*important)?", re.I)
_COMPOUND = re.compile(r"([a-zA-Z][\w-]*|\*)?((?:[.#][\w-]+)*)")
_PART = re.compile(r"([.#])([\w-]+)")
_LAST_COMPOUND = re.compile(r"[\s>+~]")
_OPENS = re.compile(r":(?:hover|focus|focus-within|target|active)\b")
_PSEUDO = re.compile(r"::?[\w-]+(?:\([^()]*\))?|\[[^\]]*\]")
_WIDTH = re.compile(r"\(\s*(min|max)-(?:device-)?width\s*:\s*(\d+)(?:\.\d+)?px\s*\)", re.I)

Precedence = tuple[bool, int, int]  # important, specificity, order


class _Rule(NamedTuple):
    """One declaration that hides or shows: where it holds, and how strong it is."""

    selector: str
    tag: str
    identity: str
    classes: frozenset[str]
    is_simple: bool
    prop: str
    hides: bool
    precedence: Precedence


_Key = tuple[str, str | None, str | None]  # an element's tag, id and class


@dataclass
class Hiding:
    """The rules under the one class, id or tag that an element must have for them to match."""

    rules: dict[str, list[_Rule]] = field(default_factory=dict)
    hiding_keys: set[str] = field(default_factory=set)
    _verdicts: dict[_Key, list[_Rule]] = field(default_factory=dict)
    _may_hide: dict[str | None, bool] = field(default_factory=dict)

    def hides(self, source: LexborNode, tag: str, attributes: Attributes) -> bool:
        """Return whether the page's style elements take this element off the screen."""
        given = attributes.get("class")
        may_hide = self._may_hide.get(given)
        if may_hide is None:
            may_hide = any(f".{name}" in self.hiding_keys for name in (given or "").split())
            self._may_hide[given] = may_hide
        if not (may_hide or tag in self.hiding_keys or f"#{attributes.get('id')}" in self.hiding_keys):
            return False
        key = (tag, attributes.get("id"), given)
        found = self._verdicts.get(key)
        if found is None:
            found = self._verdicts[key] = list(self._hiding(*key))
        return any(not self._shown_again(rule, source, key) for rule in found)

    def _candidates(self, tag: str, identity: str | None, classes: frozenset[str]) -> Iterator[_Rule]:
        for key in (tag, f"#{identity}", *(f".{name}" for name in sorted(classes))):
            for rule in self.rules.get(key, ()):
                if rule.classes <= classes and rule.identity in ("", identity) and rule.tag in ("", tag):
                    yield rule

    def _hiding(self, tag: str, identity: str | None, given: str | None) -> Iterator[_Rule]:
        """Yield the strongest simple rule for each property where that rule hides."""
        strongest: dict[str, _Rule] = {}
        for rule in self._candidates(tag, identity, frozenset((given or "").split())):
            known = strongest.get(rule.prop)
            if rule.is_simple and (known is None or rule.precedence > known.precedence):
                strongest[rule.prop] = rule
        yield from (rule for rule in strongest.values() if rule.hides)

    def _shown_again(self, hiding: _Rule, source: LexborNode, key: _Key) -> bool:
        tag, identity, given = key
        for rule in self._candidates(tag, identity, frozenset((given or "").split())):
            if rule.is_simple or rule.hides or rule.prop != hiding.prop:
                continue
            if _OPENS.search(rule.selector):
                return True
            if rule.precedence > hiding.precedence and _matches(source, rule.selector):
                return True
        return False


def hiding_of(document: LexborHTMLParser) -> Hiding | None:
    """Return what the page's style elements hide; None when they hide nothing."""
    sheets = [
        style.text() or "" for style in document.css("style") if _applies(style.attributes.get("media"))
    ]
    text = "\n".join(sheets)
    if not _MAY_HIDE.search(text.replace("{", ";")):
        return None
    hiding = Hiding()
    for order, (selectors, body) in enumerate(_blocks(_COMMENT.sub(" ", text))):
        for prop, value, important in _DECLARATION.findall(body):
            hides = value.lower() in ("none", "hidden", "collapse")
            for selector in selectors.split(","):
                _add_rule(hiding, selector.strip(), prop.lower(), hides, bool(important), order)
    return hiding


def _blocks(text: str) -> Iterator[tuple[str, str]]:
    """Yield each rule's selectors and declarations, those within media queries that do not hold left out."""
    outer: list[bool] = []  # for each open at-rule, whether its rules hold
    selectors: str | None = None
    nested = 0  # blocks that are open within a rule: it is passed over with them
    for content, brace in _BRACE.findall(text):
        if brace == "{":
            head = content.rsplit(";", 1)[-1].strip()
            if selectors is not None:
                nested += 1
            elif head.startswith("@"):
                outer.append(_at_rule_holds(head))
            else:
                selectors = head
        elif nested:
            nested -= 1
        elif selectors is not None:
            if all(outer):
                yield selectors, content
            selectors = None
        elif outer:
            outer.pop()


def _at_rule_holds(head: str) -> bool:
    name, _, condition = head[1:].partition(" ")
    if name.lower() == "media":
        return _applies(condition)
    return name.lower() in ("supports", "layer")


def _applies(media: str | None) -> bool:
    """Return whether one of the media queries holds for a screen of `rules.SCREEN_WIDTH` pixels."""
    return any(_query_holds(query.strip().lower()) for query in (media or "all").split(","))


def _query_holds(query: str) -> bool:
    for bound, pixels in _WIDTH.findall(query):
        wide = rules.SCREEN_WIDTH >= int(pixels[:6])
        if wide != (bound == "min") and rules.SCREEN_WIDTH != int(pixels[:6]):
            return False
    rest = _WIDTH.sub(" ", query).replace(" and ", " ").split()
    return set(rest) <= {"all", "screen", "only", "and"}


def _add_rule(hiding: Hiding, selector: str, prop: str, hides: bool, important: bool, order: int) -> None:
    plain = _PSEUDO.sub("", selector)
    last = _LAST_COMPOUND.split(plain)[-1]
    match = _COMPOUND.fullmatch(last)
    if match is None or not last or last == "*":
        return
    parts = _PART.findall(match.group(2))
    identities = [name for mark, name in parts if mark == "#"]
    classes = frozenset(name for mark, name in parts if mark == ".")
    tag = (match.group(1) or "").lower()
    specificity = plain.count("#") * 10_000 + (plain.count(".") + selector.count("[")) * 100
    specificity += len(re.findall(r"(?:^|[\s>+~])[a-zA-Z]", plain))
    key = f"#{identities[0]}" if identities else f".{min(classes)}" if classes else tag
    rule = _Rule(
        selector, tag.replace("*", ""), identities[0] if identities else "", classes,
        selector == last, prop, hides, (important, specificity, order),
    )  # fmt: skip
    known = hiding.rules.setdefault(key, [])
    if len(known) < rules.STYLE_RULES_MAX:
        known.append(rule)
        if rule.is_simple and hides:
            hiding.hiding_keys.add(key)


def _matches(source: LexborNode, selector: str) -> bool:
    try:
        return bool(source.css_matches(selector))
    except SelectolaxError:
        return False
