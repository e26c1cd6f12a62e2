import json
import random
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.tiny import LOOK, SEARCH, make_session

from shop_r1.datasets.duplicates import Sketch, sketch_session
from shop_r1.datasets.session_files import read_sessions, write_sessions
from shop_r1.datasets.splits import (
    FORMATS,
    LEFT_OUT,
    Format,
    SplitPlan,
    SplitRecord,
    check_folder,
    count_sides,
    plan_split,
    read_input,
    write_split,
)
from shop_r1.errors import DataError
from shop_r1.jsonl import write_records
from shop_r1.records.actions import type_and_submit
from shop_r1.records.sessions import Session


def visit(name: str, user: str | None = None, text: str | None = None) -> Session:
    """A session unlike any other, but for one with the same text."""
    step = SEARCH.model_copy(update={"action": type_and_submit("search_input", text or name)})
    return make_session(name, step, user=user)


def take(sessions: list[Session]) -> list[Sketch]:
    return list(map(sketch_session, sessions))


def sides_of(sessions: list[Session], plan: SplitPlan) -> dict[str, str]:
    return {each.session_id: side for each, side in zip(sessions, plan.sides, strict=True)}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(
        st.tuples(st.sampled_from(["ann", "bob", "cy", None]), st.sampled_from(["mug", "cup", "", "pan"])),
        min_size=4,
        max_size=25,
    ),
    st.integers(0, 9),
)
def test_no_user_and_no_duplicate_is_on_two_sides(rows: list[tuple[str | None, str]], seed: int) -> None:
    sessions = [visit(f"s{n}", user, text or None) for n, (user, text) in enumerate(rows)]
    try:
        plan = plan_split(take(sessions), "user", 1, 1, seed)
    except DataError as error:
        assert "would be empty" in str(error)
        return
    sides = plan.sides
    assert Counter(sides)["test"] == Counter(sides)["valid"] == 1
    for key in (0, 1):
        for value in {row[key] for row in rows} - {None, ""}:
            assert len({side for side, row in zip(sides, rows, strict=True) if row[key] == value}) == 1


def test_a_split_depends_on_the_sessions_and_the_seed_and_not_on_their_order() -> None:
    sessions = [visit(f"s{n}", user=f"u{n % 17}") for n in range(60)]
    shuffled = random.Random(3).sample(sessions, 60)
    first = sides_of(sessions, plan_split(take(sessions), "user", 0.2, 0.1, seed=1))
    assert sides_of(shuffled, plan_split(take(shuffled), "user", 0.2, 0.1, seed=1)) == first
    assert sides_of(sessions, plan_split(take(sessions), "user", 0.2, 0.1, seed=2)) != first
    dedupable = [*sessions, *(visit(f"t{n}", text=f"s{n}") for n in range(10))]
    again = random.Random(4).sample(dedupable, 70)
    one, other = (
        sides_of(each, plan_split(take(each), "session", 0.2, 0.0, seed=1, dedupe=True))
        for each in (dedupable, again)
    )
    assert one == other
    assert Counter(one.values())[LEFT_OUT] == 10


def test_shares_and_numbers_are_met_where_sessions_stand_alone() -> None:
    found = take([visit(f"s{n}", user="ann") for n in range(50)])
    plan = plan_split(found, "session", 0.1, 7, seed=0)
    assert Counter(plan.sides) == {"train": 38, "test": 5, "valid": 7}
    assert (plan.groups, plan.largest, plan.missing) == (50, 1, {})


def test_a_side_is_never_larger_than_asked() -> None:
    users = ["big"] * 30 + [f"u{n}" for n in range(10)]
    found = take([visit(f"s{n}", user) for n, user in enumerate(users)])
    for seed in range(8):
        plan = plan_split(found, "user", 12, 0, seed)
        # The user with 30 sessions does not fit, so all others are held out: 2 fewer than asked.
        assert (Counter(plan.sides), plan.missing) == ({"train": 30, "test": 10}, {"test": 2})
        assert (plan.groups, plan.largest) == (11, 30)


@pytest.mark.parametrize(
    ("sessions", "test", "problem"),
    [
        ([visit("a"), visit("a", text="b")], 1, "1 sessions have the session_id of another"),
        ([visit("a"), visit("b")], 2, "2 sessions; expected more than the 2"),
        ([visit("a", "ann"), visit("b", "ann")], 1, "test side would be empty"),
        ([visit("a"), visit("b")], 0.1, "test side would be empty"),
    ],
)
def test_what_cannot_be_split_is_refused(sessions: list[Session], test: float, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        plan_split(take(sessions), "user", test, 0, seed=0)


def test_exact_copies_may_share_an_id_where_they_are_left_out() -> None:
    found = take([visit("a"), visit("a"), visit("b"), visit("c")])
    with pytest.raises(DataError, match="--dedupe"):
        plan_split(found, "session", 1, 0, seed=0)
    sides = plan_split(found, "session", 1, 0, seed=0, dedupe=True).sides
    assert sides[0] != LEFT_OUT and sides[1] == LEFT_OUT
    assert count_sides(found, sides)[LEFT_OUT] == {"sessions": 1, "type_and_submit": 1}


# -- files ------------------------------------------------------------------------------------------------


def record(path: Path, ending: Format = "jsonl") -> SplitRecord:
    return SplitRecord(
        source=str(path),
        by="user",
        test=0.5,
        valid=0.0,
        seed=0,
        dedupe=False,
        format=ending,
        sessions={},
        actions={},
    )


@pytest.mark.parametrize("ending", FORMATS)
def test_every_line_goes_to_its_side_as_it_was(tmp_path: Path, ending: Format) -> None:
    path, folder = tmp_path / "s.jsonl", tmp_path / "new" / "split"
    odd = json.dumps({"steps": [SEARCH.model_dump()], "session_id": "odd"})  # other order, nulls written out
    path.write_text("\n\n".join([odd, *(visit(f"s{n}").model_dump_json() for n in range(5))]), "utf-8")
    found, digest = read_input(path)
    sides = ["test", "train", "train", LEFT_OUT, "test", "train"]
    write_split(path, folder, sides, record(path, ending), digest, None)
    end = f".{ending}"
    assert sorted(each.name for each in folder.iterdir()) == ["split.json", f"test{end}", f"train{end}"]
    assert [each.session_id for each in read_sessions(folder / f"train{end}")] == ["s0", "s1", "s4"]
    assert [each.session_id for each in read_sessions(folder / f"test{end}")] == ["odd", "s3"]
    if ending == "jsonl":
        assert (folder / "test.jsonl").read_text("utf-8").splitlines()[0] == odd
    assert SplitRecord.model_validate_json((folder / "split.json").read_text("utf-8")).by == "user"
    assert [each.name for each in folder.parent.iterdir()] == ["split"]
    assert len(found) == 6


def test_parquet_is_split_as_jsonl_is(tmp_path: Path) -> None:
    sessions, sides = [visit(f"s{n}") for n in range(4)], ["test", "train", "train", "test"]
    folders = []
    for name in ("s.jsonl", "s.parquet"):
        write_sessions(tmp_path / name, sessions)
        found, digest = read_input(tmp_path / name)
        assert [each.digest for each in found] == [each.digest for each in take(sessions)]
        folders.append(tmp_path / f"from-{name}")
        write_split(tmp_path / name, folders[-1], sides, record(tmp_path / name), digest, None)
    for side in ("train.jsonl", "test.jsonl"):
        assert (folders[0] / side).read_bytes() == (folders[1] / side).read_bytes()


def test_a_file_that_changes_meanwhile_leaves_the_earlier_split(tmp_path: Path) -> None:
    path, folder = tmp_path / "s.jsonl", tmp_path / "split"
    write_records(path, [visit("a"), visit("b")])
    _, digest = read_input(path)
    write_split(path, folder, ["train", "test"], record(path), digest, None)
    before = (folder / "train.jsonl").read_bytes()
    write_records(path, [visit("b"), visit("a")])
    with pytest.raises(DataError, match="was changed while it was split"):
        write_split(path, folder, ["train", "test"], record(path), digest, None)
    assert (folder / "train.jsonl").read_bytes() == before
    assert sorted(each.name for each in tmp_path.iterdir()) == ["s.jsonl", "split"]


def test_only_the_same_commands_folder_is_written_over(tmp_path: Path) -> None:
    path, folder = tmp_path / "s.jsonl", tmp_path / "split"
    wanted = {"source": str(path), "seed": 0}
    check_folder(folder, wanted)
    folder.mkdir()
    check_folder(folder, wanted)
    write_records(path, [visit("a"), visit("b")])
    write_split(path, folder, ["train", "test"], record(path), read_input(path)[1], None)
    check_folder(folder, wanted)
    with pytest.raises(DataError, match=r"holds another split: seed \(0 there, 1 now\); .*--force"):
        check_folder(folder, wanted | {"seed": 1})
    check_folder(folder, wanted | {"seed": 1}, force=True)
    with pytest.raises(DataError, match=r"holds another split: the contents of .*s\.jsonl"):
        check_folder(folder, wanted | {"lines": "ab"})
    (folder / "train.jsonl.cache.parquet").write_text("a conversion, as training makes it")
    check_folder(folder, wanted)
    (folder / "notes.txt").write_text("mine")
    with pytest.raises(DataError, match="holds files that this command does not write"):
        check_folder(folder, wanted)
    with pytest.raises(DataError, match="holds files that this command does not write"):
        check_folder(path, wanted)


def test_a_file_without_sessions_is_refused(tmp_path: Path) -> None:
    (tmp_path / "s.jsonl").write_text("\n")
    with pytest.raises(DataError, match="holds no sessions"):
        read_input(tmp_path / "s.jsonl")
    write_records(tmp_path / "t.jsonl", [make_session("a", LOOK)])
    assert not any(each.user for each in read_input(tmp_path / "t.jsonl")[0])
