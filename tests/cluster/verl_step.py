"""One of verl's workers in this process, without Ray: for tests of what it computes."""

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ["VERL_USE_EXTERNAL_MODULES"] = "shop_r1.training.cluster.platform"  # before verl is imported

import torch
from tensordict import TensorDict
from torch import Tensor
from verl.utils import tensordict_utils as tu

from shop_r1.training.cluster.driver import compose
from shop_r1.training.cluster.overrides import RunFiles, verl_overrides
from shop_r1.training.cluster.workers import CpuWorker
from shop_r1.training.settings import GrpoConfig

_ALONE = {
    "RANK": "0",
    "WORLD_SIZE": "1",
    "LOCAL_RANK": "0",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29533",
}


@contextmanager
def worker(config: GrpoConfig, model: Path, out: Path, role: str = "actor") -> Iterator[Any]:
    """Yield a worker whose model is loaded."""
    files = RunFiles(out, out / "sessions.jsonl", out / "examples.jsonl", model)
    whole = compose(verl_overrides(config, files, "cpu", resume=False))
    whole.actor_rollout_ref.actor.optim.total_training_steps = config.max_steps
    os.environ.update(_ALONE)
    made = CpuWorker(whole.actor_rollout_ref, role=role)
    try:
        made.init_model()
        yield made
    finally:
        torch.distributed.destroy_process_group()


def nested(rows: Sequence[Tensor]) -> Tensor:
    """Return rows of different lengths as verl keeps them."""
    return torch.nested.as_nested_tensor(list(rows), layout=torch.jagged)


def batch(pairs: Sequence[tuple[Sequence[int], Sequence[int]]], **more: Tensor) -> TensorDict:
    """Return (prompt, completion) pairs as verl hands them to its workers."""
    whole = [torch.tensor([*prompt, *completion]) for prompt, completion in pairs]
    replies = [torch.ones(len(completion), dtype=torch.int64) for _, completion in pairs]
    fields = {
        "prompts": nested([torch.tensor(prompt) for prompt, _ in pairs]),
        "responses": nested([torch.tensor(completion) for _, completion in pairs]),
        "input_ids": nested(whole),
        "position_ids": nested([torch.arange(len(ids)) for ids in whole]),
        "response_mask": nested(replies),
        "loss_mask": nested(replies),
    }
    return TensorDict(fields | more, batch_size=len(pairs))


def assign(data: TensorDict, **values: Any) -> TensorDict:
    """Return the batch with verl's settings of one call."""
    tu.assign_non_tensor(data, **values)
    return data
