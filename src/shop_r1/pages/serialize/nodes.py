"""The short page as nodes: lines of texts and tags, written as HTML and read back from it."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shop_r1.pages.parse.node import clean

NAMED_TAGS = frozenset({"a", "button", "input", "select", "option", "textarea", "summary"})
"""Tags of controls; the first attribute of each is its name."""

_UNSAFE = re.compile(r"&(?=[a-zA-Z#])|<(?=[a-zA-Z/!?])")
_TAG = re.compile(r'(</?[a-z][a-z0-9]*(?: [^\s"=<>]+(?:="[^"]*")?)*>)')
_ATTRIBUTE = re.compile(r' ([^\s"=<>]+)(?:="([^"]*)")?')

Attributes = tuple[tuple[str, str | None], ...]
"""Names and escaped values, in the order in which they are written; None for an attribute without a value."""


@dataclass(slots=True)
class Tag:
    """A start or end tag.

    Attributes:
        kind: the tag's name, with `/` before an end tag's.
        attributes: of a start tag.
    """

    kind: str
    attributes: Attributes = ()

    @property
    def name(self) -> str:
        """The name of a control, "" for all other tags."""
        if self.attributes and self.attributes[0][0] == "name" and self.kind in NAMED_TAGS:
            return self.attributes[0][1] or ""
        return ""

    @property
    def markup(self) -> str:
        """The tag as HTML."""
        if not self.attributes:
            return f"<{self.kind}>"
        written = [f" {name}" if value is None else f' {name}="{value}"' for name, value in self.attributes]
        return f"<{self.kind}{''.join(written)}>"


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
    known: dict[str, Tag] = {}
    return [_read_line(line, known) for line in html.split("\n")]


def _read_line(text: str, known: dict[str, Tag]) -> Line:
    line: Line = []
    for place, part in enumerate(_TAG.split(text)):
        if place % 2 == 0:  # every second part is a tag
            if part:
                line.append(part)
            continue
        tag = known.get(part)
        if tag is None:
            kind, _, _ = part[1:-1].partition(" ")
            found = _ATTRIBUTE.finditer(part, 1 + len(kind))
            tag = known[part] = Tag(kind, tuple([(each.group(1), each.group(2)) for each in found]))
        line.append(tag)
    return line
