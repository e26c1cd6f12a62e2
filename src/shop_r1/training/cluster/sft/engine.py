"""verl's FSDP engine for sessions: a micro-batch's trees in as many passes as memory was planned for.

It does what `training.sft.TreeSftTrainer` does in TRL's path, by the same functions.
"""

from collections.abc import Callable
from contextlib import nullcontext
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from verl.utils import tensordict_utils as tu
from verl.utils.device import get_device_id, get_device_name
from verl.workers.engine import EngineRegistry

from shop_r1.models.prefix_tree import Tree, pack_trees
from shop_r1.models.scoring import score_tokens
from shop_r1.training.cluster.engine import CpuTreeEngine, GpuTreeEngine, TreeEngine
from shop_r1.training.cluster.sft.sessions import unpack_row
from shop_r1.training.session_trees import IDLE, measure_pass, negative_log_likelihood, plan_passes

MODEL_TYPE = "session_trees"
"""Under which verl's registry has the engine."""
FIGURES = ("right", "entropy", "learnt", "tokens")
"""Sums over a micro-batch, beside its loss: right tokens, entropy, tokens learnt, tokens run."""


class SessionEngine(TreeEngine):
    """Learns from rows of `SessionTrees`; the batch says `pad_id` and the tokens of a pass, `pass_tokens`."""

    def __init__(self, model_config: Any, *args: Any, **kwargs: Any) -> None:
        model_config.model_type = "language_model"  # which verl loads; ours is only this class's name
        super().__init__(model_config, *args, **kwargs)

    def forward_step(
        self, micro_batch: Any, loss_function: Callable[..., Any] | None, forward_only: bool
    ) -> tuple[Tensor, dict[str, Any]]:
        """Return the last pass's loss and the whole's figures; gradients of the passes before are added.

        Processes do equally many passes: with sharded weights they must run the model equally often.
        """
        passes = plan_passes(trees_of(micro_batch), tu.get_non_tensor_data(micro_batch, "pass_tokens", None))
        most = self._most(len(passes))
        loss, total = torch.zeros(()), 0.0
        figures = torch.zeros(len(FIGURES))
        for number in range(most):
            trees = passes[number] if number < len(passes) else []
            loss, found = self._run_pass(trees, micro_batch, loss_function)
            total, figures = total + loss.item(), figures + found
            if number < most - 1 and not forward_only:
                loss.backward()
        metrics = dict(zip(FIGURES, figures.tolist(), strict=True))
        return loss, {"model_output": {}, "loss": total, "metrics": metrics}

    def _run_pass(
        self, trees: list[Tree], micro_batch: Any, loss_function: Callable[..., Any] | None
    ) -> tuple[Tensor, Tensor]:
        """Return what a pass adds to the step's loss, and (4,) its figures; without trees it adds nothing."""
        pad_id = tu.get_non_tensor_data(micro_batch, "pad_id", None)
        batch = pack_trees(trees or [IDLE], pad_id).to(torch.device(get_device_id()))
        dtype = self._autocast_dtype
        plain = dtype == torch.float32
        with nullcontext() if plain else torch.autocast(device_type=get_device_name(), dtype=dtype):
            scores = self.module(
                redirect_to=partial(score_tokens, batch=batch, sequence_group=self.ulysses_parallel_group)
            )
        if not trees or loss_function is None:
            return scores.log_probs.sum() * 0, torch.zeros(len(FIGURES))
        summed = negative_log_likelihood(batch, scores)
        return loss_function(summed, micro_batch), measure_pass(batch, scores).cpu()

    def _most(self, mine: int) -> int:
        """Return how many passes the process with the most has; at least one."""
        count = torch.tensor([max(mine, 1)], device=get_device_name())
        dist.all_reduce(count, dist.ReduceOp.MAX, group=self.get_data_parallel_group())
        return int(count)


def mean_over_tokens(summed: Tensor, micro_batch: Any) -> Tensor:
    """Return a pass's share of the mean over the step's completion tokens, of all devices.

    verl averages the devices' gradients, so each one's share is multiplied by their number, as in verl's own
    `sft_loss`.
    """
    mean: Tensor = summed / micro_batch["batch_num_tokens"] * micro_batch["dp_size"]
    return mean


def trees_of(micro_batch: Any) -> list[Tree]:
    """Return the trees of all rows."""
    columns = {name: micro_batch[name].unbind() for name in ("input_ids", "layout", "weights")}
    rows = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return [tree for row in rows for tree in unpack_row(row)]


@EngineRegistry.register(model_type=MODEL_TYPE, backend=["fsdp2"], device=["cpu"])
class CpuSessionEngine(SessionEngine, CpuTreeEngine):
    """The same without a GPU."""


@EngineRegistry.register(model_type=MODEL_TYPE, backend=["fsdp2"], device=["cuda"], vendor=["nvidia"])
class GpuSessionEngine(SessionEngine, GpuTreeEngine):
    """The same on GPUs."""
