import gc
import gzip
import os
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard
from tests.tiny import make_session, make_sessions

from shop_r1.datasets import session_files
from shop_r1.datasets.parquet import ParquetSessions
from shop_r1.datasets.session_files import (
    conversion_path,
    open_sessions,
    read_sessions,
    refuse_repeated_ids,
    write_sessions,
)
from shop_r1.errors import DataError
from shop_r1.records.sessions import Session

NAMES = ["s.jsonl", "s.jsonl.zst", "s.parquet"]
LARGE = ["s.jsonl", "s.jsonl.zst"]


@pytest.fixture
def every_file_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that it is converted."""
    monkeypatch.setattr(session_files, "CONVERTED_FROM_BYTES", 0)


def text_of(sessions: list[Session]) -> bytes:
    return b"".join(each.model_dump_json(exclude_none=True).encode() + b"\n" for each in sessions)


@pytest.mark.parametrize("name", NAMES)
def test_sessions_are_written_and_read_in_the_form_of_the_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / "new" / name
    assert write_sessions(path, make_sessions()) == 4
    assert list(read_sessions(path)) == make_sessions() == list(open_sessions(path))
    assert [each.name for each in path.parent.iterdir()] == [name]
    beginnings = {"s.jsonl": b'{"se', "s.jsonl.zst": b"\x28\xb5\x2f\xfd", "s.parquet": b"PAR1"}
    assert path.read_bytes()[:4] == beginnings[name]


@pytest.mark.parametrize("name", NAMES)
def test_an_interrupted_writer_leaves_the_earlier_file(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_sessions(path, make_sessions())
    with pytest.raises(ZeroDivisionError):
        write_sessions(path, (make_session("s", *each.steps[: 1 // 0]) for each in make_sessions()))
    assert list(read_sessions(path)) == make_sessions()
    assert [each.name for each in tmp_path.iterdir()] == [name]


def test_progress_is_that_of_the_file(tmp_path: Path) -> None:
    moves: list[tuple[int, int]] = []
    for name in NAMES:
        path = tmp_path / name
        write_sessions(path, make_sessions())
        assert len(list(read_sessions(path, lambda done, total: moves.append((done, total))))) == 4
        assert moves[-1] == (path.stat().st_size, path.stat().st_size)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("s.jsonl", b"", r"s\.jsonl: holds no sessions; expected"),
        ("s.jsonl", b"\n \n", "holds no sessions"),
        ("s.jsonl", text_of(make_sessions()) + b'{"session_id": "', r"s\.jsonl:5: record: is not JSON"),
        ("s.jsonl", b"\n\xff\n", r"s\.jsonl:2: is not UTF-8"),
        (
            "s.jsonl.zst",
            zstandard.ZstdCompressor().compress(text_of(make_sessions()))[:-3],
            r"zst:\d+: .*zstd",
        ),
        ("s.parquet", text_of(make_sessions()), r"s\.parquet: is not a valid Parquet file"),
    ],
)
def test_errors_name_file_and_line_and_leave_no_conversion(
    tmp_path: Path, name: str, content: bytes, message: str, every_file_is_large: None
) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        open_sessions(path)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(DataError, match=r"cannot be read \(No such file"):
        open_sessions(tmp_path / "none.jsonl")


def test_two_sessions_with_one_id_are_refused() -> None:
    refuse_repeated_ids(Path("s.jsonl"), make_sessions())
    with pytest.raises(DataError, match=r"s\.jsonl: two sessions have the session_id 'buys'"):
        refuse_repeated_ids(Path("s.jsonl"), [*make_sessions(), make_sessions()[0]])


# -- a large JSONL is converted ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", LARGE)
def test_a_large_file_is_converted_once_and_that_is_said(
    tmp_path: Path, name: str, every_file_is_large: None
) -> None:
    path, said = tmp_path / name, list[str]()
    write_sessions(path, make_sessions())
    for _ in range(2):
        found = open_sessions(path, notify=said.append)
        assert isinstance(found, ParquetSessions) and list(found) == make_sessions()
    beside = conversion_path(path)
    assert said == [f"{beside}: {name} converted to Parquet, 4 sessions; it may be removed"]
    assert sorted(each.name for each in tmp_path.iterdir()) == sorted([name, beside.name])


def test_gzip_frames_and_any_end_of_line_are_converted(tmp_path: Path, every_file_is_large: None) -> None:
    lines = [each.model_dump_json() for each in make_sessions()]
    text = f"\n  \r\n{lines[0]}\r\n\n{lines[1]}\r{lines[2]}\n\u2003\n{lines[3]}".encode()
    contents = {
        "a.jsonl": text,
        "a.jsonl.gz": gzip.compress(text),
        "a.jsonl.zst": b"".join(zstandard.ZstdCompressor().compress(part) for part in (text[:99], text[99:])),
    }
    for name, content in contents.items():
        (tmp_path / name).write_bytes(content)
        assert list(open_sessions(tmp_path / name)) == make_sessions()


def test_a_small_file_is_not_converted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "s.jsonl"
    write_sessions(path, make_sessions())
    for limit, count in ((path.stat().st_size + 1, 1), (path.stat().st_size, 2)):
        monkeypatch.setattr(session_files, "CONVERTED_FROM_BYTES", limit)
        assert list(open_sessions(path)) == make_sessions()
        assert len(list(tmp_path.iterdir())) == count


def test_a_conversion_follows_its_files_contents_and_not_their_time(
    tmp_path: Path, every_file_is_large: None
) -> None:
    path, said = tmp_path / "s.jsonl.zst", list[str]()
    write_sessions(path, make_sessions())
    open_sessions(path, notify=said.append)
    os.utime(path, ns=(1, 1))
    open_sessions(path, notify=said.append)  # the same contents: what a copy looks like
    assert len(said) == 1
    write_sessions(path, make_sessions()[::-1])
    assert list(open_sessions(path, notify=said.append)) == make_sessions()[::-1]
    assert f"is of other contents than {path.name} has now; it is made again" in said[1]
    # The same size and another time: only the digest shows that it is another file.
    conversion_path(path).write_bytes(b"no Parquet")
    assert list(open_sessions(path, notify=said.append)) == make_sessions()[::-1]
    assert "is not a valid Parquet file" in said[3] and said[3].endswith("; it is made again")


@pytest.mark.parametrize("same_size", [True, False])
def test_other_contents_are_noticed_by_size_and_digest(
    tmp_path: Path, same_size: bool, every_file_is_large: None
) -> None:
    path = tmp_path / "s.jsonl"
    write_sessions(path, [make_session("a", *make_sessions()[0].steps)])
    open_sessions(path)
    changed = [make_session("b" if same_size else "bb", *make_sessions()[0].steps)]
    before = path.stat()
    write_sessions(path, changed)
    assert (path.stat().st_size == before.st_size) == same_size
    assert list(open_sessions(path)) == changed


def test_a_parquet_file_of_another_kind_is_not_taken_for_the_conversion(
    tmp_path: Path, every_file_is_large: None
) -> None:
    path = tmp_path / "s.jsonl"
    write_sessions(path, make_sessions())
    write_sessions(conversion_path(path), make_sessions()[:1])  # no word of what it was made from
    assert list(open_sessions(path)) == make_sessions()


def test_in_a_folder_that_cannot_be_written_the_conversion_is_temporary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every_file_is_large: None
) -> None:
    path, said = tmp_path / "data" / "s.jsonl", list[str]()
    write_sessions(path, make_sessions())
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    access = os.access  # a tester who is root may write anywhere
    monkeypatch.setattr(os, "access", lambda place, *mode: place != path.parent and access(place, *mode))
    found = open_sessions(path, notify=said.append)
    assert isinstance(found, ParquetSessions) and list(found) == make_sessions()
    assert "cannot be written" in said[0] and str(found.path) in said[0]
    assert found.path.exists() and tmp_path in found.path.parents
    place = found.path
    del found
    gc.collect()
    assert not place.exists()
    assert [each.name for each in tmp_path.rglob("*")] == ["data", "s.jsonl"]


def test_two_processes_convert_one_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl.zst"
    steps = make_sessions()[0].steps
    write_sessions(path, [make_session(f"s{row}", *steps, *steps[1:] * (row % 5)) for row in range(200)])
    program = (
        "import sys; from pathlib import Path; from shop_r1.datasets import session_files\n"
        "session_files.CONVERTED_FROM_BYTES = 0\n"
        "found = session_files.open_sessions(Path(sys.argv[1]))\n"
        "print(sum(len(each.steps) for each in found))"
    )
    command = [sys.executable, "-c", program, str(path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    # 3 steps, and 0, 2, 4, 6 or 8 more: 40 times (0 + 2 + 4 + 6 + 8).
    assert [process.communicate(timeout=300)[0].split() for process in running] == [[str(3 * 200 + 800)]] * 2
    assert ParquetSessions(conversion_path(path)).source is not None
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name, conversion_path(path).name]
