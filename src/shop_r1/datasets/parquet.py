"""Sessions as Parquet: a row for each session, in row groups small enough to read one session at random.

The columns are the fields of `Session`, nested as in JSON, and small derived ones beside them. So counting,
choosing and checking read no page, and DuckDB, pandas, `datasets` and Ray read the same file.
"""

import json
import os
import weakref
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import Any, overload

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import ValidationError

from shop_r1.atomic_files import replacing_file
from shop_r1.datasets.outlines import (
    ACTION_TYPES,
    DIGEST_BYTES,
    SessionColumns,
    count_html,
    digest_session,
    outline_session,
)
from shop_r1.datasets.row_spans import read_span
from shop_r1.errors import DataError, file_errors
from shop_r1.jsonl import Moved
from shop_r1.records.actions import SPACES
from shop_r1.records.sessions import Session, Timing
from shop_r1.validation_messages import describe_problems

VERSION_KEY = b"shop_r1.schema_version"
SOURCE_KEY = b"shop_r1.source"
SCHEMA_VERSION = "2"
"""Stands in the file's metadata under `VERSION_KEY`."""
_EARLIER_VERSIONS = (b"1",)  # without what a browser's driver adds; read row by row, like others' files

ROW_GROUP_CHARACTERS = 1 << 20
"""Of pages, after which a row group ends. To read one session at random costs a row group, 0.7 ms. Ours: with
twice as many characters a file of store sessions is 4 % smaller, and a row group costs 1.1 ms."""
COMPRESSION_LEVEL = 12
"""Of zstd. Ours: with level 9 the file is 3 % larger, with level 15 3 % smaller, for four times the time."""
LARGEST_ROW_GROUP = 1 << 30
"""Uncompressed bytes above which a row group is not read whole. Ours."""
KEPT_BYTES = 256 << 20
"""Of row groups kept in memory. Ours."""
SESSIONS_KEPT = 256
"""Sessions last read that are kept: more than a step of GRPO needs. Ours."""
_BATCH_ROWS = 64

_ACTION = pa.struct([(name, pa.string()) for name in ("type", "name", "text", "click_type")])
_PAGE = pa.struct([("url", pa.string()), ("html", pa.string()), ("status", pa.int32())])
_EVENT = pa.struct([("kind", pa.string()), ("detail", pa.string()), ("count", pa.int32())])
_TIMING = pa.struct([(name, pa.float64()) for name in Timing.model_fields])
_ALTERNATIVE = pa.struct([("action", _ACTION), ("probability", pa.float64())])
_STEP = pa.struct(
    [
        ("page", _PAGE),
        ("action", _ACTION),
        ("rationale", pa.string()),
        ("time", pa.float64()),
        ("error", pa.string()),
        ("events", pa.list_(_EVENT)),
        ("timing", _TIMING),
        ("alternatives", pa.list_(_ALTERNATIVE)),
    ]
)
_RECORD = [(name, pa.string()) for name in ("session_id", "user_id", "persona", "source", "space", "outcome")]
_DERIVED = [
    ("num_steps", pa.int32()),
    ("action_types", pa.list_(pa.string())),
    ("has_rationale", pa.list_(pa.bool_())),
    ("html_characters", pa.int64()),
    ("digest", pa.binary(DIGEST_BYTES)),
]
SCHEMA = pa.schema([*_RECORD, ("steps", pa.list_(_STEP)), *_DERIVED])
DERIVED = tuple(name for name, _ in _DERIVED)
"""Columns that follow from the others. Those that we use are compared with each session that is read."""
RECORD = tuple(name for name in SCHEMA.names if name not in DERIVED)

_ACTION_PATH = "steps.list.element.action"
_REPEATED = ["persona", "source", "space", "outcome", "action_types.list.element"]
_REPEATED += [f"{_ACTION_PATH}.{name}" for name in ("type", "name", "click_type")]
_SMALL = ["session_id", "space", "num_steps", "has_rationale", "html_characters", "digest", _ACTION_PATH]


@contextmanager
def open_writer(path: Path, source: str | None = None) -> Iterator[Callable[[Session], None]]:
    """Yield what writes the next session; the file appears when all went well, whole or not at all.

    The metadata say `source` of the file that it is converted from, if it is.

    Raises:
        DataError: it cannot be written; an older file stays as it was.
    """
    metadata = {VERSION_KEY: SCHEMA_VERSION} | ({} if source is None else {SOURCE_KEY: source})
    with (
        replacing_file(path) as stream,
        pq.ParquetWriter(
            stream,
            SCHEMA.with_metadata(metadata),
            compression="zstd",
            compression_level=COMPRESSION_LEVEL,
            use_dictionary=_REPEATED,
            write_statistics=["session_id", "num_steps"],
            data_page_size=LARGEST_ROW_GROUP,  # one page for each column: zstd then sees all that repeats
        ) as file,
    ):
        group = _RowGroup(file)
        yield group.add
        group.end()


class _RowGroup:
    """Sessions that wait to be written together."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self._rows: list[dict[str, Any]] = []
        self._characters = 0

    def add(self, session: Session) -> None:
        characters = count_html(session)
        derived = {
            "num_steps": len(session.steps),
            "action_types": [step.action.type for step in session.steps],
            "has_rationale": [step.rationale is not None for step in session.steps],
            "html_characters": characters,
            "digest": digest_session(session),
        }
        self._rows.append(session.model_dump() | derived)
        self._characters += characters
        if self._characters >= ROW_GROUP_CHARACTERS:
            self.end()

    def end(self) -> None:
        if self._rows:
            self._file.write_table(pa.Table.from_pylist(self._rows, self._file.schema))
        self._rows, self._characters = [], 0


class ParquetSessions(Sequence[Session]):
    """The sessions of a file that `open_writer` wrote, each read when it is needed.

    What is in memory does not grow with the pages: the small columns, the row groups and sessions last read.
    It can be used in forked processes and sent to spawned ones.
    """

    def __init__(self, path: Path, stamp: tuple[int, int] | None = None) -> None:
        """Read the small columns. While the file is open it may be replaced, but not changed in place.

        `stamp` is that of the file as another process read it.

        Raises:
            DataError: it cannot be read, is not valid, was not written by `open_writer`, or is another file
                than the stamp's.
        """
        self.path = path
        self._descriptor = _open(path)
        weakref.finalize(self, os.close, self._descriptor)
        self._stamp = _stamp(self._descriptor)
        if stamp not in (None, self._stamp):
            raise DataError.at(path, None, "was replaced while it was being read; start again")
        with _reading(path):
            # OSFile reads at a place without moving a position that forked processes would share.
            self._file = pq.ParquetFile(pa.OSFile(str(path)))
            metadata = self._file.metadata
            groups = [metadata.row_group(place) for place in range(metadata.num_row_groups)]
            largest = max((group.total_byte_size for group in groups), default=0)
            _check_schema(path, self._file, largest)
            self.columns = _read_columns(self._file)  # known without reading a page
        self._ends = np.cumsum([group.num_rows for group in groups])
        found = (metadata.metadata or {}).get(SOURCE_KEY)
        # What the metadata say of the file that it was converted from; None where it was not.
        self.source = None if found is None else found.decode(errors="replace")
        self._group = lru_cache(maxsize=max(1, KEPT_BYTES // max(1, largest)))(self._read_group)
        self._session = lru_cache(maxsize=SESSIONS_KEPT)(self._read_session)

    def __reduce__(self) -> tuple[Any, ...]:
        return ParquetSessions, (self.path, self._stamp)

    def __len__(self) -> int:
        return len(self.columns.ids)

    @overload
    def __getitem__(self, place: int) -> Session: ...
    @overload
    def __getitem__(self, place: slice) -> list[Session]: ...
    def __getitem__(self, place: int | slice) -> Session | list[Session]:
        """Return a session, or a list of some.

        Raises:
            DataError: the file was changed or is corrupt, or a row is not a valid session.
        """
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = place + len(self) if place < 0 else place
        if not 0 <= number < len(self):
            raise IndexError(f"{self.path} has {len(self)} sessions; found {place}")
        return self._session(number)

    def _read_session(self, number: int) -> Session:
        group = int(np.searchsorted(self._ends, number, "right"))
        first = int(self._ends[group - 1]) if group else 0
        (row,) = self._group(group).slice(number - first, 1).to_pylist()
        try:
            session = Session.model_validate(row)
        except ValidationError as error:
            raise DataError.at(self.path, number + 1, describe_problems(error, Session)) from None
        if outline_session(session) != self.columns.outline(number):
            problem = "its derived columns do not fit the session; write the file anew: shop-r1 data convert"
            raise DataError.at(self.path, number + 1, problem)
        return session

    def _read_group(self, group: int) -> Any:
        if _stamp(self._descriptor) != self._stamp:
            problem = "was changed while it was being read; start again with the file as it is"
            raise DataError.at(self.path, None, problem)
        with _reading(self.path):
            return self._file.read_row_group(group, columns=list(RECORD), use_threads=False)


def read_rows(path: Path, moved: Moved | None = None) -> Iterator[tuple[int, str]]:
    """Yield (row number from 1, session as JSON) of a Parquet file, whoever wrote it.

    Derived columns and empty values are left out; all else is left to the schema of `Session`.

    Raises:
        DataError: the file cannot be read, or is not valid Parquet.
    """
    number = 0
    with _reading_file(path) as (file, _):
        size, rows = path.stat().st_size, file.metadata.num_rows
        for batch in file.iter_batches(_BATCH_ROWS, columns=_record_columns(file), use_threads=False):
            for number, row in enumerate(batch.to_pylist(), number + 1):  # noqa: B020
                yield number, _to_json(row)
            if moved is not None:
                moved(size * number // rows, size)


def read_row_span(path: Path, span: tuple[int, int]) -> Iterator[tuple[int, str]]:
    """Yield what `read_rows` does of the rows [start, stop), which count from 0.

    Raises:
        DataError: as for `read_rows`.
    """
    number = span[0]
    with _reading_file(path) as (file, _):
        for batch in read_span(file, _record_columns(file), span, _BATCH_ROWS):
            for number, row in enumerate(batch.to_pylist(), number + 1):  # noqa: B020
                yield number, _to_json(row)


def _record_columns(file: Any) -> list[str]:
    """Return the names of the columns that are not derived, unknown ones too."""
    return [name for name in file.schema_arrow.names if name not in DERIVED]


def _to_json(row: Mapping[str, Any]) -> str:
    return json.dumps(_drop_nulls(row), ensure_ascii=False, separators=(",", ":"), default=str)


def is_indexed(path: Path) -> bool:
    """Return whether the file is one that `ParquetSessions` reads, rather than one of another program.

    Raises:
        DataError: it cannot be read, is not valid Parquet, or has another schema version.
    """
    with _reading_file(path) as (_, is_ours):
        return is_ours


def _read_columns(file: Any) -> SessionColumns:
    table = file.read(columns=_SMALL, use_threads=False)
    actions = table.column("steps").combine_chunks().flatten().field("action")
    types, names, texts = (actions.field(name).to_pylist() for name in ("type", "name", "text"))
    digests = b"".join(digest or b"" for digest in table.column("digest").to_pylist())
    found = SessionColumns(
        ids=table.column("session_id").to_pylist(),
        spaces=table.column("space").to_pylist(),
        counts=np.asarray(table.column("num_steps"), np.int64),
        html_characters=np.asarray(table.column("html_characters"), np.int64),
        digests=np.frombuffer(digests, np.uint8).reshape(-1, DIGEST_BYTES),
        types=types,
        names=names,
        texts=texts,
        has_rationale=table.column("has_rationale").combine_chunks().flatten().to_pylist(),
    )
    _check_columns(found)
    return found


def _check_columns(columns: SessionColumns) -> None:
    """Make sure that the columns are of the same sessions and steps.

    Raises:
        ValueError: they are not; nothing in a file from somebody else is to be trusted.
    """
    steps, n = len(columns.types), len(columns.ids)
    if not n:
        raise ValueError("it holds no sessions")
    if columns.counts.min() < 1 or columns.counts.sum() != steps or len(columns.has_rationale) != steps:
        raise ValueError("its columns of steps contradict each other")
    if len(columns.digests) != n or columns.html_characters.min() < 0:
        raise ValueError("its columns of sessions contradict each other")
    if not all(columns.ids) or not SPACES.keys() >= set(columns.spaces):
        raise ValueError("a session has no session_id, or an unknown action space")
    if not ACTION_TYPES.keys() >= set(columns.types):
        raise ValueError("it has unknown types of action")


def _check_schema(path: Path, file: Any, largest: int) -> None:
    problem = "was not written by shop-r1"
    if _is_ours(path, file):
        if largest <= LARGEST_ROW_GROUP:
            return
        problem = f"has a row group of {largest:,} bytes, more than {LARGEST_ROW_GROUP:,}"
    raise DataError.at(path, None, f"{problem}; write it anew: shop-r1 data convert")


def _is_ours(path: Path, file: Any) -> bool:
    """Return whether the file has our schema, and a schema version, which must be ours."""
    version = (file.metadata.metadata or {}).get(VERSION_KEY)
    if version not in (None, *_EARLIER_VERSIONS, SCHEMA_VERSION.encode()):
        problem = f"has schema version {version.decode(errors='replace')}; this version of shop-r1 reads "
        problem += f"{SCHEMA_VERSION}: convert it to .jsonl with the version that wrote it"
        raise DataError.at(path, None, problem)
    return version == SCHEMA_VERSION.encode() and bool(file.schema_arrow.equals(SCHEMA))


def _drop_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _drop_nulls(each) for key, each in value.items() if each is not None}
    if isinstance(value, list):
        return [_drop_nulls(each) for each in value]
    return value


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises into an error that names the file.

    pyarrow's own errors are ValueError, OSError and further subclasses of ArrowException.
    """
    try:
        yield
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        first = str(error).partition("\n")[0]
        raise DataError.at(path, None, f"is not a valid Parquet file of sessions ({first})") from None


@contextmanager
def _reading_file(path: Path) -> Iterator[tuple[Any, bool]]:
    """Open a file that anybody may have written; yield it and whether `ParquetSessions` reads it."""
    os.close(_open(path))
    with _reading(path), pa.OSFile(str(path)) as source:
        file = pq.ParquetFile(source)
        yield file, _is_ours(path, file)


def _open(path: Path) -> int:
    with file_errors(path):
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DataError.at(path, None, "cannot be read at any place; expected a file, not a folder or a pipe")
    return descriptor


def _stamp(descriptor: int) -> tuple[int, int]:
    """Return an open file's size in bytes and the time of its last change in ns."""
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns
