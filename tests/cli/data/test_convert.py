import json
from pathlib import Path

from tests.shell import Shell
from tests.tiny import LEAVE, LOOK, SEARCH, make_session

from shop_r1.datasets.session_files import read_sessions
from shop_r1.jsonl import write_records
from shop_r1.records.actions import type_and_submit


def test_each_command_for_data_takes_parquet_and_writes_it(shell: Shell, tmp_path: Path) -> None:
    steps = [
        SEARCH.model_copy(update={"action": type_and_submit("search_input", f"mug {row}")})
        for row in range(12)
    ]
    sessions = [make_session(f"s{row}", step, LOOK, LEAVE, user=f"u{row}") for row, step in enumerate(steps)]
    jsonl, parquet = tmp_path / "s.jsonl", tmp_path / "s.parquet"
    write_records(jsonl, sessions)
    code, out, _ = shell("data", "convert", jsonl, parquet)
    assert (code, f"{parquet}: 12 sessions; " in out) == (0, True)
    assert shell("data", "convert", parquet, tmp_path / "back.jsonl")[0] == 0
    assert (tmp_path / "back.jsonl").read_bytes() == jsonl.read_bytes()
    found = [json.loads(shell("data", "stats", file, "--json")[1]) for file in (jsonl, parquet)]
    assert found[0] | {"file": ""} == found[1] | {"file": ""}
    checked = [shell("data", "validate", file)[1].replace(str(file), "") for file in (jsonl, parquet)]
    assert checked[0] == checked[1]
    for file in (jsonl, parquet):
        shell("data", "balance", file, "--out", tmp_path / f"{file.suffix[1:]}-rl.jsonl")
        folder = tmp_path / f"{file.suffix[1:]}-split"
        code, out, _ = shell("data", "split", file, "--out", folder, "--test-sessions", 3)
        assert (code, f"--data {folder}/train{file.suffix}" in out) == (0, True)
    assert (tmp_path / "jsonl-rl.jsonl").read_bytes() == (tmp_path / "parquet-rl.jsonl").read_bytes()
    for side in ("train", "test"):
        split = [tmp_path / f"{form}-split" / f"{side}.{form}" for form in ("jsonl", "parquet")]
        assert list(read_sessions(split[0])) == list(read_sessions(split[1]))
