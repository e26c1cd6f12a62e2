import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.jobs.pages import page, write_folder, write_pages
from tests.tiny import make_sessions

from shop_r1.datasets.row_spans import SPLITS, cut_rows, read_span
from shop_r1.datasets.session_files import read_session_lines, write_sessions
from shop_r1.errors import DataError
from shop_r1.jobs import blocks
from shop_r1.jobs.blocks import cut_pages, cut_sessions


@given(st.lists(st.integers(0, 5_000), max_size=30), st.integers(1, 300))
def test_spans_are_the_whole_file_in_order_and_no_longer_than_asked(groups: list[int], rows: int) -> None:
    spans = list(cut_rows(groups, rows))
    assert [row for start, stop in spans for row in range(start, stop)] == list(range(sum(groups)))
    assert all(stop - start <= max(rows, -(-max(groups) // SPLITS)) for start, stop in spans)


@pytest.mark.parametrize("group", [1, 3, 7, 100])
def test_a_span_is_read_from_any_row_groups(tmp_path: Path, group: int) -> None:
    path = write_pages(tmp_path / "p.parquet", [page(number) for number in range(20)], group)
    file = pq.ParquetFile(path)
    for span in ((0, 20), (0, 1), (4, 9), (13, 20), (6, 7)):
        found = [row for batch in read_span(file, ["html"], span, 4) for row in batch.to_pylist()]
        assert [row["html"] for row in found] == [page(number) for number in range(*span)]


@pytest.mark.parametrize("group", [5, 1000])
def test_pages_of_files_and_folders_come_in_order(
    tmp_path: Path, group: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "PAGES_PER_BLOCK", 4)
    rows = write_pages(tmp_path / "p.parquet", [page(number) for number in range(30)], group)
    folder = write_folder(tmp_path / "pages", [page(number) for number in range(9)])
    (tmp_path / "pages" / "notes.txt").write_text("no page")
    found = [item for block in cut_pages([rows], "html", ["address"]).blocks for item in block.read()]
    assert [item.place for item in found] == [f"{rows}:{number}" for number in range(1, 31)]
    assert [item.content for item in found] == [page(number) for number in range(30)]
    assert found[7].columns == {"address": "https://shop.example/7"}
    files = cut_pages([folder, folder / "odd" / "0001.html"], "html", ())
    names = [item.file for block in files.blocks for item in block.read()]
    expected = [*sorted(map(str, folder.rglob("*.html"))), str(folder / "odd" / "0001.html")]
    assert names == expected
    assert sum(block.size for block in files.blocks) == 10


@pytest.mark.parametrize(
    "text",
    [
        b'{"a": 1}\n{"b": 2}\n',
        b'\n\n{"a": 1}\r\n \n{"b": "\xc3\xa4"}\r{"c": 3}',
        b'\xef\xbb\xbf{"a": 1}\n\xef\xbb\xbf{"b": 2}',
        b"x" * 50 + b"\n" + b"y" * 5,
        b"",
    ],
)
@pytest.mark.parametrize("size", [1, 9, 1000])
def test_blocks_of_lines_have_the_lines_of_one_reader(
    tmp_path: Path, text: bytes, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blocks, "LINE_BYTES_PER_BLOCK", size)
    monkeypatch.setattr(blocks, "_SCAN_BYTES", 7)
    path = tmp_path / "s.jsonl"
    path.write_bytes(text)
    found = [item for block in cut_sessions(path).blocks for item in block.read()]
    expected = list(read_session_lines(path))
    assert [(item.row, item.content.rstrip("\r\n")) for item in found] == [
        (number, line.rstrip("\r\n")) for number, line in expected
    ]


def test_rows_of_sessions_are_those_of_one_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "SESSIONS_PER_BLOCK", 3)
    path = tmp_path / "s.parquet"
    write_sessions(path, make_sessions() * 4)
    cut = cut_sessions(path).blocks
    assert len(cut) > 1
    found = [(item.row, item.content) for block in cut for item in block.read()]
    assert found == list(read_session_lines(path))
    assert json.loads(found[0][1])["session_id"] == make_sessions()[0].session_id


def test_what_cannot_be_cut_is_named(tmp_path: Path) -> None:
    path = write_pages(tmp_path / "p.parquet", [page(0)])
    with pytest.raises(DataError, match=r"p\.parquet: has no column 'body'; it has address, html"):
        cut_pages([path], "body", ())
    with pytest.raises(DataError, match=r"nothing: is not there; expected a Parquet file"):
        cut_pages([tmp_path / "nothing"], "html", ())
    with pytest.raises(DataError, match="holds no pages"):
        cut_pages([tmp_path], "html", ())
    (tmp_path / "bad.parquet").write_bytes(b"PAR1 no")
    with pytest.raises(DataError, match=r"bad\.parquet: is not a valid Parquet file"):
        cut_pages([tmp_path / "bad.parquet"], "html", ())
    (tmp_path / "s.jsonl.zst").write_bytes(b"")
    with pytest.raises(DataError, match=r"is compressed JSONL, which workers cannot begin in the middle"):
        cut_sessions(tmp_path / "s.jsonl.zst")
    with pytest.raises(DataError, match="UTF-16"):
        (tmp_path / "s.jsonl").write_bytes(io.BytesIO('{"a": 1}'.encode("utf-16")).getvalue())
        cut_sessions(tmp_path / "s.jsonl")
