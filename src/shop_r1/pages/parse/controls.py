"""What can be acted on, and its role, states and value."""

import re

from shop_r1.pages import rules
from shop_r1.pages.parse.node import Attributes, Node, role_in

_TAG_ROLES = {"a": "link", "area": "link", "select": "combobox", "textarea": "textbox", "option": "option"}
_EDITABLE = frozenset({"", "true", "plaintext-only"})
# Tab stops at an element whose tabindex is not negative: by HTML's rules, `0`, `+3` and ` 1px` are not.
_NOT_NEGATIVE = re.compile(r"[ \t\n\f\r]*(?:\+?[0-9]|-0+(?![0-9]))")


def printed_tag(tag: str, attributes: Attributes) -> str:
    """Return the tag that an element is printed as if it can be acted on, else ""."""
    match tag:
        case "a" | "area":
            if not rules.LINK_ATTRIBUTES.isdisjoint(attributes) or (
                attributes.get("name") and "role" in attributes
            ):
                return "a"
        case "button" | "select" | "textarea" | "summary" | "option":
            return tag
        case "input":
            return "button" if (attributes.get("type") or "").lower() in rules.BUTTON_TYPES else "input"
    role = role_in(attributes.get("role"))
    if role in rules.ACTION_ROLES:
        return rules.ACTION_ROLES[role]
    if "onclick" in attributes or _NOT_NEGATIVE.match(attributes.get("tabindex") or ""):
        return "button"
    editable = attributes.get("contenteditable", "false")
    return "button" if (editable or "").lower() in _EDITABLE else ""


def heading_level(node: Node) -> int:
    """Return a heading's level, 1 to 6; 2 where a role alone makes it one."""
    if node.tag in rules.HEADING_TAGS:
        return rules.HEADING_TAGS[node.tag]
    level = node.get("aria-level")
    return min(6, max(1, int(level))) if level.isdecimal() and len(level) < 3 else 2


def states_of(node: Node, *, simplified: bool) -> tuple[str, ...]:
    """Return the states that a shopper sees, in the rules' order."""
    attributes = node.choice or node.attributes
    if not (node.bits & rules.STATES or node.choice):
        return ()
    if simplified:
        return tuple(word for word in rules.STATE_WORDS if word in attributes)
    found: set[str] = {word for word in ("checked", "selected", "disabled") if word in attributes}
    for name, values, word in rules.ARIA_STATES:
        if (attributes.get(name) or "").lower() in values:
            found.add(word)
    return tuple(word for word in rules.STATE_WORDS if word in found)


def role_of(node: Node) -> str:
    """Return the role that the page gives a control, else its tag's own."""
    if "role" in node.attributes and (given := node.role) in rules.ACTION_ROLES:
        return given
    kind = (node.attributes.get("type") or "").lower()
    match node.tag:
        case "label":
            return ((node.choice or {}).get("type") or "button").lower()
        case "button":
            return kind if kind in ("button", "reset") else "submit"
        case "input":
            if kind in ("checkbox", "radio", "button", "reset"):
                return kind
            if kind == "range":
                return "slider"
            return "submit" if kind in ("submit", "image") else "searchbox" if kind == "search" else "textbox"
    return _TAG_ROLES.get(node.tag, "button")


def value_of(node: Node) -> str | None:
    """Return what a field holds, or what an option or button sends; None where there is none."""
    match node.tag:
        case "input" | "button":
            return node.attributes.get("value")
        case "option":
            return node.attributes.get("value", node.text)
        case "textarea":
            return "".join(child for child in node.children if isinstance(child, str))
    return None
