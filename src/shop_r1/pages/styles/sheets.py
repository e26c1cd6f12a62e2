r"""A style sheet's text to its rules as they hold on a shopper's screen (CSS Syntax 3, Nesting 1, Cascade 5).

Of Tailwind's class `md:flex` the sheet says `.md\:flex`. What is escaped is set aside as a character that no
page uses, so that the marks that are left are all CSS's own; `unescape` and `rewrite` undo it.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from shop_r1.pages import rules
from shop_r1.pages.styles.media import media_holds

ASIDE = "\ue000-\ue07f"
"""The characters that stand for escaped ones, as a range in a regular expression: the private use area."""
UNLAYERED = 1_000_000
"""The layer of what stands in none; it beats all layers."""

_NOISE = re.compile(r"/\*.*?(?:\*/|$)|\\(?:([0-9a-fA-F]{1,6})\s?|([^\n]))", re.S)
_BRACE = re.compile(r"[{}]")
_AT_RULE = re.compile(r"@([\w-]+)(.*)", re.S)
_LAYERS = re.compile(r"@layer\s+([^;{}@]*)", re.I)
_SEPARATOR = re.compile(r"[,()\[\]]")
_WRAPPED = re.compile(r":(?:is|where)\((.*)\)", re.S)
_ESCAPED = re.compile(f"[{ASIDE}]")
_DEPTH_MAX = 32  # blocks within blocks (ours)
_LAYERS_MAX = 1000  # and characters of one's full name (ours)
_NESTED_MAX = 50  # selectors of one nested rule (ours)
_PARENTS_MAX = 3  # of `&` in one nested selector (ours)


class Block(NamedTuple):
    """Declarations, and what they hold for."""

    selectors: str
    body: str
    layer: int
    """The later its cascade layer, the higher; `UNLAYERED` in none."""


class _Open(NamedTuple):
    """A block that is open: its rule's selectors, None outside of rules; whether it holds; its layer."""

    selectors: str | None
    holds: bool
    layer: str


def read_blocks(text: str) -> Iterator[Block]:
    """Yield each rule of a sheet in its order, those within at-rules that do not hold left out."""
    if "\\" in text or "/*" in text:
        text = _NOISE.sub(_set_aside, text)
    blocks = [_Open(None, True, "")]
    layers: dict[str, int] = {}
    deeper = 0  # blocks that are open beyond `_DEPTH_MAX`
    start = 0
    for brace in _BRACE.finditer(text):
        content = text[start : brace.start()]
        start = brace.end()
        around = blocks[-1]
        if deeper or (len(blocks) > _DEPTH_MAX and brace.group() == "{"):
            deeper += 1 if brace.group() == "{" else -1
            continue
        before, _, head = content.rpartition(";") if brace.group() == "{" else (content, "", "")
        if before and around.selectors is None:
            _note_layers(before, around.layer, layers)
        elif before and around.selectors and around.holds:
            layer = layers.get(around.layer, _LAYERS_MAX) if around.layer else UNLAYERED
            yield Block(around.selectors, before, layer)
        if brace.group() == "{":
            blocks.append(_begin(head.strip(), around, layers))
        elif len(blocks) > 1:
            blocks.pop()


def _set_aside(noise: re.Match[str]) -> str:
    code, mark = noise.groups()
    if code:
        point = int(code, 16)
        mark = chr(point) if 0 < point < 0x110000 and not 0xD800 <= point < 0xE000 else "\ufffd"
    if mark is None:
        return " "  # a comment
    return mark if mark.isalnum() or mark in "_-" or ord(mark) > 127 else chr(0xE000 + ord(mark))


def unescape(name: str) -> str:
    """Return the name of a class or id as pages write it: `md:flex`."""
    return _ESCAPED.sub(lambda aside: chr(ord(aside.group()) - 0xE000), name)


def rewrite(selector: str) -> str:
    r"""Return a selector as CSS writes it: `.md\:flex`."""
    return _ESCAPED.sub(lambda aside: "\\" + chr(ord(aside.group()) - 0xE000), selector)


def split_selectors(text: str) -> list[str]:
    """Return the selectors of a list, without blanks around them.

    >>> split_selectors(".a, :is(.b, .c) > d")
    ['.a', ':is(.b, .c) > d']
    """
    if "(" not in text and "[" not in text:
        return [part.strip() for part in text.split(",")]
    parts, depth, start = [], 0, 0
    for mark in _SEPARATOR.finditer(text):
        if mark.group() == ",":
            if depth == 0:
                parts.append(text[start : mark.start()].strip())
                start = mark.end()
        else:
            depth += 1 if mark.group() in "([" else -1
    return [*parts, text[start:].strip()]


def unwrap(selector: str) -> list[str]:
    """Return the selectors that a `:is(…)` or `:where(…)` around all of one holds, as compilers of CSS write.

    >>> unwrap(":is(:where(.group):hover .a)"), unwrap(":is(.a) .b")
    ([':where(.group):hover .a'], [':is(.a) .b'])
    """
    whole = _WRAPPED.fullmatch(selector)
    if whole is None:
        return [selector]
    return split_selectors(whole[1]) if _is_closed_once(whole[1]) else [selector]


def _is_closed_once(inner: str) -> bool:
    """Return whether no bracket closes before it was opened, so that what is around it is one pair."""
    depth = 0
    for mark in _SEPARATOR.finditer(inner):
        depth += {"(": 1, ")": -1}.get(mark.group(), 0)
        if depth < 0:
            return False
    return depth == 0


def _begin(head: str, around: _Open, layers: dict[str, int]) -> _Open:
    """Return the block that begins with these words: an at-rule, a rule, or a rule within a rule."""
    at_rule = _AT_RULE.match(head)
    if at_rule is None:
        nested = head if around.selectors is None else _nest(head, around.selectors)
        return _Open(nested, around.holds, around.layer)
    name, condition = at_rule[1].lower(), at_rule[2].strip()
    if name != "layer":
        return _Open(around.selectors, around.holds and _holds(name, condition), around.layer)
    layer = _note_layer(condition, around.layer, layers)
    return _Open(around.selectors, around.holds, layer)


def _holds(name: str, condition: str) -> bool:
    if name == "media":
        return media_holds(condition)
    return name == "supports" and not condition.lower().startswith("not")


def _note_layers(text: str, around: str, layers: dict[str, int]) -> None:
    """Note the order of layers that a sheet announces: `@layer base, utilities;`."""
    for names in _LAYERS.findall(text) if "@" in text else ():
        for name in names.split(","):
            _note_layer(name.strip(), around, layers)


def _note_layer(name: str, around: str, layers: dict[str, int]) -> str:
    """Return a layer's full name, and note its place among the layers; past `_LAYERS_MAX` they are as one."""
    layer = f"{around}.{name}".strip(".")[:_LAYERS_MAX] or f"({len(layers)})"  # one without a name is its own
    if len(layers) < _LAYERS_MAX:
        layers.setdefault(layer, len(layers))
    return layer


def _nest(head: str, parents: str) -> str:
    """Return the selectors of a rule that stands in a rule; "" where they are too many or too long."""
    # Long ones are not split: it would be done for each rule in them.
    if not parents or max(len(head), len(parents)) > rules.SELECTOR_MAX_CHARS:
        return ""
    outer, inner = split_selectors(parents), split_selectors(head)
    if len(outer) * len(inner) > _NESTED_MAX or any(one.count("&") > _PARENTS_MAX for one in inner):
        return ""
    found = [one.replace("&", it) if "&" in one else f"{it} {one}" for it in outer for one in inner]
    joined = ",".join(found)
    return joined if len(joined) <= rules.SELECTOR_MAX_CHARS else ""
