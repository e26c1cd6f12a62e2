"""Typed records on disk, one JSON object a line, plain or zstd; faults name file, line and field.

What is compressed is written as many zstd frames, one after the other: any zstd program reads them as one
file, and `data.archive` can begin at each of them.
"""

import io
import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, Protocol, TypeVar, cast

import zstandard
from pydantic import BaseModel, ConfigDict, ValidationError

from shop_r1.config import describe_validation
from shop_r1.errors import DataError


class Record(BaseModel):
    """Base of every record on disk: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


RecordT = TypeVar("RecordT", bound=BaseModel)

Moved = Callable[[int, int], None]
"""Told how many of a file's bytes, as they lie on disk, are read, and how many there are."""
LEVEL = 6
"""Of zstd: 200 MB of text a second. Ours."""
FRAME_BYTES = 192 << 10
"""Compressed bytes after which a frame ends. Each frame has to learn again what repeats, which costs a number
of compressed bytes, so this and not the text's length bounds the loss: on sessions of the built-in store the
file grows by 2 to 6 %, with frames a third as long by 6 to 23 %. Measured, ours."""
FRAME_TEXT_BYTES = 4 << 20
"""Bytes of text after which it ends in any case: about 2 ms to read. Ours."""


def read_records(path: Path, schema: type[RecordT], moved: Moved | None = None) -> Iterator[RecordT]:
    """Yield the file's records in order, one at a time.

    Args:
        path: `.jsonl` or `.jsonl.zst`. Blank lines are allowed and ignored.
        schema: the record class that every line must fit.
        moved: called after each line.

    Raises:
        DataError: the file cannot be read, holds no record, or a line is not JSON or not such a record.
    """
    count = 0
    for number, line in read_lines(path, moved):
        yield parse_record(line, schema, path, number)
        count += 1
    if count == 0:
        raise DataError.at(
            path, None, f"holds no records; expected one {schema.__name__} as JSON on each line"
        )


def parse_record(line: str, schema: type[RecordT], path: Path | str, number: int) -> RecordT:
    """Return the line as a record; `path` and `number` (from 1) only name the place in errors."""
    try:
        return schema.model_validate_json(line)
    except ValidationError as error:
        raise DataError.at(path, number, describe_validation(error)) from None


def read_lines(path: Path, moved: Moved | None = None) -> Iterator[tuple[int, str]]:
    """Yield (line number from 1, text) of the file's lines that are not blank.

    Args:
        path: a text file, or one that zstd compressed (`.zst`).
        moved: called after each line.

    Raises:
        DataError: the file cannot be opened, is not UTF-8, or its compression is broken.
    """
    number = 0
    try:
        with _open_text(path) as (raw, stream):
            size = os.fstat(raw.fileno()).st_size
            for number, line in enumerate(stream, 1):
                line.encode()  # Fails where the line's own bytes are not UTF-8.
                if line.strip():
                    yield number, line
                if moved is not None:
                    moved(raw.tell(), size)
    except OSError as error:
        raise DataError.at(path, None, f"cannot be read ({error.strerror or error})") from None
    except UnicodeEncodeError:
        raise DataError.at(path, number, "is not UTF-8 text") from None
    except zstandard.ZstdError as error:
        raise DataError.at(
            path, number + 1, f"broken zstd data ({error}); expected a whole .zst file"
        ) from None


@contextmanager
def _open_text(path: Path) -> Iterator[tuple[IO[bytes], IO[str]]]:
    """Open the file; what is yielded is it as bytes, to ask how far one is, and its text.

    Text is decoded a block ahead of the line that is read, so bytes that are not UTF-8 become lone surrogates
    here, and the line that holds them can be named.
    """
    with path.open("rb") as raw:
        source: Any = io.BufferedReader(WholeFrames(raw)) if path.suffix == ".zst" else raw
        yield raw, io.TextIOWrapper(source, "utf-8", errors="surrogateescape")


class Readable(Protocol):
    """What gives bytes."""

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, at most `size`; none at the end."""


class WholeFrames(io.RawIOBase):
    """Reads zstd frames one after the other; an unfinished one is an error.

    zstandard's own stream reader ends a half-written file without a word, as if it had been shorter.

    Attributes:
        starts: of each frame so far, the byte of the file and the byte of the text at which it begins.
        given: bytes of text so far.
    """

    def __init__(self, source: Readable) -> None:
        self._source = source
        self._frame: Any = None
        self._ready = b""
        self._read = self.given = 0
        self.starts: list[tuple[int, int]] = []

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with text and return how much of it; 0 at the end."""
        while not self._ready:
            # Small pieces: one compressed byte can stand for tens of thousands.
            piece = self._source.read(4096)
            self._read += len(piece)
            if not piece:
                if self._frame is not None:
                    raise zstandard.ZstdError("the file breaks off inside a frame")
                return 0
            self._ready = b"".join(self._decompress(piece))
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def _decompress(self, piece: bytes) -> Iterator[bytes]:
        while piece:
            if self._frame is None:
                self.starts.append((self._read - len(piece), self.given))
                self._frame = zstandard.ZstdDecompressor().decompressobj()
            text = self._frame.decompress(piece)
            self.given += len(text)
            piece = self._frame.unused_data
            if self._frame.eof:
                self._frame = None
            yield text


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
    with replacing(path) as stream:
        stream.write((json.dumps(value, indent=1, ensure_ascii=False) + "\n").encode())


def read_json(path: Path) -> Any:
    """Return the JSON document in the file.

    Raises:
        DataError: the file cannot be read or is not JSON.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise DataError.at(path, None, f"cannot be read ({error.strerror or error})") from None
    except UnicodeDecodeError as error:
        line = 1 + error.object.count(b"\n", 0, error.start)
        raise DataError.at(path, line, "is not UTF-8 text") from None
    except (ValueError, RecursionError) as error:  # No JSON, an endless number, nested too deeply.
        raise DataError.at(path, getattr(error, "lineno", None), f"is not JSON ({error})") from None


def write_text(path: Path, text: str) -> None:
    """Write the text as UTF-8; the file appears whole or not at all."""
    with replacing(path) as stream:
        stream.write(text.encode())


@contextmanager
def replacing(path: Path) -> Iterator[IO[bytes]]:
    """Open a stream beside `path` (zstd for `.zst`) and put it in its place only when all went well.

    Raises:
        DataError: the folder cannot be written or the disk is full; an older file stays as it was.
    """
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        temporary = Path(name)
        with os.fdopen(handle, "wb") as raw:
            if path.suffix == ".zst":
                with _FrameWriter(raw) as stream:
                    yield cast(IO[bytes], stream)
            else:
                yield raw
            raw.flush()
            os.fsync(raw.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise DataError.at(path, None, f"cannot be written ({error.strerror or error})") from None
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


class _FrameWriter(io.RawIOBase):
    """Compresses what is written; a frame ends after a line that fills it, or within an endless line."""

    def __init__(self, raw: IO[bytes]) -> None:
        self._raw = raw
        compressor = zstandard.ZstdCompressor(level=LEVEL, write_checksum=True)
        self._zstd: Any = compressor.stream_writer(raw, closefd=False)
        self._start = self._text = 0  # where the frame begins in the file; how much text is in it

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        for begin in range(0, len(data), FRAME_TEXT_BYTES):
            piece = data[begin : begin + FRAME_TEXT_BYTES]
            self._zstd.write(piece)
            self._text += len(piece)
            full = piece.endswith(b"\n") and self._raw.tell() - self._start >= FRAME_BYTES
            if full or self._text >= FRAME_TEXT_BYTES:
                self._zstd.flush(zstandard.FLUSH_FRAME)
                self._start, self._text = self._raw.tell(), 0
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            self._zstd.close()
