"""The main job, small: every stage with its real parts, and what a second run does."""

import json
from pathlib import Path
from typing import Any

import pytest

from shop_r1.cli.pipeline.config import DemoConfig
from shop_r1.cli.pipeline.walkthrough import run_demo
from shop_r1.errors import DataError
from shop_r1.evaluation import predict as predict_module
from shop_r1.records.results import Prediction

SMALL = [
    "training_sessions=24",
    "held_out_sessions=6",
    "sweep_sessions=2",
    "sweep=[0.6, 1.2]",
    "sft.max_steps=3",
    "sft.per_device_train_batch_size=4",
    "grpo.max_steps=2",
    "grpo.generation_batch_size=4",
    "grpo.per_device_train_batch_size=4",
    "grpo.num_generations=2",
    "grpo.max_completion_length=48",
]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A demo that nothing interrupted."""
    out = tmp_path_factory.mktemp("whole")
    run_demo(out, seed=3, overrides=SMALL)
    return out


@pytest.mark.slow
def test_the_demo_writes_table_and_report_and_a_second_run_repeats_nothing(
    whole: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = json.loads((whole / "table.json").read_text())
    assert [row["setting"] for row in rows] == ["zero-shot", "sft", "sft+rl(binary)", "shop-r1", "reachable"]
    for row in rows:
        for figure in ("exact", "type_accuracy", "type_f1_macro"):
            low, value, high = row[figure]
            assert 0 <= low <= value <= high <= 1
        assert row["per_type"].keys() <= {"click", "type_and_submit", "terminate"}
        assert sum(row["predicted_mix"].values()) == pytest.approx(1)
    assert rows[-1]["exact"][1] > 0.5  # the scripted rule is mostly predictable; the tiny model is not yet
    assert "<html" in (whole / "report" / "index.html").read_text()

    written = {path: path.stat().st_mtime_ns for path in whole.rglob("*.jsonl")}
    run_demo(whole, seed=3, overrides=SMALL)
    told = capsys.readouterr()
    assert "done in an earlier run" in told.err and "Report: open" in told.out
    assert written == {path: path.stat().st_mtime_ns for path in whole.rglob("*.jsonl")}


@pytest.mark.slow
def test_an_interrupted_demo_goes_on_and_ends_with_the_same_numbers(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parts = tmp_path / "parts"
    with monkeypatch.context() as broken:
        broken.setattr("shop_r1.cli.pipeline.walkthrough.evaluate", _interrupt)
        with pytest.raises(KeyboardInterrupt):
            run_demo(parts, seed=3, overrides=SMALL)
    run_demo(parts, seed=3, overrides=SMALL)
    assert json.loads((parts / "table.json").read_text()) == json.loads((whole / "table.json").read_text())


@pytest.mark.slow
def test_a_demo_that_stops_within_a_setting_predicts_nothing_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compute = predict_module._predict_batch
    every: list[tuple[str, str, int]] = []  # temperature and context, session, step; once for each prediction
    allowed = [10**9]

    def answer(model: Any, sessions: Any, config: Any) -> list[Prediction]:
        if not allowed[0]:
            raise KeyboardInterrupt
        allowed[0] -= 1
        how = f"{config.sampling.temperature} {config.prompt.context}"
        every.extend((how, each.session.session_id, each.step) for rows in sessions for each, _ in rows)
        return compute(model, sessions, config)

    monkeypatch.setattr(predict_module, "_predict_batch", answer)
    # Each session is a batch of its own, so a setting can be cut in the middle.
    monkeypatch.setattr(
        predict_module, "batch_trees", lambda shapes, _: [[row] for row in range(len(shapes))]
    )
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    run_demo(whole, seed=3, overrides=SMALL)
    expected = sorted(every)
    every.clear()
    # 6 sessions in each of four settings, then 2 at another temperature and 2 in the other context.
    for batches in (3, 10, 12, 2):
        allowed[0] = batches
        with pytest.raises(KeyboardInterrupt):
            run_demo(parts, seed=3, overrides=SMALL)
    allowed[0] = 10**9
    run_demo(parts, seed=3, overrides=SMALL)
    assert sorted(every) == expected
    for path in whole.rglob("*.jsonl"):
        if path.parent.name == "predictions":
            assert (parts / "predictions" / path.name).read_bytes() == path.read_bytes()
    assert not list(parts.rglob("*.partial.jsonl"))
    assert (parts / "tables.txt").read_text() == (whole / "tables.txt").read_text()


def test_a_folder_of_another_demo_is_refused(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text(
        json.dumps({"settings": DemoConfig(seed=1).model_dump(mode="json"), "inputs": {}})
    )
    with pytest.raises(DataError, match=r"is of another run: .*seed \(1 there, 3 now\)"):
        run_demo(tmp_path, seed=3)
    assert [path.name for path in tmp_path.iterdir()] == ["settings.json"]


def _interrupt(self: object) -> None:
    raise KeyboardInterrupt
