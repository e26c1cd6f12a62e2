"""OPeRA's tables: where its parquet files are, their rows one by one, and a place for pages on disk."""

import re
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, get_args

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from shop_r1.errors import ConfigError, DataError

REPOSITORY = "NEU-HAI/OPeRA"
"""On the Hugging Face hub; CC-BY-4.0."""
REVISION = "6f26a2c5cc69084f1714e39db9776e61791344d6"
"""The state of the repository that this was written for."""

Variant = Literal["filtered", "full"]
Split = Literal["train", "test"]
Row = Mapping[str, str | None]

_TABLES = ("action", "session", "user")
_OTHER_FILES = ("image", "images")
_TEXT_TYPES = {"string", "large_string", "string_view", "binary", "large_binary", "binary_view"}
NOTHINGS = frozenset({"None", "nan", "NaN", "<NA>", "NaT"})
"""What pandas and Python write for a missing value in a column that is turned into text."""
_BATCH_ROWS = 32
"""Rows read at once: a page has up to 626,000 characters. Ours."""


@dataclass(frozen=True)
class OperaTables:
    """The files of one variant and split, each table's in order of their names."""

    variant: Variant
    actions: tuple[Path, ...]
    sessions: tuple[Path, ...]
    """May be none: a session's id begins with its user's."""
    users: tuple[Path, ...]
    """Of both splits, since a user can be in both; may be none."""


def fetch_tables(variant: Variant, split: Split, cache: Path | None = None) -> Path:
    """Return the folder in the hub's cache (None: its own place) with the files, downloading what is missing.

    Only parquet files are downloaded and none of the repository's code is run.

    Raises:
        ConfigError: the hub's client is not installed.
        DataError: the files cannot be had.
    """
    try:
        import huggingface_hub as hub
        from huggingface_hub.errors import HfHubHTTPError
    except ImportError:
        raise ConfigError(
            "OPeRA's tables need the package huggingface_hub; it comes with pip install 'shop-r1[train]'"
        ) from None
    folder = f"OPeRA_{variant}"
    wanted = [f"{folder}/action/*{split}*", f"{folder}/session/*{split}*", f"{folder}/user/*"]
    # The bases of the hub's error are OSError and its HTTP client's, whichever client its version has.
    errors = (*HfHubHTTPError.__bases__, OSError, ValueError, RuntimeError)
    place = {"repo_type": "dataset", "revision": REVISION, "cache_dir": cache}
    fetch = partial(hub.snapshot_download, REPOSITORY, **place, allow_patterns=wanted)
    try:
        return Path(fetch())
    except errors as error:
        with suppress(*errors):  # The client before 2.0 does not look into its cache by itself.
            return Path(fetch(local_files_only=True))
        reason = " ".join(str(error).split()).partition(". ")[0][:200]
        raise DataError(
            f"{REPOSITORY} cannot be had from the Hugging Face hub ({reason}); download it where there is a "
            "network and give its folder with --path DIR"
        ) from None


def find_tables(folder: Path, variant: Variant, split: Split) -> OperaTables:
    """Return the tables in a folder laid out as the hub's repository is.

    Below `OPeRA_filtered/` or `OPeRA_full/` (or the folder itself, where it has no such folder) the words in
    a parquet file's path say of which table and split it is.

    Raises:
        DataError: there is no file of actions; the message says what was looked for.
    """
    if not folder.is_dir():
        raise DataError.at(folder, None, "is not a folder; expected one with OPeRA's parquet files")
    root = folder / f"OPeRA_{variant}"
    root = root if root.is_dir() else folder
    others = set(get_args(Variant)) - {variant}
    found: dict[tuple[str, bool], list[Path]] = {}
    files = sorted(root.rglob("*.parquet"))
    for file in files:
        words = set(re.findall("[a-z]+", file.relative_to(root).as_posix().lower()))
        tables = [name for name in (*_TABLES, *_OTHER_FILES) if words & {name, f"{name}s"}]
        if len(tables) == 1 and not words & others:
            found.setdefault((tables[0], split in words), []).append(file)
    if ("action", True) not in found:
        names = ", ".join(file.relative_to(root).as_posix() for file in files[:3])
        there = f"{len(files)} parquet files, for instance {names}" if files else "no parquet file"
        raise DataError.at(
            root,
            None,
            f"no actions of the split {split}: expected action/{split}-*.parquet, or another *.parquet with "
            f"the words action and {split} in its path; found {there}",
        )
    return OperaTables(
        variant=variant,
        actions=tuple(found["action", True]),
        sessions=tuple(found.get(("session", True), ())),
        users=tuple(found.get(("user", True), []) + found.get(("user", False), [])),
    )


def count_rows(files: Sequence[Path]) -> int:
    """Return how many rows the files have together, by their footers.

    Raises:
        DataError: a file cannot be read.
    """
    total = 0
    for file in files:
        with _reading(file):
            total += pq.read_metadata(file).num_rows
    return total


def read_rows(
    files: Sequence[Path], columns: Sequence[str], nothings: Counter[str] | None = None
) -> Iterator[tuple[str, Row]]:
    """Yield (where it stands, the columns of it) for each row, file by file, a few in memory at a time.

    The columns may be of any of Arrow's types for text; times become text. `nothings` gets how many values of
    each column are a word for nothing (`NOTHINGS`) and count as None.

    Raises:
        DataError: a file cannot be read, or lacks a column, or a column is not text.
    """
    count = Counter[str]() if nothings is None else nothings
    for file in files:
        number = 0
        with _reading(file):
            reader = pq.ParquetFile(file)
            _check_columns(file, reader.schema_arrow, columns)
            # One group of rows after the other: asked for all at once, pyarrow keeps what it has read.
            for group in range(reader.num_row_groups):
                for batch in reader.iter_batches(_BATCH_ROWS, row_groups=[group], columns=list(columns)):
                    for row in batch.to_pylist():
                        where = f"{file.name}, row {number}"
                        yield where, {name: _text(value, name, where, count) for name, value in row.items()}
                        number += 1


class PageShelf(AbstractContextManager["PageShelf"]):
    """Pages on disk until their session is put together; each distinct page is kept once.

    Rows of a session can stand anywhere in the files, so without it all pages would be in memory at once.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115 - closed by __exit__
        self._places: dict[bytes, tuple[int, int]] = {}
        self._end = 0
        self._pack = zstandard.ZstdCompressor(level=1)
        self._unpack = zstandard.ZstdDecompressor()

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def put(self, html: str) -> bytes:
        """Keep the page and return its key."""
        text = html.encode()
        key = blake2b(text, digest_size=16).digest()
        if key not in self._places:
            packed = self._pack.compress(text)
            self._file.seek(self._end)
            self._file.write(packed)
            self._places[key] = (self._end, len(packed))
            self._end += len(packed)
        return key

    def get(self, key: bytes) -> str:
        """Return the page of this key."""
        start, length = self._places[key]
        self._file.seek(start)
        return self._unpack.decompress(self._file.read(length)).decode()


@contextmanager
def _reading(file: Path) -> Iterator[None]:
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())[:160]
        problem = f"is not a complete parquet file ({reason}); download it again"
        raise DataError.at(file, None, problem) from None


def _text(value: object, column: str, where: str, nothings: Counter[str]) -> str | None:
    """Return a value as text; None where there is none, or a word that a program wrote for none."""
    if isinstance(value, bytes):
        try:
            value = value.decode()
        except UnicodeDecodeError:
            raise DataError(f"{where}: the column {column} is not UTF-8 text") from None
    elif isinstance(value, datetime):
        value = value.isoformat()
    if value is None:
        return None
    if str(value).strip() in NOTHINGS:
        nothings[column] += 1
        return None
    return str(value)


def _check_columns(file: Path, schema: Any, columns: Sequence[str]) -> None:
    if missing := ", ".join(name for name in columns if name not in schema.names):
        problem = f"has no column {missing}; expected OPeRA's tables as of revision {REVISION[:8]}"
        raise DataError.at(file, None, problem)
    for name in columns:
        kind = schema.field(name).type
        plain = kind.value_type if pa.types.is_dictionary(kind) else kind
        if pa.types.is_timestamp(plain) and plain.tz is None:
            raise DataError.at(
                file,
                None,
                f"the column {name} is of type {kind}, times without a zone; give them theirs, for instance "
                f"in pandas by table['{name}'].dt.tz_localize('UTC') if it is that",
            )
        # A column in which nothing is given has pyarrow's type null.
        if not (pa.types.is_null(plain) or pa.types.is_timestamp(plain) or str(plain) in _TEXT_TYPES):
            raise DataError.at(file, None, f"the column {name} is of type {kind}; expected string")
