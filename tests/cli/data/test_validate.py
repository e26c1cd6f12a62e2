import json
from pathlib import Path

from tests.cli.cases import PAGE_SEEN, session_line, write_sessions
from tests.shell import Shell


def test_validate_names_every_fault_with_its_line(shell: Shell, tmp_path: Path) -> None:
    path = write_sessions(tmp_path / "s.jsonl", {}, {}, {}, {})
    good = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([good[0], good[1][:60], good[0], session_line(steps=[]), good[3]]), "utf-8")
    code, out, err = shell("data", "validate", path)
    assert (code, err) == (1, "")
    faults, kinds, total = out.split("\n\n")
    assert [each.removeprefix(f"{path}:").split(":")[0] for each in faults.splitlines()] == ["2", "3", "4"]
    assert "also stands in line 1" in faults
    assert [each.split()[:2] for each in kinds.splitlines()] == [
        ["not-json", "1"],
        ["value", "1"],
        ["same-id", "1"],
    ]
    assert total == f"{path}: 3 sessions, 6 steps; 3 errors in 3 of 5 lines, no warnings\n"


def test_validate_shows_so_many_and_counts_all(shell: Shell, tmp_path: Path) -> None:
    path = write_sessions(tmp_path / "s.jsonl", *[{"outcome": "purchase"}] * 30)
    code, out, _ = shell("data", "validate", path, "--show", 2)
    assert (code, out.count("warning: outcome: purchase, and the last action is terminate")) == (0, 2)
    assert "… 28 more; --show 0 prints all" in out
    assert out.endswith("30 sessions, 60 steps; no errors, 30 warnings\n")
    assert shell("data", "validate", path, "--show", 0)[1].count("warning: outcome: ") == 30
    code, out, _ = shell("data", "validate", path, path, "--json")
    found = [json.loads(each) for each in out.splitlines()]
    assert (code, len(found)) == (0, 60)
    assert found[0] == {
        "file": str(path),
        "error": False,
        "line": 1,
        "field": "outcome",
        "kind": "outcome",
        "problem": "purchase, and the last action is terminate",
    }


def test_a_file_that_cannot_be_read_does_not_hide_the_next(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "empty.jsonl").touch()
    code, out, err = shell("data", "validate", tmp_path / "none.jsonl", tmp_path / "empty.jsonl")
    assert (code, err) == (2, f"shop-r1: {tmp_path}/none.jsonl: cannot be read (No such file or directory)\n")
    assert "holds no sessions" in out
    assert shell("data", "validate", tmp_path / "empty.jsonl")[0] == 1


def test_stats_are_told_as_json_and_drawn(shell: Shell, tmp_path: Path, tiny: Path) -> None:
    path = write_sessions(tmp_path / "s.jsonl", {"user_id": "<b>ann</b>"}, {}, {})
    other = write_sessions(tmp_path / "t.jsonl", {}, {"user_id": "<b>ann</b>"})
    svg, html = tmp_path / "s.svg", tmp_path / "s.html"
    code, out, _ = shell("data", "stats", path, "--against", other, "--json", "--report", svg)
    found = json.loads(out)
    assert code == 0
    assert (found["sessions"], found["steps"], found["tokenizer"]) == (3, 6, "estimate")
    assert found["leaks"] == [
        {"other": str(other), "sessions": 2, "same_id": 2, "same_user": 1, "exact": 2, "near": 0}
    ]
    assert svg.read_text("utf-8").startswith("<svg")
    code, out, _ = shell(
        "data", "stats", path, "--tokenizer", tiny, "--max-tokens", 700, "--report", html, "--against", other
    )
    assert (code, "2 share an id, 1 share a user" in " ".join(out.split())) == (0, True)
    assert max(map(len, out.splitlines())) <= 80 or str(other) in out
    assert "Sessions: s.jsonl" in html.read_text("utf-8")
    from transformers import AutoTokenizer

    pages = [PAGE_SEEN] * 3 + [f"{PAGE_SEEN}\nVisit {number}" for number in range(3)]
    tokenizer = AutoTokenizer.from_pretrained(tiny)
    counts = [len(tokenizer(each, add_special_tokens=False)["input_ids"]) for each in pages]
    (row,) = [each for each in out.splitlines() if each.startswith("tokens of a page")]
    assert row.split()[-1] == str(max(counts))
