"""Small recordings, written by hand: nodes and events as rrweb has them."""

import json
from pathlib import Path
from typing import Any

Entry = dict[str, Any]


def text(identity: int, content: str) -> Entry:
    return {"type": 3, "id": identity, "textContent": content}


def tag(identity: int, name: str, attributes: Entry | None = None, *children: Entry) -> Entry:
    node = {"type": 2, "id": identity, "tagName": name, "attributes": attributes or {}}
    return node | {"childNodes": list(children)}


def document(*body: Entry, first: int = 1) -> Entry:
    """Return a full snapshot's document: ids first to first + 3 are its own, the body's is first + 3."""
    page = tag(first + 2, "html", None, tag(first + 3, "body", None, *body))
    return {"type": 0, "id": first, "childNodes": [{"type": 1, "id": first + 1, "name": "html"}, page]}


def meta(href: str) -> Entry:
    return {"type": 4, "data": {"href": href, "width": 1280, "height": 720}}


def full(node: Entry) -> Entry:
    return {"type": 2, "data": {"node": node, "initialOffset": {"left": 0, "top": 0}}}


def mutation(**parts: list[Entry]) -> Entry:
    return {
        "type": 3,
        "data": {"source": 0, "texts": [], "attributes": [], "removes": [], "adds": []} | parts,
    }


def add(parent: int, following: int | None, node: Entry) -> Entry:
    return {"parentId": parent, "nextId": following, "node": node}


def interaction(kind: int, identity: int) -> Entry:
    return {"type": 3, "data": {"source": 2, "type": kind, "id": identity, "x": 1, "y": 1}}


def click(identity: int) -> Entry:
    return interaction(2, identity)


def entered(identity: int, value: str, *, checked: bool = False, **more: Any) -> Entry:
    return {"type": 3, "data": {"source": 5, "id": identity, "text": value, "isChecked": checked} | more}


def write(path: Path, events: list[Entry]) -> Path:
    path.write_text(json.dumps(timed(events)), "utf-8")
    return path


def timed(events: list[Entry]) -> list[Entry]:
    """Return the events with times, a tenth of a second apart."""
    return [event | {"timestamp": 1_700_000_000_000 + 100 * number} for number, event in enumerate(events)]
