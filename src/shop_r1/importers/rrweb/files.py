"""A recording's file as JSON values: any compression, encoding and layout that recorders write."""

import io
import json
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

from shop_r1.errors import DataError, file_errors
from shop_r1.records.visits import RECORDINGS_FOLDER, VISITS_FILE
from shop_r1.text_files import CorruptError, WholeFrames

MAX_RECORDING_BYTES: Final = 200_000_000  # ours: JSON takes some ten times as much memory once it is read
ENDINGS: Final = (".json", ".jsonl", ".ndjson")
PACKINGS: Final = ("", ".gz", ".zst")

_GZIP, _ZSTD, _ZIP = b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04"
_ZLIB = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")


def list_recordings(paths: Sequence[Path]) -> list[Path]:
    """Return the recordings' files: those given, and those in the folders given, by name.

    A simulation's folder, which has `visits.jsonl`, has them in its `recordings/`.

    Raises:
        DataError: none is given, or a folder holds none.
    """
    files: list[Path] = []
    if not paths:
        raise DataError("no recordings are given; expected files of rrweb events, or folders of them")
    for given in paths:
        path = given / RECORDINGS_FOLDER if (given / VISITS_FILE).exists() else given
        found = [path]
        if path.is_dir():
            found = sorted(file for file in path.iterdir() if _split_name(file.name)[1])
        if not found:
            problem = f"holds no recordings; expected files *{', *'.join(ENDINGS)}, also with .gz or .zst"
            raise DataError.at(path, None, problem)
        files += found
    return files


def recording_name(path: Path) -> str:
    """Return a recording's file name without its ending."""
    return _split_name(path.name)[0]


def _split_name(name: str) -> tuple[str, str]:
    """Return a file's name and the ending by which it is a recording, "" if it is none."""
    endings = (ending + packing for ending in ENDINGS for packing in PACKINGS)
    ending = next((ending for ending in endings if name.endswith(ending)), "")
    return name.removesuffix(ending), ending


def read_values(path: Path, counts: Counter[str]) -> Iterator[Any]:
    """Yield a file's JSON values: that of each line, or the one that the file as a whole is.

    It is JSON or one JSON value a line, in UTF-8, UTF-16 or UTF-32; gzip, zlib or zstd around it.
    `counts` counts a last line that breaks off, as when the recorder was stopped while it wrote.

    Raises:
        DataError: the file cannot be read, is too large, or is not JSON.
    """
    data = _decode(path, _read_bytes(path))
    lines = io.BytesIO(data)
    first = next((line for line in lines if line.strip()), b"")
    if len(first.strip()) == len(data.strip()) or not _is_json(first):
        yield _parse(path, None, data)
        return
    yield json.loads(first)
    for number, line in enumerate(lines, data[: lines.tell()].count(b"\n") + 1):
        if not line.strip():
            continue
        if lines.tell() == len(data) and not line.endswith(b"\n") and not _is_json(line):
            counts["lines that break off at the file's end"] += 1
        else:
            yield _parse(path, number, line)


def _read_bytes(path: Path) -> bytes:
    """Return the file's bytes, unpacked."""
    with file_errors(path), path.open("rb") as stream:
        data = stream.read(MAX_RECORDING_BYTES + 1)
    try:
        if len(data) <= MAX_RECORDING_BYTES:
            data = unpack(data, MAX_RECORDING_BYTES + 1)
    except CorruptError as error:
        raise DataError.at(path, None, f"its compression is broken ({error})") from None
    if len(data) > MAX_RECORDING_BYTES:
        raise DataError.at(path, None, f"is too large; at most {MAX_RECORDING_BYTES} bytes are read")
    if data.startswith(_ZIP):
        raise DataError.at(path, None, "is a zip archive; unpack it and give the recordings in it")
    return data


def unpack(data: bytes, limit: int) -> bytes:
    """Return what gzip, zlib or zstd packed, at most `limit` bytes of it; other data as it is.

    Raises:
        CorruptError: it is corrupt, or breaks off.
    """
    if not data.startswith((_ZSTD, _GZIP, *_ZLIB)):
        return data
    frames = WholeFrames(io.BytesIO(data), "zstd" if data.startswith(_ZSTD) else "gzip")
    return io.BufferedReader(frames).read(limit)


def _decode(path: Path, data: bytes) -> bytes:
    """Return a text as UTF-8 without a byte order mark."""
    coding = json.detect_encoding(data)
    try:
        text = data.decode(coding).encode()
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        found = "UTF-8" if coding.startswith("utf-8") else coding
        problem = f"is not {found} text; expected rrweb's events as JSON, in UTF-8"
        raise DataError.at(path, line, problem) from None
    if not text.strip():
        raise DataError.at(path, None, "is empty; expected rrweb's events as JSON")
    if text.lstrip()[:1] == b"<":
        raise DataError.at(path, 1, "begins with '<', as HTML and XML do; expected rrweb's events as JSON")
    return text


def _is_json(text: bytes) -> bool:
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _parse(path: Path, line: int | None, text: bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:  # no JSON, an endless number, nested too deeply
        place = line or getattr(error, "lineno", None)
        problem = f"is not JSON ({error}); expected rrweb's events, as a list or one a line"
        raise DataError.at(path, place, problem) from None
