"""Visits and recordings, made by hand: a page is a list of nodes as rrweb serialises them."""

from collections.abc import Sequence
from itertools import count
from pathlib import Path
from typing import Any

from shop_r1.jsonl import write_records
from shop_r1.records.actions import Action, click, terminate, type_and_submit
from shop_r1.records.recordings import (
    Event,
    PageSeen,
    Recording,
    StepDone,
    Target,
    mark_event,
    write_recording,
)
from shop_r1.records.sessions import Page, Session, Step, Timing
from shop_r1.records.visits import RECORDINGS_FOLDER, SESSIONS_FILE, VISITS_FILE, VisitEnd

BEGAN = 1_780_000_000.0
SHOP = "http://shop.test"
HOME = '<page>\nSearch <input name="search_input" type="search"> <button name="search.go">Go</button>'
LIST = (
    "<page>\n<h1>Results for mug</h1>\n<ul>\n"
    + "".join(f'<li><a name="results.mug_{n}">Mug {n}</a>\n${n}.00\n' for n in range(1, 6))
    + "</ul>"
)
PRODUCT = '<page>\n<h1>Mug 3</h1>\n$3.00\n<button name="buy_box.add_to_cart">Add to cart</button>'
CART = '<page>\n<h1>Cart</h1>\n<a name="cart.check_out">Check out</a>'
_ids = count(100)


def step(path: str, html: str, action: Action, **more: Any) -> Step:
    return Step(page=Page(url=SHOP + path, html=html, status=200), action=action, **more)


def searching(**more: Any) -> Step:
    return step("/", HOME, type_and_submit("search_input", "mug"), **more)


def opening(**more: Any) -> Step:
    return step("/search?q=mug", LIST, click("results.mug_3"), **more)


def adding(**more: Any) -> Step:
    return step("/product/mug-3", PRODUCT, click("buy_box.add_to_cart"), **more)


def leaving(path: str = "/search?q=mug", html: str = LIST, **more: Any) -> Step:
    return step(path, html, terminate(), **more)


def session(name: str, *steps: Step, outcome: Any = "terminate") -> Session:
    return Session(session_id=name, user_id=f"user-{name}", source="live", outcome=outcome, steps=steps)


def end_of(visit: Session, **more: Any) -> VisitEnd:
    named = {"session_id": visit.session_id, "user_id": visit.user_id, "outcome": visit.outcome}
    return VisitEnd(**named | {"steps": len(visit.steps), "started": BEGAN, "seconds": 7.5} | more)


def write_folder(folder: Path, sessions: Sequence[Session], ends: Sequence[VisitEnd] = ()) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    write_records(folder / SESSIONS_FILE, sessions)
    write_records(folder / VISITS_FILE, ends or [end_of(each) for each in sessions])
    return folder


def timed(seconds: float) -> dict[str, Any]:
    """Return the fields of a step that began so many seconds after the visit, and took 0.5 s."""
    timing = Timing(decide=0.25, act=0.125, settle=0.25, observe=0.125)
    return {"time": BEGAN + seconds + 0.5, "timing": timing}


# Recordings


def element(
    tag: str, attributes: dict[str, Any] | None = None, *children: Any, **more: Any
) -> dict[str, Any]:
    inner = [text(each) if isinstance(each, str) else each for each in children]
    node = {"type": 2, "id": next(_ids), "tagName": tag, "attributes": attributes or {}, "childNodes": inner}
    return node | more


def text(content: str) -> dict[str, Any]:
    return {"type": 3, "id": next(_ids), "textContent": content}


def document(head: Sequence[Any], body: Sequence[Any]) -> dict[str, Any]:
    doctype = {"type": 1, "id": next(_ids), "name": "html", "publicId": "", "systemId": ""}
    html = element("html", {}, element("head", {}, *head), element("body", {}, *body))
    return {"type": 0, "id": 1, "childNodes": [doctype, html]}


def page_events(seconds: float, path: str, head: Sequence[Any], body: Sequence[Any]) -> list[Event]:
    at = int(1000 * (BEGAN + seconds))
    size = {"width": 1000, "height": 600}
    return [
        {"type": 4, "data": {"href": SHOP + path, **size}, "timestamp": at},
        {
            "type": 2,
            "data": {"node": document(head, body), "initialOffset": {"left": 0, "top": 0}},
            "timestamp": at + 10,
        },
    ]


def seen(seconds: float, path: str) -> Event:
    return mark_event(
        PageSeen(url=SHOP + path, copy_sha256="0" * 64, html_sha256="0" * 64), 1000 * (BEGAN + seconds)
    )


def done(seconds: float, index: int, step: Step, node: int | None = None) -> Event:
    target = Target(node=node) if node is not None else None
    return mark_event(StepDone.of(index, step, target), 1000 * (BEGAN + seconds))


def write_events(folder: Path, name: str, events: Sequence[Event]) -> None:
    write_recording(
        folder / RECORDINGS_FOLDER, name, Recording(sorted(events, key=lambda each: each["timestamp"]))
    )
