import json
import multiprocessing
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.tiny import LEAVE, LOOK, SEARCH, make_session, make_sessions
from torch.utils.data import DataLoader

import datasets
from shop_r1.datasets import parquet
from shop_r1.datasets.examples import Example, ExampleSet, list_examples
from shop_r1.datasets.outlines import outline_session
from shop_r1.datasets.parquet import DERIVED, SCHEMA, VERSION_KEY, ParquetSessions, is_indexed
from shop_r1.datasets.session_files import (
    open_sessions,
    outlines,
    read_sessions,
    session_digests,
    write_sessions,
)
from shop_r1.errors import DataError
from shop_r1.records.actions import Action
from shop_r1.records.sessions import Page, Session, Step


@pytest.fixture
def small_groups(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few sessions fill a row group."""
    monkeypatch.setattr(parquet, "ROW_GROUP_CHARACTERS", 1500)


def many(count: int = 40) -> list[Session]:
    """Sessions with separators in Unicode, signs of several bytes, escapes, and every optional field."""
    found = []
    for row in range(count):
        page = Page(html=f'<p>row {row}\u2028next\u2029\x85\x0b{"日本" * (row % 7)}\n\r\t"\\\0</p>')
        action = Action(type="click", name=f"results.n{row}", click_type="other")
        step = Step(page=page, action=action, rationale="", time=1.5 * row)
        session = make_session(f"s{row}-\u2028é", SEARCH, step, *[LOOK] * (row % 5), user=f"u{row % 3}")
        found.append(session.model_copy(update={"persona": "P" if row % 2 else None, "outcome": "purchase"}))
    return found


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table], metadata: bool = True) -> None:
    """Write the file as another program would, with or without our metadata."""
    table = change(pq.read_table(path))
    pq.write_table(table if metadata else table.replace_schema_metadata(None), path)


def test_the_schema_has_the_records_fields_and_ours() -> None:
    def names(kind: Any) -> list[str]:
        return [kind.field(place).name for place in range(kind.num_fields)]

    step = SCHEMA.field("steps").type.value_type
    assert SCHEMA.names == [*Session.model_fields, *DERIVED]
    assert names(step) == list(Step.model_fields)
    assert names(step.field("page").type) == list(Page.model_fields)
    assert names(step.field("action").type) == list(Action.model_fields)


def test_sessions_come_back_as_they_were(tmp_path: Path, small_groups: None) -> None:
    path, sessions = tmp_path / "s.parquet", many()
    assert write_sessions(path, sessions) == 40
    found = ParquetSessions(path)
    assert pq.ParquetFile(path).metadata.num_row_groups > 3
    assert len(found) == 40 and list(found) == sessions == list(read_sessions(path))
    assert [found[place] for place in (39, 0, -1, -40, 17)] == [sessions[at] for at in (39, 0, -1, -40, 17)]
    assert found[3:9:2] == sessions[3:9:2]
    assert list(outlines(found)) == list(outlines(sessions)) == [outline_session(each) for each in sessions]
    assert list(session_digests(found)) == list(session_digests(sessions))
    assert [each.model_dump_json() for each in found] == [each.model_dump_json() for each in sessions]
    for place in (40, -41):
        with pytest.raises(IndexError, match="has 40 sessions"):
            found[place]
    assert [each.name for each in tmp_path.iterdir()] == ["s.parquet"]


def test_an_outline_says_what_a_session_is_without_its_pages() -> None:
    found = outline_session(make_session("s", SEARCH, LEAVE.model_copy(update={"rationale": None})))
    assert (found.session_id, found.space) == ("s", "shop")
    assert [each.to_completion() for each in found.actions] == [
        SEARCH.action.to_completion(),
        {"type": "terminate"},
    ]
    assert found.has_rationale == (True, False)
    assert found.html_characters == len(SEARCH.page.html) + len(LEAVE.page.html)


def test_what_is_known_without_pages_reads_no_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_sessions(tmp_path / "s.parquet", many())
    read: list[list[str]] = []
    one = pq.ParquetFile.read

    def note(self: Any, *args: Any, columns: list[str], **options: Any) -> Any:
        read.append(columns)
        return one(self, *args, columns=columns, **options)

    monkeypatch.setattr(pq.ParquetFile, "read", note)
    monkeypatch.setattr(pq.ParquetFile, "read_row_group", None)
    found = ParquetSessions(tmp_path / "s.parquet")
    assert len(list(outlines(found))) == len(list(session_digests(found))) == 40
    assert not any("page" in name or name in ("steps", "rationale") for (*names,) in read for name in names)


# -- other programs ---------------------------------------------------------------------------------------


def test_pyarrow_and_datasets_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    write_sessions(path, make_sessions())
    table = pq.read_table(path, columns=["session_id", "num_steps", "action_types"])
    assert table.to_pylist()[1] == {
        "session_id": "leaves",
        "num_steps": 3,
        "action_types": ["type_and_submit", "click", "terminate"],
    }
    loaded = datasets.Dataset.from_parquet(str(path), cache_dir=str(tmp_path / "cache"))
    assert loaded[0]["steps"][1]["action"]["name"] == "results.red_mug"
    assert loaded["has_rationale"][3] == [True, True]
    back = tmp_path / "back.parquet"
    loaded.to_parquet(str(back))
    assert list(read_sessions(back)) == make_sessions()


@pytest.mark.parametrize("derived", [True, False])
def test_a_file_that_another_program_wrote_is_read_as_jsonl_is(tmp_path: Path, derived: bool) -> None:
    path = tmp_path / "s.parquet"
    write_sessions(path, many())
    rewrite(path, lambda table: table if derived else table.drop_columns(list(DERIVED)), metadata=False)
    assert not is_indexed(path)
    assert list(read_sessions(path)) == many() == open_sessions(path)
    with pytest.raises(DataError, match="was not written by shop-r1; write it anew"):
        ParquetSessions(path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.append_column("extra", pa.array([1] * len(t))), r"s\.parquet:1: extra: "),
        (lambda t: t.drop_columns(["session_id"]), r"s\.parquet:1: session_id: is missing"),
        (lambda t: t.drop_columns(["steps"]), r"s\.parquet:1: steps: is missing"),
        (
            lambda t: t.set_column(5, "outcome", pa.array(["purchase"] * 3 + ["lost"])),
            r"s\.parquet:4: outcome",
        ),
        (lambda t: t.slice(0, 0), r"s\.parquet: holds no sessions"),
    ],
)
def test_what_does_not_fit_the_record_is_refused_with_its_row(
    tmp_path: Path, change: Callable[[pa.Table], pa.Table], message: str
) -> None:
    path = tmp_path / "s.parquet"
    write_sessions(path, make_sessions())
    rewrite(path, change, metadata=False)
    for read in (read_sessions, open_sessions):
        with pytest.raises(DataError, match=message):
            list(read(path))


def test_another_schema_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "s.parquet"
    write_sessions(path, make_sessions())
    rewrite(path, lambda table: table.replace_schema_metadata({VERSION_KEY: "3"}))
    for read in (read_sessions, open_sessions, ParquetSessions):
        with pytest.raises(DataError, match="has schema version 3; this version of shop-r1 reads 2"):
            list(read(path))


# -- files that are not to be trusted ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "spoil",
    [
        lambda content: b"",
        lambda content: content[: len(content) // 2],
        lambda content: content[:-6] + b"\xff" + content[-5:],
        lambda content: b"\x80\x04cos\nsystem\n." + content[:-4],
        lambda content: b"{}\n",
    ],
)
def test_a_corrupt_file_is_refused(tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "s.parquet"
    write_sessions(path, make_sessions())
    path.write_bytes(spoil(path.read_bytes()))
    for read in (read_sessions, open_sessions, ParquetSessions):
        with pytest.raises(DataError, match=r"s\.parquet: is not a valid Parquet file of sessions"):
            list(read(path))


@pytest.mark.parametrize("place", [0.1, 0.3, 0.5, 0.7, 0.9])
def test_changed_bytes_are_an_error_or_other_sessions_and_never_a_crash(tmp_path: Path, place: float) -> None:
    path = tmp_path / "s.parquet"
    write_sessions(path, many())
    content = bytearray(path.read_bytes())
    for at in range(int(len(content) * place), int(len(content) * place) + 8):
        content[at] ^= 0xA5
    path.write_bytes(content)
    for read in (read_sessions, open_sessions):
        try:
            assert all(isinstance(session, Session) for session in read(path))
        except DataError as error:
            assert "s.parquet" in str(error)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("html_characters", pa.array([5] * 4, pa.int64()), r"s\.parquet:1: its derived columns do not fit"),
        (
            "digest",
            pa.array([b"12345678"] * 4, pa.binary(8)),
            r"s\.parquet:1: its derived columns do not fit",
        ),
        ("num_steps", pa.array([1] * 4, pa.int32()), "its columns of steps contradict each other"),
        ("space", pa.array(["mars"] * 4), "an unknown action space"),
        ("session_id", pa.array([None] * 4, pa.string()), "has no session_id"),
    ],
)
def test_small_columns_that_do_not_fit_the_sessions_are_found(
    tmp_path: Path, column: str, value: pa.Array, message: str
) -> None:
    path = tmp_path / "s.parquet"
    write_sessions(path, make_sessions())
    rewrite(path, lambda table: table.set_column(SCHEMA.get_field_index(column), SCHEMA.field(column), value))
    assert is_indexed(path)
    with pytest.raises(DataError, match=message):
        list(open_sessions(path))


def test_a_row_group_too_large_to_be_read_whole_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_sessions(tmp_path / "s.parquet", make_sessions())
    monkeypatch.setattr(parquet, "LARGEST_ROW_GROUP", 100)
    with pytest.raises(DataError, match=r"has a row group of [\d,]+ bytes, more than 100"):
        open_sessions(tmp_path / "s.parquet")


def test_a_folder_and_a_missing_file_are_refused(tmp_path: Path) -> None:
    (tmp_path / "folder.parquet").mkdir()
    for read in (read_sessions, open_sessions, ParquetSessions):
        with pytest.raises(DataError, match="expected a file, not a folder or a pipe"):
            list(read(tmp_path / "folder.parquet"))
        with pytest.raises(DataError, match=r"cannot be read \(No such file"):
            list(read(tmp_path / "none.parquet"))


# -- the file changes; other processes --------------------------------------------------------------------


def test_a_file_may_be_replaced_and_not_changed_while_it_is_read(tmp_path: Path) -> None:
    path, sessions = tmp_path / "s.parquet", many()
    write_sessions(path, sessions)
    found = ParquetSessions(path)
    copy = pickle.dumps(found)
    assert list(pickle.loads(copy)) == sessions
    write_sessions(path, sessions[:1])  # replaces it: the open file is as it was
    assert list(found) == sessions
    with pytest.raises(DataError, match="was replaced while it was being read"):
        pickle.loads(copy)
    found = ParquetSessions(path)
    with path.open("ab") as stream:
        stream.write(b"more")
    with pytest.raises(DataError, match="was changed while it was being read; start again"):
        found[0]


def first_of_each(rows: list[Example]) -> list[tuple[str, int]]:
    return [(each.session.session_id, each.step) for each in rows]


@pytest.mark.slow
@pytest.mark.parametrize("context", ["fork", "spawn"])
def test_data_loader_workers_read_the_same_examples_in_order(
    tmp_path: Path, small_groups: None, context: str
) -> None:
    if context not in multiprocessing.get_all_start_methods():
        pytest.skip(f"no {context} here")
    path, sessions = tmp_path / "s.parquet", many()
    write_sessions(path, sessions)
    examples = list_examples(ParquetSessions(path))
    assert isinstance(examples, ExampleSet)
    examples[5]  # read before the fork
    loader: Any = DataLoader(
        examples,  # type: ignore[arg-type]  # a Sequence is what it needs
        batch_size=8,
        num_workers=2,
        collate_fn=first_of_each,
        multiprocessing_context=context,
    )
    expected = [(each.session.session_id, each.step) for each in list_examples(sessions)]
    assert [pair for batch in loader for pair in batch] == expected


def test_json_in_between_changes_nothing(tmp_path: Path) -> None:
    write_sessions(tmp_path / "s.parquet", many())
    lines = [line for _, line in parquet.read_rows(tmp_path / "s.parquet")]
    assert [json.loads(line) for line in lines] == [
        json.loads(each.model_dump_json(exclude_none=True)) for each in many()
    ]
