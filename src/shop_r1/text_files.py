"""Text files as other programs leave them: compressed, with a byte order mark, or not text at all.

UTF-8 is read, plain or compressed by zstd or gzip; of everything else the error says what it is and which
command makes it UTF-8.
"""

import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

import zstandard

from shop_r1.errors import DataError

Compression = Literal["zstd", "gzip"]

PIECE_BYTES = 1 << 20
"""Read at once. Ours."""
_BOM = "\ufeff"
_ENDINGS: Mapping[str, Compression] = {".zst": "zstd", ".gz": "gzip"}
_DECOMPRESSORS: Mapping[Compression, Callable[[], Any]] = {
    "zstd": lambda: zstandard.ZstdDecompressor().decompressobj(),
    "gzip": lambda: zlib.decompressobj(wbits=47),  # gzip's head or zlib's, as the data begins
}

_UTF_32 = "is UTF-32 text; expected UTF-8: iconv -f UTF-32 -t UTF-8 FILE > NEW"
_UTF_16 = "is UTF-16 text, as PowerShell's > writes it; expected UTF-8: iconv -f {} -t UTF-8 FILE > NEW"
_OTHER_FILES: Mapping[bytes, str] = {
    b"\x1f\x8b": "is gzip data; name it FILE.gz",
    b"\x28\xb5\x2f\xfd": "is zstd data; name it FILE.zst",
    **dict.fromkeys((b"\xff\xfe\0\0", b"\0\0\xfe\xff"), _UTF_32),
    **dict.fromkeys((b"\xff\xfe", b"\xfe\xff"), _UTF_16.format("UTF-16")),
    **dict.fromkeys((b"{\0", b"[\0"), _UTF_16.format("UTF-16LE")),
    **dict.fromkeys((b"\0{", b"\0["), _UTF_16.format("UTF-16BE")),
    b"PAR1": "is a Parquet file; name it FILE.parquet (OPeRA's tables: shop-r1 data import opera --path DIR)",
    b"PK\x03\x04": "is a zip archive; unpack it first",
    b"BZh": "is bzip2 data; unpack it first: bzip2 -d FILE",
    b"\xfd7zXZ\0": "is xz data; unpack it first: xz -d FILE",
    b"SQLite format 3\0": "is an SQLite database; expected JSON",
}
"""What a file that is no UTF-8 text begins with, and what to say of it; the longer beginnings first."""


class CorruptError(Exception):
    """Compressed data is corrupt or incomplete."""


def compression_of(path: Path) -> Compression | None:
    """Return how the file is compressed by its name's ending, `.zst` or `.gz`; None where it is plain."""
    return _ENDINGS.get(path.suffix)


class WholeFrames(io.RawIOBase):
    """Reads zstd frames, or gzip members or zlib streams, one after the other; an incomplete one is an error.

    zstandard's own stream reader ends an incomplete file silently, as if it had been shorter.
    """

    def __init__(self, source: BinaryIO, compression: Compression = "zstd") -> None:
        self._source = source
        self._compression = compression
        self._frame: Any = None
        self._ready = memoryview(b"")  # a view, as taking the beginning of bytes copies the rest
        self._has_text = False

    def readable(self) -> bool:
        """Return that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fill the buffer with text and return how much of it; 0 at the end.

        Raises:
            CorruptError: the data is not compressed in this way, is corrupt or incomplete.
        """
        while not self._ready:
            # Small pieces: one compressed byte can stand for tens of thousands.
            piece = self._source.read(4096)
            if not piece:
                if self._frame is not None:
                    raise CorruptError("the file breaks off inside a frame")
                return 0
            try:
                self._ready = memoryview(b"".join(self._decompress(piece)))
            except (zstandard.ZstdError, zlib.error) as error:
                opens = piece.lstrip()[:1] in (b"{", b"[")
                plain = not self._has_text and opens and b"\0" not in piece
                raise CorruptError(f"{error}{'; it is plain text, rename it' if plain else ''}") from None
        count = min(len(buffer), len(self._ready))
        buffer[:count], self._ready = self._ready[:count], self._ready[count:]
        return count

    def _decompress(self, piece: bytes) -> Iterator[bytes]:
        while piece:
            if self._frame is None:
                if self._compression == "gzip" and not piece.strip(b"\0"):
                    return  # gzip allows zeros behind the last member
                self._frame = _DECOMPRESSORS[self._compression]()
            text = self._frame.decompress(piece)
            self._has_text = self._has_text or bool(text)
            piece = self._frame.unused_data
            if self._frame.eof:
                self._frame = None
            yield text


def corrupt(path: Path, line: int | None, error: CorruptError) -> DataError:
    """Return the error that says that a compressed file is corrupt."""
    problem = f"broken {compression_of(path) or 'zstd'} data ({error}); expected a whole {path.suffix} file"
    return DataError.at(path, line, problem)


def split_lines(path: Path, source: io.RawIOBase) -> Iterator[tuple[int, bytes]]:
    """Yield (number from 1, line with what ends it) of unpacked bytes; a line ends with LF, CRLF or CR.

    Raises:
        DataError: its compression is corrupt, or it is not text in UTF-8.
        OSError: the file cannot be read.
    """
    number = 0
    parts: list[bytes] = []
    try:
        while piece := source.read(PIECE_BYTES):
            if number == 0 and not parts:
                check_beginning(path, piece)
            whole, newline, rest = piece.rpartition(b"\n")
            if not newline:
                parts.append(piece)
                continue
            block = b"".join((*parts, whole, newline))
            parts = [rest]
            for number, line in enumerate(block.splitlines(keepends=True), number + 1):  # noqa: B020
                yield number, line
    except CorruptError as error:
        raise corrupt(path, number + 1, error) from None
    yield from enumerate(b"".join(parts).splitlines(keepends=True), number + 1)


def check_beginning(path: Path, data: bytes) -> None:
    """Make sure that a file can be UTF-8 text, by its first bytes.

    Raises:
        DataError: it is something else; the message says what, and how to make it UTF-8.
    """
    for beginning, problem in _OTHER_FILES.items():
        if data.startswith(beginning):
            raise DataError.at(path, None, problem)


def decode_line(line: bytes, path: Path, number: int) -> str:
    """Return the line as text without a byte order mark; `path` and `number` name the place in errors.

    A mark can stand before any line: files that were put together have one in the middle.

    Raises:
        DataError: it is not UTF-8.
    """
    try:
        return line.decode().removeprefix(_BOM)
    except UnicodeDecodeError as error:
        raise DataError.at(
            path,
            number,
            f"is not UTF-8 text (byte 0x{line[error.start]:02x} at column {error.start + 1}); written on "
            "Windows it may be CP1252: iconv -f CP1252 -t UTF-8 FILE > NEW",
        ) from None


@contextmanager
def open_bytes(path: Path) -> Iterator[tuple[io.RawIOBase, io.RawIOBase]]:
    """Open a file; what is yielded is the open file, to ask how far one is, and its bytes unpacked."""
    with path.open("rb", buffering=0) as raw:  # unbuffered, a pipe gives what it has
        compression = compression_of(path)
        yield raw, raw if compression is None else WholeFrames(raw, compression)
