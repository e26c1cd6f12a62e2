from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.importers.opera.make_opera import FILTERED, row, session_id, typed, write_opera, write_table

from shop_r1.errors import DataError
from shop_r1.importers.opera.tables import (
    REVISION,
    PageShelf,
    Split,
    Variant,
    count_rows,
    fetch_tables,
    find_tables,
    read_rows,
)

A = session_id("324934a2", 1)
ROWS = [typed(A, 60 + second, "mug") for second in range(3)]


def touch(folder: Path, *names: str) -> Path:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return folder


def found(folder: Path, variant: Variant, split: Split) -> list[list[str]]:
    tables = find_tables(folder, variant, split)
    return [
        [path.relative_to(folder).as_posix() for path in group]
        for group in (tables.actions, tables.sessions, tables.users)
    ]


def test_the_hubs_layout_is_found(tmp_path: Path) -> None:
    for variant in ("filtered", "full"):
        for split in ("train", "test"):
            touch(
                tmp_path / f"OPeRA_{variant}",
                f"action/{split}-00000-of-00002.parquet",
                f"action/{split}-00001-of-00002.parquet",
                f"images/{split}-00000-of-00001.parquet",
                f"session/{split}/{split}.parquet",
                f"user/{split}/{split}.parquet",
            )
    assert found(tmp_path, "filtered", "test") == [
        [f"OPeRA_filtered/action/test-0000{number}-of-00002.parquet" for number in (0, 1)],
        ["OPeRA_filtered/session/test/test.parquet"],
        ["OPeRA_filtered/user/test/test.parquet", "OPeRA_filtered/user/train/train.parquet"],
    ]
    assert found(tmp_path / "OPeRA_full", "full", "train")[0] == [
        f"action/train-0000{number}-of-00002.parquet" for number in (0, 1)
    ]


@pytest.mark.parametrize(
    "names",
    [
        ("OPeRA_filtered/filtered_action/train.parquet", "OPeRA_filtered/filtered_user/train.parquet"),
        ("filtered_action-train.parquet", "filtered_user-train.parquet"),
        ("filtered/actions_train_0.parquet", "filtered/users_train_0.parquet"),
    ],
)
def test_other_layouts_are_found_by_the_words_in_their_paths(tmp_path: Path, names: tuple[str, ...]) -> None:
    touch(tmp_path, *names, *(name.replace("filtered", "full") for name in names))
    touch(tmp_path, *(name.replace("train", "test") for name in names))
    assert found(tmp_path, "filtered", "train")[0] == [names[0]]
    assert names[1] in found(tmp_path, "filtered", "train")[2]


def test_absent_actions_are_told_with_what_was_looked_for_and_what_is_there(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="is not a folder"):
        find_tables(tmp_path / "none", "full", "train")
    with pytest.raises(DataError, match=r"expected action/test-\*.parquet, .* found no parquet file"):
        find_tables(tmp_path, "full", "test")
    touch(tmp_path, "OPeRA_full/action/train-0.parquet")
    with pytest.raises(DataError, match=r"OPeRA_full: no actions .* found 1 parquet files, for instance act"):
        find_tables(tmp_path, "full", "test")


def test_rows_come_with_their_place_and_the_columns_asked_for(tmp_path: Path) -> None:
    write_opera(tmp_path, ROWS)
    files = find_tables(tmp_path, "filtered", "train").actions
    assert count_rows(files) == 3
    rows = list(read_rows(files, ("session_id", "input_text", "rationale")))
    assert rows == [
        (place, {"session_id": A, "input_text": "mug", "rationale": None})
        for place in (
            "train-00000-of-00002.parquet, row 0",
            "train-00001-of-00002.parquet, row 0",
            "train-00001-of-00002.parquet, row 1",
        )
    ]


def test_a_file_that_is_cut_off_or_of_other_columns_is_named(tmp_path: Path) -> None:
    path = tmp_path / "train.parquet"
    write_table(path, ROWS, FILTERED)
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"train.parquet: is not a complete parquet file"):
        list(read_rows([path], ["session_id"]))
    write_table(path, ROWS, ["session_id"])
    with pytest.raises(DataError, match=r"train.parquet: has no column url, rationale; expected OPeRA's"):
        list(read_rows([path], ["session_id", "url", "rationale"]))


@pytest.mark.parametrize(
    ("values", "kind", "fits"),
    [
        (["a", None], "string", True),
        (["a", None], "large_string", True),
        ([None, None], "null", True),
        ([1, 2], "int64", False),
    ],
)
def test_columns_are_text(tmp_path: Path, values: list[Any], kind: str, fits: bool) -> None:
    pa, pq = import_module("pyarrow"), import_module("pyarrow.parquet")
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"url": pa.array(values, type=getattr(pa, kind)())}), path)
    if fits:
        assert [each["url"] for _, each in read_rows([path], ["url"])] == values
    else:
        with pytest.raises(DataError, match="the column url is of type int64; expected string"):
            list(read_rows([path], ["url"]))


def test_the_shelf_gives_pages_back_and_keeps_each_once(tmp_path: Path) -> None:
    pages = ["<p>one</p>", "<p>Süß 你好</p>" * 1000, "", "<p>one</p>"]
    with PageShelf(tmp_path / "new") as shelf:
        keys = [shelf.put(page) for page in pages]
        assert [shelf.get(key) for key in reversed(keys)] == pages[::-1]
        assert len(set(keys)) == 3
        assert list((tmp_path / "new").iterdir()) == []  # the file has no name


# -- the hub -----------------------------------------------------------------------------------------------


def test_what_the_hub_cannot_give_is_said_in_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"NEU-HAI/OPeRA cannot be had .* with --path DIR") as error:
        fetch_tables("filtered", "train", tmp_path)
    assert "\n" not in str(error.value)


def test_what_the_hubs_cache_holds_is_used(tmp_path: Path) -> None:
    snapshot = tmp_path / "datasets--NEU-HAI--OPeRA" / "snapshots" / REVISION
    write_opera(snapshot, [row(A, 60, "terminate")])
    folder = fetch_tables("filtered", "train", tmp_path)
    assert count_rows(find_tables(folder, "filtered", "train").actions) == 1
