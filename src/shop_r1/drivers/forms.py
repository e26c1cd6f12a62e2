"""What a form sends when it is submitted from an element (HTML standard, section 4.10.21)."""

from dataclasses import dataclass
from itertools import pairwise, takewhile

from selectolax.lexbor import LexborHTMLParser, LexborNode

from shop_r1.errors import PageError
from shop_r1.pages.elements import Element
from shop_r1.pages.parse.document import locate
from shop_r1.pages.parse.shadow_roots import SHADOW_TAG, ancestors

_CONTROLS = frozenset({"input", "select", "textarea", "button"})
_SUBMITS = frozenset({"submit", "image"})
_BUTTONS = _SUBMITS | {"button", "reset"}


@dataclass(frozen=True, slots=True)
class Form:
    """A form's submission."""

    action: str
    """The address as written; "" means the page's own."""
    method: str
    """`get`, `post` or `dialog`."""
    fields: tuple[tuple[str, str], ...]
    """The successful controls' names and values, in page order."""


def form_of(document: LexborHTMLParser, element: Element, text: str | None = None) -> Form:
    """Return what is sent when `element` submits its form, with `text` typed into it beforehand.

    A submit button is pressed, with its own name, value, formaction and formmethod. From any other control
    the form is submitted as by Enter: its first submit button that is not disabled counts as pressed.

    `document` is the page's original document (`parse_document`), `element` a control of that page. In a
    select, the text chooses the option that has it as its value or its label.

    Raises:
        PageError: the element is not on the page, or belongs to no form.
    """
    node = locate(document, element.path)
    form = _owner(document, node)
    if form is None:
        raise PageError(
            f"{element.name!r} belongs to no form, so it cannot be submitted; click a link or a button"
        )
    nodes = document.root.traverse() if document.root is not None else ()
    controls = [each for each in nodes if each.tag in _CONTROLS and _same(_owner(document, each), form)]
    enabled = [control for control in controls if not _disabled(control)]
    pressed = node if _is_submit(node) else next((c for c in enabled if _is_submit(c)), None)
    fields: list[tuple[str, str]] = []
    for control in enabled:
        if _same(pressed, control) or not _is_button(control):
            fields.extend(_entries(control, text if _same(control, node) else None))
    own = pressed.attributes if pressed is not None else {}
    method = (own.get("formmethod") or form.attributes.get("method") or "get").lower()
    return Form(
        action=(own.get("formaction") or form.attributes.get("action") or "").strip(),
        method=method if method in ("get", "post", "dialog") else "get",
        fields=tuple(fields),
    )


def _same(first: LexborNode | None, second: LexborNode) -> bool:
    return first is not None and first.mem_id == second.mem_id


def _owner(document: LexborHTMLParser, control: LexborNode) -> LexborNode | None:
    """Return a control's form: named by its `form` attribute, else around it, else cut off inside a table.

    A form ends at a shadow tree. One that opens directly in a table is empty in the tree, and browsers
    remember that the cells after it are its own.
    """
    named = control.attributes.get("form")
    if named:
        quoted = named.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "")
        return document.css_first(f'form[id="{quoted}"]')
    for around in takewhile(lambda node: node.tag != SHADOW_TAG, ancestors(control)):
        if around.tag == "form":
            return around
    for inside in takewhile(lambda node: node.tag != "table", (control, *ancestors(control))):
        before = inside.prev
        while before is not None:
            if before.tag == "form" and before.first_child is None:
                return before
            before = before.prev
    return None


def _type_of(control: LexborNode) -> str:
    """Return what kind of input or button it is, in lower case; empty where it does not say."""
    return (control.attributes.get("type") or "").lower()


def _is_submit(node: LexborNode) -> bool:
    if node.tag == "button":
        return _type_of(node) not in ("button", "reset")
    return node.tag == "input" and _type_of(node) in _SUBMITS


def _is_button(control: LexborNode) -> bool:
    return control.tag == "button" or (control.tag == "input" and _type_of(control) in _BUTTONS)


def _disabled(node: LexborNode) -> bool:
    """Return whether a control is disabled, by itself or by a fieldset around it (its legend excepted)."""
    return "disabled" in node.attributes or any(
        around.tag == "fieldset" and "disabled" in around.attributes and child.tag != "legend"
        for child, around in pairwise((node, *ancestors(node)))
    )


def _entries(control: LexborNode, text: str | None) -> list[tuple[str, str]]:
    """Return the name and value pairs that one control adds, with the text that was typed into it."""
    attributes = control.attributes
    name = attributes.get("name") or ""
    kind = _type_of(control) if control.tag == "input" else ""
    if kind == "image":
        prefix = f"{name}." if name else ""
        return [(f"{prefix}x", "0"), (f"{prefix}y", "0")]
    if not name or (kind in ("checkbox", "radio") and "checked" not in attributes):
        return []
    if control.tag == "select":
        return [(name, value) for value in _chosen(control, text)]
    if text is not None:
        return [(name, text)]
    if control.tag == "textarea":
        return [(name, (control.text() or "").removeprefix("\n"))]
    default = "on" if kind in ("checkbox", "radio") else ""
    return [(name, attributes.get("value", default) or "")]


def _chosen(select: LexborNode, text: str | None) -> list[str]:
    """Return the chosen options' values; a drop-down without a choice has its first option chosen."""
    options = [node for node in select.traverse() if node.tag == "option"]
    usable = [option for option in options if "disabled" not in option.attributes]
    chosen = [option for option in options if "selected" in option.attributes]
    named = [option for option in options if text in (_option_value(option), _option_text(option))]
    if "multiple" in select.attributes:
        chosen += named
    else:
        chosen = (named or chosen)[-1:] or usable[:1]
    return [_option_value(option) for option in usable if any(_same(option, each) for each in chosen)]


def _option_text(option: LexborNode) -> str:
    return " ".join((option.text() or "").split())


def _option_value(option: LexborNode) -> str:
    attributes = option.attributes
    return attributes["value"] or "" if "value" in attributes else _option_text(option)
