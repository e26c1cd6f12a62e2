"""What takes an element off the screen, and which hidden part is the page itself.

How attribute values are compared: those that HTML gives a list of values (`type`, `contenteditable`,
`method`, `enctype`, `shadowrootmode`) without regard to ASCII case; boolean attributes (`inert`, `open`,
`checked`), and `hidden` and `popover`, whose every value hides, by being there; `tabindex` as an integer;
ARIA's tokens and roles without regard to case, as browsers do; ids, classes and names exactly.
"""

import re
from typing import Final

from selectolax.lexbor import LexborNode

from shop_r1.pages import rules
from shop_r1.pages.parse.node import WORD, Attributes
from shop_r1.pages.parse.tree import Tree
from shop_r1.pages.styles.hiding import Hiding

_HIDDEN_STYLE = re.compile(rules.HIDDEN_STYLE, re.I)
_SHOWN_STYLE = re.compile(rules.SHOWN_STYLE, re.I)
_COLLAPSED_MENU = re.compile(rules.COLLAPSED_MENU, re.I)
_ACTING = frozenset(name for name, bits in rules.ATTRIBUTE_BITS.items() if bits & rules.ACTS)
_DETAILS: Final = rules.INLINE_TAGS | {"li", "option", "tr", "td"}
INERT = -1
"""Among the elements that are shown though hidden: everything that is inert."""
# Reasons for which a whole page may be hidden that a shopper saw.
_COVERING: Final = frozenset({"hidden", "aria_hidden", "hidden_style", "style_rule"})


def hidden_reason(source: LexborNode, tag: str, attributes: Attributes, hiding: Hiding | None) -> str | None:
    """Return the word (`rules.REASONS`) for why an element is not seen, None where it is."""
    if (attributes.get("aria-hidden") or "").lower() == "true":
        return "aria_hidden"
    style = attributes.get("style")
    if style and _HIDDEN_STYLE.search(style):
        return None if _COLLAPSED_MENU.search(attributes.get("class") or "") else "hidden_style"
    if tag == "input" and (attributes.get("type") or "").lower() == "hidden":
        return "hidden_input"
    by_default = _hidden_by_default(tag, attributes)
    if by_default and not (style and _SHOWN_STYLE.search(style)):
        return by_default
    if tag == "img" and not WORD.search(attributes.get("alt") or attributes.get("title") or ""):
        return None if _ACTING.intersection(attributes) else "image_without_alt"
    if hiding is not None and hiding.hides(source, tag, attributes):
        return None if _COLLAPSED_MENU.search(attributes.get("class") or "") else "style_rule"
    return None


def _hidden_by_default(tag: str, attributes: Attributes) -> str:
    """Return why a browser's own style sheet hides an element, "" where it does not.

    `hidden=until-found` is hidden too: only a search in the page or a link to it shows it.
    """
    if "hidden" in attributes:
        return "hidden"
    if tag == "dialog":
        return "" if "open" in attributes else "closed_dialog"
    return "closed_popover" if "popover" in attributes else ""


def may_cover(tag: str, reason: str) -> bool:
    """Return whether a hidden part may be a whole page rather than a detail of one."""
    return reason in _COVERING and tag not in _DETAILS


def page_within(tree: Tree) -> dict[int, str]:
    """Return the hidden elements that may be the page itself, with the reason; {} where there are none.

    Beside something that can be seen, one that holds the page's main part or title; alone, the one that holds
    nearly all that is hidden. What is only hidden from screen readers is taken with its siblings that are so.
    """
    if tree.dropped["inert"] and not tree.root.controls:
        return {INERT: "inert"}
    if tree.root.controls > rules.WRAPPER_REST_MAX:
        return {}
    is_empty = not (tree.root.controls or tree.characters)
    sizes = [
        (size, hidden)
        for hidden in tree.hidden
        if (size := count_actions(hidden.source)) >= tree.root.controls
        and ((is_empty and size) or hidden.source.css_first("main, h1, [role=main]") is not None)
    ]
    if not sizes:
        return {}
    size, best = max(sizes, key=lambda found: found[0])
    group = [best]
    if best.reason == "aria_hidden" and best.source.parent is not None:
        key = best.source.parent.mem_id
        group = [
            hidden
            for hidden in tree.hidden
            if hidden.reason == best.reason and hidden.source.parent and hidden.source.parent.mem_id == key
        ]
    elif size < rules.WRAPPER_SHARE * sum(found[0] for found in sizes):
        return {}
    return {hidden.source.mem_id: hidden.reason for hidden in group}


def is_nearly_all(fuller: Tree, rest: Tree) -> bool:
    """Return whether next to nothing was there before the hidden part was shown."""
    left = 1 - rules.WRAPPER_SHARE
    if fuller.shown["inert"]:
        return fuller.root.controls > 0 and not rest.root.controls
    said = fuller.characters
    return (
        said + fuller.root.controls > 0
        and rest.root.controls <= left * fuller.root.controls
        and rest.characters <= max(left * said, rules.WRAPPER_REST_CHARS if not rest.root.controls else 0)
    )


def count_actions(source: LexborNode) -> int:
    """Return about how many elements at and below one can be acted on."""
    return len(source.css("a[href], button, input, select, textarea"))
