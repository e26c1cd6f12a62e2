"""What a browser recorded of a visit: rrweb's events, with the shopper's steps among them.

A recording is the list of the events as JSON, in zstd, `recordings/<session id>.json.zst`. Style sheets and
pictures stand once for all visits in `recordings/assets/`, by the SHA-256 of their bytes; where a sheet's
text was, the recording has `shop-r1-asset:<sha256>`. What the shopper saw and did are custom events of
rrweb's (type 5) with the tag `shop-r1` (`Mark`). docs/recordings.md describes all of it.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal, Self

import zstandard
from pydantic import Field, FiniteFloat, TypeAdapter, ValidationError

from shop_r1.atomic_files import replacing_file
from shop_r1.errors import DataError, file_errors
from shop_r1.jsonl import LEVEL, Record, replacing
from shop_r1.records.actions import Action
from shop_r1.records.sessions import Alternative, Outcome, Page, Step, StepEvent, Timing
from shop_r1.text_files import CorruptError, corrupt, open_bytes
from shop_r1.validation_messages import describe_problems

TAG: Final = "shop-r1"
"""Of the custom events that are ours."""
ASSETS_FOLDER: Final = "assets"
ENDING: Final = ".json.zst"
REFERENCE: Final = "shop-r1-asset:"
"""What stands before an asset's SHA-256 in the place of its text."""
MAX_RECORDING_BYTES: Final = 200_000_000
"""Of a recording's JSON; in memory it takes some ten times as much. Ours."""
MAX_ASSET_BYTES: Final = 20_000_000
"""Of one style sheet, picture or page. Ours."""
CUSTOM: Final = 5
"""rrweb's type of custom events."""

_TIMESTAMP_MAX = 1e15  # milliseconds; JSON's numbers have no bounds, and 1e999 is infinity
_SHORTEST_SHEET = 200  # characters from which a style sheet stands by itself
_IS_REFERENCE = re.compile(rf"{REFERENCE}([0-9a-f]{{64}})")
_SESSION_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,199}")

Event = dict[str, Any]
"""One of rrweb's events: `type` (a number), `data` (an object) and `timestamp` (milliseconds since 1970)."""
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Asset(Record):
    """Something that a page fetched, in `recordings/assets/`."""

    sha256: Sha256
    media_type: str = Field(default="", max_length=100)
    """As the shop said, such as `image/png`; hostile."""


class VisitBegun(Record):
    """Whose visit it is; the first of a recording's marks."""

    kind: Literal["begin"] = "begin"
    session_id: str = Field(min_length=1)
    user_id: str | None = None
    persona: str | None = None
    source: str = "live"
    space: str = "live"


class PageSeen(Record):
    """A page as it was read for the shopper: after the start, and after each action."""

    kind: Literal["page"] = "page"
    url: str = ""
    status: int | None = None
    copy_sha256: Sha256
    """The asset that holds the page's copy, HTML in UTF-8, in which what no shopper sees or reaches is left
    out; simplified, it is the page of the session's record."""
    html_sha256: Sha256
    """Of the simplified page, so that a change of the simplifier since then shows."""
    hidden: dict[str, int] = Field(default_factory=dict)
    """How many elements were left out of the copy, by reason."""


class Target(Record):
    """The element that an action was done on."""

    node: int | None = None
    """Its number in rrweb's mirror of the page; None where the recording does not have it."""
    box: tuple[FiniteFloat, FiniteFloat, FiniteFloat, FiniteFloat] | None = None
    """Left, top, width and height in the window, in CSS pixels; None where it had none."""


class StepDone(Record):
    """One step, in the place where the action began. Its page is the last `PageSeen` before it."""

    kind: Literal["step"] = "step"
    index: int = Field(ge=0)
    """From 0."""
    action: Action
    rationale: str | None = None
    time: float | None = None
    error: str | None = None
    events: tuple[StepEvent, ...] | None = None
    timing: Timing | None = None
    alternatives: tuple[Alternative, ...] | None = None
    """All of these as in `records.sessions.Step`."""
    target: Target | None = None
    """None where the action has none, or it was not found."""

    @classmethod
    def of(cls, index: int, step: Step, target: Target | None) -> Self:
        """Return the mark of a step."""
        parts = {name: getattr(step, name) for name in Step.model_fields if name != "page"}
        return cls(index=index, target=target, **parts)

    def on(self, page: Page) -> Step:
        """Return the step, on this page.

        Raises:
            ValidationError: a session's step may not be so, which a mark of ours is not.
        """
        parts = {name: getattr(self, name) for name in Step.model_fields if name != "page"}
        return Step(page=page, **parts)


class VisitEnded(Record):
    """How the visit ended; behind all else that was recorded of it."""

    kind: Literal["end"] = "end"
    outcome: Outcome | None = None
    dropped: dict[str, int] = Field(default_factory=dict)
    """What came from the pages and is not in the recording, or what could not be stored, in words."""


class AssetsKept(Record):
    """Which assets the pages' addresses stand for; the last event of a recording."""

    kind: Literal["assets"] = "assets"
    assets: dict[str, Asset]


Mark = VisitBegun | PageSeen | StepDone | VisitEnded | AssetsKept
_MARK: TypeAdapter[Mark] = TypeAdapter(Annotated[Mark, Field(discriminator="kind")])


@dataclass(frozen=True)
class Recording:
    """A visit's events by time, and what the addresses in them stand for."""

    events: list[Event]
    """The marks among them, `AssetsKept` apart."""
    assets: Mapping[str, Asset] = field(default_factory=dict)
    """By address, without fragment."""

    def marks(self) -> Iterator[tuple[float, Mark]]:
        """Yield the marks with their times, in milliseconds since 1970.

        Raises:
            DataError: an event with the tag is no mark.
        """
        for number, event in enumerate(self.events):
            if is_mark(event):
                yield float(event["timestamp"]), _read_mark(event, number)


def is_mark(event: Mapping[str, Any]) -> bool:
    """Return whether an event has the form of a mark."""
    data = event.get("data")
    return event.get("type") == CUSTOM and isinstance(data, dict) and data.get("tag") == TAG


def mark_event(mark: Mark, timestamp: float) -> Event:
    """Return a mark as a custom event at a time in milliseconds since 1970."""
    payload = mark.model_dump(mode="json", exclude_none=True)
    return {"type": CUSTOM, "data": {"tag": TAG, "payload": payload}, "timestamp": timestamp}


def _read_mark(event: Event, number: int) -> Mark:
    try:
        return _MARK.validate_python(event["data"].get("payload"), strict=False)
    except ValidationError as error:
        problem = describe_problems(error)
        raise DataError(f"events.{number} has the tag {TAG!r} and is none of its events: {problem}") from None


class Assets:
    """The folder of a simulation's style sheets, pictures and pages, each stored once.

    A file that compression makes smaller is stored as `<sha256>.zst`, any other as `<sha256>`.
    """

    def __init__(self, folder: Path) -> None:
        """Use `recordings/assets/`; it is made with the first asset."""
        self._folder = folder
        self._known: set[str] = set()

    def add(self, data: bytes) -> str:
        """Store something, unless it is there, and return its SHA-256.

        Raises:
            DataError: it is larger than `MAX_ASSET_BYTES`, or cannot be written.
        """
        if len(data) > MAX_ASSET_BYTES:
            raise DataError(f"an asset has {len(data)} bytes; expected at most {MAX_ASSET_BYTES}")
        digest = hashlib.sha256(data).hexdigest()
        if digest not in self._known and not any(path.exists() for path in self._places(digest)):
            packed = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True).compress(data)
            plain, compressed = self._places(digest)
            is_smaller = len(packed) < 0.9 * len(data)
            with replacing_file(compressed if is_smaller else plain) as stream:
                stream.write(packed if is_smaller else data)
        self._known.add(digest)
        return digest

    def read(self, sha256: str) -> bytes:
        """Return the bytes with this SHA-256.

        Raises:
            DataError: there are none, or the file does not hold them.
        """
        places = self._places(sha256)
        path = next((place for place in places if place.exists()), places[0])
        data = _read_bytes(path, MAX_ASSET_BYTES)
        if hashlib.sha256(data).hexdigest() != sha256:
            raise DataError.at(path, None, "does not hold what its name says; expected bytes of this SHA-256")
        return data

    def read_text(self, sha256: str) -> str:
        """Return the text with this SHA-256; what is no UTF-8 in it is replaced.

        Raises:
            DataError: as for `read`.
        """
        return self.read(sha256).decode("utf-8", "replace")

    def _places(self, sha256: str) -> tuple[Path, Path]:
        return self._folder / sha256, self._folder / f"{sha256}.zst"


def recording_path(folder: Path, session_id: str) -> Path:
    """Return where a visit's recording stands in the folder `recordings/`.

    Raises:
        DataError: the id cannot be a file's name.
    """
    if not _SESSION_ID.fullmatch(session_id):
        raise DataError(
            f"session id {session_id[:80]!r} cannot be a file's name; expected letters, digits, . _ -"
        )
    return folder / f"{session_id}{ENDING}"


def write_recording(folder: Path, session_id: str, recording: Recording) -> Path:
    """Write a visit's recording into the folder `recordings/` and return its path; it appears whole.

    The style sheets in its events are moved into the assets; the events are changed for that.

    Raises:
        DataError: the id cannot be a file's name, or the disk is full or must not be written.
    """
    path = recording_path(folder, session_id)
    assets = Assets(folder / ASSETS_FOLDER)
    for event in recording.events:
        _move_sheets(event, assets)
    last = recording.events[-1]["timestamp"] if recording.events else 0
    kept = mark_event(AssetsKept(assets=dict(recording.assets)), last)
    with replacing(path) as stream:
        for before, event in zip(
            ("[", *[",\n"] * len(recording.events)), [*recording.events, kept], strict=True
        ):
            stream.write((before + json.dumps(event, separators=(",", ":"), allow_nan=False)).encode())
        stream.write(b"]\n")
    return path


def read_recording(path: Path) -> Recording:
    """Return the recording in a file; references to its assets stay (`records.replays`).

    Raises:
        DataError: it cannot be read, is too large, or holds no events of rrweb's as a list.
    """
    try:
        events = json.loads(_read_bytes(path, MAX_RECORDING_BYTES), parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise DataError.at(path, None, f"is not JSON ({error}); expected rrweb's events as a list") from None
    try:
        return as_recording(events)
    except DataError as error:
        raise DataError.at(path, None, str(error)) from None


def as_recording(events: Any) -> Recording:
    """Return the recording that a JSON value is.

    Raises:
        DataError: it is no list of rrweb's events, or its last one is no mark of ours though it has the tag.
    """
    if not isinstance(events, list):
        raise DataError("is no list; expected rrweb's events as a list")
    wrong = next((number for number, event in enumerate(events) if not _is_event(event)), None)
    if wrong is not None:
        raise DataError(f"[{wrong}] is no event of rrweb's; expected an object with type, data and timestamp")
    if events and is_mark(events[-1]):
        mark = _read_mark(events[-1], len(events) - 1)
        if isinstance(mark, AssetsKept):
            return Recording(events[:-1], mark.assets)
    return Recording(events)


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no number of JSON's")


def _is_event(event: Any) -> bool:
    return (
        isinstance(event, dict)
        and type(event.get("type")) is int
        and isinstance(event.get("data"), dict)
        and type(event.get("timestamp")) in (int, float)
        and abs(event["timestamp"]) < _TIMESTAMP_MAX
    )


def _read_bytes(path: Path, limit: int) -> bytes:
    """Return a file's bytes, unpacked, which may be at most so many.

    Raises:
        DataError: it cannot be read, is corrupt, or is larger.
    """
    parts: list[bytes] = []
    size = 0
    try:
        with file_errors(path), open_bytes(path) as (_, source):
            while piece := source.read(1 << 20):
                size += len(piece)
                if size > limit:
                    raise DataError.at(path, None, f"is too large; at most {limit} bytes are read")
                parts.append(piece)
    except CorruptError as error:
        raise corrupt(path, None, error) from None
    return b"".join(parts)


# Where style sheets stand in rrweb's events


def _move_sheets(event: Event, assets: Assets) -> None:
    for node, parent in nodes_in(event):
        attributes = node.get("attributes")
        if isinstance(attributes, dict):
            _move(attributes, "_cssText", assets)
        elif parent is not None and parent.get("tagName") == "style":
            _move(node, "textContent", assets)
    for change in entries_in(event, "attributes"):
        if isinstance(change.get("attributes"), dict):
            _move(change["attributes"], "_cssText", assets)


def _move(holder: dict[str, Any], key: str, assets: Assets) -> None:
    text = holder.get(key)
    # One that looks like a reference is moved too: what a page writes must not be taken for ours.
    if isinstance(text, str) and (len(text) >= _SHORTEST_SHEET or referenced(text)):
        data = text.encode("utf-8", "replace")
        if len(data) <= MAX_ASSET_BYTES:
            holder[key] = REFERENCE + assets.add(data)


def referenced(text: str) -> str | None:
    """Return the SHA-256 of the asset that stands for the text; None where it is no reference."""
    found = _IS_REFERENCE.fullmatch(text)
    return found[1] if found else None


def nodes_in(event: Event) -> Iterator[tuple[dict[str, Any], dict[str, Any] | None]]:
    """Yield the serialised nodes in an event, each with its parent where that is in the event too."""
    data = event["data"]
    work: list[tuple[Any, dict[str, Any] | None]] = [(data.get("node"), None)]
    work += [(entry.get("node"), None) for entry in entries_in(event, "adds")]
    while work:
        node, parent = work.pop()
        if isinstance(node, dict):
            yield node, parent
            below = node.get("childNodes")
            work += [(child, node) for child in reversed(below)] if isinstance(below, list) else []


def entries_in(event: Event, key: str) -> list[dict[str, Any]]:
    """Return the objects in one of a mutation's lists, such as `adds`."""
    entries = event["data"].get(key)
    return [entry for entry in entries if isinstance(entry, dict)] if isinstance(entries, list) else []
