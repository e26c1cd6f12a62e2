"""How files are written: whole or not at all, with the mode that the place has, and through links."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from shop_r1.errors import DataError, file_errors

_PLAIN = 0o666
"""The mode of a new file, before the umask."""


@contextmanager
def replacing_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a stream beside `path` and put it in its place, flushed to the disk, only when all went well.

    A file that is replaced gives the new one its mode, and its owner where the system allows it; a new file's
    mode follows the umask. Of a symbolic link the target is replaced, in the target's own folder.

    Raises:
        DataError: the folder cannot be written, the disk is full, or what is there is no file or must not
            be written; an older file stays as it was.
    """
    with file_errors(path, "written"):
        target = Path(os.path.realpath(path))
        before = _existing(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        # A long name has to leave room for what is added to it: most systems allow 255 bytes.
        beside = target.with_name(f".{target.name[:40]}.{secrets.token_hex(6)}.new")
        mode = _PLAIN if before is None else stat.S_IMODE(before.st_mode) & _PLAIN
        # The mode at once: nobody else may read what is to replace a private file.
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(descriptor, "wb") as stream:
                yield stream
                stream.flush()
                if before is not None:
                    _keep_access(stream.fileno(), before)
                os.fsync(stream.fileno())
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)


def _existing(path: Path) -> os.stat_result | None:
    """Return what is in the place, links followed; None where nothing is.

    Raises:
        DataError: it is no regular file, such as a folder, a device or a pipe.
        OSError: it must not be written, or its state cannot be read.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(None, "Is a directory")
    if not stat.S_ISREG(found.st_mode):
        raise DataError.at(path, None, "cannot be written (it is a device or a pipe); expected a file")
    if not os.access(path, os.W_OK):
        raise PermissionError(None, "Permission denied: the file there is write-protected")
    return found


def _keep_access(descriptor: int, before: os.stat_result) -> None:
    """Give an open file the owner, as far as the system allows it, and the mode of an earlier one."""
    now = os.fstat(descriptor)
    if (now.st_uid, now.st_gid) != (before.st_uid, before.st_gid):
        with suppress(PermissionError):
            os.fchown(descriptor, before.st_uid, before.st_gid)
    os.fchmod(descriptor, stat.S_IMODE(before.st_mode))


def file_mode(path: Path) -> int:
    """Return the mode that a file in this place has or, where there is none, would be made with."""
    try:
        return stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        mask = os.umask(0o077)  # It can only be read by setting it.
        os.umask(mask)
        return _PLAIN & ~mask
