import hashlib
import json
from pathlib import Path

import pytest

from shop_r1.config import Config
from shop_r1.errors import DataError
from shop_r1.runs import RunFolder, digest_file, digest_stage, make_record


class Settings(Config):
    steps: int = 5


def test_settings_hold_all_that_a_rerun_needs(tmp_path: Path) -> None:
    data = tmp_path / "data.jsonl"
    data.write_text("{}\n", "utf-8")
    run = RunFolder(tmp_path / "run")
    run.write_settings(make_record(Settings(steps=7), [data], 3, command="sft"))
    written = json.loads((tmp_path / "run" / "settings.json").read_text("utf-8"))
    assert written["settings"] == {"steps": 7}
    assert (written["seed"], written["command"]) == (3, "sft")
    assert written["inputs"] == {str(data): hashlib.sha256(b"{}\n").hexdigest()}
    assert written["versions"]["pydantic"].startswith("2.")
    assert run.read_settings() == written


def test_a_missing_input_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.jsonl: cannot be read"):
        make_record(Settings(), [tmp_path / "none.jsonl"])


def test_a_stage_is_done_only_under_its_own_digest(tmp_path: Path) -> None:
    run = RunFolder(tmp_path)
    assert not run.stage_done("sft", "a")
    run.finish_stage("sft", "a")
    assert run.stage_done("sft", "a")
    assert not run.stage_done("sft", "b")
    assert not run.stage_done("grpo", "a")


@pytest.mark.parametrize("torn", ["", '{"stage": "sft", "dig', "[]", "null", '"a"', "\x00\x00"])
def test_a_torn_marker_means_not_done(tmp_path: Path, torn: str) -> None:
    run = RunFolder(tmp_path)
    run.finish_stage("sft", "a")
    (marker,) = (tmp_path / "stages").iterdir()
    marker.write_text(torn, "utf-8")
    assert not run.stage_done("sft", "a")
    run.finish_stage("sft", "a")
    assert run.stage_done("sft", "a")


def test_the_digest_follows_settings_and_contents_not_places(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    for folder in (first, second):
        folder.mkdir()
        (folder / "data").write_bytes(b"same")
    digest = digest_stage(Settings(), [first])
    assert digest == digest_stage(Settings(), [second])
    assert digest != digest_stage(Settings(steps=6), [first])
    assert digest != digest_stage(Settings(), [first], catalogue=2)
    (second / "data").rename(second / "other")
    assert digest != digest_stage(Settings(), [second])
    assert digest_file(first / "data") == hashlib.sha256(b"same").hexdigest()


def test_a_free_setting_may_stand_in_a_table(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_settings(make_record({"seed": 0, "cluster": {"address": "a:1", "nodes": 1}}))
    moved = make_record({"seed": 0, "cluster": {"address": "b:1", "nodes": 2}})
    assert folder.list_differences(moved, free=("cluster.address",)) == ["cluster.nodes (1 there, 2 now)"]
    assert len(folder.list_differences(moved)) == 2


def test_a_free_table_may_be_missing(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    folder.write_settings(make_record({"grpo": {"beta": 0.0}}))
    newer = make_record({"grpo": {"beta": 0.0, "cluster": {"nodes": 1}}})
    folder.check_settings(newer, free=("grpo.cluster",))
