"""A file of sessions as a sequence: each is read when it is asked for, wherever it stands.

What is in memory does not grow with the pages: the index, the frames last unpacked and the sessions last
read. The first to open a file makes its index, which takes reading all of it, and writes it beside.
"""

import os
import weakref
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from stat import S_ISREG
from typing import overload

from shop_r1.datasets.indexing import Progress, Tell, find_index, index_path
from shop_r1.datasets.outlines import SessionOutline, digest_session, outline
from shop_r1.datasets.text import SeekableText
from shop_r1.errors import DataError
from shop_r1.jsonl import parse_record
from shop_r1.records.sessions import Session
from shop_r1.text_files import decode_line

SESSIONS_KEPT = 256
"""Sessions last read that are kept: more than a step of GRPO asks for. Ours."""


class SessionArchive(Sequence[Session]):
    """The sessions of a `.jsonl`, `.jsonl.zst` or `.jsonl.gz` file, in order.

    Attributes:
        path: of the file.
        listing: where its sessions stand, and their outlines.
    """

    def __init__(self, path: Path, progress: Progress | None = None, tell: Tell = lambda _: None) -> None:
        """Open the file, and index it where no index of it is beside it.

        Args:
            path: of the file. While it is open it may be replaced, not changed.
            progress: told while a long file is indexed.
            tell: called with a sentence when an index is made, is not usable, or cannot be written.

        Raises:
            DataError: the file cannot be read, holds no session, or a line is not one.
        """
        self.path = path
        self._descriptor = _open(path)
        weakref.finalize(self, os.close, self._descriptor)
        self.listing = find_index(path, self._descriptor, progress, tell)
        self._text = SeekableText(path, self._descriptor, self.listing.frames.tolist())
        if self._text.unpacked:
            tell(f"{path}: cannot be entered in the middle, so it was unpacked to a temporary file")
        self._session = lru_cache(maxsize=SESSIONS_KEPT)(self._read_session)

    def __len__(self) -> int:
        return len(self.listing)

    @overload
    def __getitem__(self, place: int) -> Session: ...
    @overload
    def __getitem__(self, place: slice) -> list[Session]: ...
    def __getitem__(self, place: int | slice) -> Session | list[Session]:
        """Return a session, or a list of some.

        Raises:
            DataError: the file was changed, is broken, or does not fit its index.
        """
        if isinstance(place, slice):
            return [self[number] for number in range(*place.indices(len(self)))]
        number = place + len(self) if place < 0 else place
        if not 0 <= number < len(self):
            raise IndexError(f"{self.path} has {len(self)} sessions; found {place}")
        return self._session(number)

    def _read_session(self, number: int) -> Session:
        start, length = int(self.listing.starts[number]), int(self.listing.lengths[number])
        line = int(self.listing.lines[number])
        text = decode_line(self._text.read(start, length), self.path, line)
        session = parse_record(text, Session, self.path, line)
        if outline(session) != self.listing.outline(number):
            beside = index_path(self.path).name
            raise DataError.at(self.path, line, f"is not what {beside} says; remove that and start again")
        return session


def session_digests(sessions: Iterable[Session]) -> Iterator[bytes]:
    """Yield 8 bytes for each session that change with it, in order; an archive's are in its index."""
    if isinstance(sessions, SessionArchive):
        return (digest.tobytes() for digest in sessions.listing.digests)
    return map(digest_session, sessions)


def outlines(sessions: Sequence[Session]) -> Iterator[SessionOutline]:
    """Yield the sessions' outlines, in order; an archive's pages are not read for it."""
    if isinstance(sessions, SessionArchive):
        return (sessions.listing.outline(number) for number in range(len(sessions)))
    return map(outline, sessions)


def _open(path: Path) -> int:
    try:
        descriptor = os.open(path, os.O_RDONLY)
    except OSError as error:
        raise DataError.at(path, None, f"cannot be read ({error.strerror or error})") from None
    if not S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise DataError.at(path, None, "cannot be read at any place; expected a file, no folder and no pipe")
    return descriptor
