"""A file of text, plain or packed, read at any place: what a place costs does not grow with the file."""

import hashlib
import os
import tempfile
import weakref
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
import zstandard

from shop_r1.errors import DataError
from shop_r1.text_files import CorruptError, WholeFrames, corrupt, packing_of

LARGEST_FRAME = 8 << 20
"""Bytes of text in a frame that is still read for a part of it, twice what `jsonl` writes. Ours."""
KEPT_BYTES = 256 << 20
"""Of frames kept unpacked. Ours: a file's order needs one frame at a time; examples drawn at random are found
here when the text is not much longer, and else unpack a frame each, 1 to 2 ms."""
_PIECE = 1 << 20

Frames = Sequence[tuple[int, int]]
"""Where each frame begins, in bytes of the file and of the text, and after them where the last one ends."""


class SeekableText:
    """The text of an open file by its bytes.

    A file that cannot be entered in the middle (gzip, or one long zstd frame as the program `zstd` writes) is
    unpacked to a nameless temporary file, which the disk must have room for.

    Attributes:
        unpacked: whether it was.
    """

    def __init__(self, path: Path, descriptor: int, frames: Frames) -> None:
        """Read nothing yet, but for a file to be unpacked.

        Args:
            path: of the file, for errors.
            descriptor: the open file; it stays the caller's to close.
            frames: of a zstd or gzip file; empty for a plain one.

        Raises:
            DataError: the file cannot be unpacked.
        """
        self._path = path
        self._descriptor = descriptor
        self._stamp = stamp(descriptor)
        self._files, self._texts = np.array(frames, np.int64).reshape(-1, 2).T
        largest = int(np.diff(self._texts).max(initial=0))
        # Only zstd's frames can be read one by one here.
        self.unpacked = largest > LARGEST_FRAME or packing_of(path) == "gzip"
        if self.unpacked:
            self._unpacked = _unpack(path, descriptor)
            weakref.finalize(self, os.close, self._unpacked)
        self._frame = lru_cache(maxsize=KEPT_BYTES // max(1, largest))(self._read_frame)

    def read(self, start: int, length: int) -> bytes:
        """Return so many bytes of the text from `start` on.

        Raises:
            DataError: the file ends before, cannot be read, is broken, or was changed since it was opened.
        """
        if stamp(self._descriptor) != self._stamp:
            raise DataError.at(
                self._path, None, "was changed while it was being read; start again with the file as it is"
            )
        try:
            return self._whole(self._read(start, length), length)
        except OSError as error:
            raise DataError.at(self._path, None, f"cannot be read ({error.strerror or error})") from None

    def _read(self, start: int, length: int) -> bytes:
        if self.unpacked or not len(self._texts):
            plain = self._unpacked if self.unpacked else self._descriptor
            return read_at(plain, start, min(length, os.fstat(plain).st_size))
        number, found = int(np.searchsorted(self._texts, start, "right")) - 1, b""
        while len(found) < length and number < len(self._texts) - 1:
            skipped = start - int(self._texts[number]) if not found else 0
            found += self._frame(number)[skipped : skipped + length - len(found)]
            number += 1
        return found

    def _whole(self, found: bytes, length: int) -> bytes:
        if len(found) != length:
            raise DataError.at(self._path, None, "ends before it should; the index beside it is another's")
        return found

    def _read_frame(self, number: int) -> bytes:
        start, end = self._files[number : number + 2].tolist()
        size = int(self._texts[number + 1] - self._texts[number])
        packed = read_at(self._descriptor, start, end - start)
        try:
            if zstandard.frame_content_size(packed) not in (-1, size):
                raise zstandard.ZstdError("another length than the index says")
            if size == 0:
                return b""
            text: bytes = zstandard.ZstdDecompressor().decompress(packed, max_output_size=size)
        except zstandard.ZstdError as error:
            raise DataError.at(self._path, None, f"broken zstd data at byte {start} ({error})") from None
        return self._whole(text, size)


def stamp(descriptor: int) -> tuple[int, int]:
    """Return an open file's size in bytes and the time of its last change in ns."""
    status = os.fstat(descriptor)
    return status.st_size, status.st_mtime_ns


def read_at(descriptor: int, start: int, length: int) -> bytes:
    """Return so many bytes of the file from `start` on, fewer at its end; no position is moved."""
    found = os.pread(descriptor, length, start)
    while len(found) < length and (more := os.pread(descriptor, length - len(found), start + len(found))):
        found += more
    return found


class FileBytes:
    """An open file's bytes from its beginning on, apart from the descriptor's own position.

    Attributes:
        digest: SHA-256 of what was read.
        position: how many bytes were read.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.digest = hashlib.sha256()
        self.position = 0

    def read(self, size: int, /) -> bytes:
        """Return the next bytes, none at the end."""
        found = os.pread(self._descriptor, size, self.position)
        self.position += len(found)
        self.digest.update(found)
        return found


def _unpack(path: Path, descriptor: int) -> int:
    """Return a descriptor of a nameless file with the whole text."""
    source, buffer = WholeFrames(FileBytes(descriptor), packing_of(path) or "zstd"), bytearray(_PIECE)
    try:
        with tempfile.TemporaryFile() as room:
            while count := source.readinto(buffer):
                room.write(memoryview(buffer)[:count])
            room.flush()
            return os.dup(room.fileno())
    except CorruptError as error:
        raise corrupt(path, None, error) from None
    except OSError as error:
        raise DataError.at(
            path,
            None,
            f"cannot be entered in the middle, nor unpacked to {tempfile.gettempdir()} "
            f"({error.strerror or error}); set TMPDIR to where there is room",
        ) from None
