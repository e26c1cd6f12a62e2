"""How a control is printed: its type, state and value."""

from shop_r1.pages import rules
from shop_r1.pages.node import Node, visible_text
from shop_r1.pages.writer import attribute, clean

_STATE_ATTRIBUTES = frozenset({"checked", "selected", "disabled", *(state[0] for state in rules.ARIA_STATES)})


def input_markup(node: Node, index: int, label: str, *, simplified: bool) -> str:
    r"""Return an input's start tag; `\\0index\\0` stands where its name goes.

    A placeholder is kept unless it has become the label: then the name says it.
    """
    kind = node.get("type").lower()
    parts = [f'<input name="\0{index}\0"']
    if kind in rules.TEXT_TYPES - {"text"} or kind in ("checkbox", "radio", "range", "file", "color"):
        parts.append(f' type="{kind}"')
    if kind not in ("checkbox", "radio") and clean(node.get("value")):
        parts.append(attribute("value", node.get("value")))
    placeholder = clean(node.get("placeholder"))
    if placeholder and (simplified or placeholder != label):
        parts.append(attribute("placeholder", placeholder))
    return "".join(parts) + state_markup(node, simplified=simplified) + ">"


def state_markup(node: Node, *, simplified: bool) -> str:
    """Return a control's states as attributes without values."""
    return "".join(f" {word}" for word in states_of(node, simplified=simplified))


def heading_level(node: Node) -> int:
    """Return a heading's level, 1 to 6; 2 where a role alone makes it one."""
    if node.tag in rules.HEADING_TAGS:
        return rules.HEADING_TAGS[node.tag]
    level = node.get("aria-level")
    return min(6, max(1, int(level))) if level.isdecimal() and len(level) < 3 else 2


def states_of(node: Node, *, simplified: bool) -> tuple[str, ...]:
    """Return the states that a shopper sees, in the rules' order."""
    attributes = node.attributes
    if not attributes:
        return ()
    if simplified:
        return tuple(word for word in rules.STATE_WORDS if word in attributes)
    if _STATE_ATTRIBUTES.isdisjoint(attributes):
        return ()
    found: set[str] = {word for word in ("checked", "selected", "disabled") if word in attributes}
    for name, values, word in rules.ARIA_STATES:
        if attributes.get(name) in values:
            found.add(word)
    return tuple(word for word in rules.STATE_WORDS if word in found)


def role_of(node: Node) -> str:
    """Return the role that the page gives a control, else its tag's own."""
    given = node.role
    if given in rules.ACTION_ROLES:
        return given
    kind = node.get("type").lower()
    match node.tag:
        case "a" | "area":
            return "link"
        case "button":
            return kind if kind in ("button", "reset") else "submit"
        case "select":
            return "combobox"
        case "textarea":
            return "textbox"
        case "option":
            return "option"
        case "input":
            if kind in ("checkbox", "radio", "button", "reset"):
                return kind
            return "submit" if kind in ("submit", "image") else "searchbox" if kind == "search" else "textbox"
    return "button"


def value_of(node: Node) -> str | None:
    """Return what a field holds, or what an option or button sends; None where there is none."""
    match node.tag:
        case "input" | "button":
            return node.attributes.get("value")
        case "option":
            return node.attributes.get("value") if "value" in node.attributes else visible_text(node)
        case "textarea":
            return "".join(child for child in node.children if isinstance(child, str))
    return None
