"""Spans of rows of a Parquet file: where to cut it, and how to read one span without the rest."""

from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

SPLITS = 32
"""Spans that one row group is cut into at most: each is found by decoding the group from its beginning, so
that all together decode it 16 times. Ours."""


def cut_rows(group_rows: Sequence[int], rows: int) -> Iterator[tuple[int, int]]:
    """Yield spans [start, stop) of row numbers from 0 that together are the file, in order.

    A span has about so many `rows`: small row groups are put together, and a larger one is cut into `SPLITS`
    spans at most.

    >>> list(cut_rows([2, 2, 2, 10], rows=4))
    [(0, 4), (4, 6), (6, 9), (9, 12), (12, 16)]
    """
    start = stop = 0
    for count in group_rows:
        if stop > start and stop - start + count > rows:
            yield start, stop
            start = stop
        stop += count
        if count > rows:
            pieces = min(SPLITS, -(-count // rows))
            edges = [start + count * piece // pieces for piece in range(pieces + 1)]
            yield from pairwise(edges)
            start = stop
    if stop > start:
        yield start, stop


def read_span(file: Any, columns: Sequence[str], span: tuple[int, int], batch_rows: int) -> Iterator[Any]:
    """Yield the span's rows, in order, as tables of at most so many rows.

    Args:
        file: an open `pyarrow.parquet.ParquetFile`.
        columns: the names of those to read.
        span: [start, stop), row numbers of the file from 0.
        batch_rows: rows that are decoded at once.
    """
    start, stop = span
    metadata, first, groups, before = file.metadata, 0, list[int](), 0
    for group in range(metadata.num_row_groups):
        end = first + metadata.row_group(group).num_rows
        if first < stop and end > start:
            groups.append(group)
        elif end <= start:
            before = end
        first = end
    place = before
    for batch in file.iter_batches(batch_rows, row_groups=groups, columns=columns, use_threads=False):
        low, high = max(start - place, 0), min(stop - place, batch.num_rows)
        place += batch.num_rows
        if low < high:
            yield batch.slice(low, high - low)
        if place >= stop:
            return
