"""Declarative shadow roots: their trees become part of the document, and slots show the host's own children.

The root of a shadow tree stands after the children of its host, so that their paths stay what they are in a
live page. A path into a shadow tree leads through it (`*:nth-child(3)`) and holds for `locate`; in a live
page `document.querySelector` does not reach there, and one goes by `host.shadowRoot`.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import Final

from selectolax.lexbor import LexborHTMLParser, LexborNode

from shop_r1.pages.parse.node import Node

SHADOW_TAG: Final = "#shadow-root"
"""The tag of a shadow tree's root; no page can write it."""

# `shadowrootmode` is the standard's; Chromium's MHTML, older Chromium and SingleFile write the others.
_MODES: Final = ("shadowrootmode", "shadowmode", "shadowroot")
# Elements that may have a shadow root (DOM standard, section 4.8), beside those with a hyphen in their name.
_HOSTS: Final = frozenset({
    "article", "aside", "blockquote", "body", "div", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header",
    "main", "nav", "p", "section", "span",
})  # fmt: skip
_HINT: Final = re.compile(r"<template\s[^>]*\bshadow(?:root)?(?:mode)?\b", re.I)


Slots = Mapping[int, Collection[str]]
"""Of each shadow host, told by its `mem_id`, the names of its tree's slots, "" for the default one."""


def attach_shadow_roots(document: LexborHTMLParser, text: str) -> Slots:
    """Put each declarative shadow root of a document parsed from `text` into its host; return their slots."""
    slots: dict[int, set[str]] = {}
    if "<template" not in text or _HINT.search(text) is None:
        return slots
    work: list[LexborHTMLParser | LexborNode] = [document]
    while work:
        for fragment in work.pop().template_fragments():
            template = fragment.parent
            host = template.parent if template is not None else None
            if template is None or host is None or host.mem_id in slots or not _is_root(template, host):
                continue
            host.insert_child(document.create_node(SHADOW_TAG), move=True)
            root = host.last_child
            assert root is not None, "it was just put there"
            for child in list(fragment.iter(include_text=True)):
                root.insert_child(child, move=True)
            template.decompose()
            # The trees within this one are still templates: the slots that are found are its own.
            slots[host.mem_id] = {slot.attributes.get("name") or "" for slot in root.css("slot")}
            work.append(root)
    return slots


def _is_root(template: LexborNode, host: LexborNode) -> bool:
    mode = next((template.attributes[name] for name in _MODES if name in template.attributes), None)
    return (mode or "").lower() in ("open", "closed") and (host.tag in _HOSTS or "-" in (host.tag or ""))


def shadow_root_of(node: LexborNode) -> LexborNode | None:
    """Return the root of the shadow tree that a node stands in, None for the document's own nodes."""
    return next((around for around in ancestors(node) if around.tag == SHADOW_TAG), None)


def ancestors(node: LexborNode) -> Iterator[LexborNode]:
    """Yield what is around a node, from the inside out."""
    around = node.parent
    while around is not None:
        yield around
        around = around.parent


def fill_slot(slot: Node) -> None:
    """Put into a slot what its host has for it; without any, its own content is shown."""
    host = next((around.parent for around in slot.ancestors() if around.tag == SHADOW_TAG), None)
    if host is None or not host.light:
        return
    name = slot.get("name")
    taken = [child for child in host.light if (child.get("slot") if isinstance(child, Node) else "") == name]
    if not any(isinstance(child, Node) or (child and not child.isspace()) for child in taken):
        return
    host.light = [child for child in host.light if child not in taken]
    slot.children.extend(taken)
    for child in taken:
        if isinstance(child, Node):
            child.place, child.parent = child.parent, slot
            slot.controls += child.controls + bool(child.control)
            slot.heading = slot.heading or child.heading
            slot.link = slot.link or child.link
            slot.image = slot.image or child.image
