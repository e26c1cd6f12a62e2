"""verl's SFT trainer on Ray with our sessions, figures and alerts (paper, section 3, Eq. 2).

verl builds the workers and their engine, loads and saves checkpoints and does the steps' work. The loop over
steps is ours: verl's leaves out an epoch's last sessions, and has no place for alerts.
"""

import time
from collections import deque
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from shutil import rmtree
from typing import Any

import ray
import torch
from tensordict import NonTensorData, TensorDict
from transformers import TrainerControl, TrainerState
from verl.single_controller.ray import RayClassWithInitArgs, RayResourcePool, RayWorkerGroup
from verl.trainer.sft_trainer_ray import SFTTrainer
from verl.utils import tensordict_utils as tu
from verl.utils.config import omega_conf_to_dataclass
from verl.workers.engine_workers import TrainingWorkerConfig

from shop_r1.jsonl import read_json, write_json
from shop_r1.training.cluster.sft.batches import SessionBatches
from shop_r1.training.cluster.sft.engine import FIGURES, MODEL_TYPE, mean_over_tokens
from shop_r1.training.cluster.sft.workers import CpuSessionWorker, SessionWorker
from shop_r1.training.cluster.start import OUR_STATE, remove_older_steps, saved_step_folder
from shop_r1.training.health_checks import RULES, Alerts
from shop_r1.training.memory import session_tokens
from shop_r1.training.progress.logs import MetricsLog
from shop_r1.training.settings import LOGGING_STEPS, SftConfig


class StepSums:
    """Figures of the steps since the last line of metrics.jsonl."""

    def __init__(self) -> None:
        self.state: dict[str, float] = {}

    def add(self, metrics: Mapping[str, Any], seconds: float) -> None:
        """Take up a step's metrics, of which verl has (devices) lists of (micro-batches) figures."""
        right, entropy, learnt, tokens = (torch.tensor(metrics[name]).sum(0) for name in FIGURES)
        found = {
            "steps": 1,
            "loss": metrics["loss"],
            "micro_batches": len(learnt),
            "accuracy": (right / learnt).sum().item(),
            "entropy": (entropy / learnt).sum().item(),
            "tokens": tokens.sum().item(),
            "seconds": seconds,
        }
        self.state = {name: self.state.get(name, 0.0) + value for name, value in found.items()}

    def line(self) -> dict[str, float]:
        """Return their means as TRL's path logs them, and begin anew."""
        found, self.state = self.state, {}
        return {
            "loss": found["loss"] / found["steps"],
            "mean_token_accuracy": found["accuracy"] / found["micro_batches"],
            "entropy": found["entropy"] / found["micro_batches"],
            "tokens_per_second": found["tokens"] / found["seconds"],
        }

    def state_dict(self) -> dict[str, float]:
        """Return what a resumed run must know."""
        return self.state

    def load_state_dict(self, state: Mapping[str, float]) -> None:
        """Go on from what `state_dict` returned."""
        self.state = dict(state)


class ClusterSftTrainer(SFTTrainer):
    """Runs on one process of the cluster, and drives the others."""

    def __init__(self, config: Any) -> None:
        self._settings = SftConfig.model_validate_json(config.shop_r1.settings)
        out = self._out = Path(config.shop_r1.out)
        settings = self._settings
        self._control = TrainerControl()
        self._metrics = MetricsLog(out / "metrics.jsonl")
        self._alerts = Alerts(out / "alerts.jsonl", RULES if settings.alerts else {}, settings.stop_on_alert)
        self._sums = StepSums()
        super().__init__(config)

    # What verl builds

    def _build_dataloader(self) -> None:
        trainer = self.config.trainer
        self.train_dataloader = SessionBatches(self.train_dataset, self._settings)
        self.total_training_steps = trainer.total_training_steps
        self.save_freq = trainer.save_freq

    def _build_engine(self) -> None:
        trainer = self.config.trainer
        worker = CpuSessionWorker if trainer.device == "cpu" else SessionWorker
        self.training_client = RayWorkerGroup(
            resource_pool=RayResourcePool([trainer.n_gpus_per_node] * trainer.nnodes, max_colocate_count=1),
            ray_cls_with_init=RayClassWithInitArgs(ray.remote(worker), config=worker_config(self.config)),
            device_name=trainer.device,
        )
        self.training_client.set_loss_fn(mean_over_tokens)
        self.training_client.reset()

    # Steps

    def fit(self, show: Callable[[int, float], None] = lambda step, loss: None) -> Mapping[str, float]:
        """Do the steps that are left, and return the last logged metrics; `show` is told of each.

        A step's sessions are rendered while the one before is learnt from.
        """
        state = TrainerState(max_steps=self.total_training_steps, global_step=self._begin())
        with ThreadPoolExecutor(1) as pool:
            steps = range(state.global_step, state.max_steps)
            ahead = deque(pool.submit(self.train_dataloader.batch, step) for step in steps[:1])
            for step in steps:
                if step + 1 in steps:
                    ahead.append(pool.submit(self.train_dataloader.batch, step + 1))
                metrics = self._learn(ahead.popleft().result())
                state.global_step = step + 1
                self._log(state, metrics)
                show(state.global_step, metrics["loss"])
                self._save(state)
                if self._control.should_training_stop:
                    break
        return self._metrics.last

    def _begin(self) -> int:
        """Take up the last step's figures and drop from the logs what came after; return that step."""
        step = int(self.resume_global_step)
        if step:
            found = read_json(saved_step_folder(self._out, step) / OUR_STATE)
            for name, each in self._kept.items():
                each.load_state_dict(found[name])
        state = TrainerState(global_step=step)
        for log in (self._metrics, self._alerts):
            log.on_train_begin(None, state, self._control)
        return step

    def _learn(self, batch: dict[str, Any]) -> Mapping[str, Any]:
        """Return the step's metrics as verl has them."""
        began = time.perf_counter()
        step = step_data(batch, self._settings, self.train_dataset.model.pad_id)
        metrics: Mapping[str, Any] = tu.get(self.training_client.train_batch(step).get(), "metrics")
        self._sums.add(metrics, time.perf_counter() - began)
        return metrics

    def _log(self, state: TrainerState, metrics: Mapping[str, Any]) -> None:
        """Write a line where TRL's path does, and look for alerts."""
        if state.global_step > 1 and state.global_step % LOGGING_STEPS:
            return
        logs = self._sums.line() | {
            "grad_norm": metrics["grad_norm"],
            "learning_rate": metrics["lr"],
            "epoch": state.global_step / len(self.train_dataloader),
        }
        for log in (self._metrics, self._alerts):
            log.on_log(None, state, self._control, logs)

    # Checkpoints

    def _save(self, state: TrainerState) -> None:
        """Save verl's state, and beside it what our figures and alerts remember, where one is due."""
        step = state.global_step
        ends = step == state.max_steps or self._control.should_training_stop
        if step % self.save_freq and not ends:
            return
        folder = saved_step_folder(self._out, step)
        rmtree(folder, ignore_errors=True)  # cut short by a kill
        folder.mkdir(parents=True)
        write_json(folder / OUR_STATE, {name: each.state_dict() for name, each in self._kept.items()})
        self.ckpt_handler.save_checkpoint(step)
        remove_older_steps(self._out, self._settings.save_total_limit)

    @property
    def _kept(self) -> Mapping[str, Any]:
        return {"metrics": self._metrics, "alerts": self._alerts, "sums": self._sums}


def step_data(batch: dict[str, Any], config: SftConfig, pad_id: int) -> TensorDict:
    """Return a step's rows with what verl and `SessionEngine` must know of them."""
    on_device = config.per_device_train_batch_size
    settings = {
        "use_dynamic_bsz": False,
        "micro_batch_size_per_gpu": on_device,
        "pad_id": pad_id,
        "pass_tokens": session_tokens(config) * on_device,
        "update_lr_scheduler": True,
    }
    data = tu.get_tensordict(batch, settings)
    tu.assign_non_tensor(data, global_token_num=NonTensorData(batch["input_ids"].offsets().diff().tolist()))
    return data


def worker_config(config: Any) -> TrainingWorkerConfig:
    """Return what a worker is made with, from the run's whole configuration."""
    parts = ("model", "engine", "optim", "checkpoint", "profiler")
    model, engine, optim, checkpoint, profiler = (omega_conf_to_dataclass(config[part]) for part in parts)
    optim.total_training_steps = config.trainer.total_training_steps
    return TrainingWorkerConfig(
        model_type=MODEL_TYPE,
        model_config=model,
        engine_config=engine,
        optimizer_config=optim,
        checkpoint_config=checkpoint,
        profiler_config=profiler,
    )
