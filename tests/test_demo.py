"""The main job, small: every stage with its real parts, and what a second run does."""

import json
from pathlib import Path

import pytest

from shop_r1.demo import run_demo

SMALL = [
    "training_sessions=24",
    "held_out_sessions=6",
    "sweep_sessions=2",
    "sweep=[0.6, 1.2]",
    "sft.max_steps=3",
    "sft.device_batch=4",
    "grpo.steps=2",
    "grpo.prompts=2",
    "grpo.device_prompts=2",
    "grpo.group=2",
    "grpo.reply_tokens=48",
]


@pytest.mark.slow
def test_the_demo_writes_table_and_report_and_a_second_run_repeats_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run_demo(tmp_path, seed=3, overrides=SMALL)
    rows = json.loads((tmp_path / "table.json").read_text())
    assert [row["setting"] for row in rows] == ["zero-shot", "sft", "sft+rl(binary)", "shop-r1", "reachable"]
    for row in rows:
        for figure in ("exact", "type_accuracy", "type_f1_macro"):
            low, value, high = row[figure]
            assert 0 <= low <= value <= high <= 1
        assert row["per_type"].keys() <= {"click", "type_and_submit", "terminate"}
        assert sum(row["predicted_mix"].values()) == pytest.approx(1)
    assert rows[-1]["exact"][1] > 0.5  # the scripted rule is mostly predictable; the tiny model is not yet
    assert "<html" in (tmp_path / "report" / "index.html").read_text()
    assert "Report: open" in capsys.readouterr().out

    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jsonl")}
    run_demo(tmp_path, seed=3, overrides=SMALL)
    assert "done in an earlier run" in capsys.readouterr().err
    assert written == {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*.jsonl")}


@pytest.mark.slow
def test_an_interrupted_demo_goes_on_and_ends_with_the_same_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run_demo(whole, seed=3, overrides=SMALL)
    with monkeypatch.context() as broken:
        broken.setattr("shop_r1.demo.Demo.evaluate", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_demo(parts, seed=3, overrides=SMALL)
    run_demo(parts, seed=3, overrides=SMALL)
    assert json.loads((parts / "table.json").read_text()) == json.loads((whole / "table.json").read_text())


def _interrupt(self: object) -> None:
    raise KeyboardInterrupt
