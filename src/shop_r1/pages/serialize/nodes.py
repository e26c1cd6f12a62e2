"""The short page as nodes: lines of texts and tags, written as HTML and read back from it."""

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import NamedTuple

from shop_r1.pages.parse.node import clean

NAMED_TAGS = frozenset({"a", "button", "input", "select", "option", "textarea", "summary"})
"""Tags of controls; the first attribute of each is its name."""

_UNSAFE = re.compile(r"&(?=[a-zA-Z#])|<(?=[a-zA-Z/!?])")
_TAG = re.compile(r'<(/?[a-z][a-z0-9]*)((?: [^\s"=<>]+(?:="[^"]*")?)*)>')
_ATTRIBUTE = re.compile(r'([^\s"=<>]+)(="[^"]*")?')

Attributes = tuple[tuple[str, str | None], ...]
"""Names and escaped values, in the order in which they are written; None for an attribute without a value."""


class Tag:
    """A start or end tag, of which `kind` is the name, with `/` before it."""

    __slots__ = ("attributes", "kind", "markup", "name")

    def __init__(self, kind: str, attributes: Attributes = (), markup: str = ""):
        self.kind = kind
        self.attributes = attributes
        self.name = ""
        """The name of a control, "" for all other tags and until it is known."""
        if not markup:
            written = [f" {name}" if value is None else f' {name}="{value}"' for name, value in attributes]
            markup = f"<{kind}{''.join(written)}>" if written else f"<{kind}>"
        self.markup = markup
        if attributes and attributes[0][0] == "name" and kind in NAMED_TAGS:
            self.name = attributes[0][1] or ""

    def set_name(self, name: str) -> None:
        """Give the tag of a control its name, which is known only once all controls are."""
        self.name = name
        self.attributes = (("name", name), *self.attributes)
        self.markup = f'<{self.kind} name="{name}"{self.markup[1 + len(self.kind) :]}'


Nodes = list[Tag | str]
"""Tags, and texts with what is no markup in them escaped."""


class Line(NamedTuple):
    """One line of the page: as HTML, and the nodes that it is made of."""

    html: str
    nodes: Nodes


@lru_cache(maxsize=256)
def plain_tag(kind: str) -> Tag:
    """Return the tag without attributes; it may stand in several places."""
    return Tag(kind)


def escape(text: str) -> str:
    """Return the text as HTML, with only those `&` and `<` escaped that a parser would take for markup."""
    if "&" not in text and "<" not in text:
        return text
    return _UNSAFE.sub(lambda match: "&amp;" if match.group() == "&" else "&lt;", text)


def attribute(name: str, value: str) -> tuple[str, str]:
    """Return an attribute with its value as it is written."""
    return name, escape(clean(value)).replace('"', "&quot;")


def write_line(nodes: Nodes) -> Line:
    """Return a line of these nodes."""
    return Line("".join([node if isinstance(node, str) else node.markup for node in nodes]), nodes)


def write_html(lines: Iterable[Line]) -> str:
    """Return the lines as HTML."""
    return "\n".join([line.html for line in lines])


def read_lines(html: str) -> list[Line]:
    """Return the lines of a short page that is at hand as text; `write_html` undoes it for any text."""
    lines = []
    for text in html.split("\n"):
        between, *parts = _TAG.split(text)
        nodes: Nodes = [between] if between else []
        for kind, attributes, between in zip(parts[::3], parts[1::3], parts[2::3], strict=True):
            nodes.append(_read_tag(kind, attributes) if attributes else plain_tag(kind))
            if between:
                nodes.append(between)
        lines.append(Line(text, nodes))
    return lines


def _read_tag(kind: str, written: str) -> Tag:
    attributes = [(name, value[2:-1] if value else None) for name, value in _ATTRIBUTE.findall(written)]
    return Tag(kind, tuple(attributes), f"<{kind}{written}>")
