"""Many pages to short pages: the work on one, and the file of all of them."""

import io
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from shop_r1.atomic_files import replacing_file
from shop_r1.errors import ConfigError, PageError
from shop_r1.jobs.blocks import Item
from shop_r1.jobs.parts import Parts
from shop_r1.jobs.work import ItemFailure
from shop_r1.models.tokenizers import load_tokenizer, token_counter
from shop_r1.pages.elements import Element, SimplifiedPage
from shop_r1.pages.sites.recipes import Recipe
from shop_r1.pages.tokens import CountTokens, estimate_tokens

_LEVEL = 6
"""Of zstd. Ours: as for records on disk."""
_COUNTS = pa.map_(pa.string(), pa.int32())
_STRINGS = pa.list_(pa.string())
_ELEMENT = pa.struct(
    [(name, pa.string()) for name in ("name", "tag", "role", "label", "path", "href", "value")]
    + [(name, _STRINGS) for name in ("states", "options", "also")]
)
SCHEMA = pa.schema(
    [
        ("file", pa.string()),
        ("row", pa.int64()),
        ("html", pa.string()),
        ("tokens", pa.int32()),
        ("page_url", pa.string()),
        ("page_base", pa.string()),
        ("dropped", _COUNTS),
        ("shown", _COUNTS),
        ("cut", _COUNTS),
        ("elements", pa.list_(_ELEMENT)),
        ("failure", pa.string()),
    ]
)
"""A row for each page. `row` is null for a page that is a file. `page_url`, `page_base`: what it says of
itself. `html` is null where `failure` says why there is none. `elements`, `tokens` and `cut` are null where
they were not asked for."""
_MAPS = ("dropped", "shown", "cut")
FAILURES_SHOWN = 20
"""Pages that failed that are named on the terminal; the file has all. Ours."""


@dataclass(frozen=True)
class SimplifyWork:
    """What is done to each page."""

    recipe: Recipe | None = None
    max_tokens: int | None = None
    """The budget of the short page; None is none."""
    tokenizer: str | None = None
    """Whose tokens are counted; None: an estimate."""
    with_elements: bool = False
    """Whether a result lists the elements that can be acted on."""

    def prepare(self) -> Callable[[Item], dict[str, Any]]:
        """Return the function of a page.

        Raises:
            ModelError: the tokenizer cannot be loaded.
        """
        from shop_r1.pages.serialize.truncate import fit_page
        from shop_r1.pages.simplify import simplify_page

        count = estimate_tokens if self.tokenizer is None else token_counter(load_tokenizer(self.tokenizer))

        def simplify(item: Item) -> dict[str, Any]:
            page = simplify_page(_read(item.content), self.recipe)
            if self.max_tokens is not None:
                page = fit_page(page, self.max_tokens, count)
            return self._to_row(page, item, count)

        return simplify

    def failed(self, item: Item, failure: ItemFailure) -> dict[str, Any]:
        """Return the row of a page that has no short page."""
        return {"file": item.file, "row": item.row, "failure": str(failure), **item.columns}

    def _to_row(self, page: SimplifiedPage, item: Item, count: CountTokens) -> dict[str, Any]:
        row: dict[str, Any] = {"file": item.file, "row": item.row, "html": page.html}
        row |= {"page_url": page.url or None, "page_base": page.base or None}
        row |= {"dropped": dict(page.dropped), "shown": dict(page.shown) or None}
        if self.max_tokens is not None:
            row |= {"tokens": count(page.html), "cut": dict(page.cut)}
        if self.with_elements:
            row["elements"] = [_element_row(each) for each in page.elements]
        return row | dict(item.columns)


def _element_row(element: Element) -> dict[str, Any]:
    return {
        key: list(value) if isinstance(value, tuple) else value for key, value in element._asdict().items()
    }


def _read(content: Any) -> str | bytes:
    if isinstance(content, Path):
        try:
            return content.read_bytes()
        except OSError as error:
            raise PageError(f"cannot be read ({error.strerror or error})") from None
    if content is None:
        raise PageError("there is no page in this row")
    return content  # type: ignore[no-any-return]


@dataclass(frozen=True)
class PageFile:
    """The form of a file of short pages, by its name's ending; it travels to workers, which encode blocks."""

    ending: str
    """`.parquet`, `.jsonl` or `.zst`."""
    schema: Any = SCHEMA
    """A `pyarrow.Schema`: `SCHEMA`, and the columns that are kept."""

    def encode(self, rows: Sequence[Mapping[str, Any]]) -> bytes:
        """Return a finished block: what was counted, as a line of JSON, and the rows in this form."""
        head = json.dumps(count_pages(rows).to_json()).encode() + b"\n"
        if self.ending == ".parquet":
            stream = io.BytesIO()
            with self._writer(stream) as file:
                file.write_table(self._to_table(rows))
            return head + stream.getvalue()
        lines = b"".join(map(_to_line, rows))
        return head + (_compress(lines) if self.ending == ".zst" else lines)

    def write(self, out: Path, parts: Parts, count: int) -> None:
        """Write the file of so many blocks, whole or not at all.

        Raises:
            DataError: it cannot be written; an older file stays as it was.
        """
        with replacing_file(out) as stream:
            if self.ending == ".parquet":
                with self._writer(stream) as file:
                    for payload in _payloads(parts, count):
                        file.write_table(pq.read_table(io.BytesIO(payload), schema=self.schema))
            else:
                stream.writelines(_payloads(parts, count))

    def _writer(self, stream: IO[bytes]) -> Any:
        return pq.ParquetWriter(
            stream,
            self.schema,
            compression="zstd",
            compression_level=_LEVEL,
            write_statistics=["file", "row"],
        )

    def _to_table(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        listed = [
            {**row, **{name: [*row[name].items()] for name in _MAPS if row.get(name) is not None}}
            for row in rows
        ]
        return pa.Table.from_pylist(listed, self.schema)


def _compress(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(level=_LEVEL, write_checksum=True).compress(data)


def _to_line(row: Mapping[str, Any]) -> bytes:
    known = {key: value for key, value in row.items() if value is not None}
    return json.dumps(known, ensure_ascii=False, default=str).encode(errors="replace") + b"\n"


def _payloads(parts: Parts, count: int) -> Iterator[bytes]:
    for number in range(count):
        with parts.open(number) as stream:
            stream.readline()
            yield stream.read()


@dataclass
class PageCounts:
    """What was counted of pages; `failures` are by reason, `first` names some of them."""

    pages: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    first: list[str] = field(default_factory=list)

    @property
    def failed(self) -> int:
        """Pages without a short page."""
        return self.failures.total()

    def to_json(self) -> dict[str, Any]:
        """Return the counts as JSON values."""
        return {"pages": self.pages, "failures": self.failures, "first": self.first}

    def add(self, values: Mapping[str, Any]) -> None:
        """Add counts that `to_json` returned."""
        self.pages += values["pages"]
        self.failures.update(values["failures"])
        self.first = (self.first + values["first"])[:FAILURES_SHOWN]


def count_pages(rows: Sequence[Mapping[str, Any]]) -> PageCounts:
    """Return the counts of a block's rows."""
    failed = [row for row in rows if row.get("failure") is not None]
    reasons = Counter(row["failure"].partition(":")[0] for row in failed)
    named = [f"{Item(row['file'], row['row'], None).place}: {row['failure']}" for row in failed]
    return PageCounts(len(rows), reasons, named[:FAILURES_SHOWN])


def count_parts(parts: Parts, count: int) -> PageCounts:
    """Return the counts of so many finished blocks."""
    total = PageCounts()
    for number in range(count):
        with parts.open(number) as stream:
            total.add(json.loads(stream.readline()))
    return total


def page_file(out: Path, kept: Any) -> PageFile:
    """Return the form of a file; `kept` is the schema of the columns to keep, None where there are none.

    Raises:
        ConfigError: a column to keep has a name of ours, or JSON cannot hold its bytes.
    """
    fields = list(kept) if kept is not None else []
    for each in fields:
        if each.name in SCHEMA.names:
            raise ConfigError(f"--keep {each.name}: the output has a column of its own of that name")
        if out.suffix != ".parquet" and (
            pa.types.is_binary(each.type) or pa.types.is_large_binary(each.type)
        ):
            raise ConfigError(f"--keep {each.name}: JSON cannot hold bytes; write .parquet")
    return PageFile(out.suffix, pa.schema([*SCHEMA, *fields]))
