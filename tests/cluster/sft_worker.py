"""The runs of `same_sft` by one of verl's workers, without Ray."""

import json
import os
from collections.abc import Callable, Mapping
from itertools import count
from pathlib import Path
from typing import Any

os.environ["VERL_USE_EXTERNAL_MODULES"] = "shop_r1.training.cluster.platform"  # before verl is imported

import torch
from omegaconf import OmegaConf
from tests.cluster import same_sft
from verl.utils import tensordict_utils as tu

from shop_r1.datasets.session_files import write_sessions
from shop_r1.models.checkpoint import BASE_CHECKPOINT, load_model
from shop_r1.training.cluster.driver import compose
from shop_r1.training.cluster.sft.batches import SessionBatches
from shop_r1.training.cluster.sft.engine import mean_over_tokens
from shop_r1.training.cluster.sft.overrides import SftFiles, sft_overrides
from shop_r1.training.cluster.sft.sessions import SessionTrees
from shop_r1.training.cluster.sft.trainer import step_data, worker_config
from shop_r1.training.cluster.sft.workers import CpuSessionWorker
from shop_r1.training.session_trees import check_sessions
from shop_r1.training.settings import SftConfig

Metrics = Mapping[str, Any]
_COUNT = count()


def meet_in(folder: Path) -> None:
    """Let processes find each other by a file in the folder: there is no port that others may have taken."""
    os.environ["DIST_INIT_METHOD"] = f"file://{folder}/meeting_{next(_COUNT)}"


def run_worker(
    config: SftConfig,
    folder: Path,
    loss: Callable[..., Any] = mean_over_tokens,
    change: Callable[[Any], Any] = lambda data: data,
) -> list[Metrics]:
    """Return verl's metrics of each step; `change` makes of a step's rows what `loss` wants."""
    meet_in(folder)
    data = folder / f"sessions_{os.environ['RANK']}.jsonl"
    write_sessions(data, same_sft.sessions())
    known = check_sessions(same_sft.sessions(), config.type_ratio)
    files = SftFiles(folder, data, BASE_CHECKPOINT)
    whole = compose(sft_overrides(config, files, known, "cpu", resume=False), "sft_trainer_engine")
    OmegaConf.resolve(whole)
    local = load_model("base")
    batches = SessionBatches(SessionTrees(whole.data.train_files, local.tokenizer, whole.data), config)
    worker = CpuSessionWorker(worker_config(whole))
    try:
        worker.set_loss_fn(loss)
        worker.reset()
        found: list[Metrics] = []
        for step in range(config.max_steps):
            rows = change(step_data(batches.batch(step), config, local.pad_id))
            each = tu.chunk_tensordict(rows, config.cluster.data_parallel)
            output = worker.train_batch(each[worker.engine.get_data_parallel_rank()])
            found.append({} if output is None else dict(tu.get(output, "metrics")))
        return found
    finally:
        torch.distributed.destroy_process_group()


SPREADS: Mapping[str, Mapping[str, Any]] = {
    "sharded": {"gradient_accumulation_steps": 1, "cluster": {"devices_per_node": 2}},
    "split": {"cluster": {"devices_per_node": 2, "sequence_parallel": 2}},
}
"""How two processes share the run: each has sessions of its own, or a half of each."""


def main(folder: Path) -> None:
    """Do the run in each way as one of two processes; the first writes all metrics to `metrics.json`."""
    found = {way: run_worker(same_sft.settings(**spread), folder) for way, spread in SPREADS.items()}
    if os.environ["RANK"] == "0":
        (folder / "metrics.json").write_text(json.dumps(found), "utf-8")
