"""verl's GRPO trainer with our logs: what it does with an alert that shall stop the run."""

import os
from pathlib import Path
from typing import Any

os.environ["VERL_USE_EXTERNAL_MODULES"] = "shop_r1.training.cluster.platform"  # before verl is imported

import pytest
from transfer_queue import KVBatchMeta
from transformers import TrainerControl, TrainerState
from verl.trainer.ppo.v1.trainer_sync import PPOTrainerSync

from shop_r1.errors import TrainingError
from shop_r1.training.cluster.finish import refuse_to_go_on
from shop_r1.training.cluster.grpo.trainer import ClusterTrainer
from shop_r1.training.health_checks import RULES, Alerts
from shop_r1.training.progress.logs import MetricsLog
from shop_r1.training.settings import GrpoConfig


class Watched(ClusterTrainer):
    """The trainer after verl has built it; verl's own figures are left out, and checkpoints counted."""

    def __init__(self, out: Path, settings: GrpoConfig) -> None:
        self._settings, self._out = settings, out
        self._control, self._state = TrainerControl(), TrainerState(max_steps=settings.max_steps)
        self._metrics = MetricsLog(out / "metrics.jsonl")
        self._alerts = Alerts(out / "alerts.jsonl", RULES, settings.stop_on_alert)
        self._figures: dict[str, float] = {}
        self.total_training_steps = settings.max_steps
        self.saved: list[int] = []

    def _save_checkpoint(self) -> None:
        self.saved.append(self._state.global_step)

    def step(self, number: int, loss: float) -> None:
        self._compute_metrics(None, {"actor/loss": loss, "actor/grad_norm": 1.0}, {}, number, 0)


@pytest.fixture(autouse=True)
def _without_verls_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*args: Any) -> None:
        """Compute no figures."""

    monkeypatch.setattr(PPOTrainerSync, "_compute_metrics", nothing)


def test_an_alert_of_stop_on_alert_saves_that_step_and_makes_it_the_last(tmp_path: Path) -> None:
    settings = GrpoConfig(max_steps=9, stop_on_alert=["not_finite"])
    trainer = Watched(tmp_path, settings)
    trainer.step(1, 0.5)
    assert (trainer.saved, trainer.total_training_steps) == ([], 9)
    refuse_to_go_on(settings, tmp_path)
    trainer.step(2, float("nan"))
    assert (trainer.saved, trainer.total_training_steps) == ([2], 2)
    with pytest.raises(TrainingError, match="step 2: stopped by the alert not_finite"):
        refuse_to_go_on(settings, tmp_path)


def test_other_alerts_are_told_and_the_run_goes_on(tmp_path: Path) -> None:
    settings = GrpoConfig(max_steps=9, stop_on_alert=["collapse"])
    trainer = Watched(tmp_path, settings)
    trainer.step(1, float("nan"))
    assert (trainer.saved, trainer.total_training_steps) == ([], 9)
    refuse_to_go_on(settings, tmp_path)
    assert (tmp_path / "alerts.jsonl").exists()


@pytest.mark.parametrize(("devices", "sequence_parallel"), [(1, 1), (2, 1), (4, 2)])
def test_a_device_gets_whole_groups_and_as_much_work_as_the_others(
    tmp_path: Path, devices: int, sequence_parallel: int
) -> None:
    cluster = {"devices_per_node": devices, "sequence_parallel": sequence_parallel}
    settings = GrpoConfig(num_generations=2, generation_batch_size=8, cluster=cluster)
    prompts = {"a": 900, "b": 100, "c": 800, "d": 200}
    arrived = [(uid, number) for number in range(2) for uid in prompts]  # those of a group lie apart
    batch = KVBatchMeta(
        keys=[f"{uid}_{number}_0" for uid, number in arrived],
        tags=[{"prompt_len": prompts[uid], "seq_len": prompts[uid] + 10 * number} for uid, number in arrived],
    )
    found = Watched(tmp_path, settings)._balance_batch(batch, {})
    uids = [key[0] for key in found.keys]
    assert uids[::2] == uids[1::2] and sorted(uids) == sorted([*prompts] * 2)
    assert [tag["prompt_len"] for tag in found.tags] == [prompts[uid] for uid in uids]
    if devices // sequence_parallel == 2:  # 900 + 100 and 800 + 200 tokens
        assert {frozenset(uids[:4]), frozenset(uids[4:])} == {frozenset("ab"), frozenset("cd")}
