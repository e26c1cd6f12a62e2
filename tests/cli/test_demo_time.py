"""What the demo says before it begins: in which number format it computes, and how long it will take."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.shell import Shell

from shop_r1.cli.pipeline import config as settings
from shop_r1.cli.pipeline import results, stages
from shop_r1.cli.pipeline.config import QUICK, SECONDS, DemoConfig, estimate_seconds
from shop_r1.config import load_config
from shop_r1.errors import ShopR1Error
from shop_r1.models.precision import Precision


def test_the_estimate_adds_python_and_products(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = {"shopping": (1.0, 0.0), "sft": (2.0, 10.0), "grpo": (3.0, 20.0), "predicting": (4.0, 30.0)}
    monkeypatch.setattr(settings, "SECONDS", parts)
    overrides = ["training_sessions=10", "held_out_sessions=5", "sft.num_train_epochs=2", "grpo.max_steps=7"]
    config = load_config(DemoConfig, None, [*overrides, "sweep=[0.6]", "sweep_sessions=3"])
    # 15 visits; 20 sessions of SFT; 14 steps of GRPO; 5 sessions in four settings, and 3 at one temperature
    seconds = 15 * 1 + 20 * (2 + 10 / 5) + 14 * (3 + 20 / 5) + 23 * (4 + 30 / 5)
    assert estimate_seconds(config, 5e9) == pytest.approx(seconds)


def test_a_machine_of_half_the_speed_takes_longer_but_not_twice_as_long() -> None:
    config = DemoConfig()
    fast, slow = estimate_seconds(config, 140e9), estimate_seconds(config, 70e9)
    assert fast < slow < 2 * fast
    assert SECONDS.keys() == {"shopping", "sft", "grpo", "predicting"}


def test_the_quick_version_has_every_stage_and_is_several_times_shorter() -> None:
    quick, whole = load_config(DemoConfig, None, QUICK), DemoConfig()
    assert quick.quick and not whole.quick
    assert estimate_seconds(quick, 100e9) < estimate_seconds(whole, 100e9) / 3
    assert (
        min(quick.training_sessions, quick.held_out_sessions, quick.sweep_sessions, quick.grpo.max_steps) > 0
    )
    assert (quick.sweep, quick.sft.model, quick.grpo.num_generations) == (
        whole.sweep,
        whole.sft.model,
        whole.grpo.num_generations,
    )


@pytest.fixture
def begun(monkeypatch: pytest.MonkeyPatch) -> list[DemoConfig]:
    """The settings that the demo would begin with; it does not begin."""
    found: list[DemoConfig] = []

    def begin(self: Any, out: Path, config: DemoConfig) -> None:
        found.append(config)
        raise ShopR1Error("enough")

    monkeypatch.setattr(stages.DemoRun, "__init__", begin)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(results, "product_rate", lambda bf16: 5e10 if bf16 else 1e11)
    return found


@pytest.mark.parametrize("bf16", [True, False])
def test_all_stages_compute_in_the_format_that_is_chosen_and_the_time_is_said(
    bf16: bool, begun: list[DemoConfig], shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "choose_precision", lambda asked: Precision(bf16, "as measured"))
    code, _, err = shell("demo", "--out", tmp_path / "demo")
    assert code == 2  # "enough"
    (config,) = begun
    assert (config.bf16, config.sft.bf16, config.grpo.bf16) == (bf16, bf16, bf16)
    told = " ".join(err.split())
    assert f"Number format: {'bfloat16' if bf16 else 'float32'}: as measured" in told
    minutes = estimate_seconds(DemoConfig(), 5e10 if bf16 else 1e11) / 60
    assert f"Products here: {50 if bf16 else 100} GFLOP/s" in told
    assert f"The whole demo takes about {minutes:.0f} min." in told


def test_a_stage_s_own_format_stays(begun: list[DemoConfig], shell: Shell, tmp_path: Path) -> None:
    shell("demo", "--out", tmp_path / "demo", "bf16=false", "grpo.bf16=true")
    assert (begun[0].sft.bf16, begun[0].grpo.bf16) == (False, True)


def test_a_demo_that_goes_on_keeps_its_format(begun: list[DemoConfig], shell: Shell, tmp_path: Path) -> None:
    record = {"settings": {"bf16": True}, "inputs": {}}
    (tmp_path / "settings.json").write_text(json.dumps(record), "utf-8")
    _, _, err = shell("demo", "--out", tmp_path)
    assert begun[0].bf16 is True
    assert f"as the demo in {tmp_path} began" in " ".join(err.split())


def test_quick_has_a_folder_of_its_own_and_says_that_its_figures_mean_nothing(
    begun: list[DemoConfig], shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shell("demo", "--quick", "training_sessions=50")
    assert begun[0].quick and begun[0].training_sessions == 50  # a word of the user's counts
    assert "mean nothing" in DemoConfig(quick=True).warning
    assert "--quick" in shell("demo", "--help")[1]
