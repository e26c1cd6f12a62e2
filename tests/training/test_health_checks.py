"""Alerts sound for series made by hand to be wrong, once, and never for the demo's own runs."""

import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.tiny import make_sessions
from transformers import TrainerControl, TrainerState

from shop_r1.datasets.examples import list_examples
from shop_r1.errors import ConfigError, TrainingError
from shop_r1.jsonl import read_records
from shop_r1.training.grpo.run import train_grpo
from shop_r1.training.health_checks import RULES, Alert, Alerts
from shop_r1.training.settings import GrpoConfig, SftConfig, check_reporter
from shop_r1.training.sft import train_sft
from shop_r1.training.trl_arguments import grpo_arguments, sft_arguments

NOBODY: Any = None
Logs = list[dict[str, Any]]

HEALTHY: Mapping[str, Mapping[str, list[float | None]]] = json.loads(
    (Path(__file__).parent / "healthy.json").read_text()
)
"""Two of the demo's GRPO runs, 50 steps each, rounded. `advantage/from_*` are of each step's first group;
null where it teaches nothing."""


def send(alerts: Alerts, logs: Logs) -> TrainerControl:
    state, control = TrainerState(), TrainerControl()
    alerts.on_train_begin(NOBODY, state, control)
    for each in logs:
        state.global_step += 1
        alerts.on_log(NOBODY, state, control, logs=each)
    return control


def raised(folder: Path, logs: Logs) -> list[tuple[int, str, str]]:
    alerts = Alerts(folder / "alerts.jsonl")
    send(alerts, logs)
    return [(alert.step, alert.alert, alert.subject) for alert in alerts.raised]


def shares(click: float, terminate: float, real_terminate: float = 0.3) -> dict[str, float]:
    return {
        "policy/share_click": click,
        "policy/share_terminate": terminate,
        "data/share_click": 1 - real_terminate,
        "data/share_terminate": real_terminate,
    }


def parsed(*values: float) -> Logs:
    return [{"policy/parsed": value} for value in values]


@pytest.mark.parametrize("name", HEALTHY)
def test_the_demos_own_runs_raise_none(name: str, tmp_path: Path) -> None:
    series = HEALTHY[name]
    count = len(series["policy/parsed"])
    logs = [
        {key: values[step] for key, values in series.items() if values[step] is not None}
        | {"sampling/trainer_mismatch": 2e-4, "earned/value_near_misses": 0.0, "loss": 1e-8, "grad_norm": 0.4}
        for step in range(count)
    ]
    assert count == 50
    assert raised(tmp_path, logs) == []
    assert not (tmp_path / "alerts.jsonl").exists()


@pytest.mark.parametrize(
    ("logs", "found"),
    [
        ([{"policy/frac_zero_variance": 0.9}] * 25, (20, "zero_variance", "")),
        ([shares(0.2, 0.8, real_terminate=0.3)] * 30, (20, "collapse", "terminate")),
        ([shares(0.75, 0.05)] * 30, (20, "vanishing", "terminate")),  # 6.3 % of those that parse; data 30 %
        ([{"advantage/from_format": 0.97, "advantage/from_value": 0.02}] * 25, (20, "dominance", "format")),
        (
            [{"advantage/from_rationale": 0.6, "advantage/from_value": 0.4}] * 25,
            (20, "dominance", "rationale"),
        ),
        ([{"earned/value_near_misses": 0.7}] * 25, (20, "near_misses", "")),
        # After n steps at 0.6 the mean is 0.95 - 0.35 n / 20: below 0.8, and 0.1 below the best, from n = 9.
        (parsed(*[0.95] * 20, *[0.6] * 20), (29, "unparsable", "")),
        ([{"policy/truncated": 0.6}] * 25, (20, "truncation", "")),
        ([{"sampling/trainer_mismatch": 0.02}] * 3, (1, "trainer_mismatch", "")),
        ([{"loss": math.nan, "grad_norm": 1.0}] * 3, (1, "not_finite", "loss")),
        ([{"loss": 0.0, "grad_norm": math.inf}] * 3, (1, "not_finite", "grad_norm")),
    ],
    ids=lambda value: value[1] if isinstance(value, tuple) else "",
)
def test_what_goes_wrong_is_told_once(logs: Logs, found: tuple[int, str, str], tmp_path: Path) -> None:
    assert raised(tmp_path, logs) == [found]
    (line,) = read_records(tmp_path / "alerts.jsonl", Alert)
    assert (line.step, line.alert, line.subject) == found
    assert "usual" in line.message or "expected" in line.message  # what was seen, and what it should be


@pytest.mark.parametrize(
    "logs",
    [
        [shares(0.5, 0.5)] * 40,  # balanced
        [shares(0.05, 0.95)] * 19,  # too few steps to tell
        [shares(0.05, 0.95, real_terminate=0.8)] * 40,  # so it is in the data, or nearly: 15 points
        [shares(0.21, 0.79)] * 40,  # below 80 %
        [shares(0.9, 0.1), shares(0.1, 0.9)] * 20,  # one step's share says nothing
        [shares(0.9, 0.1)] * 40,  # a third of the data's share
        [shares(0.7, 0.07)] * 40,  # 7 % of all, but 9 % of those that parse: the limit is 7.5 %
        [shares(0.0, 0.0)] * 40,  # none does
        [shares(1.0, 0.0, real_terminate=0.04)] * 40,  # too rare in the data to tell
        [shares(1.0, 0.0)] * 19,  # too few steps
        [{"policy/frac_zero_variance": 0.84}] * 40,
        [{"policy/frac_zero_variance": 1.0}] * 19,
        [{"advantage/from_value": 1.0}] * 40,  # by design: DARS
        [{"advantage/from_rationale": 0.4, "advantage/from_type": 0.6}] * 40,
        [{"advantage/from_format": 1.0}, *[{}] * 3] * 10,  # three steps of four teach nothing at all
        [{"earned/value_near_misses": 0.5}] * 40,
        parsed(*[0.3] * 20, *[0.6] * 20, *[0.9] * 20),  # bad, but getting better
        parsed(*[0.5] * 60),  # bad, and steady
        parsed(*[0.95] * 20, *[0.81] * 40),  # worse, but not bad
        parsed(*[0.95] * 20, *[0.1] * 3, *[0.95] * 20),  # a few bad steps: 0.95 - 0.85 * 3 / 20 = 0.82
        [{"policy/truncated": 0.5}] * 40,
        [{"sampling/trainer_mismatch": 0.01}] * 40,
        [{"loss": 1.0, "grad_norm": 0.1}] * 40,  # none of GRPO's figures, as in SFT
        [{"train_runtime": 3.0, "loss": math.nan}],  # the summary is no step
        [],
    ],
)
def test_what_is_only_near_it_is_not(logs: Logs, tmp_path: Path) -> None:
    assert raised(tmp_path, logs) == []
    assert not (tmp_path / "alerts.jsonl").exists()


def test_an_alert_sounds_again_only_after_a_window_without_cause(tmp_path: Path) -> None:
    bad, good = {"sampling/trainer_mismatch": 0.02}, {"sampling/trainer_mismatch": 0.0}
    soon = raised(tmp_path, [bad, *[good] * 19, bad])
    assert [step for step, *_ in soon] == [1]
    later = raised(tmp_path, [bad, *[good] * 20, bad, bad])
    assert [step for step, *_ in later] == [1, 22]


def test_each_part_and_type_has_an_alert_of_its_own(tmp_path: Path) -> None:
    found = raised(tmp_path, [*[shares(0.05, 0.95)] * 20, *[shares(0.95, 0.05, 0.9)] * 20])
    # After n steps the share of clicks is 0.05 + 0.9 n / 20: at least 0.8 from n = 17; data 0.19. That of
    # terminate is then 0.95 - 0.9 n / 20, in the data 0.3 + 0.6 n / 20, a quarter of which is more from
    # n = 17 on: 0.185 < 0.2025, but 0.23 > 0.195 for n = 16.
    assert found == [
        (20, "collapse", "terminate"),
        (20, "vanishing", "click"),
        (37, "collapse", "click"),
        (37, "vanishing", "terminate"),
    ]


def test_an_alert_is_printed_at_once_with_its_step(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    raised(tmp_path, [shares(0.05, 0.95)] * 30)
    told = " ".join(capsys.readouterr().err.split())
    assert told.startswith("Alert step 20: 95% of the completions are terminate, in the data 30%: the policy")
    assert told.count("Alert") == 2
    assert "step 20: 5.0% of the completions that parse are click, in the data 70%: the policy gives" in told


def test_a_rerun_begins_with_no_alerts(tmp_path: Path) -> None:
    raised(tmp_path, [shares(0.05, 0.95)] * 30)
    raised(tmp_path, [])
    assert not (tmp_path / "alerts.jsonl").exists()


# -- stopping a run ---------------------------------------------------------------------------------------


def test_only_a_chosen_alert_stops_the_run(tmp_path: Path) -> None:
    path, logs = tmp_path / "alerts.jsonl", [{"sampling/trainer_mismatch": 0.02}]
    assert not send(Alerts(path), logs).should_training_stop
    assert not send(Alerts(path, stop_on=("collapse",)), logs).should_training_stop
    chosen = Alerts(path, stop_on=("collapse", "trainer_mismatch"))
    assert send(chosen, logs).should_training_stop
    with pytest.raises(TrainingError, match=r"step 1: stopped by the alert trainer_mismatch .* are in here"):
        chosen.refuse_to_go_on(Path("here"))
    Alerts(path, stop_on=("collapse",)).refuse_to_go_on(Path("here"))


def truncating(checkpoint: Path, **changes: Any) -> GrpoConfig:
    """Return settings under which the untrained model's completions are all cut."""
    plain: dict[str, Any] = {
        "max_steps": 3,
        "generation_batch_size": 4,
        "num_generations": 2,
        "max_completion_length": 8,
        "beta": 0.0,
    }
    return GrpoConfig(model=str(checkpoint), bf16=False, **plain | changes)


def test_a_run_that_an_alert_stops_has_written_its_weights(
    tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shop_r1.training.health_checks.WINDOW", 2)
    monkeypatch.setattr(
        "shop_r1.training.health_checks.RecentSteps.mean", lambda self, name: self.last.get(name)
    )
    config = truncating(tiny_checkpoint, stop_on_alert=("truncation",))
    with pytest.raises(TrainingError, match="stopped by the alert truncation"):
        train_grpo(list_examples(make_sessions()), config, tmp_path)
    assert len((tmp_path / "metrics.jsonl").read_text().splitlines()) == 1
    assert (tmp_path / "model.safetensors").exists()


def test_sft_that_loses_its_weights_is_told_and_stopped(tmp_path: Path, tiny_checkpoint: Path) -> None:
    plain: dict[str, Any] = {
        "learning_rate": 1e30,
        "warmup_steps": 0,
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 1,
    }
    config = SftConfig(model=str(tiny_checkpoint), max_steps=20, bf16=False, **plain)
    config = config.model_copy(update={"stop_on_alert": ("not_finite",)})
    with pytest.raises(TrainingError, match="step 10: stopped by the alert not_finite"):
        train_sft(make_sessions(), config, tmp_path)
    (alert,) = read_records(tmp_path / "alerts.jsonl", Alert)
    assert alert.subject == "grad_norm"


def test_a_run_without_alerts_raises_none(
    tmp_path: Path, tiny_checkpoint: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "shop_r1.training.health_checks.RecentSteps.mean", lambda self, name: self.last.get(name)
    )
    without, alarmed = tmp_path / "without", tmp_path / "with"
    train_grpo(list_examples(make_sessions()), truncating(tiny_checkpoint, alerts=False), without)
    assert not (without / "alerts.jsonl").exists()
    train_grpo(list_examples(make_sessions()), truncating(tiny_checkpoint), alarmed)
    assert "truncation" in (alarmed / "alerts.jsonl").read_text()


def test_every_name_that_can_stop_a_run_has_its_rule() -> None:
    for name in RULES:
        assert GrpoConfig(stop_on_alert=(name,)).stop_on_alert == (name,)
    with pytest.raises(ValueError, match="stop_on_alert"):
        GrpoConfig(stop_on_alert=("boredom",))


# -- where else the figures go ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "command"),
    [("tensorboard", r"pip install 'shop-r1\[watch\]'"), ("trackio", "pip install trackio")],
)
def test_a_missing_package_is_named_before_anything_is_loaded(
    name: Any, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shop_r1.training.settings.find_spec", lambda name: None)
    sessions, told = make_sessions(), f"report_to = '{name}', but the package {name} is not .* run {command}"
    with pytest.raises(ConfigError, match=told):
        train_grpo(list_examples(sessions), GrpoConfig(model="none/there", report_to=name), tmp_path)
    with pytest.raises(ConfigError, match=told):
        train_sft(sessions, SftConfig(model="none/there", report_to=name), tmp_path)


def test_no_package_is_needed_for_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shop_r1.training.settings.find_spec", lambda name: None)
    check_reporter("none")


@pytest.mark.parametrize("name", ["tensorboard", "trackio"])
def test_the_chosen_package_is_passed_on_and_nothing_leaves_the_machine(name: Any, tmp_path: Path) -> None:
    for arguments in (
        grpo_arguments(GrpoConfig(report_to=name), tmp_path / "run"),
        sft_arguments(SftConfig(report_to=name), tmp_path / "run"),
    ):
        assert arguments.report_to == [name]
        assert (arguments.project, arguments.run_name) == ("shop-r1", "run")
        assert arguments.trackio_space_id is None and not arguments.push_to_hub
    assert grpo_arguments(GrpoConfig(), tmp_path).report_to == []
