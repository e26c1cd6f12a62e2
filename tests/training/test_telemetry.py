"""Training reports to nobody: TRL's trainers would tell their makers of each run."""

from pathlib import Path
from typing import Any

import pytest
from trl.trainer import base_trainer

from shop_r1.datasets.examples import list_examples
from shop_r1.records.sessions import Session
from shop_r1.training.grpo.run import train_grpo
from shop_r1.training.settings import GrpoConfig, SftConfig
from shop_r1.training.sft import train_sft


@pytest.fixture
def reports(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What TRL would send; outside of CI, where it sends nothing anyway."""
    sent: list[Any] = []
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.setattr(base_trainer, "send_telemetry", lambda *args, **kwargs: sent.append((args, kwargs)))
    return sent


def test_sft_reports_to_nobody(
    reports: list[Any], tmp_path: Path, tiny_checkpoint: Path, tiny_sessions: list[Session]
) -> None:
    train_sft(tiny_sessions, SftConfig(model=str(tiny_checkpoint), max_steps=1, bf16=False), tmp_path / "out")
    assert reports == []


def test_grpo_reports_to_nobody(
    reports: list[Any], tmp_path: Path, tiny_checkpoint: Path, tiny_sessions: list[Session]
) -> None:
    config = GrpoConfig(
        model=str(tiny_checkpoint),
        max_steps=1,
        num_generations=2,
        generation_batch_size=2,
        per_device_train_batch_size=2,
        max_completion_length=8,
        bf16=False,
    )
    train_grpo(list_examples(tiny_sessions), config, tmp_path / "out")
    assert reports == []
