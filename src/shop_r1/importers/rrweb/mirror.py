"""The recorded page as a tree of nodes that each event changes, as the recorder's own replayer does.

Nothing here recurses and every step is linear in what the event holds, so no recording can overflow or stall
it. What an event says of a node that is not there is counted and ignored.
"""

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Any, Final

from shop_r1.importers.rrweb.events import NodeKind, Source
from shop_r1.importers.rrweb.nodes import (
    DomNode,
    is_choice,
    option_value,
    options_of,
    set_attributes,
    unfold_sheet,
)

MAX_NODES: Final = 1_000_000  # of one page (ours; the largest of 91 real ones has some 20,000)

_TAG = re.compile(r"[a-z][a-z0-9:._-]{0,99}")
_NODE_KINDS = {int(kind): kind for kind in NodeKind}
_FIELDS = frozenset({"input", "textarea"})
_OWN_TEXT = frozenset({"textarea", "style", "script", "noscript"})  # recorded otherwise in snapshots


class Mirror:
    """The page as it stands after the events so far."""

    def __init__(self, counts: Counter[str]):
        self.root: DomNode | None = None  # the document; None before the first full snapshot
        self.version = 0  # grows with every change, so that equal versions are equal pages
        self.counts = counts
        self.highest = 0  # of the numbers that nodes of this document have had
        self.highest_before = 0  # of those that nodes of the documents before it have had
        self._nodes: dict[int, DomNode] = {}

    def get(self, identity: object) -> DomNode | None:
        """Return the node with this number, None if there is none."""
        return self._nodes.get(identity) if type(identity) is int else None

    def at(self, place: tuple[int, ...]) -> DomNode | None:
        """Return the node at a place (`DomNode.place`), None if there is none."""
        node = self.root
        for index in place:
            if node is None:
                return None
            node = next(islice(node.children(), index, None), None)
        return node

    def is_same(self, snapshot: Mapping[str, Any]) -> bool:
        """Return whether a snapshot is one of the document so far, and not of a new one.

        Recorders repeat a document's snapshot from time to time. Some number all nodes anew and count on;
        others, rrweb 2 among them, let nodes keep theirs, and these are as they were: a page that was loaded
        again has another number for some node, or a field without what was typed into it.
        """
        document = snapshot.get("node")
        first = document.get("id") if isinstance(document, dict) else None
        if type(first) is not int or first > self.highest:
            return True
        work: list[tuple[Any, DomNode | None]] = [(document, None)]
        while work:
            entry, parent = work.pop()
            there = self._make(entry)
            if there is None or there.id > self.highest:
                continue
            known = self._nodes.get(there.id)
            if known is None or known.parent is not parent or not _is_like(known, there):
                return False
            below = entry.get("childNodes")
            work += [(child, known) for child in below] if isinstance(below, list) else []
        return True

    def is_of_earlier_page(self, data: Mapping[str, Any]) -> bool:
        """Return whether an incremental event can only be of an earlier document in this tab, or of another.

        A recorder counts a document's nodes from 1 and records each as it gives it a number. So a number that
        this document has not come to is of another, which came out of the browser's cache without a snapshot
        when the shopper went back to it; or of another tab; or the event that brought the node was lost.
        """
        return any(
            type(each) is int and self.highest < each <= self.highest_before for each in _nodes_of(data)
        )

    def load(self, snapshot: Mapping[str, Any]) -> bool:
        """Take a full snapshot in place of the page; return whether it is one."""
        node = snapshot.get("node")
        made = self._plant(node, {}) if isinstance(node, dict) else None
        if made is None or made[0].kind != NodeKind.DOCUMENT:
            self.counts["snapshots that hold no page"] += 1
            return False
        if not self.is_same(snapshot):
            self.highest_before, self.highest = max(self.highest_before, self.highest), 0
        self.root, self._nodes = made
        self.highest = max(self.highest, *self._nodes)
        self.version += 1
        return True

    def _plant(
        self, serialised: Mapping[str, Any], known: dict[int, DomNode]
    ) -> tuple[DomNode, dict[int, DomNode]] | None:
        """Return a serialised node with all below it, and its nodes by number; None if it is none."""
        nodes: dict[int, DomNode] = {}
        top: DomNode | None = None
        work: list[tuple[Any, DomNode | None]] = [(serialised, None)]
        while work:
            entry, parent = work.pop()
            node = self._make(entry)
            if node is None or node.id in nodes or node.id in known:
                self.counts["nodes that cannot be read or are there twice"] += 1
                continue
            if len(nodes) + len(known) >= MAX_NODES:
                self.counts["nodes past the most that are kept"] += 1
                break
            nodes[node.id] = node
            if parent is None:
                top = node
            else:
                parent.insert(node, None)
                self._note_frame(node)
            below = entry.get("childNodes")
            if isinstance(below, list):
                work.extend((child, node) for child in reversed(below))
        return None if top is None else (top, nodes)

    def _make(self, entry: Any) -> DomNode | None:
        """Return a serialised node by itself."""
        if not isinstance(entry, dict) or type(entry.get("id")) is not int:
            return None
        kind = _NODE_KINDS.get(entry["type"]) if type(entry.get("type")) is int else None
        if kind is None:
            return None
        text = entry.get("textContent")
        node = DomNode(entry["id"], kind, text=text if isinstance(text, str) else "")
        node.is_shadow = entry.get("isShadow") is True
        if kind == NodeKind.ELEMENT:
            tag = str(entry.get("tagName")).lower()
            node.tag = tag if _TAG.fullmatch(tag) and tag != "plaintext" else "div"  # as the replayer does
            attributes = entry.get("attributes")
            if isinstance(attributes, dict):
                set_attributes(node, attributes)
        elif kind == NodeKind.DOCTYPE:
            node.text = str(entry.get("name"))
        return node

    def _note_frame(self, node: DomNode) -> None:
        if node.kind == NodeKind.DOCUMENT:
            self.counts["frames, not looked into"] += 1

    def mutate(self, data: Mapping[str, Any]) -> None:
        """Follow a mutation: what went, what came, then texts and attributes."""
        self.version += 1
        for node, _ in self._known(data, "removes"):
            if node is self.root:
                self._miss()
            else:
                self._forget(node)
        self._add_all(_objects_in(data, "adds"))
        for node, entry in self._known(data, "texts"):
            if node.parent is not None and node.parent.tag == "style":
                unfold_sheet(node.parent)
            value = entry.get("value")
            node.text = value if isinstance(value, str) else ""
        for node, entry in self._known(data, "attributes"):
            if isinstance(changes := entry.get("attributes"), dict):
                set_attributes(node, changes)
            else:
                self._miss()

    def _known(self, data: Mapping[str, Any], key: str) -> Iterator[tuple[DomNode, dict[str, Any]]]:
        """Yield the nodes that a mutation's list is about, each with its entry; others are counted."""
        for entry in _objects_in(data, key):
            if node := self.get(entry.get("id")):
                yield node, entry
            else:
                self._miss()

    def _miss(self, times: int = 1) -> None:
        self.counts["changes to nodes that are not there"] += times

    def _forget(self, node: DomNode) -> None:
        node.detach()
        for each in node.below():
            self._nodes.pop(each.id, None)

    def _add_all(self, entries: list[dict[str, Any]]) -> None:
        """Insert nodes; one whose parent or next sibling comes later in the same mutation waits for it."""
        waiting: dict[int, list[dict[str, Any]]] = {}
        work = entries[::-1]
        while work:
            entry = work.pop()
            around = entry.get("parentId"), entry.get("nextId")
            missing = next((each for each in around if each and not self.get(each)), None)
            if missing is None:
                added = self._add(entry)
                work += reversed(waiting.pop(added, ()))
            elif type(missing) is int:
                waiting.setdefault(missing, []).append(entry)
            else:
                self._miss()
        for left in waiting.values():
            self._miss(len(left))

    def _add(self, entry: Mapping[str, Any]) -> int:
        """Insert a node whose place is known; return its number, -1 if it cannot be inserted."""
        parent, serialised = self.get(entry.get("parentId")), entry.get("node")
        if parent is None or not isinstance(serialised, dict):
            self._miss()
            return -1
        old = self.get(serialised.get("id"))
        if old is not None and old is not self.root:
            self._forget(old)
        if old is self.root or self.get(parent.id) is None:
            self.counts["nodes put into themselves"] += 1
            return -1
        following = self.get(entry.get("nextId"))
        made = self._plant(serialised, self._nodes)
        if made is None:
            return -1
        node, nodes = made
        self._nodes |= nodes
        self.highest = max(self.highest, *nodes)
        self._note_frame(node)
        if following is not None and following.parent is not parent:
            self.counts["nodes put beside one of another parent"] += 1
            following = None
        parent.insert(node, following)
        return node.id

    def enter(self, node: DomNode, data: Mapping[str, Any]) -> None:
        """Keep what a field now holds where the page's own code would have written it."""
        self.version += 1
        text = data.get("text")
        value = text if isinstance(text, str) else ""
        if is_choice(node):
            set_attributes(node, {"checked": True if data.get("isChecked") is True else None})
        elif node.tag == "select":
            for option in options_of(node):
                set_attributes(option, {"selected": True if option_value(option) == value else None})
        else:
            node.attributes["value"] = value


def _is_like(known: DomNode, there: DomNode) -> bool:
    """Return whether a node of a snapshot is what it was: its tag, its text, and what a field holds."""
    if (known.kind, known.tag) != (there.kind, there.tag):
        return False
    if known.kind == NodeKind.TEXT:
        is_own = known.parent is not None and known.parent.tag in _OWN_TEXT
        return is_own or known.text == there.text
    return known.tag not in _FIELDS or known.get("value") == there.get("value")


def _nodes_of(data: Mapping[str, Any]) -> Iterator[object]:
    """Yield the numbers of the nodes that an incremental event refers to, without those that it brings."""
    if data.get("source") == Source.MUTATION:
        for field, name in (("adds", "parentId"), ("removes", "id"), ("texts", "id"), ("attributes", "id")):
            yield from (entry.get(name) for entry in _objects_in(data, field))
    elif data.get("source") in (Source.MOUSE_MOVE, Source.TOUCH_MOVE):
        yield from (each.get("id") for each in _objects_in(data, "positions"))
    else:
        yield data.get("id")


def _objects_in(data: Mapping[str, Any], key: str) -> list[dict[str, Any]]:
    """Return the objects in an event's list; none where there is no list."""
    entries = data.get(key)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
