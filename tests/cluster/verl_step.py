"""One of verl's workers in this process, without Ray: for tests of what it computes.

`torchrun -m tests.cluster.verl_step FOLDER` takes the step of `same_step` with a worker in each process, two
of which share each sequence, and writes what comes out.
"""

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

os.environ["VERL_USE_EXTERNAL_MODULES"] = "shop_r1.training.cluster.platform"  # before verl is imported

import torch
import torch.distributed as dist
from tensordict import TensorDict
from tests.cluster import same_step
from torch import Tensor
from verl.utils import tensordict_utils as tu
from verl.workers.utils.padding import response_from_nested

from shop_r1.datasets.examples import renderer
from shop_r1.models.checkpoint import BASE_CHECKPOINT, LocalModel, load_model
from shop_r1.training.cluster.driver import compose
from shop_r1.training.cluster.engine import MEASURE
from shop_r1.training.cluster.grpo.trainer import OneProcess
from shop_r1.training.cluster.overrides import RunFiles, verl_overrides
from shop_r1.training.cluster.workers import CpuWorker
from shop_r1.training.grpo.scorer import score_step
from shop_r1.training.grpo.step_advantages import StepAdvantages
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
    os.environ |= {name: value for name, value in _ALONE.items() if name not in os.environ}
    made = CpuWorker(whole.actor_rollout_ref, role=role)
    try:
        made.init_model()
        yield made
    finally:
        dist.destroy_process_group()


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


def pairs_of(model: LocalModel) -> list[tuple[list[int], list[int]]]:
    """Return the prompts of `same_step`, each with all completions."""
    render = renderer(model, same_step.settings().prompt)
    return [
        (render(example).ids, model.completion_ids(text))
        for example in same_step.examples()
        for text in same_step.COMPLETIONS
    ]


def measure(made: Any, pairs: Sequence[tuple[list[int], list[int]]]) -> dict[str, list[Tensor]]:
    """Return (C,) of each completion: log probability, entropy, certainty; nothing on a rank not asked."""
    data = assign(
        batch(pairs),
        temperature=same_step.settings().temperature,
        calculate_entropy=True,
        compute_loss=False,
        **{MEASURE: "kl_uniform_model"},
    )
    found = made.compute_log_prob(data)
    if found is None:
        return {}
    mask = data["response_mask"]
    names = [name for name in ("log_probs", "entropy", "certainty") if name in found]
    return {name: list(response_from_nested(found[name], mask).unbind()) for name in names}


def step_of_verl(config: GrpoConfig, out: Path) -> dict[str, Any]:
    """Return what the step of `same_step` comes to, on the rank that says it; on others, some of it.

    Where there are several ranks, each runs this, with its own groups of the step.
    """
    local = load_model("base")
    every = pairs_of(local)
    with worker(config, BASE_CHECKPOINT, out) as made:
        engine = made.actor.engine
        mine = len(every) // engine.get_data_parallel_size()
        own = slice(engine.get_data_parallel_rank() * mine, (engine.get_data_parallel_rank() + 1) * mine)
        pairs = every[own]
        reference = _tell(measure(made, pairs), engine.ulysses_parallel_group)
        same_step.move_away(engine.module)
        policy = _tell(measure(made, pairs), engine.ulysses_parallel_group)
        completions = score_step(
            local,
            [example for example in same_step.examples() for _ in same_step.COMPLETIONS],
            [ids for _, ids in every],
            _join(policy["certainty"], engine.get_data_parallel_group()),
            config.reward,
        )
        advantages = StepAdvantages(config, OneProcess()).compute(completions, ["click"]).float()
        spread = [
            torch.full((len(ids),), value)
            for (_, ids), value in zip(pairs, advantages.tolist()[own], strict=True)
        ]
        data = assign(
            batch(
                pairs,
                old_log_probs=nested(policy["log_probs"]),
                ref_log_prob=nested(reference["log_probs"]),
                advantages=nested(spread),
            ),
            temperature=config.temperature,
            global_batch_size=len(every),
            mini_batch_size=len(every),
            epochs=1,
            seed=0,
            calculate_entropy=False,
            dataloader_kwargs={"shuffle": False},
        )
        updated = made.update_actor(data)
    metrics = {} if updated is None else updated["metrics"]
    return {
        "rewards": [each.reward.total for each in completions],
        "advantages": advantages.tolist(),
        **{name: metrics[name][0] for name in ("loss", "grad_norm") if name in metrics},
    }


def _tell(found: dict[str, list[Tensor]], group: Any) -> dict[str, list[Tensor]]:
    """Return what the group's first rank has found; verl asks no other."""
    told = [found]
    if group is not None:
        dist.broadcast_object_list(told, group=group, group_src=0)
    return told[0]


def _join(rows: list[Tensor], group: Any) -> list[Tensor]:
    """Return the rows of all ranks of the group, in order."""
    joined: list[list[Tensor]] = [[]] * group.size()
    dist.all_gather_object(joined, rows, group=group)
    return [row for each in joined for row in each]


def assign(data: TensorDict, **values: Any) -> TensorDict:
    """Return the batch with verl's settings of one call."""
    tu.assign_non_tensor(data, **values)
    return data


if __name__ == "__main__":
    ranks = int(os.environ["WORLD_SIZE"])
    found = step_of_verl(same_step.settings(sequence_parallel=2, devices=ranks), Path(sys.argv[1]))
    if os.environ["RANK"] == "0":
        Path(sys.argv[1], "step.json").write_text(json.dumps(found))
