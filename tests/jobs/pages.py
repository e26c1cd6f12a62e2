"""Pages for the tests of jobs, a few of them poisoned."""

from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq


def page(number: int, more: str = "") -> str:
    return f"<title>{number}</title><h1>Mug {number}</h1><a href='/{number}'>Red mug {number}</a><p>{more}"


def write_pages(path: Path, pages: Sequence[str | None], row_group: int = 1 << 20) -> Path:
    """Write a Parquet file with a page and an address in each row."""
    urls = [f"https://shop.example/{number}" for number in range(len(pages))]
    pq.write_table(pa.table({"address": urls, "html": pages}), path, row_group_size=row_group)
    return path


def write_folder(folder: Path, pages: Sequence[str]) -> Path:
    """Write each page into a file, in two folders."""
    for number, text in enumerate(pages):
        file = folder / ("even" if number % 2 == 0 else "odd") / f"{number:04}.html"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return folder
