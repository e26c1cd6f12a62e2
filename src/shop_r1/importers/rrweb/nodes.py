"""A node of the recorded page, how its attributes change, and what it is for: a field, a label, a button."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shop_r1.importers.rrweb.events import NodeKind

_DECLARATION = re.compile(r"(?:[^;(\"']|\([^()]{0,5000}\)|\"[^\"]{0,5000}\"|'[^']{0,5000}'|[(\"'])+")
_SHEET_SPLIT = "/* rr_split */"  # between the parts of a sheet that stands in several texts
_NO_PAGE_TEXT = frozenset({"style", "script", "noscript", "title"})
_MAX_STYLE_CHARS = 20_000  # of an element's own style that is changed piece by piece (ours)
_NO_TEXT: Final = frozenset({
    "button", "checkbox", "color", "file", "hidden", "image", "radio", "range", "reset", "submit",
})  # fmt: skip
_SUBMITS: Final = frozenset({"submit", "image"})
_FIELDS: Final = frozenset({"input", "select", "textarea"})


@dataclass(slots=True, eq=False, repr=False)
class DomNode:
    """A node of the recorded page, linked to those around it so that inserting takes constant time."""

    id: int  # the recorder's number for it
    kind: NodeKind
    tag: str = ""  # an element's, lower case; "" for others
    text: str = ""
    attributes: dict[str, str | None] = field(default_factory=dict)  # an element's; None: without a value
    is_shadow: bool = False  # whether it hangs in its parent's shadow tree
    parent: "DomNode | None" = None
    first: "DomNode | None" = None
    last: "DomNode | None" = None
    before: "DomNode | None" = None
    after: "DomNode | None" = None

    def get(self, name: str) -> str:
        """Return an attribute's text, "" when it is absent or empty."""
        return self.attributes.get(name) or ""

    def children(self) -> Iterator["DomNode"]:
        """Yield its children in order."""
        child = self.first
        while child is not None:
            yield child
            child = child.after

    def around(self) -> Iterator["DomNode"]:
        """Yield it and what it stands in, innermost first."""
        node: DomNode | None = self
        while node is not None:
            yield node
            node = node.parent

    def below(self) -> Iterator["DomNode"]:
        """Yield it and every node below it in page order."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            child = node.last
            while child is not None:
                stack.append(child)
                child = child.before

    def insert(self, child: "DomNode", following: "DomNode | None") -> None:
        """Put a node that stands nowhere before one of the children, or at the end."""
        child.parent = self
        child.after = following
        child.before = self.last if following is None else following.before
        if child.before is None:
            self.first = child
        else:
            child.before.after = child
        if following is None:
            self.last = child
        else:
            following.before = child

    def detach(self) -> None:
        """Take the node, with all below it, out of where it stands."""
        if self.parent is None:
            return
        if self.before is None:
            self.parent.first = self.after
        else:
            self.before.after = self.after
        if self.after is None:
            self.parent.last = self.before
        else:
            self.after.before = self.before
        self.parent = self.before = self.after = None

    def place(self) -> tuple[int, ...]:
        """Return its index among its siblings, and that of each node around it, outermost first."""
        inner = [node for node in self.around() if node.parent is not None]
        return tuple([*node.parent.children()].index(node) for node in reversed(inner) if node.parent)

    def texts(self) -> Iterator[str]:
        """Yield the texts at and below it that a page can show."""
        for node in self.below():
            if node.kind == NodeKind.TEXT and (node.parent is None or node.parent.tag not in _NO_PAGE_TEXT):
                yield node.text

    @property
    def content(self) -> str:
        """The text at and below it."""
        return "".join(node.text for node in self.below() if node.kind == NodeKind.TEXT)


def options_of(select: DomNode) -> list[DomNode]:
    """Return a select's options."""
    return [node for node in select.below() if node.tag == "option"]


def option_value(option: DomNode) -> str:
    """Return what an option sends: its value, else its text."""
    if "value" in option.attributes:
        return option.get("value")
    return " ".join(option.content.split())


def unfold_sheet(style: DomNode) -> None:
    """Put a style element's sheet, which recorders keep as an attribute, into its texts, as these change."""
    sheet = style.attributes.pop("_cssText", None)
    texts = [node for node in style.children() if node.kind == NodeKind.TEXT]
    parts = (sheet or "").split(_SHEET_SPLIT)
    if sheet and len(parts) == len(texts):
        for node, part in zip(texts, parts, strict=True):
            node.text = part


def set_attributes(node: DomNode, changes: Mapping[str, Any]) -> None:
    """Set an element's attributes: text or a number, True without a value; None and False take it away.

    A change of style may come as an object of its properties, each with its value, `[value, priority]` or
    False.
    """
    for name, value in changes.items():
        if value is None or value is False:
            node.attributes.pop(name, None)
        elif value is True:
            node.attributes[name] = None
        elif isinstance(value, dict):
            node.attributes[name] = _restyled(node.get(name), value)
        elif isinstance(value, str | int | float):
            node.attributes[name] = str(value)


def _restyled(style: str, changes: Mapping[str, Any]) -> str:
    pieces = _DECLARATION.findall(style) if len(style) <= _MAX_STYLE_CHARS else style.split(";")
    kept = [piece for piece in pieces if piece.partition(":")[0].strip() not in changes]
    for name, value in changes.items():
        if isinstance(value, list) and value:
            important = " !important" if "important" in value[1:] else ""
            kept.append(f" {name}: {value[0]}{important}")
        elif isinstance(value, str | int | float) and value is not False:
            kept.append(f" {name}: {value}")
    return ";".join(kept).strip()


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


def form_of(control: DomNode) -> DomNode | None:
    """Return a field's form; a search box that is no form counts as one."""
    named = control.get("form")
    if named:
        return _with_id(control, named)
    for each in control.around():
        if each.tag in ("form", "search") or each.get("role").lower() == "search":
            return each
    return None


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


def _with_id(node: DomNode, identity: str) -> DomNode | None:
    """Return the first element of a node's page with this id attribute."""
    *_, root = node.around()
    return next((each for each in root.below() if each.get("id") == identity), None)
