import json
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerControl, TrainerState

from shop_r1.errors import DataError
from shop_r1.training.progress.logs import MetricsLog, StepLog, keep_steps

NOBODY: Any = None


def send(callback: Any, logs: list[dict[str, Any]], first: int = 0, main: bool = True) -> None:
    state = TrainerState(global_step=first, is_world_process_zero=main)
    callback.on_train_begin(NOBODY, state, TrainerControl())
    for each in logs:
        state.global_step += 1
        callback.on_log(NOBODY, state, TrainerControl(), logs=each)


def read(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_metrics_are_finite_numbers_a_line_a_step(tmp_path: Path) -> None:
    path = tmp_path / "run" / "metrics.jsonl"
    log = MetricsLog(path)
    send(log, [{"loss": 2.0, "kl": None, "note": "x"}, {"loss": 1.5, "reward": float("nan")}])
    assert read(path) == [{"step": 1, "loss": 2.0}, {"step": 2, "loss": 1.5}]
    assert log.last == {"loss": 1.5}


def test_the_summary_at_the_end_is_no_step(tmp_path: Path) -> None:
    log = MetricsLog(tmp_path / "metrics.jsonl")
    send(log, [{"loss": 1.5}, {"train_runtime": 3.0, "train_loss": 1.0}])
    assert read(tmp_path / "metrics.jsonl") == [{"step": 1, "loss": 1.5}]
    assert log.last == {"loss": 1.5}


def test_a_fresh_run_begins_with_no_lines_and_a_resumed_one_with_those_before_its_checkpoint(
    tmp_path: Path,
) -> None:
    path = tmp_path / "metrics.jsonl"
    send(MetricsLog(path), [{"loss": 1.0}] * 4)
    send(MetricsLog(path), [{"loss": 2.0}], first=2)
    assert [(line["step"], line["loss"]) for line in read(path)] == [(1, 1.0), (2, 1.0), (3, 2.0)]
    send(MetricsLog(path), [])
    assert not path.exists()


def test_a_line_that_a_killed_run_left_unfinished_is_dropped(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    whole = json.dumps({"step": 1, "text": "a\u2028b"}, ensure_ascii=False)  # no end of line
    path.write_text(whole + '\n[]\n{"step": 2, "lo')
    keep_steps(path, 5)
    assert path.read_text() == whole + "\n"


def test_only_the_main_process_writes(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 9}\n')
    log = MetricsLog(path)
    send(log, [{"loss": 1.0}], main=False)
    assert path.read_text() == '{"step": 9}\n'
    assert log.last == {"loss": 1.0}


def test_a_log_that_cannot_be_written_says_where(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"file/metrics\.jsonl: cannot be written"):
        StepLog(tmp_path / "file" / "metrics.jsonl").append("{}")
