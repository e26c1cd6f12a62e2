"""Shadow trees: what of a custom element is shown, and what the style elements in it hide."""

from html import escape
from typing import Final

from shop_r1.importers.rrweb.events import NodeKind
from shop_r1.importers.rrweb.nodes import DomNode
from shop_r1.pages.parse.document import parse_document
from shop_r1.pages.parse.styles import hiding_of

_NUMBER: Final = "data-shop-r1-number"


class ShadowScope:
    """A shadow tree that is being written: its host, and what of the host's content waits for its slots.

    Attributes:
        outer: the shadow tree in which the host itself stands, None for the page.
        hidden: the tree's elements that its own style elements take off the screen.
    """

    def __init__(self, host: DomNode, outer: "ShadowScope | None"):
        self.outer = outer
        self.hidden = _hidden(host)
        self._slotted: dict[str, list[DomNode]] = {}
        for child in host.children():
            if not child.is_shadow and child.kind in (NodeKind.ELEMENT, NodeKind.TEXT):
                self._slotted.setdefault(child.get("slot"), []).append(child)

    def take(self, slot: DomNode) -> list[DomNode]:
        """Return the host's content that a slot shows; a slot of the same name further on shows none."""
        return self._slotted.pop(slot.get("name"), [])


def has_shadow(node: DomNode) -> bool:
    """Return whether a node has a shadow tree, which is then what is shown of it."""
    return any(child.is_shadow for child in node.children())


def _hidden(host: DomNode) -> frozenset[DomNode]:
    """Return the elements of a shadow tree that are hidden by rules of its own, which hold in it alone."""
    nodes, html = _write_tree(host)
    sheets = [sheet for node in nodes if (sheet := sheet_of(node))]
    if not sheets:
        return frozenset()
    document = parse_document(f"<style>{' '.join(sheets)}</style>{html}")
    hiding = hiding_of(document)
    if hiding is None:
        return frozenset()
    numbered = document.css(f"[{_NUMBER}]")
    hidden = (each for each in numbered if hiding.hides(each, each.tag or "", each.attributes))
    return frozenset(nodes[int(each.attributes[_NUMBER] or 0)] for each in hidden)


def _write_tree(host: DomNode) -> tuple[list[DomNode], str]:
    """Return the elements of a shadow tree, those of trees within it not, and as HTML what rules ask of them.

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
            asked = "".join(f' {name}="{escape(node.get(name))}"' for name in ("id", "class"))
            tag = "div" if node.tag in ("style", "script") else node.tag  # their content is no element
            parts.append(f'<{tag} {_NUMBER}="{len(nodes)}"{asked}>')
            nodes.append(node)
            work.append(f"</{tag}>")
            work += [child for child in node.children() if not child.is_shadow][::-1]
    return nodes, "".join(parts)


def sheet_of(node: DomNode) -> str:
    """Return the style sheet that an element holds or, a link, has had read for it; "" if there is none."""
    if node.tag not in ("style", "link"):
        return ""
    sheet = node.get("_cssText") or (node.content if node.tag == "style" else "")
    return sheet.replace("</", "<\\/")  # in CSS the same, and no end tag
