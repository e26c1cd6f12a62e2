"""Checkboxes that a shop draws beside a native one: both and their label are one thing to a shopper."""

from shop_r1.pages import rules
from shop_r1.pages.naming.labels import label_of
from shop_r1.pages.parse.node import Node, spoken_text
from shop_r1.pages.parse.tree import Tree

_LABEL_CONTROLS_MAX = 3  # a label with more to act on is no one checkbox's (ours)


class DrawnToggles:
    """Finds the element with a checkbox's role that stands for a native field or for its label."""

    def __init__(self, tree: Tree):
        self._tree = tree
        # Filled at the first question; the tree is whole by then.
        self._label_ids: dict[str, Node] | None = None
        self._pairs: dict[Node, Node] | None = None
        self._pairs_back: dict[Node, Node] | None = None
        self._controls: dict[Node, list[Node]] = {}  # what is to act on in a label, which may be many fields'

    def of(self, node: Node) -> Node | None:
        """Return what is drawn for a native checkbox or radio button, or for the label of a hidden one."""
        if not self._tree.drawn_toggles:
            return None
        label = node if node.control == "choice" else label_of(node, self._tree)
        found = self._beside.get(node)
        if found is not None and (node is label or node.get("tabindex") == "-1"):
            return found
        if label is None:
            return None
        return self._by_label.get(label.get("id")) or self._within(label, node)

    def label_of(self, drawn: Node) -> str:
        """Return what an element without a label of its own is called by the field or label beside it."""
        if not self._tree.drawn_toggles or drawn.role not in rules.TOGGLE_ROLES:
            return ""
        native = self._natives.get(drawn)
        label = native if native is None or native.control == "choice" else label_of(native, self._tree)
        return spoken_text(label) if label is not None else ""

    def _within(self, label: Node, node: Node) -> Node | None:
        """Return what is drawn within the label of a native field that stands there too, or is hidden."""
        if label.controls > _LABEL_CONTROLS_MAX:
            return None
        inside = self._controls.get(label)
        if inside is None:
            inside = self._controls[label] = [each for each in label.elements() if each.control]
        drawn = [each for each in inside if each is not node and each.role in rules.TOGGLE_ROLES]
        return drawn[0] if len(drawn) == 1 and (node is label or len(inside) == 2) else None

    @property
    def _natives(self) -> dict[Node, Node]:
        if self._pairs_back is None:
            self._pairs_back = {drawn: native for native, drawn in self._beside.items()}
        return self._pairs_back

    @property
    def _by_label(self) -> dict[str, Node]:
        """Each under the id of the element that labels it, or under its own, which a label may point at."""
        if self._label_ids is not None:
            return self._label_ids
        found: dict[str, Node] = {}
        for toggle in self._tree.drawn_toggles:
            label = self._tree.labels.get(toggle.get("id")) if toggle.get("id") else None
            identity = toggle.get("aria-labelledby").strip() or (label.get("id") if label else "")
            if identity:
                found.setdefault(identity, toggle)
        self._label_ids = found
        return found

    @property
    def _beside(self) -> dict[Node, Node]:
        """Each native field or label that stands next to one, in a part that holds nothing else to act on."""
        if self._pairs is not None:
            return self._pairs
        found: dict[Node, Node] = {}
        parents = {toggle.parent: toggle for toggle in self._tree.drawn_toggles if toggle.parent is not None}
        for parent, toggle in parents.items():
            others = [child for child in parent.children if isinstance(child, Node) and child is not toggle]
            controls = [child for child in others if child.control]
            if len(controls) <= 2 and parent.controls == 1 + len(controls):
                found.update((child, toggle) for child in controls if _is_native(child))
        self._pairs = found
        return found


def _is_native(node: Node) -> bool:
    return node.control == "choice" or (
        node.tag == "input" and node.get("type").lower() in rules.TOGGLE_TYPES
    )
