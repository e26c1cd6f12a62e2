"""Finished blocks on disk beside the output: a job that was stopped goes on, and the output appears whole."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from shop_r1.atomic_files import replacing_file
from shop_r1.errors import ConfigError, DataError, file_errors
from shop_r1.jsonl import read_json, write_json
from shop_r1.runs import describe_differences

_RECORD = "job.json"
_ENDING = ".part"


class Parts:
    """The folder of a job's finished blocks, one file for each; `done` has their numbers."""

    def __init__(self, folder: Path, record: Mapping[str, Any]) -> None:
        """Take what is there; use `open_parts`."""
        self.folder, self.record = folder, record
        self.done = {int(file.stem) for file in folder.glob(f"*{_ENDING}")}

    def add(self, number: int, data: bytes) -> None:
        """Write a finished block; it appears whole or not at all.

        Raises:
            DataError: it cannot be written.
        """
        with replacing_file(self._path(number)) as stream:
            stream.write(data)
        self.done.add(number)

    def open(self, number: int) -> IO[bytes]:
        """Return a finished block, opened."""
        return self._path(number).open("rb")

    def remove(self) -> None:
        """Remove the folder, once the output is there."""
        shutil.rmtree(self.folder)

    def _path(self, number: int) -> Path:
        return self.folder / f"{number:08}{_ENDING}"


@contextmanager
def open_parts(folder: Path, record: Mapping[str, Any], *, force: bool) -> Iterator[Parts]:
    """Open the folder of a job's finished blocks, held by one run at a time.

    `record` is all that the blocks' results depend on; with `force`, those of another job are removed.

    Raises:
        ConfigError: the folder holds what another job finished, or is none of a job's.
        DataError: another run holds it, or it cannot be read or written.
    """
    path = folder / _RECORD
    if folder.exists() and not path.exists() and any(folder.iterdir()):
        raise ConfigError(f"{folder}: is needed for finished blocks and holds something else; move it away")
    if path.exists() and (found := _list_differences(path, record)):
        if not force:
            raise ConfigError(
                f"{folder}: holds finished blocks of another job: {', '.join(found)}; give the same command "
                "as before, another --out, or --force to begin anew"
            )
        for file in folder.glob(f"*{_ENDING}"):
            file.unlink()
        path.unlink()
    if not path.exists():
        write_json(path, record)
    with _locked(path):
        yield Parts(folder, record)


def _list_differences(path: Path, record: Mapping[str, Any]) -> list[str]:
    there = read_json(path)
    return describe_differences(there if isinstance(there, dict) else {}, json.loads(json.dumps(record)))


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with file_errors(path, "locked"), path.open("rb") as stream:
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DataError.at(path.parent, None, "another run is writing to it; wait for its end") from None
        yield


def digest_inputs(paths: Iterator[Path]) -> str:
    """Return a digest of the files' names, sizes and times of their last change; contents are not read.

    Raises:
        DataError: one is not there.
    """
    digest = hashlib.sha256()
    for path in paths:
        with file_errors(path):
            status = os.stat(path)  # noqa: PTH116 - for many files, a Path object each costs as much again
        digest.update(f"{path}\0{status.st_size}\0{status.st_mtime_ns}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()
