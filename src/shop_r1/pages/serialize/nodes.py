"""The short page as nodes: lines of texts and tags, written as HTML and read back from it."""

import re
from collections.abc import Sequence

from shop_r1.pages.parse.node import clean

NAMED_TAGS = frozenset({"a", "button", "input", "select", "option", "textarea", "summary"})
"""Tags of controls; the first attribute of each is its name."""

_UNSAFE = re.compile(r"&(?=[a-zA-Z#])|<(?=[a-zA-Z/!?])")
_TAG = re.compile(r'(</?[a-z][a-z0-9]*(?: [^\s"=<>]+(?:="[^"]*")?)*>)')
_ATTRIBUTE = re.compile(r'([^\s"=<>]+)(="[^"]*")?')

Attributes = tuple[tuple[str, str | None], ...]
"""Names and escaped values, in the order in which they are written; None for an attribute without a value."""


class Tag:
    """A start or end tag, of which `kind` is the name, with `/` before it; two written alike are equal."""

    __slots__ = ("attributes", "kind", "markup")

    def __init__(self, kind: str, attributes: Attributes = ()):
        self.kind = kind
        self.attributes = attributes
        written = "".join([_written(*each) for each in attributes]) if attributes else ""
        self.markup = f"<{kind}{written}>"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tag) and self.markup == other.markup

    def __repr__(self) -> str:
        return self.markup

    @property
    def name(self) -> str:
        """The name of a control, "" for all other tags."""
        if self.attributes and self.attributes[0][0] == "name" and self.kind in NAMED_TAGS:
            return self.attributes[0][1] or ""
        return ""

    def set_name(self, name: str) -> None:
        """Give the tag of a control its name, which is known only once all controls are."""
        self.attributes = (("name", name), *self.attributes)
        self.markup = f'<{self.kind} name="{name}"{self.markup[1 + len(self.kind) :]}'


def _written(name: str, value: str | None) -> str:
    return f" {name}" if value is None else f' {name}="{value}"'


_PLAIN: dict[str, Tag] = {}


def plain_tag(kind: str) -> Tag:
    """Return the tag without attributes; it may stand in several places."""
    tag = _PLAIN.get(kind)
    if tag is None:
        tag = _PLAIN[kind] = Tag(kind)
    return tag


Line = list[Tag | str]
"""One line of the page: tags, and texts with what is no markup in them escaped."""


def escape(text: str) -> str:
    """Return the text as HTML, with only those `&` and `<` escaped that a parser would take for markup."""
    if "&" not in text and "<" not in text:
        return text
    return _UNSAFE.sub(lambda match: "&amp;" if match.group() == "&" else "&lt;", text)


def attribute(name: str, value: str) -> tuple[str, str]:
    """Return an attribute with its value as it is written."""
    return name, escape(clean(value)).replace('"', "&quot;")


def write_line(line: Sequence[Tag | str]) -> str:
    """Return a line as HTML."""
    return "".join([node if isinstance(node, str) else node.markup for node in line])


def write_html(lines: Sequence[Line]) -> str:
    """Return the lines as HTML."""
    return "\n".join([write_line(line) for line in lines])


def read_lines(html: str) -> list[Line]:
    """Return the lines of a short page that is at hand as text; `write_html` undoes it for any text."""
    return [_read_line(line) for line in html.split("\n")]


def _read_line(text: str) -> Line:
    parts = enumerate(_TAG.split(text))  # every second part is a tag
    return [_read_tag(part) if index % 2 else part for index, part in parts if part]


def _read_tag(markup: str) -> Tag:
    kind, _, attributes = markup[1:-1].partition(" ")
    if not attributes:
        return _PLAIN.get(kind) or Tag(kind)
    tag = Tag(kind)
    found = _ATTRIBUTE.findall(attributes)
    tag.attributes = tuple([(name, value[2:-1] if value else None) for name, value in found])
    tag.markup = markup
    return tag
