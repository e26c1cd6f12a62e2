from pathlib import Path

from tests.shell import Shell

from shop_r1.jsonl import read_records
from shop_r1.records.sessions import Session


def test_simulated_sessions_are_counted_and_valid(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "s.jsonl.zst"
    code, text, _ = shell("simulate", "--count", 3, "--seed", 5, "--out", out)
    assert code == 0
    sessions = list(read_records(out, Session))
    assert len(sessions) == 3
    assert f"3 sessions, {sum(len(each.steps) for each in sessions)} steps" in text
    assert shell("data", "validate", out)[0] == 0
    code, text, _ = shell("data", "stats", out)
    assert (code, text.splitlines()[0].split()) == (0, ["sessions", "3"])
    assert max(map(len, text.splitlines())) <= 80
    again = tmp_path / "again.jsonl"
    shell("simulate", "--count", 3, "--seed", 5, "--out", again)
    assert list(read_records(again, Session)) == sessions


def test_a_good_file_stays_when_its_successor_fails(shell: Shell, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "sessions.jsonl"
    out.write_text("good\n", "utf-8")
    code, _, err = shell(
        *("simulate", "--model", tiny, "--count", 1, "--out", out, "--force"),
        *("sampling.max_new_tokens=2", "prompt.max_completion_length=8"),
    )
    assert (code, out.read_text("utf-8")) == (2, "good\n")
    assert "every response of the model was invalid" in err
    assert list(tmp_path.iterdir()) == [out]
