"""The command that is named next: it can be copied into a shell, and it works."""

import re
import shlex
from pathlib import Path

import pytest
from tests.shell import Shell
from tests.tiny import LOOK, SEARCH, make_session, make_sessions

from shop_r1.cli.terminal.console import print_next, unused_path
from shop_r1.jsonl import write_records


def next_of(text: str) -> list[str]:
    (line,) = re.findall(r"^Next: shop-r1 (.+)$", text, re.MULTILINE)
    return shlex.split(line)


def test_the_next_command_stands_on_one_line_in_a_shells_words(capsys: pytest.CaptureFixture[str]) -> None:
    place = Path("my shop's data") / ("x" * 90) / "s.jsonl"
    print_next("data split", place, "--out data")
    assert next_of(capsys.readouterr().out) == ["data", "split", str(place), "--out", "data"]
    print_next("report", "o", to_stderr=True)
    assert capsys.readouterr() == ("", "Next: shop-r1 report o\n")


def test_an_output_that_is_there_gets_a_number(tmp_path: Path) -> None:
    assert unused_path(tmp_path / "with.jsonl") == tmp_path / "with.jsonl"
    (tmp_path / "with.jsonl").touch()
    (tmp_path / "with-2.jsonl").touch()
    assert unused_path(tmp_path / "with.jsonl") == tmp_path / "with-3.jsonl"


def test_grpo_is_balanced_where_some_sessions_end_by_leaving(
    shell: Shell, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    data = tmp_path / "s.jsonl"
    write_records(data, make_sessions())
    words = ("--out", tmp_path / "o", "--model", tiny_checkpoint, "bf16=false", "max_steps=1")
    code, out, err = shell("sft", "--data", data, *words, "warmup_steps=0")
    assert code == 0, err
    found = next_of(out)
    assert found[0] == "grpo" and "type_ratio=0" not in found


def test_each_step_after_the_other_works_as_it_is_named(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tiny_checkpoint: Path
) -> None:
    """Sessions without `terminate`, in a folder with a space, where folders of the usual names are taken."""
    place = tmp_path / "a shop"
    for taken in ("runs/sft", "runs/grpo", "data", "runs/evaluation"):
        (place / taken).mkdir(parents=True)
        (place / taken / "thesis.tex").write_text("precious")
    monkeypatch.chdir(place)
    write_records(
        place / "my sessions.jsonl", [make_session("a", SEARCH, LOOK), make_session("b", LOOK, LOOK)]
    )
    small = ["bf16=false", "max_steps=1", "warmup_steps=0"]
    code, out, err = shell(
        "sft", "--data", "my sessions.jsonl", "--out", "a model", "--model", tiny_checkpoint, *small
    )
    assert code == 0, err
    words = next_of(out)
    assert words[0] == "grpo" and words[-1] == "type_ratio=0"
    code, out, err = shell(
        *words,
        "bf16=false",
        "max_steps=1",
        "generation_batch_size=2",
        "num_generations=2",
        "max_completion_length=8",
    )
    assert code == 0, err
    words = next_of(out)
    assert words[0] == "evaluate"
    words[words.index("TEST.jsonl")] = "my sessions.jsonl"
    code, out, err = shell(*words, "--temperature", "0", "bf16=false", "sampling.max_new_tokens=8")
    assert code == 0, err
    words = next_of(err)
    assert words[0] == "report"
    assert shell(*words)[0] == 0
    assert {path.read_text() for path in place.rglob("thesis.tex")} == {"precious"}


def test_sessions_of_one_step_are_evaluated_next_since_grpo_learns_from_later_ones(
    shell: Shell, tmp_path: Path, tiny_checkpoint: Path
) -> None:
    data = tmp_path / "s.jsonl"
    write_records(data, [make_session("a", SEARCH), make_session("b", LOOK)])
    words = ("--out", tmp_path / "o", "--model", tiny_checkpoint, "bf16=false", "max_steps=1")
    code, out, err = shell("sft", "--data", data, *words, "warmup_steps=0")
    assert code == 0, err
    assert next_of(out)[0] == "evaluate"


def test_balancing_names_a_model_that_is_there(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    write_records(Path("s.jsonl"), make_sessions())
    for model in ("base", "runs/sft"):
        code, out, err = shell("data", "balance", "s.jsonl", "--out", "rl.jsonl", "--force")
        assert code == 0, err
        words = next_of(out)
        assert words[words.index("--model") + 1] == model
        Path("runs/sft").mkdir(parents=True, exist_ok=True)
