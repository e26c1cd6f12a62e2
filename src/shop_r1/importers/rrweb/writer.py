"""The recorded page as HTML, escaped, with a mark on the element of interest."""

import re
from html import escape
from typing import Final, NamedTuple

from shop_r1.importers.rrweb.events import NodeKind
from shop_r1.importers.rrweb.nodes import DomNode
from shop_r1.pages.addresses import in_full
from shop_r1.pages.parse.document import parse_document
from shop_r1.pages.styles.hiding import hiding_of

_NUMBER: Final = "data-shop-r1-number"
MARK: Final = "data-shop-r1-mark"
"""The attribute that marks the element of interest; a page's own is left out."""

_VOID = frozenset({
    "area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source",
    "track", "wbr",
})  # fmt: skip
# Written empty: code, what no shopper sees, and what a parser would read as mere text.
_EMPTIED = frozenset({
    "iframe", "frame", "noembed", "noframes", "noscript", "script", "template", "xmp",
})  # fmt: skip
_ATTRIBUTE = re.compile(r"[^\s\"'<>/=\x00-\x1f\x7f]{1,200}")
_TAG = re.compile("<[^ >]+")
_ADDRESSES = frozenset({"href", "src"})


class _ShadowScope:
    """A shadow tree that is being written: its host, and what of the host's content waits for its slots."""

    def __init__(self, host: DomNode, outer: "_ShadowScope | None"):
        self.outer = outer  # the shadow tree in which the host itself stands, None for the page
        self.hidden = _hidden(host)  # the tree's elements that its own style elements take off the screen
        self._slotted: dict[str, list[DomNode]] = {}
        for child in host.children():
            if not child.is_shadow and child.kind in (NodeKind.ELEMENT, NodeKind.TEXT):
                self._slotted.setdefault(child.get("slot"), []).append(child)

    def take(self, slot: DomNode) -> list[DomNode]:
        """Return the host's content that a slot shows; a slot of the same name further on shows none."""
        return self._slotted.pop(slot.get("name"), [])


def _hidden(host: DomNode) -> frozenset[DomNode]:
    """Return the elements of a shadow tree that are hidden by rules of its own, which hold in it alone."""
    nodes, html = _write_tree(host)
    sheets = [sheet for node in nodes if (sheet := _sheet_of(node))]
    if not sheets:
        return frozenset()
    document = parse_document(f"<style>{' '.join(sheets)}</style>{html}")
    hiding = hiding_of(document, document.css("style"))
    if hiding is None:
        return frozenset()
    numbered = document.css(f"[{_NUMBER}]")
    hidden = (each for each in numbered if hiding.hides(each, each.tag or "", each.attributes))
    return frozenset(nodes[int(each.attributes[_NUMBER] or 0)] for each in hidden)


def _write_tree(host: DomNode) -> tuple[list[DomNode], str]:
    """Return the elements of a shadow tree, without trees within it, and as HTML what style rules match on.

    In the HTML an element has its number in the list.
    """
    nodes: list[DomNode] = []
    parts: list[str] = []
    work: list[DomNode | str] = []
    work += [child for child in host.children() if child.is_shadow][::-1]
    while work:
        node = work.pop()
        if isinstance(node, str):
            parts.append(node)
        elif node.kind == NodeKind.ELEMENT:
            matched = "".join(f' {name}="{escape(node.get(name))}"' for name in ("id", "class"))
            tag = "div" if node.tag in ("style", "script") else node.tag  # their content is no element
            parts.append(f'<{tag} {_NUMBER}="{len(nodes)}"{matched}>')
            nodes.append(node)
            work.append(f"</{tag}>")
            work += [child for child in node.children() if not child.is_shadow][::-1]
    return nodes, "".join(parts)


def _sheet_of(node: DomNode) -> str:
    """Return the style sheet that an element holds or, a link, has had read for it; "" if there is none."""
    if node.tag not in ("style", "link"):
        return ""
    sheet = node.get("_cssText") or (node.content if node.tag == "style" else "")
    return sheet.replace("</", "<\\/")  # in CSS the same, and no end tag


class _Place(NamedTuple):
    """A node that is to be written, or what closes one, and the shadow tree that it stands in."""

    content: DomNode | str
    scope: _ShadowScope | None


def write_page(root: DomNode, url: str, target: DomNode | None = None) -> str:
    """Return the page as HTML, as it is shown.

    Frames are left out, scripts emptied. Style elements stay, and links whose style sheet the recorder read
    become such, as they say what is hidden. Of an element with a shadow tree the tree is written, with the
    element's own content in its slots; what style elements in the tree hide is marked as hidden.

    Args:
        root: the document.
        url: its address. Recorders write addresses in full, pages mostly do not: those of the same shop are
            cut down to their path, so that names become what they are for the page itself.
        target: marks it, or the innermost element around it that is written; there is no mark for what is
            in a frame.
    """
    around = _depths(target, root) if target is not None else {}
    parts: list[str] = []
    depth, innermost = -1, 0  # of the start tags around the target, and its place in `parts`
    work = [_Place(root, None)]
    while work:
        content, scope = work.pop()
        if isinstance(content, str):
            parts.append(content)
            continue
        if content.kind == NodeKind.ELEMENT and around.get(content, -1) > depth:
            depth, innermost = around[content], len(parts)
        parts.append(_write_start(content, scope, url))
        _push_content(content, scope, work)
    if depth >= 0:
        parts[innermost] = _TAG.sub(rf'\g<0> {MARK}=""', parts[innermost], 1)
    return "".join(parts)


def _depths(target: DomNode, root: DomNode) -> dict[DomNode, int]:
    """Return a node and what it stands in, each with its depth; nothing for what is in a frame."""
    chain = list(target.around())[::-1]
    in_frame = chain[0] is not root or any(node.kind == NodeKind.DOCUMENT for node in chain[1:])
    return {} if in_frame else {node: depth for depth, node in enumerate(chain)}


def _tag(node: DomNode) -> str:
    """Return the tag that an element is written with."""
    return "style" if node.tag == "link" and node.get("_cssText") else node.tag


def _write_start(node: DomNode, scope: _ShadowScope | None, url: str) -> str:
    """Return a node without what is in it."""
    match node.kind:
        case NodeKind.ELEMENT:
            hidden = ' hidden=""' if scope is not None and node in scope.hidden else ""
            return f"<{_tag(node)}{hidden}{_attributes(node, url)}>"
        case NodeKind.TEXT | NodeKind.CDATA:
            return escape(node.text, quote=False)
        case NodeKind.COMMENT:
            return "<!---->"  # what it says is of no use, but it parts the texts around it
        case NodeKind.DOCTYPE:
            return "<!DOCTYPE html>"
        case NodeKind.DOCUMENT:
            return ""


def _push_content(node: DomNode, scope: _ShadowScope | None, work: list[_Place]) -> None:
    tag = _tag(node)
    if node.kind == NodeKind.ELEMENT and tag not in _VOID:
        work.append(_Place(f"</{tag}>", scope))
    if tag == "style":
        work.append(_Place("" if scope is not None else _sheet_of(node), scope))
    elif node.tag == "textarea" and "value" in node.attributes:
        work.append(_Place(escape(node.get("value"), quote=False), scope))
    elif tag not in _EMPTIED and tag not in _VOID:
        work += _shown_in(node, scope)[::-1]


def _shown_in(node: DomNode, scope: _ShadowScope | None) -> list[_Place]:
    """Return what is shown in an element: its shadow tree if it has one, in a slot the host's content."""
    children = [child for child in node.children() if child.kind != NodeKind.DOCUMENT]  # without frames
    if shadow := [child for child in children if child.is_shadow]:
        inner = _ShadowScope(node, scope)
        return [_Place(child, inner) for child in shadow]
    if scope is not None and node.tag == "slot" and (slotted := scope.take(node)):
        return [_Place(child, scope.outer) for child in slotted]
    return [_Place(child, scope) for child in children]


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
    shop = in_full("/", url)
    is_shops = shop.startswith(("http://", "https://")) and address.startswith(shop)
    return address[len(shop) - 1 :] if is_shops else address
