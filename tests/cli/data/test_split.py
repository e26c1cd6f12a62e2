import re
from pathlib import Path

from tests.cli.cases import write_sessions
from tests.shell import Shell

from shop_r1.jsonl import read_records
from shop_r1.records.sessions import ExampleRef, Session


def test_a_split_is_written_told_and_repeated(shell: Shell, tmp_path: Path) -> None:
    path = write_sessions(tmp_path / "s.jsonl", *({"user_id": f"u{n // 2}"} for n in range(20)))
    out = tmp_path / "data"
    words = ("data", "split", path, "--out", out, "--test-sessions", 4, "--valid", "0.1")
    code, text, err = shell(*words)
    assert (code, err) == (0, "")
    assert [line.split()[:2] for line in text.splitlines()[1:5]] == [
        ["before", "20"],
        ["train", "14"],
        ["test", "4"],
        ["valid", "2"],
    ]
    assert "10 groups of users and duplicates; the largest has 2 sessions" in text
    sides = {each.name: list(read_records(each, Session)) for each in out.glob("*.jsonl")}
    assert {name: len(side) for name, side in sides.items()} == {
        "train.jsonl": 14,
        "test.jsonl": 4,
        "valid.jsonl": 2,
    }
    users = [{each.user_id for each in side} for side in sides.values()]
    assert not users[0] & users[1] and not users[0] & users[2] and not users[1] & users[2]
    before = (out / "test.jsonl").read_bytes()
    assert shell(*words)[0] == 0
    assert (out / "test.jsonl").read_bytes() == before
    code, _, err = shell(*words, "--seed", 1)
    assert (code, "holds another split: seed (0 there, 1 now)" in err) == (2, True)
    assert (out / "test.jsonl").read_bytes() == before
    _, _, err = shell("data", "split", path, "--out", tmp_path / "new", "--test-sessions", 3)
    assert "test: 1 session fewer than asked" in err


def test_balance_names_the_examples_that_grpo_learns_from(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    shell("simulate", "--shoppers", 12, "--seed", 5, "--out", path)
    code, text, _ = shell("data", "balance", path, "--out", tmp_path / "rl.jsonl", "--method", "resample")
    assert code == 0
    _, before, after, told, _ = text.splitlines()
    counts = [[int(word) for word in line.split()[1::2]] for line in (before, after)]
    refs = list(read_records(tmp_path / "rl.jsonl", ExampleRef))
    assert len(refs) == sum(counts[1]) > sum(counts[0]) == len(set(refs))
    assert f"{len(refs)} examples, {sum(counts[0])} different ones" in told
    click, terminate, typed = counts[1]
    assert abs(click - 1.1 * terminate) <= 1 and abs(typed - 1.1 * terminate) <= 1


def test_a_split_names_sft_next_only_where_every_step_has_a_rationale(shell: Shell, tmp_path: Path) -> None:
    bare, full = tmp_path / "bare.jsonl", tmp_path / "full.jsonl"
    write_sessions(bare, *[{}] * 10)
    shell("simulate", "--shoppers", 10, "--out", full)
    for path, command in ((bare, "rationales"), (full, "sft")):
        code, out, _ = shell("data", "split", path, "--out", tmp_path / path.stem)
        assert code == 0
        assert re.findall(r"^Next: shop-r1 (\w+)", out, re.MULTILINE) == [command]
