"""verl's SFT trainer with a worker in this process in place of Ray's: logs, checkpoints, resume, alerts."""

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

os.environ["VERL_USE_EXTERNAL_MODULES"] = "shop_r1.training.cluster.platform"  # before verl is imported

import pytest
import torch
from omegaconf import OmegaConf
from tests.cluster.sft_worker import meet_in
from verl.utils import tensordict_utils as tu

from shop_r1.datasets.session_files import write_sessions
from shop_r1.errors import TrainingError
from shop_r1.models.checkpoint import load_model
from shop_r1.records.sessions import Session
from shop_r1.training.adapters import merged_weights
from shop_r1.training.cluster.driver import compose
from shop_r1.training.cluster.finish import export_weights, refuse_to_go_on
from shop_r1.training.cluster.sft.engine import mean_over_tokens
from shop_r1.training.cluster.sft.overrides import SftFiles, sft_overrides
from shop_r1.training.cluster.sft.trainer import ClusterSftTrainer, worker_config
from shop_r1.training.cluster.sft.workers import CpuSessionWorker
from shop_r1.training.cluster.start import last_saved_step, saved_step_folder
from shop_r1.training.session_trees import check_sessions
from shop_r1.training.settings import SftConfig


class LocalClient:
    """verl's group of workers where there is one, here; it may fail at a step, or find no number."""

    def __init__(self, config: Any) -> None:
        self._worker = CpuSessionWorker(worker_config(config))
        self._worker.set_loss_fn(mean_over_tokens)
        self._worker.reset()
        self.fail_at: int | None = None
        self.no_number_at: int | None = None
        self.steps = 0

    @property
    def model(self) -> Any:
        return self._worker.engine.module

    def train_batch(self, data: Any) -> Any:
        self.steps += 1
        if self.steps == self.fail_at:
            raise ConnectionError("killed")
        output = self._worker.train_batch(data)
        if self.steps == self.no_number_at:
            metrics = {**tu.get(output, "metrics"), "loss": float("nan")}
            output = tu.get_tensordict({}, {"metrics": metrics})
        return SimpleNamespace(get=lambda: output)

    def save_checkpoint(self, **kwargs: Any) -> None:
        self._worker.save_checkpoint(**kwargs)

    def load_checkpoint(self, *args: Any) -> None:
        self._worker.load_checkpoint(*args)


class LocalTrainer(ClusterSftTrainer):
    """The trainer without Ray."""

    def _build_engine(self) -> None:
        self.training_client = LocalClient(self.config)


@pytest.fixture(autouse=True)
def _alone(alone: None) -> Iterator[None]:
    yield
    end_group()


def end_group() -> None:
    if torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


@pytest.fixture
def settings(tiny_checkpoint: Path) -> SftConfig:
    return SftConfig(
        model=str(tiny_checkpoint),
        max_steps=12,
        learning_rate=1e-2,
        warmup_steps=2,
        per_device_train_batch_size=1,
        gradient_accumulation_steps=3,
        save_steps=4,
        save_total_limit=1,
        bf16=False,
    )


def make_trainer(
    settings: SftConfig, sessions: list[Session], out: Path, resume: bool = False
) -> LocalTrainer:
    end_group()
    out.mkdir(exist_ok=True)
    meet_in(out)
    data = out / "data.jsonl"
    write_sessions(data, sessions)
    files = SftFiles(out, data, Path(settings.model))
    known = check_sessions(sessions, 0)
    whole = compose(sft_overrides(settings, files, known, "cpu", resume), "sft_trainer_engine")
    OmegaConf.resolve(whole)
    return LocalTrainer(whole)


def lines(path: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


def without_speed(line: Mapping[str, float]) -> dict[str, float]:
    return {name: value for name, value in line.items() if name != "tokens_per_second"}


def weights(config: SftConfig, checkpoint: Path, out: Path) -> dict[str, torch.Tensor]:
    export_weights(config, checkpoint, out)
    found: dict[str, torch.Tensor] = load_model(str(out)).model.state_dict()
    return found


def test_a_run_that_was_interrupted_ends_as_one_that_was_not(
    settings: SftConfig, tiny_sessions: list[Session], tmp_path: Path
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    shown: list[int] = []
    last = make_trainer(settings, tiny_sessions, whole).fit(lambda step, loss: shown.append(step))
    assert shown == list(range(1, 13))
    assert [line["step"] for line in lines(whole / "metrics.jsonl")] == [1, 10]
    assert (
        last["loss"] == lines(whole / "metrics.jsonl")[-1]["loss"] < lines(whole / "metrics.jsonl")[0]["loss"]
    )
    assert {path.name for path in (whole / "checkpoints").glob("global_step_*")} == {"global_step_12"}

    killed = make_trainer(settings, tiny_sessions, parts)
    killed.training_client.fail_at = 11
    with pytest.raises(ConnectionError):
        killed.fit()
    assert last_saved_step(parts) == 8
    again = make_trainer(settings, tiny_sessions, parts, resume=True)
    again.fit()
    assert again.training_client.steps == 4
    assert last_saved_step(parts) == 12
    first, second = ([without_speed(line) for line in lines(out / "metrics.jsonl")] for out in (whole, parts))
    assert first == second
    trained = [weights(settings, saved_step_folder(out, 12), out / "model") for out in (whole, parts)]
    assert all(torch.equal(trained[0][name], trained[1][name]) for name in trained[0])


@pytest.mark.parametrize("merge", [True, False])
def test_an_adapter_is_trained_and_exported(
    merge: bool, settings: SftConfig, tiny_sessions: list[Session], tmp_path: Path
) -> None:
    out = tmp_path / "out"
    config = settings.model_copy(update={"max_steps": 3, "lora_r": 4, "lora_merge": merge, "save_steps": 0})
    trainer = make_trainer(config, tiny_sessions, out)
    trainer.fit()
    found = weights(config, saved_step_folder(out, 3), tmp_path / "model")
    expected = dict(merged_weights(trainer.training_client.model))
    assert (tmp_path / "model" / "adapter_config.json").exists() != merge
    before = load_model(config.model).model.state_dict()
    changed = {name for name, weight in before.items() if not torch.equal(weight, found[name])}
    assert changed and all("_proj." in name for name in changed)
    for name, weight in expected.items():
        torch.testing.assert_close(found[name], weight, atol=1e-6, rtol=0)


def test_an_alert_of_stop_on_alert_ends_the_run_with_that_steps_weights(
    settings: SftConfig, tiny_sessions: list[Session], tmp_path: Path
) -> None:
    config = settings.model_copy(update={"stop_on_alert": ("not_finite",), "save_steps": 0})
    trainer = make_trainer(config, tiny_sessions, tmp_path / "out")
    trainer.training_client.no_number_at = 10
    trainer.fit()
    assert trainer.training_client.steps == 10 and last_saved_step(tmp_path / "out") == 10
    assert weights(config, saved_step_folder(tmp_path / "out", 10), tmp_path / "model")
    with pytest.raises(TrainingError, match="step 10: stopped by the alert not_finite"):
        refuse_to_go_on(config, tmp_path / "out")
