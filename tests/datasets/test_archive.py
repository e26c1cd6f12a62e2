import json
import os
import subprocess
import sys
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest
import zstandard
from tests.tiny import LEAVE, LOOK, SEARCH, make_session, make_sessions, with_action

from shop_r1 import jsonl
from shop_r1.datasets import indexing
from shop_r1.datasets.archive import SessionArchive, outlines, session_digests
from shop_r1.datasets.indexing import index_path
from shop_r1.datasets.outlines import outline
from shop_r1.errors import DataError
from shop_r1.jsonl import read_records, write_records
from shop_r1.records.actions import Action, click
from shop_r1.records.sessions import Page, Session, Step

NAMES = ["sessions.jsonl", "sessions.jsonl.zst"]


@pytest.fixture(autouse=True)
def indexes_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    """However small their files are."""
    monkeypatch.setattr(indexing, "KEPT_FROM_BYTES", 0)


@pytest.fixture
def small_frames(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few sessions fill a frame."""
    monkeypatch.setattr(jsonl, "FRAME_TEXT_BYTES", 1500)


def many(count: int = 40) -> list[Session]:
    """Sessions with what is hard on lines: their separators in Unicode, signs of several bytes, escapes."""
    found = []
    for row in range(count):
        page = Page(html=f'<p>row {row}\u2028next\u2029\x85\x0b{"日本" * (row % 7)}\n\r\t"\\</p>')
        step = Step(page=page, action=Action(type="click", name=f"results.n{row}", click_type="other"))
        found.append(make_session(f"s{row}-\u2028é", SEARCH, step, *[LOOK] * (row % 5), user=f"u{row % 3}"))
    return found


def text_of(sessions: list[Session]) -> bytes:
    return b"".join(each.model_dump_json(exclude_none=True).encode() + b"\n" for each in sessions)


def frame(content: bytes) -> bytes:
    packed: bytes = zstandard.ZstdCompressor().compress(content)
    return packed


# -- reading ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_an_archive_is_the_list_of_its_sessions(tmp_path: Path, name: str, small_frames: None) -> None:
    path, sessions = tmp_path / name, many()
    write_records(path, sessions)
    for _ in range(2):  # Indexed, then with the index beside it.
        archive = SessionArchive(path)
        assert len(archive) == 40 and list(archive) == sessions == list(read_records(path, Session))
        assert [archive[place] for place in (39, 0, -1, -40, 17)] == [
            sessions[place] for place in (39, 0, -1, -40, 17)
        ]
        assert archive[3:9:2] == sessions[3:9:2]
        assert list(outlines(archive)) == list(outlines(sessions)) == [outline(each) for each in sessions]
        assert list(session_digests(archive)) == list(session_digests(sessions))
    assert len(archive.listing.frames) == 0 if name == NAMES[0] else len(archive.listing.frames) > 10
    for place in (40, -41):
        with pytest.raises(IndexError, match="has 40 sessions"):
            archive[place]


def test_an_outline_says_what_a_session_is_without_its_pages() -> None:
    found = outline(make_session("s", SEARCH, LEAVE.model_copy(update={"rationale": None})))
    assert (found.session_id, found.space) == ("s", "shop")
    assert [each.to_completion() for each in found.actions] == [
        SEARCH.action.to_completion(),
        {"type": "terminate"},
    ]
    assert found.told == (True, False)
    assert found.html_characters == len(SEARCH.page.html) + len(LEAVE.page.html)


def test_frames_that_others_wrote_are_read_wherever_they_are_cut(tmp_path: Path) -> None:
    path, sessions = tmp_path / NAMES[1], many()
    text = text_of(sessions)
    cuts = [0, 1, 700, 701, 2000, 2000, len(text) - 5, len(text)]  # in lines, in letters, one of no length
    path.write_bytes(b"".join(frame(text[a:b]) for a, b in pairwise(cuts)))
    assert list(SessionArchive(path)) == sessions
    path.write_bytes(frame(text) + frame(text[: text.index(b"\n") + 1]))  # cat a.zst b.zst
    assert list(SessionArchive(path)) == [*sessions, sessions[0]]


def test_a_session_longer_than_a_frame_is_cut_and_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, sessions, told = tmp_path / NAMES[1], many(), list[str]()
    monkeypatch.setattr(jsonl, "FRAME_TEXT_BYTES", 100)  # each session has more
    monkeypatch.setattr("shop_r1.datasets.text.LARGEST_FRAME", 200)
    write_records(path, sessions)
    archive = SessionArchive(path, tell=told.append)
    assert [archive[place] for place in (30, 2, 31)] == [sessions[place] for place in (30, 2, 31)]
    assert list(archive) == sessions and not any("unpacked" in each for each in told)


def test_a_long_single_frame_is_unpacked_and_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shop_r1.datasets.text.LARGEST_FRAME", 1000)
    path, sessions, told = tmp_path / NAMES[1], many(), list[str]()
    path.write_bytes(frame(text_of(sessions)))
    for _ in range(2):
        assert list(SessionArchive(path, tell=told.append)) == sessions
    assert sum("unpacked to a temporary file" in each for each in told) == 2
    assert sorted(each.name for each in tmp_path.iterdir()) == [NAMES[1], f"{NAMES[1]}.index"]


def test_blank_lines_and_any_end_of_line_are_read_as_the_reader_of_records_does(tmp_path: Path) -> None:
    path, sessions = tmp_path / NAMES[0], many(4)
    lines = [each.model_dump_json() for each in sessions]
    path.write_bytes(f"\n  \r\n{lines[0]}\r\n\n{lines[1]}\r{lines[2]}\n\u2003\n{lines[3]}".encode())
    assert list(SessionArchive(path)) == list(read_records(path, Session)) == sessions
    assert SessionArchive(path).listing.lines.tolist() == [3, 5, 6, 8]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"sessions\.jsonl: holds no records; expected one Session"),
        (b"\n \n", "holds no records"),
        (text_of(make_sessions()) + b'{"session_id": "', r"sessions\.jsonl:5: record: is not JSON"),
        (b"\n\xff\n", r"sessions\.jsonl:2: is not UTF-8"),
    ],
)
def test_faults_name_file_and_line_and_leave_no_index(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / NAMES[0]
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        SessionArchive(path)
    assert not index_path(path).exists()


def test_a_file_that_breaks_off_a_folder_and_a_pipe_are_faults(tmp_path: Path) -> None:
    path = tmp_path / NAMES[1]
    path.write_bytes(frame(text_of(make_sessions()))[:-3])
    with pytest.raises(DataError, match=r"zst:\d+: broken zstd data \(the file breaks off"):
        SessionArchive(path)
    with pytest.raises(DataError, match="cannot be read at any place; expected a file"):
        SessionArchive(tmp_path)
    with pytest.raises(DataError, match=r"cannot be read \(No such file"):
        SessionArchive(tmp_path / "none.jsonl")


# -- the file changes -------------------------------------------------------------------------------------


def test_a_file_changed_under_the_reader_is_a_fault_and_a_replaced_one_is_not(tmp_path: Path) -> None:
    path, sessions = tmp_path / NAMES[0], many(4)
    write_records(path, sessions)
    archive = SessionArchive(path)
    write_records(path, sessions[:1])  # replaces it: the open file is as it was
    assert list(archive) == sessions
    archive = SessionArchive(path)
    with path.open("ab") as stream:
        stream.write(text_of(sessions[1:]))
    with pytest.raises(DataError, match="was changed while it was being read; start again"):
        archive[0]
    assert list(SessionArchive(path)) == sessions


def test_an_index_follows_its_files_contents_and_not_their_time(tmp_path: Path) -> None:
    path, told = tmp_path / NAMES[1], list[str]()
    write_records(path, make_sessions())
    SessionArchive(path, tell=told.append)
    assert told == [f"{index_path(path)}: written, the index of 4 sessions"]
    os.utime(path, ns=(1, 1))
    SessionArchive(path, tell=told.append)  # the same contents: what a copy looks like
    SessionArchive(path, tell=told.append)
    assert len(told) == 1
    write_records(path, make_sessions()[::-1])
    assert list(SessionArchive(path, tell=told.append)) == make_sessions()[::-1]
    assert f"is of other contents than {path.name} has now; it is made anew" in told[1]


def test_a_small_file_gets_no_index_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, told = tmp_path / NAMES[0], list[str]()
    write_records(path, make_sessions())
    monkeypatch.setattr(indexing, "KEPT_FROM_BYTES", path.stat().st_size + 1)
    assert list(SessionArchive(path, tell=told.append)) == make_sessions()
    assert (told, list(tmp_path.iterdir())) == ([], [path])


# -- the index is not to be trusted -----------------------------------------------------------------------


def flip(content: bytes) -> bytes:
    return content[:-9] + bytes([content[-9] ^ 1]) + content[-8:]


def claim(**changes: object) -> Callable[[bytes], bytes]:
    def forge(content: bytes) -> bytes:
        head, _, columns = content.partition(b"\n")
        return json.dumps(json.loads(head) | changes).encode() + b"\n" + columns

    return forge


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        flip,
        lambda content: b"\x80\x04cos\nsystem\n" + content,  # how a pickle begins
        lambda content: b"[" * 100_000 + b"\n",
        claim(format="shop-r1 index of sessions, 0"),
        claim(sessions=10**15),
        claim(sessions=3),
        claim(columns={"starts": 1 << 62}),
        claim(columns={}),
        claim(type_names=["explode"]),
        claim(space_names=[]),
    ],
)
def test_a_torn_or_forged_index_is_made_anew_and_said(
    tmp_path: Path, spoil: Callable[[bytes], bytes]
) -> None:
    path, told = tmp_path / NAMES[0], list[str]()
    write_records(path, make_sessions())
    SessionArchive(path)
    beside = index_path(path)
    good = beside.read_bytes()
    beside.write_bytes(spoil(good))
    assert list(SessionArchive(path, tell=told.append)) == make_sessions()
    assert beside.name in told[0] and told[0].endswith("; it is made anew")
    assert beside.read_bytes() == good


def test_an_index_that_lies_about_a_session_is_found_out_when_that_is_read(tmp_path: Path) -> None:
    mine, others = tmp_path / NAMES[0], tmp_path / "others.jsonl"
    sessions = [make_session("a", SEARCH, LOOK), make_session("b", SEARCH, LOOK)]
    write_records(mine, sessions)
    write_records(others, [sessions[0], with_action(sessions[1], 1, click("results.red_cup"))])  # as long
    SessionArchive(mine), SessionArchive(others)
    heads = [index_path(path).read_bytes().partition(b"\n")[0] for path in (mine, others)]
    forged = json.loads(heads[1]) | {"file": json.loads(heads[0])["file"]}
    columns = index_path(others).read_bytes().partition(b"\n")[2]
    index_path(mine).write_bytes(json.dumps(forged).encode() + b"\n" + columns)
    archive = SessionArchive(mine)
    assert archive[0] == sessions[0]
    with pytest.raises(DataError, match=r"sessions\.jsonl:2: is not what sessions\.jsonl\.index says"):
        archive[1]


def test_a_folder_that_cannot_be_written_keeps_the_index_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, told = tmp_path / NAMES[0], list[str]()
    write_records(path, make_sessions())

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(30, "Read-only file system")

    monkeypatch.setattr("shop_r1.atomic_files._existing", refuse)  # a tester who is root may write anywhere
    assert list(SessionArchive(path, tell=told.append)) == make_sessions()
    assert "Read-only file system" in told[0] and "the index stays in memory" in told[0]
    assert [each.name for each in tmp_path.iterdir()] == [path.name]


def test_two_processes_index_one_file_at_once(tmp_path: Path) -> None:
    path = tmp_path / NAMES[1]
    write_records(path, many(200))
    program = (
        "import sys; from pathlib import Path; from shop_r1.datasets import indexing\n"
        "from shop_r1.datasets.archive import SessionArchive; indexing.KEPT_FROM_BYTES = 0\n"
        "archive = SessionArchive(Path(sys.argv[1])); print(sum(len(each.steps) for each in archive))"
    )
    command = [sys.executable, "-c", program, str(path)]
    running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    # 2 steps, and 0 to 4 more: 40 times (0 + 1 + 2 + 3 + 4).
    assert [process.communicate(timeout=300)[0].split() for process in running] == [[str(2 * 200 + 400)]] * 2
    told: list[str] = []
    SessionArchive(path, tell=told.append)
    assert told == []
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name, index_path(path).name]


def test_progress_of_a_long_file_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shop_r1.datasets.indexing._TOLD_EVERY", 10)
    path, moves = tmp_path / NAMES[0], list[tuple[int, int]]()
    write_records(path, many(35))
    SessionArchive(path, lambda done, total: moves.append((done, total)))
    assert len(moves) == 3 and all(total == path.stat().st_size for _, total in moves)
    SessionArchive(path, lambda done, total: moves.append((done, total)))
    assert len(moves) == 3
