"""What a simplified page says: its heading, and each element that can be acted on with its label."""

from dataclasses import dataclass
from functools import lru_cache

from selectolax.lexbor import LexborHTMLParser, LexborNode

from shop_r1.report.safe_page import clean_text

_LABEL_MAX = 80


@dataclass(frozen=True)
class NamedElement:
    """An element that can be acted on."""

    name: str
    label: str
    """What stands on it or says what it is; from its name where nothing does."""
    tag: str
    is_search: bool
    """Whether queries are typed into it."""

    @property
    def section(self) -> str:
        """The part of the page that it is in, in words; empty where it is in none."""
        return humanize(self.name.rpartition(".")[0].rpartition(".")[2])


@dataclass(frozen=True)
class PageTexts:
    """What one page says."""

    heading: str
    elements: tuple[NamedElement, ...]
    """In the page's order."""

    def find(self, name: str) -> NamedElement | None:
        """Return the element with this name."""
        return next((each for each in self.elements if each.name == name), None)

    def place(self, name: str) -> tuple[int, int] | None:
        """Return the element's place in its section, from 1, and how many elements the section has."""
        section, dot, _ = name.rpartition(".")
        names = [each.name for each in self.elements if each.name.rpartition(".")[0] == section]
        return (names.index(name) + 1, len(names)) if dot and name in names else None


@lru_cache(maxsize=512)
def read_texts(html: str) -> PageTexts:
    """Return what a simplified page says."""
    document = LexborHTMLParser(clean_text(html))
    headings = [node for tag in ("h1", "h2", "title") for node in document.css(tag)[:1]]
    named = [_element(node) for node in document.css("[name]")]
    return PageTexts(_short(headings[0].text()) if headings else "", tuple(named))


def _element(node: LexborNode) -> NamedElement:
    attributes = node.attributes
    name, tag = attributes.get("name") or "", node.tag or ""
    own = "" if tag in ("select", "textarea") else node.text()
    given = [own, attributes.get("aria-label"), attributes.get("placeholder"), attributes.get("title")]
    if tag == "input" and attributes.get("type") in ("submit", "button"):
        given.insert(0, attributes.get("value"))
    label = next((text for each in given if each and (text := _short(each))), "")
    is_search = attributes.get("type") == "search" or (tag == "input" and "search" in name.lower())
    return NamedElement(name, label or humanize(name.rpartition(".")[2]), tag, is_search)


def humanize(name: str) -> str:
    """Return a name's words.

    >>> humanize("buy_box")
    'buy box'
    """
    return _short(name.replace("_", " "))


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _LABEL_MAX else plain[: _LABEL_MAX - 1].rstrip() + "…"
