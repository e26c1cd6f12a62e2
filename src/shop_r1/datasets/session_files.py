"""Files of sessions in either form, JSONL or Parquet, by their names' endings.

JSONL is for people and interchange, Parquet for many sessions. What needs to read sessions in any order takes
`open_sessions`: it reads a small file at once, and converts a large JSONL to Parquet once, beside itself.
"""

import json
import os
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from shop_r1.datasets.outlines import SessionOutline, digest_session, outline_session
from shop_r1.datasets.parquet import ParquetSessions, is_indexed, open_writer, read_rows
from shop_r1.errors import DataError, file_errors
from shop_r1.jsonl import Moved, parse_record, read_lines, replacing, write_records
from shop_r1.records.sessions import Session
from shop_r1.runs import digest_file
from shop_r1.text_files import compression_of

CONVERTED_FROM_BYTES = 64 << 20
"""Of text: a smaller file is read at once and kept in memory. Ours."""
_COMPRESSION = 16  # how many bytes of text a compressed byte stands for, about
PARQUET = ".parquet"

Notify = Callable[[str], None]
"""Called with a sentence about what is done beside the command's work."""


@contextmanager
def line_writer(path: Path) -> Iterator[Callable[[str, Path, int], object]]:
    """Yield what writes a session as `read_session_lines` gave it, with its place for errors.

    The name's ending says the form; the file appears whole or not at all.

    Raises:
        DataError: it cannot be written; an older file stays as it was.
    """
    if path.suffix == PARQUET:
        with open_writer(path) as write:
            yield lambda line, source, number: write(parse_record(line, Session, source, number))
    else:
        with replacing(path) as stream:
            yield lambda line, source, number: stream.write(line.rstrip("\n").encode() + b"\n")


def write_sessions(path: Path | str, sessions: Iterable[Session]) -> int:
    """Write the sessions in order and return how many; the file appears whole or not at all.

    Its name ends in `.jsonl`, `.jsonl.zst` or `.parquet`.

    >>> from tempfile import TemporaryDirectory
    >>> from shop_r1 import Action, Page, Session, Step
    >>> step = Step(page=Page(html="<page>"), action=Action(type="terminate"))
    >>> with TemporaryDirectory() as folder:
    ...     written = write_sessions(f"{folder}/one.jsonl", [Session(session_id="visit-1", steps=(step,))])
    ...     found = list(read_sessions(f"{folder}/one.jsonl"))
    >>> written, found[0].session_id, found[0].steps == (step,)
    (1, 'visit-1', True)

    Raises:
        DataError: it cannot be written; an older file stays as it was.
    """
    path, count = Path(path), 0
    if path.suffix != PARQUET:
        return write_records(path, sessions)
    with open_writer(path) as write:
        for count, session in enumerate(sessions, 1):  # noqa: B007
            write(session)
    return count


def read_session_lines(path: Path, moved: Moved | None = None) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, text) of each session of a file: a line of JSONL as it stands, or a row as JSON.

    Raises:
        DataError: the file cannot be read.
    """
    return read_rows(path, moved) if path.suffix == PARQUET else read_lines(path, moved)


def read_sessions(path: Path | str, moved: Moved | None = None) -> Iterator[Session]:
    """Yield the sessions of a `.jsonl`, `.jsonl.zst`, `.jsonl.gz` or `.parquet` file in order, one at a time.

    Raises:
        DataError: the file cannot be read, holds no session, or a line or row is not a valid one.
    """
    path, number = Path(path), 0
    for number, line in read_session_lines(path, moved):
        yield parse_record(line, Session, path, number)
    if number == 0:
        raise DataError.at(path, None, "holds no sessions; expected a line or a row for each")


def open_sessions(
    path: Path, progress: Moved | None = None, notify: Notify = lambda _: None
) -> Sequence[Session]:
    """Return the sessions of a file, to be read in any order.

    Those of a Parquet file by `write_sessions` stay on disk. Of other files a small one is read into a list;
    a large one is converted to Parquet beside it (`FILE.cache.parquet`), which is used again as long as the
    contents of the file are the same. `notify` is called when a file is converted, or an earlier conversion
    cannot be used.

    Raises:
        DataError: as for `read_sessions`, or the conversion cannot be written.
    """
    if path.suffix == PARQUET and is_indexed(path):
        return ParquetSessions(path)
    with file_errors(path):
        size = path.stat().st_size
    is_packed = path.suffix == PARQUET or compression_of(path) is not None
    if size * (_COMPRESSION if is_packed else 1) < CONVERTED_FROM_BYTES:
        return list(read_sessions(path, progress))
    return _find_conversion(path, progress, notify)


def conversion_path(path: Path) -> Path:
    """Return where the conversion of a large file is kept."""
    return path.with_name(f"{path.name}.cache{PARQUET}")


def _find_conversion(path: Path, progress: Moved | None, notify: Notify) -> ParquetSessions:
    """Return the conversion beside the file if it is of these contents, else a new one."""
    beside = conversion_path(path)
    if beside.exists():
        try:
            sessions = ParquetSessions(beside)
            _check_source(beside, sessions.source, path)
            return sessions
        except DataError as error:
            notify(f"{error}; it is made again")
    if os.access(path.parent, os.W_OK):
        sessions = _convert_large(path, beside, progress)
        notify(f"{beside}: {path.name} converted to Parquet, {len(sessions):,} sessions; it may be removed")
        return sessions
    with ExitStack() as stack:
        out = Path(stack.enter_context(tempfile.TemporaryDirectory())) / beside.name
        sessions = _convert_large(path, out, progress)
        weakref.finalize(sessions, stack.pop_all().close)
    notify(f"{path.parent} cannot be written, so {path.name} was converted to {out} for this run alone")
    return sessions


def _convert_large(path: Path, out: Path, progress: Moved | None) -> ParquetSessions:
    before = _describe_source(path)
    with open_writer(out, json.dumps(before | {"sha256": digest_file(path)})) as write:
        for session in read_sessions(path, progress):
            write(session)
        if _describe_source(path) != before:
            problem = "was changed while it was being read; start again when it is whole"
            raise DataError.at(path, None, problem)
    return ParquetSessions(out)


def _check_source(beside: Path, source: str | None, path: Path) -> None:
    """Make sure that a conversion is of the file's contents; a copy of the file with another time is.

    Raises:
        DataError: it is of others.
    """
    try:
        recorded = json.loads(source or "{}")
    except ValueError:
        recorded = {}
    now = _describe_source(path)
    is_same = isinstance(recorded, dict) and recorded.get("size") == now["size"]
    if is_same and recorded.get("mtime_ns") != now["mtime_ns"]:
        is_same = recorded.get("sha256") == digest_file(path)
    if not is_same:
        raise DataError.at(beside, None, f"is of other contents than {path.name} has now")


def _describe_source(path: Path) -> dict[str, int]:
    status = path.stat()
    return {"size": status.st_size, "mtime_ns": status.st_mtime_ns}


def outlines(sessions: Sequence[Session]) -> Iterator[SessionOutline]:
    """Yield the sessions' outlines, in order; of Parquet no page is read."""
    if isinstance(sessions, ParquetSessions):
        return map(sessions.columns.outline, range(len(sessions)))
    return map(outline_session, sessions)


def session_digests(sessions: Iterable[Session]) -> Iterator[bytes]:
    """Yield 8 bytes for each session that change with it, in order; of Parquet no page is read."""
    if isinstance(sessions, ParquetSessions):
        return (digest.tobytes() for digest in sessions.columns.digests)
    return map(digest_session, sessions)


def refuse_repeated_ids(path: Path, sessions: Sequence[Session]) -> None:
    """Make sure that a session's id means one session.

    Raises:
        DataError: two have the same; `path` is named.
    """
    seen = set[str]()
    for session in outlines(sessions):
        if session.session_id in seen:
            problem = f"two sessions have the session_id {session.session_id!r}; expected one for each id"
            raise DataError.at(path, None, problem)
        seen.add(session.session_id)
