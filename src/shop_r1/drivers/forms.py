"""What a form sends when it is submitted from an element (HTML standard, section 4.10.21).

`edits` holds what a shopper has done to the page since it was loaded: a text typed into a field, or whether a
checkbox, radio button or option is now chosen, under the element's path.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from selectolax.lexbor import LexborHTMLParser, LexborNode

from shop_r1.errors import PageError
from shop_r1.pages.elements import Element
from shop_r1.pages.parse.document import locate
from shop_r1.pages.parse.shadow_roots import SHADOW_TAG

Edits = Mapping[str, str | bool]

_CONTROLS = frozenset({"input", "select", "textarea", "button"})
_URLENCODED = "application/x-www-form-urlencoded"
_ENCTYPES = frozenset({_URLENCODED, "multipart/form-data", "text/plain"})
_SUBMITS = frozenset({"submit", "image"})


@dataclass(frozen=True, slots=True)
class Form:
    """A form's submission.

    Attributes:
        action: the address as written; "" means the page's own.
        method: get, post or dialog.
        fields: the successful controls' names and values, in page order.
        enctype: one of the three that HTML knows; any other is the first of them.
    """

    action: str
    method: str
    fields: tuple[tuple[str, str], ...]
    enctype: str = _URLENCODED


def form_of(document: LexborHTMLParser, element: Element, edits: Edits | None = None) -> Form:
    """Return what is sent when `element` submits its form.

    A submit button is pressed, with its own name, value, formaction and formmethod. From any other control
    the form is submitted as by Enter: its first submit button that is not disabled counts as pressed.

    `document` is the page's original document (`parse_document`), `element` a control of that page, or an
    option of a select.

    Raises:
        PageError: the element is not on the page, or belongs to no form.
    """
    changes = {locate(document, path).mem_id: value for path, value in (edits or {}).items()}
    node = locate(document, element.path)
    if node.tag == "option":
        node = _ancestor(node, "select") or node
    form = _owner(document, node)
    if form is None:
        raise PageError(
            f"{element.name!r} belongs to no form, so it cannot be submitted; click a link or a button"
        )
    nodes = document.root.traverse() if document.root is not None else ()
    controls = [each for each in nodes if each.tag in _CONTROLS and _same(_owner(document, each), form)]
    pressed = (
        node if _is_submit(node) else next((c for c in controls if _is_submit(c) and not _disabled(c)), None)
    )
    fields: list[tuple[str, str]] = []
    for control in controls:
        fields.extend(_entries(control, pressed, changes, controls))
    own = pressed.attributes if pressed is not None else {}
    method = (own.get("formmethod") or form.attributes.get("method") or "get").lower()
    enctype = (own.get("formenctype") or form.attributes.get("enctype") or _URLENCODED).lower()
    return Form(
        action=(own.get("formaction") or form.attributes.get("action") or "").strip(),
        method=method if method in ("get", "post", "dialog") else "get",
        fields=tuple(fields),
        enctype=enctype if enctype in _ENCTYPES else _URLENCODED,
    )


def _same(first: LexborNode | None, second: LexborNode) -> bool:
    return first is not None and first.mem_id == second.mem_id


def _ancestor(node: LexborNode, tag: str) -> LexborNode | None:
    ancestor = node.parent
    while ancestor is not None and ancestor.tag != tag:
        ancestor = ancestor.parent if ancestor.tag != SHADOW_TAG else None  # a form ends at a shadow tree
    return ancestor


def _owner(document: LexborHTMLParser, control: LexborNode) -> LexborNode | None:
    """Return a control's form: named by its `form` attribute, else around it, else cut off inside a table.

    A form that opens directly in a table is empty in the tree, and browsers remember that the cells after it
    are its own.
    """
    named = control.attributes.get("form")
    if named:
        quoted = named.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "")
        return document.css_first(f'form[id="{quoted}"]')
    around = _ancestor(control, "form")
    if around is not None:
        return around
    ancestor: LexborNode | None = control
    while ancestor is not None and ancestor.tag != "table":
        before = ancestor.prev
        while before is not None:
            if before.tag == "form" and before.first_child is None:
                return before
            before = before.prev
        ancestor = ancestor.parent
    return None


def _is_submit(node: LexborNode) -> bool:
    kind = (node.attributes.get("type") or "").lower()
    if node.tag == "button":
        return kind not in ("button", "reset")
    return node.tag == "input" and kind in _SUBMITS


def _disabled(node: LexborNode) -> bool:
    """Return whether a control is disabled, by itself or by a fieldset around it (its legend excepted)."""
    if "disabled" in node.attributes:
        return True
    child, ancestor = node, node.parent
    while ancestor is not None:
        if ancestor.tag == "fieldset" and "disabled" in ancestor.attributes and child.tag != "legend":
            return True
        child, ancestor = ancestor, ancestor.parent
    return False


def _entries(
    control: LexborNode,
    pressed: LexborNode | None,
    changes: Mapping[int, str | bool],
    controls: list[LexborNode],
) -> list[tuple[str, str]]:
    """Return the name and value pairs that one control adds to the submission."""
    attributes = control.attributes
    name = attributes.get("name") or ""
    kind = (attributes.get("type") or "").lower()
    is_button = control.tag == "button" or (
        control.tag == "input" and kind in ("submit", "image", "button", "reset")
    )
    if _disabled(control) or (is_button and not (pressed is not None and _same(control, pressed))):
        return []
    if control.tag == "input" and kind == "image":
        prefix = f"{name}." if name else ""
        return [(f"{prefix}x", "0"), (f"{prefix}y", "0")]
    if not name:
        return []
    if control.tag == "select":
        return [(name, value) for value in _chosen(control, changes)]
    if control.tag == "input" and kind in ("checkbox", "radio"):
        value = attributes.get("value", "on")
        return [(name, value or "")] if _checked(control, changes, controls) else []
    change = changes.get(control.mem_id)
    if isinstance(change, str):
        return [(name, change)]
    if control.tag == "textarea":
        return [(name, (control.text() or "").removeprefix("\n"))]
    return [(name, attributes.get("value") or "")]


def _checked(control: LexborNode, changes: Mapping[int, str | bool], controls: list[LexborNode]) -> bool:
    change = changes.get(control.mem_id)
    if change is not None:
        return bool(change)
    if (control.attributes.get("type") or "").lower() == "radio":
        name = control.attributes.get("name")
        for other in controls:
            if other.attributes.get("name") == name and changes.get(other.mem_id) is True:
                return False
    return "checked" in control.attributes


def _chosen(select: LexborNode, changes: Mapping[int, str | bool]) -> list[str]:
    """Return the chosen options' values; a drop-down without a choice has its first option chosen."""
    options = [node for node in select.traverse() if node.tag == "option"]
    many = "multiple" in select.attributes
    picked = [option for option in options if changes.get(option.mem_id) is True]
    change = changes.get(select.mem_id)
    if isinstance(change, str):
        picked = [o for o in options if change in (_option_value(o), _option_text(o))] or picked
    if many:
        kept = [o for o in options if "selected" in o.attributes and changes.get(o.mem_id) is not False]
        picked = [o for o in options if any(_same(o, other) for other in (*kept, *picked))]
    elif not picked:
        usable = [option for option in options if "disabled" not in option.attributes]
        picked = [option for option in options if "selected" in option.attributes][-1:] or usable[:1]
    else:
        picked = picked[-1:]
    return [_option_value(option) for option in picked if "disabled" not in option.attributes]


def _option_text(option: LexborNode) -> str:
    return " ".join((option.text() or "").split())


def _option_value(option: LexborNode) -> str:
    attributes = option.attributes
    return attributes["value"] or "" if "value" in attributes else _option_text(option)
