"""Shards: what each process of a cluster writes of its visits, and how the folder takes them in."""

import shutil
from collections.abc import Collection
from pathlib import Path

from pydantic import BaseModel

from shop_r1.errors import file_errors
from shop_r1.records.sessions import Session
from shop_r1.records.visits import SESSIONS_FILE, STEPS_FILE, VISITS_FILE, VisitEnd, VisitStep
from shop_r1.simulation.record_files import copy_lines, line_spans, whole_lines

SHARDS_FOLDER = "shards"
"""Of a simulation's folder, while it runs on a cluster: a folder for each process, with the three files."""
_FILES: tuple[tuple[str, type[BaseModel]], ...] = (
    (STEPS_FILE, VisitStep),
    (SESSIONS_FILE, Session),
    (VISITS_FILE, VisitEnd),
)
"""In this order: a visit counts as ended when all that it left is there."""


def gather_shards(path: Path) -> None:
    """Append to the folder's files all visits that have ended in its shards, each once, and remove these.

    A visit that two processes ran, since the first was believed to be dead, comes from the first shard in
    which it was not stopped. Visits that have ended in the folder's own files, and those cut off by the end
    of their process, are left out.

    Raises:
        DataError: a shard cannot be read, or the folder cannot be written.
    """
    shards = [each for each in sorted((path / SHARDS_FOLDER).glob("*")) if each.is_dir()]
    wanted = _ended(shards, {id_ for id_, *_ in line_spans(path / VISITS_FILE, VisitEnd)})
    for name, schema in _FILES:
        for shard in shards:
            ids = wanted[shard]
            spans = [(start, size) for id_, start, size in line_spans(shard / name, schema) if id_ in ids]
            if not spans:
                continue
            with file_errors(path / name, "written"), (path / name).open("ab") as stream:
                copy_lines(shard / name, spans, stream)
    with file_errors(path / SHARDS_FOLDER, "written"):
        shutil.rmtree(path / SHARDS_FOLDER, ignore_errors=True)


def _ended(shards: Collection[Path], there: Collection[str]) -> dict[Path, frozenset[str]]:
    """Return the session ids of the visits that are taken from each shard."""
    shard_of: dict[str, Path] = {}
    ends = [(shard, _ends(shard)) for shard in shards]
    for is_stopped in (False, True):
        for shard, found in ends:
            for end in found:
                if (end.outcome == "stopped") == is_stopped and end.session_id not in there:
                    shard_of.setdefault(end.session_id, shard)
    return {each: frozenset(id_ for id_, shard in shard_of.items() if shard == each) for each in shards}


def _ends(shard: Path) -> list[VisitEnd]:
    """Return the ends in a shard whose sessions are there too."""
    sessions = {id_ for id_, *_ in line_spans(shard / SESSIONS_FILE, Session)}
    ends = (end for end, *_ in whole_lines(shard / VISITS_FILE, VisitEnd))
    return [end for end in ends if end.session_id in sessions or not end.steps]
