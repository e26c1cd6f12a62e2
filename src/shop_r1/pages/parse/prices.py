"""Prices whose cents stand in an element of their own: `$12<sup>99</sup>` reads $12.99, not $1299."""

import re
from itertools import islice

from selectolax.lexbor import LexborNode

from shop_r1.pages import rules
from shop_r1.pages.parse.node import Node
from shop_r1.pages.parse.shadow_roots import ancestors

_CURRENCY = (
    r"(?:[$€£¥₹₽₩₺₴₪₫₱฿¢]|R\$|zł|Kč|Ft\b|kr\b|лв|руб"
    r"|\b(?:USD|EUR|GBP|CHF|CAD|AUD|PLN|SEK|NOK|DKK|CZK|HUF|RON|TRY|BRL|MXN)\b)"
)
_FRACTION = re.compile(rf"\s*(\d{{2,3}})\s*(?:{_CURRENCY}\s*)?")
_WHOLE = re.compile(r"(?:^|[^\d.,])((\d{1,3}(?:([.,'’\u00a0\u202f ])\d{3})+|\d{1,7}))$")
_CURRENCY_BEFORE = re.compile(rf"{_CURRENCY}\s*[\d.,'’\u00a0\u202f ]+$")
_CURRENCY_AT_START = re.compile(rf"\s*{_CURRENCY}")
_COMPLETE = re.compile(r"\d[.,]\d{2}$")
_CENTS_CLASS = re.compile(
    r"(?:^|[\s_-])(?:cents?|fraction(?:al)?|decimals?|minor|subunit|centimes?|centavos?|kop(?:eck|eyka)?s?)(?:$|[\s_-])",
    re.I,
)
_PRICE_CLASS = re.compile(r"price|amount|cost|preis|prix|precio|prezzo|preco|cena\b|currency", re.I)
_RAISED = frozenset({"sup", "sub", "small"})
_MAY_HOLD_CENTS = _RAISED | {"span", "i", "em", "b", "strong", "font", "u"}
_NEAR = 24  # characters before and after that are looked at
_CLIMB_MAX = 4  # elements around the cents (ours)


def cents(text: str, node: Node, source: LexborNode) -> str:
    """Return a text with the separator that its styling stands for in front, or the text itself.

    Only where it is all that its element holds, two digits directly after a whole number, and something says
    that this is a price: a currency before or after, or a class. Then the separator is a point (a comma
    where the whole has points of its own); three raised digits after a euro sign get the point that both
    1.249 (a thousand) and 1.249 (a price by the litre) are written with, after other currencies a blank.

    The text begins with a digit; its element has been read as far as that, and `source` is the text's node.
    """
    fraction = _FRACTION.fullmatch(text)
    if (
        fraction is None
        or node.tag not in _MAY_HOLD_CENTS
        or source.prev is not None
        or source.next is not None
    ):
        return text
    before = _text_before(node)
    whole = _WHOLE.search(before)
    if whole is None:
        is_note = node.tag in _RAISED and _COMPLETE.search(before) is not None
        return f" {text}" if is_note else text
    if not _is_price(before, text[fraction.end(1) :], node, source):
        return text
    if len(fraction.group(1)) == 3:
        if node.tag not in _RAISED or whole.group(3) or len(whole.group(1)) > 3:
            return text
        return f".{text.lstrip()}" if "€" in before else f" {text}"
    return f"{',' if whole.group(3) == '.' else '.'}{text.lstrip()}"


def _is_price(before: str, after: str, node: Node, source: LexborNode) -> bool:
    """Return whether digits set apart after a whole number are its cents."""
    is_raised = node.tag in _RAISED or _CENTS_CLASS.search(node.get("class")) is not None
    has_currency = (
        _CURRENCY_BEFORE.search(before) is not None
        or _CURRENCY_AT_START.match(after + _text_after(source)) is not None
    )
    if not is_raised:
        return has_currency and _stands_in_own_elements(source)
    return has_currency or any(
        _PRICE_CLASS.search(f"{around.get('class')} {around.get('itemprop')}")
        for around in (node, *node.ancestors(_CLIMB_MAX - 1))
    )


def _stands_in_own_elements(source: LexborNode) -> bool:
    """Return whether currency, whole and cents each stand alone in one of three elements of one tag."""
    own = source.parent
    whole = own.prev if own is not None else None
    symbol = whole.prev if whole is not None else None
    if own is None or whole is None or symbol is None or not own.tag == whole.tag == symbol.tag:
        return False
    return (whole.text() or "").strip().isdecimal() and _CURRENCY_AT_START.match(
        symbol.text() or ""
    ) is not None


def _text_before(node: Node) -> str:
    """Return the end of what is read directly before an element on its line."""
    text = ""
    for around in node.ancestors(_CLIMB_MAX):
        if node.tag not in rules.INLINE_TAGS:
            break
        siblings = around.children
        for child in reversed(siblings[:-1] if siblings and siblings[-1] is node else siblings):
            if child is None or (
                isinstance(child, Node) and (child.tag not in rules.INLINE_TAGS or child.control)
            ):
                return text
            text = (child if isinstance(child, str) else child.text) + text
            if len(text) > _NEAR:
                return text
        node = around
    return text


def _text_after(source: LexborNode) -> str:
    """Return the beginning of what stands directly after an element on its line."""
    text = ""
    for node in islice(ancestors(source), _CLIMB_MAX):
        if node.tag not in rules.INLINE_TAGS:
            break
        following = node.next
        while following is not None and following.tag in rules.INLINE_TAGS | {"-text", "-comment"}:
            said = following.text_content if following.tag == "-text" else following.text()
            text += (said or "")[:_NEAR]
            if len(text) > _NEAR:
                return text
            following = following.next
        if following is not None:
            break
    return text
