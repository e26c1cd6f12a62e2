"""What a page says of itself in machine-readable form: product title, price, and which forms fill a cart.

Sources, the first that says something wins: JSON-LD `Product`, microdata of a type `Product`, Open Graph
and the like; for a title then the document's own, for a price the `priceAmount` in Amazon's scripts.
"""

import html
import json
import re
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from selectolax.lexbor import LexborHTMLParser, LexborNode
from tests.pages.visible import Visibility

TITLE_OVERLAP = 0.8  # of a title's words that must stand close together: og:title often adds the site's name
_TITLE_WINDOW = 1.5  # how close: within so many times the title's length in words (ours)

_WORD = re.compile(r"[^\W_]+")
_SITE_SUFFIX = re.compile(r"\s+[|–—:·-]\s+|\s*\|\s*|:\s+")
_AMOUNT = re.compile(r"\d(?:[\d.,\s']*\d)?")
_TAG = re.compile(r"<[^>]*>")
_SAID = re.compile(r"\s(?:alt|value|placeholder)=\"([^\"]*)\"")
_FORMS_NOTE = re.compile(r"forms=(\[.*?\]) fields=(\[.*\])\s*$", re.S)
_AMAZON_PRICE = re.compile(r'"priceAmount":\s*(\d+(?:\.\d+)?)')
_CART_LETTER = "b"  # Formasaurus: "order/add to cart"; X and - are forms nobody labelled


@dataclass(frozen=True, slots=True)
class ProductFacts:
    """A product's titles and prices as the page's data gives them; empty where it gives none."""

    titles: tuple[str, ...] = ()
    prices: tuple[Decimal, ...] = ()


def read_product(document: LexborHTMLParser) -> ProductFacts:
    """Return title and prices of the page's first product; each from the first source that has it."""
    titles: tuple[str, ...] = ()
    prices: tuple[Decimal, ...] = ()
    for source in (_from_json_ld, _from_microdata, _from_meta, _from_head):
        title, amounts = source(document)
        titles = titles or tuple(text for text in title if _WORD.search(text))
        prices = prices or tuple(p for p in map(read_amount, amounts) if p is not None and p > 0)
    return ProductFacts(titles, prices)


def _from_json_ld(document: LexborHTMLParser) -> tuple[list[str], list[str]]:
    for script in document.css('script[type="application/ld+json"]'):
        try:
            data = json.loads(script.text() or "", strict=False)
        except ValueError:
            continue
        for product in _products(data):
            amounts = [
                str(offer[key])
                for offer in _as_list(product.get("offers"))
                if isinstance(offer, dict)
                for key in ("price", "lowPrice")
                if offer.get(key)
            ]
            return [html.unescape(str(product.get("name") or ""))], amounts
    return [], []


def _products(data: object) -> Iterator[dict[str, Any]]:
    stack = [data]
    while stack:
        item = stack.pop()
        if isinstance(item, list):
            stack.extend(reversed(item))
        elif isinstance(item, dict):
            if "Product" in _as_list(item.get("@type")):
                yield item
            stack.extend(value for value in item.values() if isinstance(value, dict | list))


def _as_list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _from_microdata(document: LexborHTMLParser) -> tuple[list[str], list[str]]:
    for item in document.css("[itemtype]"):
        if (item.attributes.get("itemtype") or "").strip().lower().rstrip("/").endswith("/product"):
            titles = [
                _content(node) for node in item.css('[itemprop~="name"]') if _owner(node) == item.mem_id
            ]
            prices = [_content(node) for node in item.css('[itemprop~="price"], [itemprop~="lowPrice"]')]
            return titles[:1], prices[:1]
    return [], []


def _owner(node: LexborNode) -> int | None:
    """Return which item a property belongs to."""
    parent = node.parent
    while parent is not None and parent.is_element_node:
        if "itemscope" in parent.attributes or "itemtype" in parent.attributes:
            return int(parent.mem_id)
        parent = parent.parent
    return None


def _content(node: LexborNode) -> str:
    return node.attributes.get("content") or " ".join((node.text() or "").split())


def _from_meta(document: LexborHTMLParser) -> tuple[list[str], list[str]]:
    said: dict[str, str] = {}
    for meta in document.css("meta[content]"):
        attributes = meta.attributes
        key = attributes.get("property") or attributes.get("name") or attributes.get("itemprop") or ""
        said.setdefault(key.lower(), attributes.get("content") or "")
    amounts = [said.get(key, "") for key in ("og:price:amount", "product:price:amount", "price")]
    title = said.get("og:title", "")
    return [title, *_without_site(title)], [amount for amount in amounts if amount][:1]


def _from_head(document: LexborHTMLParser) -> tuple[list[str], list[str]]:
    title = document.css_first("head title")
    text = " ".join((title.text() or "").split()) if title is not None else ""
    amounts = (_AMAZON_PRICE.search(script.text() or "") for script in document.css("script"))
    amounts_in_text = (
        _AMAZON_PRICE.search(node.text() or "") for node in document.css("div[class*=twister]")
    )
    found = [match.group(1) for match in (*amounts, *amounts_in_text) if match is not None]
    return [text, *_without_site(text)], found[:1]


def _without_site(title: str) -> list[str]:
    """Return the longest part of a title that names its site too (`Red mug | Harbor`)."""
    parts = _SITE_SUFFIX.split(title)
    return [max(parts, key=len)] if len(parts) > 1 else []


def read_amount(text: str) -> Decimal | None:
    """Return the first number of a text, whichever way its thousands and cents are set apart.

    >>> [str(read_amount(text)) for text in ("$1,299.00", "1.299,00 €", "19,9", "EUR 1.299", "free")]
    ['1299.00', '1299.00', '19.9', '1299', 'None']
    """
    match = _AMOUNT.search(text)
    if match is None:
        return None
    number = re.sub(r"[\s']", "", match.group())
    cents = re.search(r"[.,](\d{1,2}|\d{4,})$", number)
    whole = number[: cents.start()] if cents else number
    return Decimal(re.sub(r"[.,]", "", whole) + (f".{cents.group(1)}" if cents else ""))


def has_price(text: str, price: Decimal, *, split: bool = False) -> bool:
    """Return whether the text holds the amount: 19.99, 19,99, 1,299.00, 1.299,00 or, without cents, 1299.

    Args:
        text: what is shown.
        price: the amount.
        split: whether cents may stand apart or joined (`$19 99`, `$1999`), as styles set them small.

    >>> has_price("now 1.299,00 €", Decimal("1299")), has_price("19.995", Decimal("19.99"))
    (True, False)
    """
    whole, cents = f"{price:.2f}".split(".")
    groups = f"{int(whole):,}".split(",")
    digits = r"[.,'\s]?".join(groups)
    mark = r"\s*[.,]?\s*" if split else r"[.,]"
    after = rf"(?:{mark}(?:00|0|-{{1,2}}|–))?" if cents == "00" else rf"{mark}{cents}"
    if cents[1] == "0" and cents != "00":
        after = rf"{mark}{cents[0]}0?"
    return re.search(rf"(?<!\d)(?<!\d[.,]){digits}{after}(?!\d|[.,]\d)", text) is not None


def has_title(text: str, title: str) -> bool:
    """Return whether the text says the title: whole, or most of its words close together.

    >>> has_title("Home > The Red Mug, 300 ml $12", "Red mug 300 ml")
    True
    """
    wanted, words = _words(title), _words(text)
    if not wanted or f" {' '.join(wanted)} " in f" {' '.join(words)} ":
        return bool(wanted)
    return _are_close(words, frozenset(wanted), max(len(wanted), round(len(wanted) * _TITLE_WINDOW)))


def _are_close(words: Sequence[str], wanted: frozenset[str], window: int) -> bool:
    inside: dict[str, int] = {}
    for index, word in enumerate(words):
        if word in wanted:
            inside[word] = inside.get(word, 0) + 1
        gone = words[index - window] if index >= window else ""
        if gone in inside:
            inside[gone] -= 1
            if not inside[gone]:
                del inside[gone]
        if len(inside) >= TITLE_OVERLAP * len(wanted):
            return True
    return False


def _words(text: str) -> list[str]:
    text = unicodedata.normalize("NFKC", html.unescape(text)).casefold()
    return _WORD.findall(text.replace("'", "").replace("’", ""))


def output_text(short_page: str) -> str:
    """Return what a reader finds on a simplified page: text, alt texts and values, but not the names."""
    spoken = _TAG.sub(lambda tag: f" {' '.join(_SAID.findall(tag.group()))} ", short_page)
    return " ".join(html.unescape(spoken).split())


def cart_forms(document: LexborHTMLParser, note: str) -> list[LexborNode] | None:
    """Return the forms that a person labelled as order forms; None where the note has none.

    The note's letters follow the page's forms in order; where the tree has another number of forms, a form
    is found by the names of its labelled fields. A form that cannot be told is left out.
    """
    match = _FORMS_NOTE.search(note)
    if match is None:
        return None
    letters, fields = json.loads(match.group(1)), json.loads(match.group(2))
    if _CART_LETTER not in letters:
        return None
    forms = document.css("form")
    wanted = [index for index, letter in enumerate(letters) if letter == _CART_LETTER]
    if len(forms) == len(letters):
        return [forms[index] for index in wanted]
    names = [{field.attributes.get("name") for field in form.css("[name]")} for form in forms]
    found = []
    for index in wanted:
        fitting = [form for form, own in zip(forms, names, strict=True) if set(fields[index]) <= own]
        found.extend(fitting[: bool(fields[index])])
    return found


def cart_controls(visibility: Visibility, form: LexborNode) -> list[LexborNode]:
    """Return what can be seen of a form's controls that send it: the first sort below that there is.

    Submit buttons; other buttons (scripts send the form); elements with a click handler (pictures, mostly).
    """
    members = _members(visibility.document, form)
    for sends in (_submits, _is_button, _is_clickable):
        controls = [node for node in members if sends(node) and visibility.sees(node)]
        if controls:
            return controls
    return []


def _members(document: LexborHTMLParser, form: LexborNode) -> list[LexborNode]:
    """Return the form's elements that may send it, each once.

    A form that begins between a table's rows holds nothing in the tree: its elements follow it there.
    """
    sought = "button, input, [onclick]"
    inside = form.css(sought)
    if not any(node.attributes.get("type") != "hidden" for node in inside):
        inside = []
        started = False
        for node in document.css(f"form, {sought}"):
            if node.tag == "form":
                started = node.mem_id == form.mem_id
            elif started:
                inside.append(node)
    return list({node.mem_id: node for node in inside}.values())


def _submits(node: LexborNode) -> bool:
    kind = (node.attributes.get("type") or "").lower()
    return (
        kind in ("submit", "image")
        if node.tag == "input"
        else node.tag == "button" and kind in ("", "submit")
    )


def _is_button(node: LexborNode) -> bool:
    kind = (node.attributes.get("type") or "").lower()
    return node.tag == "button" or (node.tag == "input" and kind == "button")


def _is_clickable(node: LexborNode) -> bool:
    return "onclick" in node.attributes
