"""Typed records on disk, one JSON object a line, plain or zstd; errors name file, line and field."""

import fcntl
import json
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, ClassVar, Self, TypeVar

import zstandard
from pydantic import BaseModel, ConfigDict, ValidationError

from shop_r1.atomic_files import replacing_file
from shop_r1.errors import DataError, file_errors
from shop_r1.text_files import (
    CorruptError,
    check_beginning,
    corrupt,
    decode_line,
    open_bytes,
    split_lines,
)
from shop_r1.validation_messages import describe_problems


class Record(BaseModel):
    """Base of every record on disk: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    @classmethod
    def other_form(cls, values: Mapping[str, Any]) -> str | None:
        """Return what an object that is no such record is instead, and what to do; None: not known."""
        return None


RecordT = TypeVar("RecordT", bound=BaseModel)

Moved = Callable[[int, int], None]
"""Told how many of a file's bytes, as they lie on disk, are read, and how many there are."""
_CSV = re.compile(r'"?[\w .-]+"?(?:[,;\t]"?[\w .-]*"?)+')
_LINE_END = re.compile(r"\r\n?\Z")
LEVEL = 6
"""Of zstd: 200 MB of text a second. Ours."""


def read_records(path: Path, schema: type[RecordT], moved: Moved | None = None) -> Iterator[RecordT]:
    """Yield the records of a `.jsonl`, `.jsonl.zst` or `.jsonl.gz` file in order; blank lines are ignored.

    Raises:
        DataError: the file cannot be read, holds no record, or a line is not JSON or not such a record.
    """
    number = 0
    for number, line in read_lines(path, moved):
        yield parse_record(line, schema, path, number)
    if number == 0:
        problem = f"holds no records; expected one {schema.__name__} as JSON on each line"
        raise DataError.at(path, None, problem)


def parse_record(line: str, schema: type[RecordT], path: Path | str, number: int) -> RecordT:
    """Return the line as a record; `path` and `number` (from 1) only name the place in errors.

    Raises:
        DataError: it is not such a record; the message says what is wrong, or of which other form it is.
    """
    try:
        return schema.model_validate_json(line)
    except ValidationError as error:
        problem = tell_form(line, schema) or describe_problems(error, schema)
        raise DataError.at(path, number, problem) from None


def read_lines(path: Path, moved: Moved | None = None) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text) of the file's lines that are not blank; `.zst`, `.gz` are unpacked.

    Raises:
        DataError: the file cannot be opened, is not UTF-8, or its compression is broken.
    """
    with file_errors(path), open_bytes(path) as (raw, source):
        size = os.fstat(raw.fileno()).st_size
        for number, line in split_lines(path, source):
            text = decode_line(line, path, number)
            if text.strip():
                yield number, _LINE_END.sub("\n", text)
            if moved is not None and size:  # A pipe has neither a size nor a place in it.
                moved(raw.tell(), size)


def tell_form(line: str, schema: type[BaseModel]) -> str | None:
    """Return what a line that does not fit the schema is instead, and what to do; None: not known."""
    text = line.strip()
    if text.startswith("["):
        return "is a JSON array; expected one record a line: jq -c '.[]' FILE > FILE.jsonl"
    if text == "{":
        return "is a record over several lines; expected each on one line: jq -c . FILE > FILE.jsonl"
    if text.startswith("<"):
        return "is HTML or XML; expected a JSON object on each line"
    if _CSV.fullmatch(text):
        return f"looks like CSV ({text[:60]}); expected a JSON object on each line (docs/data.md)"
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        return None
    if not isinstance(values, dict):
        return None
    if issubclass(schema, Record) and (told := schema.other_form(values)):
        return told
    lists = [name for name, value in values.items() if isinstance(value, list)]
    if len(values) == 1 and lists and lists[0].isidentifier() and lists[0] not in schema.model_fields:
        return f"holds its records in a list; expected one a line: jq -c '.{lists[0]}[]' FILE > FILE.jsonl"
    return None


def write_records(path: Path, records: Iterable[BaseModel]) -> int:
    """Write the records and return how many; the file appears whole or not at all.

    Raises:
        DataError: the disk is full or the folder cannot be written; an older file stays as it was.
    """
    count = 0
    with replacing(path) as stream:
        for record in records:
            stream.write(record.model_dump_json(exclude_none=True).encode() + b"\n")
            count += 1
    return count


def write_json(path: Path, value: Any) -> None:
    """Write one indented JSON document; it appears whole or not at all."""
    write_text(path, json.dumps(value, indent=1, ensure_ascii=False) + "\n")


def read_json(path: Path) -> Any:
    """Return the JSON document in the file; `.zst` and `.gz` are unpacked.

    Raises:
        DataError: the file cannot be read or is not JSON.
    """
    try:
        with file_errors(path), open_bytes(path) as (_, source):
            data = source.readall()
        check_beginning(path, data)
        return json.loads(data.decode("utf-8-sig"))
    except CorruptError as error:
        raise corrupt(path, None, error) from None
    except UnicodeDecodeError as error:
        line = 1 + error.object.count(b"\n", 0, error.start)
        raise DataError.at(path, line, "is not UTF-8 text") from None
    except (ValueError, RecursionError) as error:  # No JSON, an endless number, nested too deeply.
        raise DataError.at(path, getattr(error, "lineno", None), f"is not JSON ({error})") from None


def write_text(path: Path, text: str) -> None:
    """Write the text as UTF-8; the file appears whole or not at all."""
    with replacing(path) as stream:
        stream.write(text.encode())


class AppendedFile(ABC):
    """A file at `path` that one run at a time appends to, locked until `close`."""

    LINE: ClassVar[str]
    """What a line holds, for messages."""
    ELSEWHERE: ClassVar[str]
    """What a second run is to be given in place of this file."""
    BEGINNING: ClassVar[bytes]
    """Of each line. It tells an incomplete line from another program's text, which must stay."""

    def __init__(self, path: Path) -> None:
        """Open the file, or make it, lock it and read it.

        Raises:
            DataError: another run holds the file, it cannot be opened, or what is in it is broken.
        """
        self.path = path
        self.is_incomplete = False  # whether the last line had no end when the file was opened
        self._end = 0  # of what is whole, in bytes
        with file_errors(path, "opened"):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file: IO[bytes] = path.open("a+b", buffering=0)
        try:
            with file_errors(path, "locked"):
                self._lock()
            self._read()
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Force the file to the disk and unlock it."""
        if not self._file.closed:
            os.fsync(self._file.fileno())
            self._file.close()

    def _lock(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            problem = f"another run is writing to it; wait for its end, or give this run {self.ELSEWHERE}"
            raise DataError.at(self.path, None, problem) from None

    @abstractmethod
    def _read(self) -> None:
        """Read what is there, by `_whole_lines`."""

    def _whole_lines(self) -> Iterator[tuple[int, str, int]]:
        """Yield each line's number from 1, its text and its bytes, as `_end` moves over the file."""
        with self.path.open("rb") as stream:
            for number, line in enumerate(stream, 1):  # Only the last can be without its end.
                begun = line.lstrip(b"\0")  # A machine that lost power can leave zeros.
                if not line.endswith(b"\n") and begun.startswith(self.BEGINNING[: len(begun)]):
                    self.is_incomplete = True
                    return
                yield number, decode_line(line, self.path, number), len(line)
                self._end += len(line)

    def _append(self, data: bytes) -> int:
        """Write lines at the end, over what is not whole, and return where they begin."""
        start = self._end
        try:
            # What follows the last whole line is left from a run that was killed or a write that failed.
            os.ftruncate(self._file.fileno(), self._end)
            left = memoryview(data)
            while left:
                left = left[self._file.write(left) :]
        except OSError as error:
            problem = f"a {self.LINE} cannot be written ({error.strerror or error})"
            advice = f"free some space, then run again: all {self.LINE}s before it are kept"
            raise DataError.at(self.path, None, f"{problem}; {advice}") from None
        self._end += len(data)
        return start


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a stream beside `path` (zstd for `.zst`) and put it in its place only when all went well.

    Raises:
        DataError: as for `atomic_files.replacing_file`; an older file stays as it was.
    """
    with replacing_file(path) as raw:
        if path.suffix != ".zst":
            yield raw
            return
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        with compressor.stream_writer(raw, closefd=False) as stream:
            yield stream
