"""Training, test and validation sessions of one file, such that nothing leaks from one side to another.

Sessions that belong together stay together: those of one user, and exact and near-duplicates
(`datasets.duplicates`), directly or through others. Such groups are put in an order that a hash of the seed
and their ids gives, and each side is filled from it. So a split depends on the sessions and the seed, not on
the order of the lines in the file.
"""

import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from stat import S_IMODE
from typing import Any, Literal

from shop_r1.datasets.duplicates import Groups, Sketch, first_places, similar_pairs, sketch_session
from shop_r1.datasets.session_files import conversion_path, line_writer, read_session_lines
from shop_r1.errors import DataError, file_errors
from shop_r1.jsonl import Moved, Record, parse_record, read_json, write_json
from shop_r1.records.sessions import Session
from shop_r1.runs import describe_differences

By = Literal["user", "session"]
Side = Literal["train", "test", "valid"]
SIDES: tuple[Side, ...] = ("train", "test", "valid")
RECORD_NAME = "split.json"
Format = Literal["jsonl", "jsonl.zst", "parquet"]
FORMATS: tuple[Format, ...] = ("jsonl", "jsonl.zst", "parquet")
LEFT_OUT = "left out"
"""Stands in the place of a side for an exact duplicate that `dedupe` leaves out."""


class SplitRecord(Record):
    """`split.json`: what a split was made with, and what is in it."""

    source: str
    """The file, as it was named."""
    by: By
    """What was kept together besides duplicates."""
    test: float
    """Sessions to hold out for the test, as asked: a share below 1, else a number."""
    valid: float
    seed: int
    dedupe: bool
    format: Format
    """Ending of the files."""
    lines: str = ""
    """BLAKE2b of the file's lines, or rows as JSON, in hexadecimal."""
    sessions: Mapping[str, int]
    """On each side, and left out."""
    actions: Mapping[str, Mapping[str, int]]
    """On each side, by type."""


@dataclass(frozen=True)
class SplitPlan:
    """Where each session goes: `train`, `test`, `valid` or `LEFT_OUT`, in the file's order."""

    sides: list[str]
    groups: int
    """How many stay together, single sessions included."""
    largest: int
    """Sessions of the largest group."""
    missing: Mapping[str, int]
    """By side, how many sessions fewer it has than asked."""


def plan_split(
    found: Sequence[Sketch], by: By, test: float, valid: float, seed: int, dedupe: bool = False
) -> SplitPlan:
    """Return where each session goes.

    Args:
        found: the sessions.
        by: `user` keeps a user's sessions on one side (those without a user stand alone), `session` does not.
        test: sessions on the test side: a share of all where it is below 1, else a number.
        valid: the same for the validation side; 0 makes none.
        seed: of the order in which groups are put on the sides.
        dedupe: of exact duplicates keep one, that whose session_id has the least hash.

    Returns:
        A plan in which no side that is held out has more sessions than asked; one has fewer only where no
        further group is small enough.

    Raises:
        DataError: a session_id stands twice, or a side would be empty.
    """
    kept = _keep(found, dedupe)
    wanted = {"test": test, "valid": valid}
    targets = {side: round(at * len(kept)) if at < 1 else int(at) for side, at in wanted.items()}
    if not sum(targets.values()) < len(kept):
        raise DataError(f"{len(kept)} sessions; expected more than the {sum(targets.values())} to hold out")
    sides = [LEFT_OUT] * len(found)
    for place in kept:
        sides[place] = "train"
    groups = _group(found, kept, by)
    _hold_out(sorted(groups, key=lambda group: _rank(found, group, seed)), targets, sides)
    _check_sides(sides, wanted, len(groups))
    missing = {side: room for side, room in targets.items() if room}
    return SplitPlan(sides, len(groups), max(map(len, groups)), missing)


def count_sides(found: Iterable[Sketch], sides: Iterable[str]) -> dict[str, Counter[str]]:
    """Return for each side how often each type of action occurs on it, and its sessions under `sessions`."""
    counts: dict[str, Counter[str]] = {}
    for each, side in zip(found, sides, strict=True):
        counts.setdefault(side, Counter()).update((*each.actions, "sessions"))
    return counts


def _keep(found: Sequence[Sketch], dedupe: bool) -> list[int]:
    """Return the places of the sessions that take part."""
    places = list(range(len(found)))
    if dedupe:
        order = sorted(places, key=lambda place: found[place].id)
        places = sorted(order[first] for first in first_places([found[place] for place in order]))
    repeated = len(places) - len({found[place].id for place in places})
    if repeated:
        hint = "" if dedupe else ", or give --dedupe where these are exact copies"
        raise DataError(
            f"{repeated} sessions have the session_id of another; expected one session of an id; see "
            f"shop-r1 data validate{hint}"
        )
    return places


def _group(found: Sequence[Sketch], kept: list[int], by: By) -> list[list[int]]:
    """Return the kept places in the groups that stay together."""
    sketches = [found[place] for place in kept]
    groups = Groups(len(kept))
    groups.join_equal(each.digest for each in sketches)
    if by == "user":
        groups.join_equal(each.user for each in sketches)
    distinct = first_places(sketches)
    for left, right in similar_pairs([sketches[place] for place in distinct]):
        groups.join(distinct[left], distinct[right])
    members: dict[int, list[int]] = {}
    for at, place in enumerate(kept):
        members.setdefault(groups.find(at), []).append(place)
    return list(members.values())


def _hold_out(groups: Iterable[list[int]], room: dict[str, int], sides: list[str]) -> None:
    """Put groups on the first side that has room for them; `room` is left with what remains."""
    for group in groups:
        side = next((side for side, left in room.items() if len(group) <= left), None)
        if side is not None:
            room[side] -= len(group)
            for place in group:
                sides[place] = side


def _rank(found: Sequence[Sketch], group: list[int], seed: int) -> bytes:
    """Return the group's place in the order: a hash of the seed and of its least id."""
    least = min(found[place].id for place in group)
    return blake2b(f"{seed}:".encode() + least, digest_size=16).digest()


def _check_sides(sides: list[str], wanted: Mapping[str, float], groups: int) -> None:
    empty = [side for side, asked in wanted.items() if asked and side not in sides]
    if empty or "train" not in sides:
        raise DataError(
            f"the {' and '.join(empty or ['train'])} side would be empty: {len(sides)} sessions are in "
            f"{groups} groups of users and duplicates that stay together; hold out more, or --by session"
        )


def read_input(path: Path, moved: Moved | None = None) -> tuple[list[Sketch], bytes]:
    """Return what a split needs to know of the file's sessions, and a digest of its lines.

    Raises:
        DataError: the file cannot be read, or a line or row is not a valid session.
    """
    found, digest = list[Sketch](), blake2b()
    for number, line in read_session_lines(path, moved):
        found.append(sketch_session(parse_record(line, Session, path, number)))
        digest.update(line.encode())
    if not found:
        raise DataError.at(path, None, "holds no sessions; expected a line or a row for each")
    return found, digest.digest()


def write_split(
    path: Path, folder: Path, sides: Sequence[str], record: SplitRecord, digest: bytes, moved: Moved | None
) -> None:
    """Write a file for each side and `split.json`; the folder appears whole, an earlier one goes whole.

    A line that is written as JSON stays as it was read.

    Raises:
        DataError: the folder cannot be written, or the file has changed; an earlier folder stays.
    """
    place = folder.resolve()  # a link to a folder stays one
    with file_errors(folder, "written"):
        place.parent.mkdir(parents=True, exist_ok=True)
        beside = tempfile.TemporaryDirectory(
            prefix=f".{place.name}.", dir=place.parent, ignore_cleanup_errors=True
        )
        with beside as temporary:
            new = Path(temporary) / "new"
            new.mkdir()
            _write_sides(path, new, sides, record.format, digest, moved)
            write_json(new / RECORD_NAME, record.model_dump())
            _swap(new, place)


def _swap(new: Path, place: Path) -> None:
    """Put a folder in the place, with the mode of what is there; where that fails, that comes back."""
    if not place.exists():
        new.rename(place)
        return
    new.chmod(S_IMODE(place.stat().st_mode))
    old = place.rename(new.with_name("old"))
    try:
        new.rename(place)
    except OSError:
        old.rename(place)
        raise


def _write_sides(
    path: Path, folder: Path, sides: Sequence[str], ending: Format, digest: bytes, moved: Moved | None
) -> None:
    again = blake2b()
    with ExitStack() as stack:
        writers = {
            side: stack.enter_context(line_writer(folder / f"{side}.{ending}"))
            for side in SIDES
            if side in sides
        }
        for place, (number, line) in enumerate(read_session_lines(path, moved)):
            again.update(line.encode())
            side = sides[place] if place < len(sides) else LEFT_OUT
            if side in writers:
                writers[side](line, path, number)
        if again.digest() != digest:
            raise DataError.at(path, None, "was changed while it was split; run the command again")


def check_folder(folder: Path, wanted: Mapping[str, Any], force: bool = False) -> None:
    """Make sure that nothing else is overwritten: the folder is new, empty, or the same command's own.

    `wanted` has fields of the `SplitRecord` to be written; with `force` another split may be there.

    Raises:
        DataError: it holds something else.
    """
    if not folder.exists():
        return
    names = {entry.name for entry in folder.iterdir()} if folder.is_dir() else {folder.name}
    if not names:
        return
    files = [folder / f"{side}.{ending}" for side in SIDES for ending in FORMATS]
    known = {RECORD_NAME, *(each.name for file in files for each in (file, conversion_path(file)))}
    if not (folder.is_dir() and names <= known and RECORD_NAME in names):
        problem = "holds files that this command does not write; expected a new or an empty folder"
        raise DataError.at(folder, None, problem)
    before = read_json(folder / RECORD_NAME)
    found = {key: before.get(key) for key in wanted} if isinstance(before, dict) else {}
    if found == wanted or force:
        return
    differences = describe_differences({**found, "lines": 0}, {**wanted, "lines": 0})
    if found.get("lines") != wanted.get("lines"):
        differences.append(f"the contents of {wanted.get('source')}")
    problem = f"holds another split: {', '.join(differences)}; give another --out, or --force to replace it"
    raise DataError.at(folder, None, problem)
