"""The recorded page as HTML, escaped, with the place in it where the element of interest begins."""

import re
from html import escape
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from shop_r1.data.rrweb.events import NodeKind
from shop_r1.data.rrweb.nodes import DomNode

MARK: Final = "data-shop-r1-mark"
"""The attribute that marks the element of interest in `Written.marked`; a page's own is left out."""

_VOID = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
})  # fmt: skip
# Written empty: code, what no shopper sees, and what a parser would read as mere text.
_EMPTIED = frozenset({
    "iframe", "frame", "noembed", "noframes", "noscript", "script", "template", "xmp",
})  # fmt: skip
_ATTRIBUTE = re.compile(r"[^\s\"'<>/=\x00-\x1f\x7f]{1,200}")
_ADDRESSES = frozenset({"href", "src"})


class Written(NamedTuple):
    """A page as HTML, and where in it the marked element's attributes begin, if it is on it."""

    html: str
    mark: int | None

    @property
    def marked(self) -> str:
        """The page with the mark on its element."""
        assert self.mark is not None, "only a page with a mark is asked for it"
        return f'{self.html[: self.mark]} {MARK}=""{self.html[self.mark :]}'


def write_page(root: DomNode, url: str, target: DomNode | None = None) -> Written:
    """Return the page as HTML.

    Frames and shadow trees are left out, scripts emptied; style elements stay, as they say what is hidden.

    Args:
        root: the document.
        url: its address. Recorders write addresses in full, pages mostly do not: those of the same shop are
            cut down to their path, so that names become what they are for the page itself.
        target: marks it, or the innermost element around it that is written; there is no mark for what is
            in a frame.
    """
    wanted = _written_around(target) if target is not None else None
    parts: list[str] = []
    size, mark = 0, None
    work: list[DomNode | str] = [root]
    while work:
        item = work.pop()
        piece = item if isinstance(item, str) else ""
        if isinstance(item, DomNode):
            if item.kind == NodeKind.ELEMENT:
                piece = f"<{item.tag}{_attributes(item, url)}>"
                if item is wanted:
                    mark = size + len(item.tag) + 1
                if item.tag not in _VOID:
                    work.append(f"</{item.tag}>")
            elif item.kind in (NodeKind.TEXT, NodeKind.CDATA):
                piece = escape(item.text, quote=False)
            elif item.kind == NodeKind.COMMENT:
                piece = "<!---->"  # what it says is of no use, but it parts the texts around it
            elif item.kind == NodeKind.DOCTYPE:
                piece = "<!DOCTYPE html>"
            _push_content(item, work)
        parts.append(piece)
        size += len(piece)
    return Written("".join(parts), mark)


def _push_content(node: DomNode, work: list[DomNode | str]) -> None:
    if node.tag == "style":
        sheet = node.attributes.get("_cssText") or node.content
        work.append(sheet.replace("</", "<\\/"))  # in CSS the same, and no end tag
    elif node.tag == "textarea" and "value" in node.attributes:
        work.append(escape(node.get("value"), quote=False))
    elif _is_open(node):
        child = node.last
        while child is not None:
            if _is_written(child):
                work.append(child)
            child = child.before


def _is_open(node: DomNode) -> bool:
    """Return whether what stands in a node is written as nodes."""
    return node.tag not in _EMPTIED and node.tag not in _VOID


def _is_written(child: DomNode) -> bool:
    return not child.is_shadow and not (child.kind == NodeKind.DOCUMENT and child.parent is not None)


def _written_around(target: DomNode) -> DomNode | None:
    """Return the innermost element at or around a node that is written, None for what is in a frame."""
    chain = list(target.around())[::-1]
    if any(node.kind == NodeKind.DOCUMENT for node in chain[1:]):
        return None
    written = None
    for node in chain[1:]:
        if not _is_written(node):
            break
        if node.kind == NodeKind.ELEMENT:
            written = node
        if not _is_open(node):
            break
    return written


def _attributes(node: DomNode, url: str) -> str:
    written: dict[str, str] = {}
    for name, value in node.attributes.items():
        name = name.lower()
        if name.startswith("rr_") or name in ("_csstext", MARK) or not _ATTRIBUTE.fullmatch(name):
            continue
        if name == "value" and node.tag in ("textarea", "select"):
            continue
        if value is None:
            written[name] = f" {name}"
        else:
            shown = _as_on_page(value, url) if name in _ADDRESSES else value
            written[name] = f' {name}="{escape(shown)}"'
    return "".join(written.values())


def _as_on_page(address: str, url: str) -> str:
    """Return an address as a page of the same shop would write it.

    >>> _as_on_page("https://shop.example/mugs?size=2", "https://shop.example/?a=1")
    '/mugs?size=2'
    >>> _as_on_page("https://shop.example/?a=1#reviews", "https://shop.example/?a=1")
    '#reviews'
    >>> _as_on_page("https://other.example/mugs", "https://shop.example/")
    'https://other.example/mugs'
    """
    page = url.partition("#")[0]
    if address.endswith("#"):
        return "#"
    if page and address.startswith(f"{page}#"):
        return address[len(page) :]
    origin = _origin(url)
    if origin and address.startswith(f"{origin}/"):
        return address[len(origin) :]
    return address


def _origin(url: str) -> str:
    try:
        parts = urlsplit(url)
    except ValueError:  # an address that is none
        return ""
    return f"{parts.scheme}://{parts.netloc}" if parts.scheme in ("http", "https") else ""
