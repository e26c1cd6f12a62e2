"""`FILE.index`, in which the index of a file of sessions is kept.

A line of JSON says of which file it is; the columns follow, compressed. Nothing in it is executed. An index
that is torn, forged or of another file is not used, and what it says of a session is compared with the
session whenever that is read (`datasets.archive`).
"""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zstandard
from pydantic import Field, ValidationError

from shop_r1.config import describe_validation
from shop_r1.datasets.index import KINDS, Index, Numbers, Texts
from shop_r1.datasets.outlines import DIGEST_BYTES
from shop_r1.errors import DataError
from shop_r1.jsonl import Record, replacing
from shop_r1.records.actions import SPACES

LARGEST_INDEX = 1 << 30
"""Bytes of columns above which an index is not read: some 5 million sessions. Ours."""
_LEVEL = 12  # of zstd: 52,137 sessions still take under a second
_GAPS = ("starts", "lines")
_NUMBERS = (*_GAPS, "lengths", "counts", "spaces", "characters", "actions", "told", "kinds")
_TEXTS = ("ids", "names", "texts")


class FileStamp(Record):
    """The contents that an index is of."""

    size: int = Field(ge=0)
    """In bytes."""
    mtime_ns: int
    """When they were last changed, in ns."""
    sha256: str
    """Of them, in hexadecimal."""


class IndexHead(Record):
    """The first line."""

    format: Literal["shop-r1 index of sessions, 1"] = "shop-r1 index of sessions, 1"
    """Of what follows."""
    file: FileStamp
    """Of the sessions."""
    sessions: int = Field(ge=1)
    """How many there are."""
    type_names: tuple[str, ...]
    """Types of action, by the numbers in the columns."""
    space_names: tuple[str, ...]
    """Action spaces, by the numbers in the columns."""
    columns: dict[str, int]
    """How many bytes each column takes, in order."""
    sha256: str
    """Of the columns as they follow."""


def write_index(path: Path, index: Index, file: FileStamp) -> None:
    """Write the index, whole or not at all.

    Raises:
        DataError: it cannot be written.
    """
    columns = _columns(index)
    packed = zstandard.ZstdCompressor(level=_LEVEL).compress(b"".join(columns.values()))
    head = IndexHead(
        file=file,
        sessions=len(index),
        type_names=index.type_names,
        space_names=index.space_names,
        columns={name: len(column) for name, column in columns.items()},
        sha256=hashlib.sha256(packed).hexdigest(),
    )
    with replacing(path) as stream:
        stream.write(head.model_dump_json().encode() + b"\n" + packed)


def read_index(path: Path) -> tuple[FileStamp, Index]:
    """Return what `write_index` wrote.

    Raises:
        DataError: there is none, or it is not what `write_index` writes; the message says why.
    """
    try:
        first, _, packed = path.read_bytes().partition(b"\n")
        head = IndexHead.model_validate_json(first)
        if hashlib.sha256(packed).hexdigest() != head.sha256:
            raise ValueError("it is torn")
        index = _read_columns(head, _split(head, packed))
        _check(index, head)
    except OSError as error:
        raise DataError.at(path, None, f"cannot be read ({error.strerror or error})") from None
    except ValidationError as error:
        raise DataError.at(
            path, None, f"is no index of this version ({describe_validation(error)})"
        ) from None
    except (ValueError, zstandard.ZstdError) as error:
        raise DataError.at(path, None, f"is no index ({error})") from None
    return head.file, index


# -- numbers and texts as bytes -----------------------------------------------------------------------------


def _columns(index: Index) -> dict[str, bytes]:
    numbers: dict[str, Numbers] = {name: getattr(index, name) for name in _NUMBERS}
    # What is usual becomes 0: lines that follow one another.
    numbers["starts"] = index.starts - np.concatenate([[0], (index.starts + index.lengths)[:-1]])
    numbers["lines"] = np.diff(index.lines, prepend=0) - 1
    numbers["frames"] = index.frames.T.ravel()
    found = {name: _pack(values) for name, values in numbers.items()}
    found["digests"] = index.digests.tobytes()
    for name in _TEXTS:
        texts: Texts = getattr(index, name)
        found[name] = texts.joined.encode()
        found[f"{name}.lengths"] = _pack(np.diff(texts.ends, prepend=0))
    return found


def _read_columns(head: IndexHead, columns: Mapping[str, bytes]) -> Index:
    numbers: Any = {name: _unpack(columns[name]) for name in _NUMBERS}
    gaps, lengths = numbers["starts"], numbers["lengths"]
    numbers["starts"] = np.cumsum(gaps + lengths) - lengths
    numbers["lines"] = np.cumsum(numbers["lines"] + 1)
    texts: Any = {
        name: Texts(columns[name].decode(), np.cumsum(_unpack(columns[f"{name}.lengths"]))) for name in _TEXTS
    }
    return Index(
        frames=_unpack(columns["frames"]).reshape(2, -1).T,
        digests=np.frombuffer(columns["digests"], np.uint8).reshape(-1, DIGEST_BYTES),
        type_names=head.type_names,
        space_names=head.space_names,
        **numbers,
        **texts,
    )


def _pack(values: Numbers) -> bytes:
    """Return the numbers, all first bytes before all second ones: most of the eight are 0."""
    return values.astype("<i8").view(np.uint8).reshape(-1, 8).T.tobytes()


def _unpack(column: bytes) -> Numbers:
    return np.frombuffer(column, np.uint8).reshape(8, -1).T.copy().view("<i8").ravel().astype(np.int64)


def _split(head: IndexHead, packed: bytes) -> dict[str, bytes]:
    """Return the columns by name; what is unpacked is never more than the head says and we allow."""
    known = {*_NUMBERS, "frames", "digests", *_TEXTS, *(f"{name}.lengths" for name in _TEXTS)}
    sizes = list(head.columns.values())
    if set(head.columns) != known or min(sizes) < 0 or sum(sizes) > LARGEST_INDEX:
        raise ValueError(f"columns of these sizes are not expected: {head.columns}")
    unpacker = zstandard.ZstdDecompressor().stream_reader(packed)
    found = {name: unpacker.read(size) for name, size in head.columns.items()}
    if any(len(found[name]) != size for name, size in head.columns.items()) or unpacker.read(1):
        raise ValueError("its columns have other sizes than it says")
    return found


def _check(index: Index, head: IndexHead) -> None:
    """Make sure that every number points at something that is there."""
    n, steps, kinds = head.sessions, len(index.actions), len(index.kinds)
    by_session = (index.starts, index.lengths, index.lines, index.counts, index.spaces, index.characters)
    lengths = {len(column) for column in (*by_session, index.digests, index.ids)}
    text_bytes = index.frames[-1, 1] if len(index.frames) else head.file.size
    right = (
        lengths == {n},
        len(index.told) == steps,
        kinds == len(index.names) == len(index.texts),
        set(head.type_names) <= set(KINDS) and set(head.space_names) <= set(SPACES),
        _within(index.counts, 1, steps + 1) and index.counts.sum() == steps,
        _within(index.actions, 0, kinds),
        _within(index.told, 0, 2),
        _within(index.kinds, 0, len(head.type_names)),
        _within(index.spaces, 0, len(head.space_names)),
        _within(index.lengths, 1, text_bytes + 1),
        _within(index.starts, 0, text_bytes) and _rises(index.starts),
        bool((index.starts + index.lengths <= text_bytes).all()),
        _within(index.lines, 1, text_bytes + 2) and _rises(index.lines),
        _within(index.characters, 0, text_bytes + 1),
        _frames_fit(index.frames, head.file.size),
        all(_fits(texts) for texts in (index.ids, index.names, index.texts)),
    )
    if not all(right):
        raise ValueError(f"its columns contradict each other (rule {right.index(False) + 1})")


def _within(values: Numbers, least: int, end: int) -> bool:
    return not len(values) or bool(values.min() >= least and values.max() < end)


def _rises(values: Numbers, least: int = 1) -> bool:
    return bool((np.diff(values) >= least).all())


def _frames_fit(frames: Numbers, size: int) -> bool:
    if not len(frames):
        return True
    ends = frames[0].tolist() == [0, 0] and frames[-1, 0] == size
    return ends and _rises(frames[:, 0]) and _rises(frames[:, 1], 0)


def _fits(texts: Texts) -> bool:
    return _rises(texts.ends, 0) and len(texts.joined) == (texts.ends[-1] if len(texts) else 0)
