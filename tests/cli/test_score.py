import json
from pathlib import Path

import pytest
from tests.cli.cases import COMPLETION, TARGET
from tests.shell import Shell

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


def test_score_gives_each_part_as_json(shell: Shell) -> None:
    code, out, err = shell("score", "--target", TARGET, "--response", COMPLETION, "--certainty", 26, "--json")
    assert (code, err) == (0, "")
    # Paper, Table 1: 0.5 + 0.3 + 0.2 + 1000 x 1 + 0.005 x 26
    expected = {"format": 0.5, "type": 0.3, "attribute": 0.2, "value": 1000.0, "rationale": 0.13}
    assert json.loads(out) == pytest.approx(expected | {"total": 1001.13})


def test_score_explains_each_part_within_80_columns(shell: Shell) -> None:
    _, out, _ = shell("score", "--target", TARGET, "--response", "It is this: " + COMPLETION)
    lines = out.splitlines()
    assert max(map(len, lines)) <= 80
    parts = [line.split()[0] for line in lines if not line.startswith(" ")]
    assert parts == ["part", "format", "type", "attribute", "value", "rationale", "total"]
    assert "out of format" in out
    starts = {line.index(line.split()[2]) for line in lines if len(line.split()) > 2 and line[0] != " "}
    assert len(starts) == 1  # the reasons stand under one another


def test_score_takes_settings_of_the_reward(shell: Shell) -> None:
    words = ("score", "action.dars_factor=10", "--target", TARGET, "--response", COMPLETION, "--json")
    assert json.loads(shell(*words)[1])["value"] == 10


def test_score_reads_a_file_line_by_line(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "cases.jsonl"
    line = {"response": COMPLETION, "target": json.loads(TARGET), "certainty": 10}
    path.write_text(f"{json.dumps(line)}\n{json.dumps(line | {'response': None})}\n", "utf-8")
    code, out, _ = shell("score", "--jsonl", path)
    assert code == 0
    assert [json.loads(each)["total"] for each in out.splitlines()] == pytest.approx([1001.05, 0.0])


def test_score_agrees_with_the_worked_out_cases(shell: Shell) -> None:
    path = SHARED / "data" / "score_cases.jsonl"
    if not path.exists():
        pytest.skip("no ../shared/data/score_cases.jsonl beside this clone")
    found = [json.loads(line) for line in shell("score", "--jsonl", path)[1].splitlines()]
    expected = [json.loads(line)["expected"] for line in path.read_text("utf-8").splitlines()]
    assert len(found) == len(expected) > 0
    for one, other in zip(found, expected, strict=True):
        assert one == pytest.approx(other, abs=1e-6)
