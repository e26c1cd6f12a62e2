"""Blocks: parts of the input, each by its place in a file, so that any worker can read it for itself."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import pyarrow as pa
import pyarrow.parquet as pq

from shop_r1.datasets.parquet import read_row_span
from shop_r1.datasets.row_spans import cut_rows, read_span
from shop_r1.errors import DataError, file_errors
from shop_r1.text_files import check_beginning, compression_of, decode_line

PAGES_PER_BLOCK = 128
"""A second or two of work, which is what a worker that is killed loses. Ours."""
SESSIONS_PER_BLOCK = 128
LINE_BYTES_PER_BLOCK = 8 << 20
"""Of a JSONL file. Ours."""
PAGE_ENDINGS = (".html", ".htm", ".mhtml", ".mht")
"""Of files that are taken from a folder of pages."""
_SCAN_BYTES = 4 << 20
_PAGES_DECODED = 16
_BUFFER_BYTES = 1 << 20  # of a column that is read at once; without it pyarrow reads a row group's whole


class Item(NamedTuple):
    """One page or session of a block."""

    file: str
    row: int | None
    """Of a Parquet file, or the line of a JSONL file, from 1; None for a file that is one page."""
    content: Any
    """A page as text or bytes, or the path of its file; a session as a line of JSON."""
    columns: Mapping[str, Any] = {}
    """Other columns of its row that are to be kept."""

    @property
    def place(self) -> str:
        """Its name in messages."""
        return self.file if self.row is None else f"{self.file}:{self.row}"


class Block(Protocol):
    """A part of the input."""

    @property
    def size(self) -> int:
        """How much there is, in the unit in which progress is shown: items, or bytes of JSONL."""

    @property
    def name(self) -> str:
        """What part of what file it is, for messages."""

    def read(self) -> Iterator[Item]:
        """Yield its items in order.

        Raises:
            DataError: the file cannot be read.
        """


@dataclass(frozen=True)
class PageFiles:
    """Files of a folder; `names` are relative to it."""

    folder: Path
    names: tuple[str, ...]

    @property
    def size(self) -> int:
        """How many files."""
        return len(self.names)

    @property
    def name(self) -> str:
        """The first file and the last."""
        return f"{self.folder}, {self.names[0]} to {self.names[-1]}"

    def read(self) -> Iterator[Item]:
        """Yield an item for each file; its content is the path, which only the work itself opens."""
        for name in self.names:
            yield Item(str(self.folder / name), None, self.folder / name)


@dataclass(frozen=True)
class _Rows:
    """Rows of a Parquet file."""

    path: Path
    span: tuple[int, int]
    """[start, stop), from 0."""

    @property
    def size(self) -> int:
        """How many rows."""
        return self.span[1] - self.span[0]

    @property
    def name(self) -> str:
        """The file, and the rows from 1."""
        return f"{self.path}, rows {self.span[0] + 1} to {self.span[1]}"


@dataclass(frozen=True)
class PageRows(_Rows):
    """Rows with a page in each."""

    column: str
    """The one with the page, text or bytes."""
    keep: tuple[str, ...]
    """Others that the result has too."""

    def read(self) -> Iterator[Item]:
        """Yield an item for each row; content None where the column is empty."""
        names = [self.column, *(name for name in self.keep if name != self.column)]
        row = self.span[0]
        with parquet_errors(self.path), pq.ParquetFile(self.path, buffer_size=_BUFFER_BYTES) as file:
            for batch in read_span(file, names, self.span, _PAGES_DECODED):
                for row, values in enumerate(batch.to_pylist(), row + 1):  # noqa: B020
                    kept = {name: values[name] for name in self.keep}
                    yield Item(str(self.path), row, values[self.column], kept)


@dataclass(frozen=True)
class SessionRows(_Rows):
    """Rows of a file of sessions, whoever wrote it."""

    def read(self) -> Iterator[Item]:
        """Yield each session as JSON."""
        for row, text in read_row_span(self.path, self.span):
            yield Item(str(self.path), row, text)


@dataclass(frozen=True)
class Lines:
    """Lines of a JSONL file."""

    path: Path
    span: tuple[int, int]
    """[start, stop) in bytes; both are where a line begins."""
    first: int
    """The number of the first line, from 1."""

    @property
    def size(self) -> int:
        """How many bytes."""
        return self.span[1] - self.span[0]

    @property
    def name(self) -> str:
        """The file, and the first line."""
        return f"{self.path}, from line {self.first}"

    def read(self) -> Iterator[Item]:
        """Yield the lines that are not blank."""
        with file_errors(self.path), self.path.open("rb") as stream:
            stream.seek(self.span[0])
            data = stream.read(self.size)
        for number, line in enumerate(data.splitlines(keepends=True), self.first):
            text = decode_line(line, self.path, number)
            if text.strip():
                yield Item(str(self.path), number, text)


@dataclass(frozen=True)
class Blocks:
    """All blocks of the input, in order."""

    blocks: Sequence[Block]
    in_bytes: bool = False
    """Whether sizes are bytes."""
    schema: Any = field(default=None, compare=False)
    """Of the columns that are kept, a `pyarrow.Schema`; None where none are."""


def cut_pages(inputs: Sequence[Path], column: str, keep: Sequence[str]) -> Blocks:
    """Return the pages of Parquet files, folders and single files, in the order given.

    Of a folder these are the files with `PAGE_ENDINGS` in and below it, in order of their paths.

    Raises:
        DataError: an input is not there or holds no pages, or a file lacks a column.
    """
    blocks: list[Block] = []
    kept: Any = None
    for path in inputs:
        if path.suffix == ".parquet":
            spans, schema = _page_spans(path, column, keep)
            if kept is not None and schema != kept:
                raise DataError.at(
                    path, None, "the columns to keep have other types than in the files before"
                )
            kept = schema
            blocks += [PageRows(path, span, column, tuple(keep)) for span in spans]
        elif keep:
            raise DataError.at(path, None, "has no columns to keep; expected a Parquet file")
        else:
            blocks += _cut_files(path)
    return Blocks(blocks, schema=kept)


def _page_spans(path: Path, column: str, keep: Sequence[str]) -> tuple[list[tuple[int, int]], Any]:
    with parquet_errors(path), pq.ParquetFile(path) as file:
        schema, metadata = file.schema_arrow, file.metadata
        groups = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
    for name in (column, *keep):
        if name not in schema.names:
            found = ", ".join(schema.names)
            raise DataError.at(path, None, f"has no column {name!r}; it has {found}")
    kind = schema.field(column).type
    text = (pa.types.is_string, pa.types.is_large_string, pa.types.is_binary, pa.types.is_large_binary)
    if not any(check(kind) for check in text):
        raise DataError.at(path, None, f"column {column!r} is {kind}; expected pages as strings or bytes")
    if not sum(groups):
        raise DataError.at(path, None, "has no rows; expected a page in each")
    kept = pa.schema([schema.field(name) for name in keep]).remove_metadata()
    return list(cut_rows(groups, PAGES_PER_BLOCK)), kept


def _cut_files(path: Path) -> Iterator[PageFiles]:
    if path.is_dir():
        with file_errors(path):
            found = [
                each for each in path.rglob("*") if each.suffix.lower() in PAGE_ENDINGS and each.is_file()
            ]
        names = sorted(str(each.relative_to(path)) for each in found)
        folder, problem = path, f"holds no pages; expected files that end in {', '.join(PAGE_ENDINGS)}"
    else:
        names = [path.name] if path.is_file() else []
        folder, problem = path.parent, "is not there; expected a Parquet file, a folder of pages or a page"
    if not names:
        raise DataError.at(path, None, problem)
    for start in range(0, len(names), PAGES_PER_BLOCK):
        yield PageFiles(folder, tuple(names[start : start + PAGES_PER_BLOCK]))


def cut_sessions(path: Path) -> Blocks:
    """Return the sessions of a Parquet file or of a plain JSONL file.

    Raises:
        DataError: it cannot be read, or is compressed JSONL, which cannot be begun in the middle.
    """
    if path.suffix == ".parquet":
        with parquet_errors(path), pq.ParquetFile(path) as file:
            metadata = file.metadata
            groups = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        return Blocks([SessionRows(path, span) for span in cut_rows(groups, SESSIONS_PER_BLOCK)])
    if path.exists() and not path.is_file():
        raise DataError.at(path, None, "cannot be read at any place; expected a file, not a folder or a pipe")
    if compression_of(path) is not None:
        problem = "is compressed JSONL, which workers cannot begin in the middle; expected a Parquet file "
        problem += "(shop-r1 data convert FILE --out NEW.parquet) or plain JSONL"
        raise DataError.at(path, None, problem)
    return Blocks([*_cut_lines(path)], in_bytes=True)


def _cut_lines(path: Path) -> Iterator[Lines]:
    """Yield blocks that end at line feeds; the file is read once for that."""
    start, first, held = 0, 1, b""
    with file_errors(path), path.open("rb") as stream:
        check_beginning(path, stream.read(_SCAN_BYTES))
        stream.seek(0)
        while piece := stream.read(_SCAN_BYTES):
            held += piece
            end = held.rfind(b"\n") + 1
            if end >= LINE_BYTES_PER_BLOCK:
                yield Lines(path, (start, start + end), first)
                start, first, held = start + end, first + len(held[:end].splitlines()), held[end:]
    if held:
        yield Lines(path, (start, start + len(held)), first)


@contextmanager
def parquet_errors(path: Path) -> Iterator[None]:
    """Turn what pyarrow raises into an error that names the file."""
    try:
        with file_errors(path):
            yield
    except (pa.ArrowException, ValueError, OverflowError) as error:
        first = str(error).partition("\n")[0]
        raise DataError.at(path, None, f"is not a valid Parquet file ({first})") from None
