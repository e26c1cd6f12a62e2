"""What a node of a recorded page is for: a field, a label, a form's submit button."""

from typing import Final

from shop_r1.importers.rrweb.nodes import DomNode

_NO_TEXT: Final = frozenset({
    "button", "checkbox", "color", "file", "hidden", "image", "radio", "range", "reset", "submit",
})  # fmt: skip
_SUBMITS: Final = frozenset({"submit", "image"})
_FIELDS: Final = frozenset({"input", "select", "textarea"})


def is_text_field(node: DomNode) -> bool:
    """Return whether text is typed into it."""
    return node.tag == "textarea" or (node.tag == "input" and node.get("type").lower() not in _NO_TEXT)


def is_choice(node: DomNode) -> bool:
    """Return whether it is a checkbox or radio button, whose change comes with a click."""
    return node.tag == "input" and node.get("type").lower() in ("checkbox", "radio")


def labelled_field(node: DomNode) -> DomNode | None:
    """Return the field of the label that a node stands in, None where there is none or the node is a field.

    The browser clicks the field itself after a click on its label.
    """
    if node.tag in (*_FIELDS, "button", "a"):
        return None
    label = next((each for each in node.around() if each.tag in ("label", "a", "button")), None)
    if label is None or label.tag != "label":
        return None
    wanted = label.get("for")
    if wanted:
        return _with_id(node, wanted)
    return next((each for each in label.below() if each.tag in _FIELDS), None)


def form_of(field: DomNode) -> DomNode | None:
    """Return a field's form; a search box that is no form counts as one."""
    named = field.get("form")
    if named:
        return _with_id(field, named)
    around = (each for each in field.around() if each.tag in ("form", "search") or _is_search(each))
    return next(around, None)


def pressed_submit(node: DomNode, form: DomNode) -> DomNode | None:
    """Return the button at or around a node that submits the form, None where there is none.

    In a search box that is no form any button does.
    """
    button = next((each for each in node.around() if each.tag in ("button", "input")), None)
    if button is None:
        return None
    kind = button.get("type").lower()
    if form.tag != "form":
        presses = button.tag == "button" or kind in (*_SUBMITS, "button")
    else:
        presses = kind not in ("button", "reset") if button.tag == "button" else kind in _SUBMITS
    return button if presses and form_of(button) is form else None


def _is_search(node: DomNode) -> bool:
    return node.get("role").lower() == "search"


def _with_id(node: DomNode, identity: str) -> DomNode | None:
    """Return the first element of a node's page with this id attribute."""
    *_, root = node.around()
    return next((each for each in root.below() if each.get("id") == identity), None)
