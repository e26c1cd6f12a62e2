import json
from pathlib import Path
from typing import Any

import pytest
from transformers import TrainerControl, TrainerState

from shop_r1.training.monitor import CollapseAlarm, MetricsLog

NOBODY: Any = None


def send(callback: Any, logs: list[dict[str, Any]]) -> None:
    for step, each in enumerate(logs, 1):
        callback.on_log(NOBODY, TrainerState(global_step=step), TrainerControl(), logs=each)


def shares(click: float, terminate: float, real_terminate: float = 0.3) -> dict[str, float]:
    return {
        "policy/share_click": click,
        "policy/share_terminate": terminate,
        "data/share_click": 1 - real_terminate,
        "data/share_terminate": real_terminate,
    }


def alarm_of(folder: Path, logs: list[dict[str, Any]]) -> CollapseAlarm:
    alarm = CollapseAlarm(folder / "alarms.jsonl")
    send(alarm, logs)
    return alarm


def test_the_alarm_sounds_once_when_one_type_takes_over(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alarm = alarm_of(tmp_path, [shares(0.05, 0.95)] * 30)
    assert list(alarm.raised) == ["terminate"]
    (line,) = (tmp_path / "alarms.jsonl").read_text().splitlines()
    found = json.loads(line)
    assert found["step"] == 20 and found["alarm"] == "collapse"
    assert found["message"].startswith("step 20: 95% of the replies are terminate, in the data 30%")


@pytest.mark.parametrize(
    "logs",
    [
        [shares(0.5, 0.5)] * 40,  # balanced
        [shares(0.05, 0.95)] * 19,  # too few steps to tell
        [shares(0.05, 0.95, real_terminate=0.8)] * 40,  # so it is in the data, or nearly: 15 points
        [shares(0.21, 0.79)] * 40,  # below 80 %
        [shares(0.9, 0.1), shares(0.1, 0.9)] * 20,  # one step's share says nothing
        [{"loss": 1.0}] * 40,  # no shares at all
        [],
    ],
)
def test_the_alarm_is_silent_otherwise(tmp_path: Path, logs: list[dict[str, Any]]) -> None:
    alarm = alarm_of(tmp_path, logs)
    assert alarm.raised == {}
    assert not (tmp_path / "alarms.jsonl").exists()


def test_a_rerun_begins_with_no_alarms(tmp_path: Path) -> None:
    alarm_of(tmp_path, [shares(0.05, 0.95)] * 30)
    alarm_of(tmp_path, [])
    assert not (tmp_path / "alarms.jsonl").exists()


def test_metrics_are_finite_numbers_a_line_a_step(tmp_path: Path) -> None:
    path = tmp_path / "run" / "metrics.jsonl"
    log = MetricsLog(path)
    send(log, [{"loss": 2.0, "kl": None, "note": "x"}, {"loss": 1.5, "reward": float("nan")}])
    send(log, [{"train_runtime": 3.0}])
    assert [json.loads(line) for line in path.read_text().splitlines()] == [
        {"step": 1, "loss": 2.0},
        {"step": 2, "loss": 1.5},
    ]
    assert log.last == {"loss": 1.5}
    MetricsLog(path)
    assert not path.exists()
