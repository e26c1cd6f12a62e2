import codecs
import gzip
import json
import zipfile
import zlib
from collections import Counter
from pathlib import Path

import pytest
import zstandard

from shop_r1.errors import DataError
from shop_r1.importers.rrweb import files
from shop_r1.importers.rrweb.files import list_recordings, read_values, recording_name

VALUES = [{"type": 4, "data": {"href": "https://shop.example/mügs"}}, {"type": 2}, {"type": 3}]
LIST = json.dumps(VALUES, ensure_ascii=False).encode()
LINES = b"".join(json.dumps(value, ensure_ascii=False).encode() + b"\n" for value in VALUES)


def values(path: Path) -> list[object]:
    counts: Counter[str] = Counter()
    found = list(read_values(path, counts))
    assert not counts
    return found


@pytest.mark.parametrize("content", [LINES, b"\n" + LINES.replace(b"\n", b"\r\n\r\n"), LINES.rstrip()])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl", "a.txt"])
def test_lines_are_lines_whatever_the_file_is_called(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert values(tmp_path / name) == VALUES


@pytest.mark.parametrize("content", [LIST, json.dumps(VALUES, indent=2).encode(), b"\r\n" + LIST + b"\n"])
@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
def test_one_document_is_one_value(content: bytes, name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert values(tmp_path / name) == [VALUES]


@pytest.mark.parametrize(
    ("mark", "coding"),
    [
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
        (codecs.BOM_UTF32_LE, "utf-32-le"),
        (codecs.BOM_UTF32_BE, "utf-32-be"),
        (b"", "utf-16-le"),
        (b"", "utf-16-be"),
    ],
)
def test_a_text_is_read_in_each_coding_of_unicode(mark: bytes, coding: str, tmp_path: Path) -> None:
    for number, content in enumerate((LIST, LINES)):
        path = tmp_path / f"{number}.json"
        path.write_bytes(mark + content.decode().encode(coding))
        assert values(path) == ([VALUES] if content is LIST else VALUES)


def test_what_is_compressed_is_unpacked_by_its_first_bytes(tmp_path: Path) -> None:
    middle = LINES.index(b"\n") + 1
    packed = {
        "a.jsonl.gz": gzip.compress(LINES, mtime=0),
        "b.jsonl": gzip.compress(LINES[:middle], mtime=0) + gzip.compress(LINES[middle:]),
        "c.jsonl.zst": zstandard.compress(LINES),
        "d.json": zlib.compress(LINES),
    }
    for name, content in packed.items():
        (tmp_path / name).write_bytes(content)
        assert values(tmp_path / name) == VALUES
    assert [path.name for path in list_recordings([tmp_path])] == list(packed)
    assert [recording_name(tmp_path / name) for name in packed] == ["a", "b", "c", "d"]


def test_a_last_line_that_breaks_off_is_counted_and_the_rest_is_read(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    (tmp_path / "a.jsonl").write_bytes(LINES[:-6])
    assert list(read_values(tmp_path / "a.jsonl", counts)) == VALUES[:2]
    assert counts == {"lines that break off at the file's end": 1}


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b" \n", "a.json: is empty"),
        (b"{", "a.json:1: is not JSON"),
        (LIST[:-6], "a.json:1: is not JSON"),
        (LINES + b"{\n" + LINES, "a.json:4: is not JSON"),
        (b"[" * 100_000, "a.json: is not JSON"),
        (LINES + b"\xff\xfe\n", "a.json:4: is not UTF-8 text"),
        (codecs.BOM_UTF16_LE + b"a", "a.json:1: is not utf-16 text"),
        (b"\n<!DOCTYPE html>", "a.json:1: begins with '<'"),
        (gzip.compress(LIST, mtime=0)[:-9], "its compression is broken"),
        (zstandard.compress(LIST)[:-9], "its compression is broken"),
    ],
)
def test_what_is_no_json_is_refused_with_what_it_is(content: bytes, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    path.write_bytes(content)
    with pytest.raises(DataError, match=problem):
        values(path)


def test_an_archive_of_files_and_what_grows_without_end_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("a.json", LIST)
    with pytest.raises(DataError, match="is a zip archive; unpack it"):
        values(tmp_path / "a.zip")
    monkeypatch.setattr(files, "MAX_RECORDING_BYTES", 1000)
    for name, content in (
        ("b.gz", gzip.compress(b" " * 2000, mtime=0)),
        ("c.zst", zstandard.compress(b" " * 2000)),
    ):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(DataError, match="is too large; at most 1000 bytes are read"):
            values(tmp_path / name)
