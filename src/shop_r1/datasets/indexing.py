"""Finding a file's index beside it, or making it: the one time that all sessions are read."""

from collections.abc import Callable
from pathlib import Path

from shop_r1.datasets.index import Index, IndexBuilder
from shop_r1.datasets.index_file import FileStamp, read_index, write_index
from shop_r1.datasets.text import FileBytes, stamp
from shop_r1.errors import DataError
from shop_r1.jsonl import parse_record
from shop_r1.records.sessions import Session
from shop_r1.text_files import PIECE_BYTES, WholeFrames, decode_line, packing_of, split_lines

_TOLD_EVERY = 1000  # sessions

KEPT_FROM_BYTES = 4 << 20
"""Smaller files are indexed anew each time, in a second or so, and get no file beside them. Ours."""

Progress = Callable[[int, int], None]
"""Called with how many bytes of the file are indexed and how many there are."""
Tell = Callable[[str], None]
"""Called with a sentence about what goes on."""


def index_path(path: Path) -> Path:
    """Return where the index of a file of sessions is kept."""
    return path.with_name(f"{path.name}.index")


def find_index(path: Path, descriptor: int, progress: Progress | None, tell: Tell) -> Index:
    """Return the index beside the open file if it is the file's, else a new one, which is written there.

    A file with another time but the same contents, such as a copy, keeps its index. That of a small file is
    not written.

    Raises:
        DataError: the file cannot be read, holds no session, a line is not one, or it changes meanwhile.
    """
    beside = index_path(path)
    if beside.exists():
        try:
            file, index = read_index(beside)
            if bool(len(index.frames)) != (packing_of(path) is not None):
                raise DataError.at(beside, None, "is of a file that is compressed otherwise")
            if stamp(descriptor) == (file.size, file.mtime_ns):
                return index
            now = _stamp_file(path, descriptor)
            if (now.size, now.sha256) == (file.size, file.sha256):
                _write(beside, index, now, tell)
                return index
            raise DataError.at(beside, None, f"is of other contents than {path.name} has now")
        except DataError as error:
            tell(f"{error}; it is made anew")
    index, file = build_index(path, descriptor, progress)
    if file.size >= KEPT_FROM_BYTES and _write(beside, index, file, tell):
        tell(f"{beside}: written, the index of {len(index):,} sessions")
    return index


def build_index(path: Path, descriptor: int, progress: Progress | None = None) -> tuple[Index, FileStamp]:
    """Return the index of an open file, and of which contents it is.

    Raises:
        DataError: as for `find_index`.
    """
    before = stamp(descriptor)
    source, builder = FileBytes(descriptor), IndexBuilder()
    packing = packing_of(path)
    frames = None if packing is None else WholeFrames(source, packing)
    for line, start, raw in split_lines(path, source if frames is None else frames):
        text = decode_line(raw, path, line)
        if text.strip():
            builder.add(parse_record(text, Session, path, line), start, len(raw), line)
            if progress is not None and len(builder) % _TOLD_EVERY == 0:
                progress(source.position, before[0])
    if not len(builder):
        raise DataError.at(path, None, "holds no records; expected one Session as JSON on each line")
    if stamp(descriptor) != before:
        raise DataError.at(path, None, "was changed while it was being read; start again when it is whole")
    size, mtime_ns = before
    file = FileStamp(size=size, mtime_ns=mtime_ns, sha256=source.digest.hexdigest())
    ends = [] if frames is None else [*frames.starts, (size, frames.given)]
    return builder.finish(ends), file


def _stamp_file(path: Path, descriptor: int) -> FileStamp:
    source = FileBytes(descriptor)
    size, mtime_ns = stamp(descriptor)
    try:
        while source.read(PIECE_BYTES):
            pass
    except OSError as error:
        raise DataError.at(path, None, f"cannot be read ({error.strerror or error})") from None
    return FileStamp(size=size, mtime_ns=mtime_ns, sha256=source.digest.hexdigest())


def _write(path: Path, index: Index, file: FileStamp, tell: Tell) -> bool:
    """Return whether the index could be written; without it, it is only in memory."""
    try:
        write_index(path, index, file)
    except DataError as error:
        tell(f"{error}; the index stays in memory, and the next start makes it again")
        return False
    return True
