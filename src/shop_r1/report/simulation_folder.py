"""What a report shows of a folder that `simulate` wrote: visits, recordings and screenshots."""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from os import SEEK_END
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel

from shop_r1.errors import DataError, file_errors
from shop_r1.jsonl import parse_record, read_lines
from shop_r1.records.sessions import Session, Step
from shop_r1.records.visits import (
    RECORDINGS_FOLDER,
    SCREENSHOTS_FOLDER,
    SESSIONS_FILE,
    STEPS_FILE,
    VISITS_FILE,
    VisitEnd,
    VisitStep,
)
from shop_r1.runs import RunFolder

RecordT = TypeVar("RecordT", bound=BaseModel)


@dataclass(frozen=True)
class FoundVisit:
    """One visit as it lies in the folder."""

    session_id: str
    steps: tuple[Step, ...] = ()
    session: Session | None = None
    """None where the visit has none: it took no step, or is unfinished."""
    end: VisitEnd | None = None
    """None where the run was ended before the visit."""
    recording: Path | None = None
    screenshots: Mapping[int, Path] = field(default_factory=dict)
    """By step, from 0."""

    @property
    def outcome(self) -> str:
        """How it ended; `unfinished` where nothing says so."""
        if self.end is not None:
            return self.end.outcome
        return (self.session.outcome if self.session is not None else None) or "unfinished"


@dataclass(frozen=True)
class SimulationFolder:
    """A simulation's settings and visits."""

    path: Path
    settings: Mapping[str, Any]
    """What `settings.json` holds; empty where there is none."""
    visits: tuple[FoundVisit, ...]
    incomplete: tuple[str, ...] = ()
    """Files whose last line was being written when the run was killed; it is left out."""


def is_simulation(folder: Path) -> bool:
    """Return whether the folder is one that `simulate` wrote."""
    return any((folder / name).exists() for name in (VISITS_FILE, SESSIONS_FILE, STEPS_FILE)) and not any(
        folder.glob("predictions.jsonl")
    )


def read_simulation(folder: Path) -> SimulationFolder:
    """Return what the folder holds, the visits in the order in which they ended, those under way last.

    Raises:
        DataError: it holds no visit, or a file is not what it should be.
    """
    incomplete = list[str]()
    sessions = {each.session_id: each for each in _read(folder / SESSIONS_FILE, Session, incomplete)}
    ends = {each.session_id: each for each in _read(folder / VISITS_FILE, VisitEnd, incomplete)}
    steps: dict[str, dict[int, Step]] = defaultdict(dict)
    for each in _read(folder / STEPS_FILE, VisitStep, incomplete):
        if each.session_id not in sessions:
            steps[each.session_id][each.index] = each.step
    names = dict.fromkeys([*ends, *sessions, *steps])
    if not names:
        raise DataError.at(
            folder, None, f"holds no visits; expected {SESSIONS_FILE}, as `simulate` writes it"
        )
    settings = RunFolder(folder)
    return SimulationFolder(
        path=folder,
        settings=settings.read_settings() if settings.settings.exists() else {},
        visits=tuple(
            FoundVisit(
                session_id=name,
                steps=_steps(sessions.get(name), steps.get(name, {})),
                session=sessions.get(name),
                end=ends.get(name),
                recording=_recording(folder, name),
                screenshots=_screenshots(folder, name),
            )
            for name in names
        ),
        incomplete=tuple(incomplete),
    )


def _read(path: Path, schema: type[RecordT], incomplete: list[str]) -> Iterator[RecordT]:
    """Yield the file's records; a last line that was cut short is noted in `incomplete` and left out."""
    if not path.exists():
        return
    with file_errors(path), path.open("rb") as stream:
        size = stream.seek(0, SEEK_END)
        stream.seek(max(0, size - 1))
        is_cut = stream.read(1) not in (b"", b"\n")
    before: tuple[int, str] | None = None
    for line in read_lines(path) if size else ():
        if before is not None:
            yield parse_record(before[1], schema, path, before[0])
        before = line
    if before is None:
        return
    try:
        yield parse_record(before[1], schema, path, before[0])
    except DataError:
        if not is_cut:
            raise
        incomplete.append(path.name)


def _steps(session: Session | None, found: Mapping[int, Step]) -> tuple[Step, ...]:
    return session.steps if session is not None else tuple(found[index] for index in sorted(found))


def _is_name(session_id: str) -> bool:
    """Return whether the id can be a file's name; any other has no files."""
    is_short = len(session_id.encode("utf-8", "replace")) <= 200
    return session_id not in (".", "..") and not set(session_id) & set("/\\\0") and is_short


def _recording(folder: Path, session_id: str) -> Path | None:
    path = folder / RECORDINGS_FOLDER / f"{session_id}.json.zst"
    return path if _is_name(session_id) and path.is_file() else None


def _screenshots(folder: Path, session_id: str) -> dict[int, Path]:
    place = folder / SCREENSHOTS_FOLDER / session_id
    if not _is_name(session_id) or not place.is_dir():
        return {}
    return {int(path.stem): path for path in sorted(place.glob("*.jpg")) if path.stem.isdecimal()}
