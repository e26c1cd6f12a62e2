"""How a control is printed: its type, state and value."""

from shop_r1.pages import rules
from shop_r1.pages.elements import Element
from shop_r1.pages.parse.node import Node
from shop_r1.pages.serialize.writer import attribute, clean


def input_markup(node: Node, index: int, label: str, *, simplified: bool) -> str:
    r"""Return an input's start tag without its states and its end; `\\0index\\0` stands where its name goes.

    A placeholder is kept unless it has become the label: then the name says it. A label that stands for its
    hidden checkbox or radio button is printed as that.
    """
    attributes = node.choice or node.attributes
    kind = (attributes.get("type") or "").lower()
    parts = [f'<input name="\0{index}\0"']
    if kind in rules.TEXT_TYPES - {"text"} or kind in ("checkbox", "radio", "range", "file", "color"):
        parts.append(f' type="{kind}"')
    value = attributes.get("value")
    if value and kind not in ("checkbox", "radio") and clean(value):
        parts.append(attribute("value", value))
    placeholder = clean(attributes.get("placeholder") or "")
    if placeholder and (simplified or placeholder != label):
        parts.append(attribute("placeholder", placeholder))
    return "".join(parts)


def role_markup(node: Node) -> str:
    """Return the role that the page gives a link or button, where its tag does not say it already."""
    if "role" not in node.attributes:
        return ""
    role = node.role
    return f' role="{role}"' if role in rules.ACTION_ROLES and role not in ("button", "link") else ""


def state_markup(states: tuple[str, ...]) -> str:
    """Return a control's states as attributes without values."""
    return "".join([f" {word}" for word in states]) if states else ""


def make_element(
    node: Node, label: str, states: tuple[str, ...], name: str, options: tuple[str, ...]
) -> Element:
    """Return the record of a control."""
    href = node.attributes.get("href") if node.control == "a" else None
    return Element(
        name,
        node.tag,
        role_of(node),
        label[: rules.LABEL_TEXT_MAX],
        node.path,
        href.strip() if href is not None else None,
        value_of(node),
        states,
        options,
        tuple([other.path for other in node.also]),
    )


def holds_field(node: Node) -> bool:
    """Return whether a field that is printed within a link or button stands in it."""
    return node.controls > 0 and any(
        inner.control in ("input", "select", "textarea") for inner in node.elements()
    )


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
            return node.attributes.get("value", node.text)
        case "textarea":
            return "".join(child for child in node.children if isinstance(child, str))
    return None
