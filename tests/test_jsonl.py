import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import zstandard

from shop_r1.errors import DataError
from shop_r1.jsonl import (
    Record,
    read_json,
    read_lines,
    read_records,
    replacing,
    write_json,
    write_records,
    write_text,
)


class Item(Record):
    name: str
    price: float | None = None


ITEMS = [Item(name="tea\u2028cup"), Item(name="日本", price=2.5), Item(name="a" * 100_000)]
NAMES = ["items.jsonl", "items.jsonl.zst"]


@pytest.mark.parametrize("name", NAMES)
def test_records_come_back_as_they_were(tmp_path: Path, name: str) -> None:
    path = tmp_path / "new" / "folder" / name
    assert write_records(path, ITEMS) == 3
    assert list(read_records(path, Item)) == ITEMS
    assert [file.name for file in path.parent.iterdir()] == [name]


def test_zst_files_are_compressed_and_may_be_joined(tmp_path: Path) -> None:
    path = tmp_path / NAMES[1]
    write_records(path, ITEMS)
    assert path.stat().st_size < 1000
    path.write_bytes(path.read_bytes() * 2)  # What `cat a.zst b.zst` makes: two frames.
    assert list(read_records(path, Item)) == ITEMS * 2


def test_fields_that_are_none_are_left_out(tmp_path: Path) -> None:
    write_records(tmp_path / NAMES[0], [Item(name="a")])
    assert (tmp_path / NAMES[0]).read_text() == '{"name":"a"}\n'


def test_blank_lines_are_passed_over_and_still_counted(tmp_path: Path) -> None:
    path = tmp_path / NAMES[0]
    path.write_text('\n{"name": "a"}\n  \n{"name": "b"}')
    assert [number for number, _ in read_lines(path)] == [2, 4]
    assert list(read_records(path, Item)) == [Item(name="a"), Item(name="b")]


def test_a_pipe_is_read_and_nobody_is_told_how_far() -> None:
    reader, writer = os.pipe()
    os.write(writer, b'{"name": "a"}\n')
    os.close(writer)
    told: list[tuple[int, int]] = []
    found = read_records(Path(f"/dev/fd/{reader}"), Item, lambda done, total: told.append((done, total)))
    assert list(found) == [Item(name="a")]
    assert told == []
    os.close(reader)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"items\.jsonl: holds no records; expected one Item"),
        (b"\n\n", "holds no records"),
        (b'{"name": "a"}\n{"name": "b', r"items\.jsonl:2: record: is not JSON \(it breaks off"),
        (
            b'{"name": "a"}\n\n{"nmae": "b"}',
            r"items\.jsonl:3: name: is missing; expected a string; nmae: is unknown",
        ),
        (b'{"name": 7}', r"items\.jsonl:1: name: is 7; expected a string"),
        (b"[1]", r"items\.jsonl:1: is a JSON array"),
        (b'{"name": "a"}\n\xff', r"items\.jsonl:2: is not UTF-8 text"),
    ],
)
def test_faults_name_file_line_and_field(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / NAMES[0]
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        list(read_records(path, Item))


def test_a_missing_file_and_a_folder_are_faults(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"cannot be read \(No such file"):
        list(read_records(tmp_path / "none.jsonl", Item))
    with pytest.raises(DataError, match=r"cannot be read \(Is a directory"):
        list(read_records(tmp_path, Item))


def test_a_zst_file_that_breaks_off_is_a_fault_and_not_a_short_file(tmp_path: Path) -> None:
    path = tmp_path / NAMES[1]
    lines = b'{"name": "a"}\n' * 50_000
    whole = zstandard.ZstdCompressor(write_checksum=True).compress(lines)
    # Every line can be read before the break: only the frame's checksum is missing, then all but its head.
    for length in (len(whole) - 1, len(whole) // 2, 6):
        path.write_bytes(whole[:length])
        with pytest.raises(DataError, match=r"zst:\d+: broken zstd data \(the file breaks off"):
            list(read_records(path, Item))
    path.write_bytes(b"not zstd at all")
    with pytest.raises(DataError, match=r"broken zstd data"):
        list(read_records(path, Item))
    path.write_bytes(b"")
    with pytest.raises(DataError, match=r"holds no records"):
        list(read_records(path, Item))


@pytest.mark.parametrize("name", NAMES)
def test_a_writer_that_fails_leaves_the_older_file_and_nothing_else(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_records(path, ITEMS[:1])
    before = path.read_bytes()

    def broken() -> Iterator[Item]:
        yield ITEMS[1]
        raise RuntimeError("the source broke")

    with pytest.raises(RuntimeError, match="the source broke"):
        write_records(path, broken())
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == [name]


def test_a_full_disk_is_one_clear_fault(tmp_path: Path) -> None:
    path = tmp_path / "out.txt"
    with pytest.raises(DataError, match=r"out\.txt: cannot be written \(No space left"), replacing(path):
        raise OSError(28, "No space left on device")
    assert not any(tmp_path.iterdir())


def test_a_place_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="cannot be written"):
        write_text(tmp_path / "file" / "inside.txt", "x")
    (tmp_path / "folder").mkdir()
    with pytest.raises(DataError, match=r"cannot be written \(Is a directory"):
        write_text(tmp_path / "folder", "x")


def test_a_document_comes_back_and_a_broken_one_names_its_line(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    write_json(path, {"ä": [1, None]})
    assert read_json(path) == {"ä": [1, None]}
    assert "ä" in path.read_text("utf-8")
    path.write_text("{\n1")
    with pytest.raises(DataError, match=r"table\.json:2: is not JSON"):
        read_json(path)
    path.write_text("[" * 100_000)
    with pytest.raises(DataError, match=r"table\.json: is not JSON"):
        read_json(path)
    with pytest.raises(DataError, match="cannot be read"):
        read_json(tmp_path / "none.json")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("line", [1, 2, 1999, 2000])
def test_the_line_that_is_not_utf8_is_named_however_far_text_is_decoded_ahead(
    tmp_path: Path, name: str, line: int
) -> None:
    path = tmp_path / name
    lines = [b'{"name": "%d"}' % number for number in range(2000)]
    lines[line - 1] = '{"name": "é"}'.encode("latin-1")
    text = b"\n".join(lines)
    path.write_bytes(zstandard.ZstdCompressor().compress(text) if name.endswith(".zst") else text)
    read = []
    with pytest.raises(DataError, match=rf"items\.jsonl.*:{line}: is not UTF-8 text"):
        for number, _ in read_lines(path):
            read.append(number)
    assert read == list(range(1, line))  # all before it are good, and are given


def test_a_document_that_is_not_utf8_is_named_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "table.json"
    path.write_bytes(b'[\n1,\n"\xe9"]')
    with pytest.raises(DataError, match=r"table\.json:3: is not UTF-8 text"):
        read_json(path)
