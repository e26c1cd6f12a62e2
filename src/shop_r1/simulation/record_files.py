"""The lines of a simulation's files by visit: where they stand, and copied from one file to another."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, TypeVar

from pydantic import BaseModel, ValidationError

from shop_r1.errors import file_errors
from shop_r1.jsonl import parse_record

RecordT = TypeVar("RecordT", bound=BaseModel)


def copy_lines(source: Path, spans: Iterable[tuple[int, int]], target: IO[bytes]) -> None:
    """Write to `target` the parts of a file that begin at these bytes and have these sizes, in this order."""
    with source.open("rb") as stream:
        for start, size in spans:
            stream.seek(start)
            target.write(stream.read(size))


def line_spans(path: Path, schema: type[BaseModel]) -> Iterator[tuple[str, int, int]]:
    """Yield the session id, the first byte and the size of each whole line.

    Raises:
        DataError: the file cannot be read, or a line is no such record.
    """
    for record, start, size in whole_lines(path, schema):
        of_visit: Any = record
        yield of_visit.session_id, start, size


def whole_lines(path: Path, schema: type[RecordT]) -> Iterator[tuple[RecordT, int, int]]:
    """Yield the record, the first byte and the size of each whole line; nothing where there is no file.

    A last line without its end is left from a run that was killed; it is passed over.

    Raises:
        DataError: the file cannot be read, or a line is no such record.
    """
    if not path.exists():
        return
    start = 0
    with file_errors(path), path.open("rb") as stream:
        for number, line in enumerate(stream, 1):
            if line.endswith(b"\n"):
                yield _parse(line, schema, path, number), start, len(line)
            start += len(line)


def _parse(line: bytes, schema: type[RecordT], path: Path, number: int) -> RecordT:
    try:
        return schema.model_validate_json(line)
    except ValidationError:
        return parse_record(line.decode("utf-8", "replace"), schema, path, number)
