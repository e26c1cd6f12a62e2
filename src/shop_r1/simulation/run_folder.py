"""The folder of a simulation: each step as soon as it is done; what is finished stays when it goes on."""

import fcntl
import shutil
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pydantic import BaseModel

from shop_r1.errors import DataError, file_errors
from shop_r1.jsonl import replacing
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.records.visits import (
    RECORDINGS_FOLDER,
    SCREENSHOTS_FOLDER,
    SESSIONS_FILE,
    STEPS_FILE,
    TRACES_FOLDER,
    VISITS_FILE,
    VisitEnd,
    VisitStep,
)
from shop_r1.runs import CACHE, RunFolder
from shop_r1.simulation.loop import Visit, make_session
from shop_r1.simulation.record_files import copy_lines, line_spans, whole_lines
from shop_r1.simulation.shards import SHARDS_FOLDER, gather_shards

FILES = (SESSIONS_FILE, STEPS_FILE, VISITS_FILE, CACHE)
FOLDERS = (RECORDINGS_FOLDER, SCREENSHOTS_FOLDER, TRACES_FOLDER)
_LOCK = ".lock"


class SimulationFolder:
    """An observer that keeps what happens in a run's folder.

    `steps.jsonl` has each step when it is done, `visits.jsonl` and `sessions.jsonl` each visit when it has
    ended; a visit counts as finished when it is in both and was not stopped.
    """

    def __init__(self, path: Path, finished: frozenset[str], files: Mapping[str, IO[bytes]]) -> None:
        """Use `opened`."""
        self.path = path
        self.finished = finished
        """Session ids of the visits that were finished before this run began."""
        self._files = files
        self._steps: dict[str, list[Step]] = {}

    async def begin(self, visit: Visit) -> None:
        """Take a visit that begins."""
        self._steps[visit.session_id] = []

    async def before_step(self, visit: Visit, page: Page) -> bool:
        """Let it go on."""
        return True

    async def after_step(self, visit: Visit, step: Step) -> None:
        """Write the step.

        Raises:
            DataError: it cannot be written.
        """
        steps = self._steps[visit.session_id]
        self._write(STEPS_FILE, VisitStep(session_id=visit.session_id, index=len(steps), step=step))
        steps.append(step)

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        """Write how the visit ended, and its session if it has a step.

        Raises:
            DataError: they cannot be written.
        """
        self._write(VISITS_FILE, end)
        if steps := self._steps.pop(visit.session_id, None):
            outcome = end.outcome
            finished = None if outcome == "no step" or outcome == "stopped" else outcome
            self._write(SESSIONS_FILE, make_session(visit, steps, finished))

    def _write(self, name: str, record: BaseModel) -> None:
        line = record.model_dump_json(exclude_none=True).encode() + b"\n"
        with file_errors(self.path / name, "written"):
            left = memoryview(line)
            while left:  # an unbuffered write may take a part only
                left = left[self._files[name].write(left) :]


@contextmanager
def opened(
    path: Path, record: Mapping[str, Any], *, resume: bool, free: Collection[str] = ()
) -> Iterator[SimulationFolder]:
    """Open the folder for a run with this record (`runs.make_record`), for one run at a time.

    With `resume`, a run of the same settings goes on, those in `free` apart: what is finished stays, to the
    byte, and of unfinished visits all is removed. Else what an earlier simulation wrote there is removed.

    Raises:
        DataError: another run writes to it, it is of another run, or it cannot be read or written.
    """
    folder = RunFolder(path)
    with _locked(path):
        if resume and folder.settings.exists():
            folder.check_settings(record, free)
            finished = _keep_finished(path)
        else:
            _remove(path)
            finished = frozenset()
        folder.write_settings(record)
        with _writing(path, finished) as written:
            yield written


@contextmanager
def shard(path: Path) -> Iterator[SimulationFolder]:
    """Open a folder as one process's part of a run on a cluster.

    Raises:
        DataError: it is not in the run's folder as this process sees it, or cannot be written.
    """
    if not path.parent.is_dir():
        problem = "is not there on this machine; --out has to be on a path that all machines share"
        raise DataError.at(path.parent, None, problem)
    with file_errors(path, "written"):
        path.mkdir()
    with _writing(path, frozenset()) as folder:
        yield folder


@contextmanager
def _writing(path: Path, finished: frozenset[str]) -> Iterator[SimulationFolder]:
    files: dict[str, IO[bytes]] = {}
    try:
        for name in (STEPS_FILE, VISITS_FILE, SESSIONS_FILE):
            with file_errors(path / name, "written"):
                files[name] = (path / name).open("ab", buffering=0)
        yield SimulationFolder(path, finished, files)
    finally:
        for stream in files.values():
            stream.close()
        sessions = path / SESSIONS_FILE
        if sessions.exists() and not sessions.stat().st_size:
            sessions.unlink()  # a file of sessions holds at least one


def sort_by_visit(path: Path, order: Sequence[str]) -> None:
    """Put the lines of ended visits in this order of session ids, others behind them.

    Raises:
        DataError: the folder cannot be read or written.
    """
    places = {name: place for place, name in enumerate(order)}
    for name, schema in ((SESSIONS_FILE, Session), (VISITS_FILE, VisitEnd)):
        if not (path / name).exists():
            continue
        spans = line_spans(path / name, schema)
        lines = [(places.get(id_, len(places)), start, size) for id_, start, size in spans]
        if lines == sorted(lines):
            continue
        with file_errors(path / name), replacing(path / name) as stream:
            copy_lines(path / name, [(start, size) for _, start, size in sorted(lines)], stream)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Hold the folder for this run alone."""
    with file_errors(path, "written"):
        path.mkdir(parents=True, exist_ok=True)
        lock = (path / _LOCK).open("ab")
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            problem = "another run is writing to it; wait for its end, or give this run another --out"
            raise DataError.at(path, None, problem) from None
        yield


def _remove(path: Path) -> None:
    """Remove what an earlier simulation wrote; completions that were paid for stay."""
    with file_errors(path, "written"):
        for name in FILES:
            if name != CACHE:
                (path / name).unlink(missing_ok=True)
        for name in (*FOLDERS, SHARDS_FOLDER):
            shutil.rmtree(path / name, ignore_errors=True)


def _keep_finished(path: Path) -> frozenset[str]:
    """Drop what is of unfinished visits, and return the ids of the finished ones."""
    finished = _keep_finished_lines(path)
    if (path / SHARDS_FOLDER).is_dir():  # of a run on a cluster that was killed
        gather_shards(path)
        finished = _keep_finished_lines(path)
    for name in FOLDERS:
        _drop_visits(path / name, finished)
    return finished


def _keep_finished_lines(path: Path) -> frozenset[str]:
    """Drop the lines of unfinished visits from the files, and return the ids of the finished ones."""
    ends = whole_lines(path / VISITS_FILE, VisitEnd)
    ended = {end.session_id for end, *_ in ends if end.outcome != "stopped"}
    sessions = {id_ for id_, *_ in line_spans(path / SESSIONS_FILE, Session)}
    finished = frozenset(ended & sessions)
    for name, schema in ((SESSIONS_FILE, Session), (VISITS_FILE, VisitEnd), (STEPS_FILE, VisitStep)):
        _keep_lines(path / name, schema, finished)
    return finished


def _keep_lines(path: Path, schema: type[BaseModel], finished: frozenset[str]) -> None:
    """Rewrite a file with the lines of finished visits alone, where it has others or an incomplete one."""
    if not path.exists():
        return
    kept = [(start, size) for id_, start, size in line_spans(path, schema) if id_ in finished]
    if sum(size for _, size in kept) == path.stat().st_size:
        return
    with file_errors(path), replacing(path) as stream:
        copy_lines(path, kept, stream)


def _drop_visits(folder: Path, finished: frozenset[str]) -> None:
    """Remove what is named after visits that are not finished; what several share stays."""
    kept = {name for id_ in finished for name in (id_, f"{id_}.json.zst", f"{id_}.zip")} | {"assets"}
    with file_errors(folder, "written"):
        for each in folder.iterdir() if folder.is_dir() else ():
            if each.name in kept:
                continue
            if each.is_dir():
                shutil.rmtree(each)
            else:
                each.unlink()
