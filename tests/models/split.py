"""Scoring passes of one process, and the same split between several by `models.sequence_parallel`.

`python -m tests.models.split FOLDER` runs every case in four processes and writes what they find.
"""

import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
from tests.tiny import tiny_gemma3, tiny_llama, tiny_qwen2
from torch import Tensor
from torch.distributed import ProcessGroup
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.multiprocessing.spawn import start_processes

from shop_r1.models import scoring
from shop_r1.models.prefix_tree import TreeBatch, grow_tree, pack_trees
from shop_r1.models.scoring import add_forward_redirection, score_pairs, score_tokens
from shop_r1.rewards.certainty import token_certainty

WORLD = 4
VOCABULARY = 23
PROMPT = [5, 1, 2, 9, 9, 7, 3, 11, 4, 6, 13]
REPLIES = [[7, 8, 3], [9], [12, 2, 2, 18], [1, 22, 5]]
LATER = [*PROMPT[:6], 20, 21]  # leaves the others early
SESSION = [PROMPT[:4], PROMPT[:7], LATER, PROMPT]
OTHER = [[3, 3, 8], [3, 3, 8, 17, 2]]


def group_tree() -> TreeBatch:
    """Return a group of GRPO: 11 tokens shared, 11 of completions; odd, and an odd number of columns."""
    return pack_trees([grow_tree([PROMPT] * 4, REPLIES)], 0)


def session_trees() -> TreeBatch:
    """Return two sessions of SFT, of which one is padded."""
    return pack_trees([grow_tree(SESSION, REPLIES), grow_tree(OTHER, REPLIES[:2])], 0)


@dataclass(frozen=True)
class Case:
    """A model, what it scores, and between how many processes that is split."""

    ranks: int
    model: Callable[[], Any]
    batch: Callable[[], TreeBatch] = group_tree
    sharded: bool = False
    """Whether FSDP2 shards the weights between the same processes."""
    checkpointed: bool = False
    """Whether activations are computed again for the gradients, logits a piece at a time too."""


def qwen2(kv_heads: int) -> Callable[[], Any]:
    """Return what makes a model with 4 heads of queries, and so many of keys."""
    return partial(tiny_qwen2, vocabulary=VOCABULARY, num_key_value_heads=kv_heads)


CASES: Mapping[str, Case] = {
    "a group, 2 heads of keys": Case(2, qwen2(2)),
    "a group, 1 head of keys": Case(2, qwen2(1)),
    "a group, 4 ranks, 2 heads of keys": Case(4, qwen2(2)),
    "a group, 4 ranks, 4 heads of keys": Case(4, qwen2(4)),
    "sessions, 2 heads of keys": Case(2, qwen2(2), session_trees),
    "sessions, 4 ranks, 1 head of keys": Case(4, qwen2(1), session_trees),
    "sessions, checkpointed": Case(2, qwen2(2), session_trees, checkpointed=True),
    "sessions, sharded": Case(4, qwen2(2), session_trees, sharded=True),
    "sessions, sharded, checkpointed": Case(4, qwen2(2), session_trees, sharded=True, checkpointed=True),
    "a group, Llama": Case(2, partial(tiny_llama, vocab_size=VOCABULARY)),
    "a group, Gemma": Case(2, partial(tiny_gemma3, vocab_size=VOCABULARY)),
}


@dataclass(frozen=True)
class Found:
    """What a pass comes to."""

    loss: Tensor
    scores: Mapping[str, Tensor]
    gradients: Mapping[str, Tensor] = field(default_factory=dict)
    """Of every weight; the mean over the processes."""


def run(case: Case, group: ProcessGroup | None = None) -> Found:
    """Return the case's loss, scores and gradients, split between the group's processes or whole."""
    model, batch = case.model().train(), case.batch()
    add_forward_redirection(model)
    if case.checkpointed:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    if case.sharded and group is not None:
        mesh = init_device_mesh("cpu", (group.size(),))
        for layer in model.model.layers:
            fully_shard(layer, mesh=mesh)
        fully_shard(model, mesh=mesh)
    score = partial(score_tokens, batch=batch, temperature=0.7, measure=token_certainty, sequence_group=group)
    scores = model(redirect_to=score)
    loss = make_loss(scores.log_probs, batch)
    loss.backward()
    return Found(loss.detach(), detached(scores), gradients(model, group))


def make_loss(log_probs: Tensor, batch: TreeBatch) -> Tensor:
    """Return a loss with another weight for each token, of which some are negative, as advantages are."""
    return (
        log_probs.exp() * torch.cos(torch.arange(len(log_probs)) + batch.owners)
    ).mean() - log_probs.mean()


def detached(scores: scoring.TokenScores) -> Mapping[str, Tensor]:
    """Return the scores by name, without their graph."""
    return {name: values.detach().clone() for name, values in scores._asdict().items()}


def gradients(model: Any, group: ProcessGroup | None) -> Mapping[str, Tensor]:
    """Return every weight's gradient: the mean over the group's processes, which FSDP takes by itself."""
    found = {}
    for name, weight in model.named_parameters():
        gradient = weight.grad
        if hasattr(gradient, "full_tensor"):
            gradient = gradient.full_tensor()
        elif group is not None:
            dist.all_reduce(gradient, group=group)
            gradient /= group.size()
        found[name] = gradient.clone()
    return found


def run_pairs(group: ProcessGroup | None = None) -> list[Mapping[str, Tensor]]:
    """Return the scores of pairs that make two trees, run one after the other."""
    model = qwen2(2)()
    add_forward_redirection(model)
    pairs = [(PROMPT, REPLIES[0]), (OTHER[0], REPLIES[1]), (PROMPT, REPLIES[2])]
    with torch.no_grad():
        found = score_pairs(model, pairs, 0, measure=token_certainty, batch_tokens=1, sequence_group=group)
    return [detached(each) for each in found]


def work(rank: int, folder: Path) -> None:
    """Run every case in one of the processes; the first one writes what came out."""
    torch.set_num_threads(1)
    scoring.HEAD_LOGITS = 3 * VOCABULARY  # three tokens at once
    dist.init_process_group("gloo", init_method=f"file://{folder / 'meet'}", rank=rank, world_size=WORLD)
    groups = {ranks: dist.new_subgroups(ranks)[0] for ranks in (2, WORLD)}
    found = {name: vars(run(case, groups[case.ranks])) for name, case in CASES.items()}
    pairs = run_pairs(groups[2])
    if rank == 0:
        torch.save((found, pairs), folder / "found.pt")
    dist.barrier()
    dist.destroy_process_group()


if __name__ == "__main__":  # one process imports everything, the four are forked from it
    folder = Path(sys.argv[1])
    start_processes(work, (folder,), nprocs=WORLD, start_method="fork")
