"""What can be acted on, as it is written on the short page: links, buttons, fields, options."""

from dataclasses import dataclass

from shop_r1.pages import rules
from shop_r1.pages.naming.labels import accessible_label, label_of
from shop_r1.pages.naming.sections import Sections
from shop_r1.pages.parse.node import WORD, Node, clean, spoken_text
from shop_r1.pages.parse.tree import Tree
from shop_r1.pages.serialize.drawn_toggles import DrawnToggles
from shop_r1.pages.serialize.nodes import Attributes, Nodes, Tag, attribute, escape, plain_tag
from shop_r1.pages.serialize.registry import Registry
from shop_r1.pages.serialize.writer import Writer

_NATIVE_TAGS = frozenset({"a", "area", "button", "input", "select", "textarea", "summary"})
_CLICKED = frozenset({"a", "button", "summary"})
_TYPES_WRITTEN = rules.TEXT_TYPES - {"text"} | {"checkbox", "radio", "range", "file", "color"}
_LABEL_CLIMB = 8  # ancestors looked at for a label (ours)
_CUT_MARGIN = 20  # a label ends before its length, at a word
_VALUE_MAX = 10 * rules.LABEL_TEXT_MAX  # characters of what a text field holds, and of a link's own text


@dataclass(slots=True)
class OpenControl:
    """A link or button whose children are being written."""

    node: Node


class Controls:
    """Writes what can be acted on, each with a tag that gets its name at the end."""

    def __init__(self, tree: Tree, writer: Writer, sections: Sections, registry: Registry):
        self._tree = tree
        self._is_raw = not tree.is_simplified
        self._writer = writer
        self._sections = sections
        self._registry = registry
        self._drawn_toggles = DrawnToggles(tree)
        self._open: list[Node] = []  # the links and buttons that we are in

    def write(self, node: Node) -> Node | OpenControl | None:
        """Write a control; the node itself comes back when it is to be treated as a plain element."""
        control = node.control
        if control == "option":  # outside of a select: nothing can be chosen
            return node
        if self._open and control in _CLICKED:
            self._merge("nested_control", node, self._open[-1])
            return node
        if node.controls and node.tag not in _NATIVE_TAGS:
            self._merge("clickable_wrapper", node, _stands_for(node))
            return node
        label = accessible_label(node, self._tree) or self._drawn_toggles.label_of(node)
        if node.controls and not node.text and control in _CLICKED:
            label = self._take_in(node, label)
        if node.heading is not None and self._is_raw:
            self._sections.end_for(node.heading)
        match control:
            case "select":
                self._select(node, label)
            case "input" | "choice":
                if (drawn := self._drawn(node)) is not None:
                    return self._merge_toggle(node, drawn)
                self._note_toggle_label(node)
                attributes = _input_attributes(node, label, simplified=not self._is_raw)
                self._writer.control([self._registry.add(node, label, "input", attributes)])
                return node if control == "choice" else None
            case "textarea":
                value = clean(spoken_text(node, limit=_VALUE_MAX))
                self._writer.control(
                    [self._registry.add(node, label, "textarea"), escape(value), plain_tag("/textarea")]
                )
            case _:
                return self._clickable(node, label)
        return None

    def _take_in(self, node: Node, label: str) -> str:
        """Let controls within a link or button without words lead to its name; return the label to use."""
        for inner in node.elements():
            if inner.control and inner.control not in rules.FIELD_TAGS:
                label = label or accessible_label(inner, self._tree)
                self._merge("nested_control", inner, node)
        return label

    def _drawn(self, node: Node) -> Node | None:
        """Return what the shop draws for a checkbox or radio button, or for a hidden one's label."""
        is_toggle = node.control == "choice" or node.get("type").lower() in rules.TOGGLE_TYPES
        return self._drawn_toggles.of(node) if is_toggle and self._is_raw else None

    def _merge_toggle(self, node: Node, drawn: Node) -> Node | None:
        """Let a native field, or a label of one, lead to what is drawn for it; what is said twice goes."""
        self._merge("drawn_toggle", node, drawn)
        if node.control != "choice":
            if (around := label_of(node, self._tree)) is not None:
                drawn.stand_for(around)
            return None
        label = accessible_label(drawn, self._tree) or self._drawn_toggles.label_of(drawn)
        is_said = not node.controls and spoken_text(node) == label
        return None if is_said else node

    def _note_toggle_label(self, node: Node) -> None:
        """Let a checkbox's or radio button's label lead to the same name: clicking either does the same."""
        if node.tag == "input" and node.get("type").lower() in rules.TOGGLE_TYPES:
            label = label_of(node, self._tree)
            if label is not None and not label.control:
                node.stand_for(label)

    def _merge(self, reason: str, node: Node, kept: Node | None) -> None:
        """Let a control that holds another, or stands in one, go: acting on either does the same."""
        self._tree.drop(reason, node)
        if kept is not None and self._is_raw:
            kept.stand_for(node)

    def _clickable(self, node: Node, label: str) -> OpenControl | None:
        tag = self._registry.add(node, label, node.control, _role_attribute(node))
        # A control takes a line of its own where its element does; on a simplified page the lines are given.
        is_block = self._is_raw and node.tag not in rules.INLINE_TAGS
        if is_block:
            self._writer.break_line()
        shown = "" if _is_said_around(node, label) else _shown_text(node, label)
        if shown is None:
            self._writer.open_control(tag)
            self._open.append(node)
            return OpenControl(node)
        self._writer.control([tag, escape(shown), plain_tag(f"/{tag.kind}")])
        if is_block:
            self._writer.break_line()
        return None

    def close(self, control: OpenControl) -> None:
        """Write what stands after a control's children."""
        node = self._open.pop()
        self._writer.close_control(f"/{node.control}")
        if self._is_raw:
            if node.tag not in rules.INLINE_TAGS:
                self._writer.break_line()
            if node.control == "a" and node.heading is not None:
                self._sections.note_heading(node.heading)

    def _select(self, node: Node, label: str) -> None:
        nodes: Nodes = [self._registry.add(node, label, "select")]
        select = self._registry.begin_select()
        for option in node.elements():
            if option.tag == "optgroup" and option.get("label"):
                nodes.append(Tag("optgroup", (attribute("label", option.get("label")),)))
            if option.tag != "option":
                continue
            label = accessible_label(option, self._tree)
            if option.controls:
                option.stand_for(*[inner for inner in option.elements() if inner.control])
            nodes += (self._registry.add(option, label, "option", select=select), escape(label))
        nodes.append(plain_tag("/select"))
        self._writer.control(nodes)


def _input_attributes(node: Node, label: str, *, simplified: bool) -> Attributes:
    """Return an input's type, value and placeholder, as far as they say something.

    A placeholder is kept unless it has become the label: then the name says it. A label that stands for its
    hidden checkbox or radio button is written as that.
    """
    given = node.choice or node.attributes
    kind = (given.get("type") or "").lower()
    written: Attributes = (("type", kind),) if kind in _TYPES_WRITTEN else ()
    value = given.get("value")
    if value and kind not in rules.TOGGLE_TYPES and clean(value):
        written += (attribute("value", value),)
    placeholder = clean(given.get("placeholder") or "")
    if placeholder and (simplified or placeholder != label):
        written += (attribute("placeholder", placeholder),)
    return written


def _role_attribute(node: Node) -> Attributes:
    """Return the role that the page gives a link or button, where its tag does not say it already."""
    role = node.role if "role" in node.attributes else ""
    return (("role", role),) if role in rules.ACTION_ROLES and role not in ("button", "link") else ()


def _shown_text(node: Node, label: str) -> str | None:
    """Return all that a link or button shows; None where its children must be walked for it."""
    is_cut = len(label) > rules.LABEL_TEXT_MAX - _CUT_MARGIN
    has_field = node.controls > 0 and any(each.control in rules.FIELD_TAGS for each in node.elements())
    if node.tag == "input" or not (WORD.search(node.text) or has_field):
        return clean(spoken_text(node, limit=_VALUE_MAX)) if is_cut and node.image else label
    if len(node.children) == 1 and isinstance(node.children[0], str) and not is_cut:
        return clean(node.children[0])
    return None


def _is_said_around(node: Node, label: str) -> bool:
    """Return whether what a drawn checkbox is called stands beside it, in a label around both."""
    if node.role not in rules.TOGGLE_ROLES or "role" not in node.attributes or node.text:
        return False
    return any(each.tag == "label" and spoken_text(each) == label for each in node.ancestors(_LABEL_CLIMB))


def _stands_for(wrapper: Node) -> Node | None:
    """Return the control that does what a click on the box around it does; None where none is known to.

    That is its first one. Of a box that itself leads somewhere it is a link, or a button that says all: a
    click beside "Add to cart" on a product's box opens the product and adds nothing.
    """
    first = next((inner for inner in wrapper.elements() if inner.control and not inner.folded), None)
    leads = "onclick" in wrapper.attributes or wrapper.role == "link"
    if not leads or first is None or first.control != "button":
        return first
    if spoken_text(first) == spoken_text(wrapper):
        return first
    return next((inner for inner in wrapper.elements() if inner.control == "a" and not inner.folded), None)
