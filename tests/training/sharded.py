"""Scoring and sampling with a model sharded by plain torch FSDP2 over gloo, beside the whole model.

For `torchrun`: `-m tests.training.sharded`; exits with an AssertionError where the two differ.
"""

import copy
import os
from functools import partial
from typing import Any

import torch
import torch.distributed as dist
from tests.tiny import tiny_qwen2
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor

from shop_r1.models.prefix_tree import grow_tree, pack_trees
from shop_r1.models.sampling import Sampling, sample_completions
from shop_r1.models.scoring import add_forward_redirection, score_pairs, score_tokens
from shop_r1.training.session_trees import IDLE

PROMPTS = [[5, 1, 2, 9, 9, 7, 3], [6, 1, 2, 3, 4]]
COMPLETIONS = [[7, 8, 3], [9]]


def main() -> None:
    """Compare each rank's own batch, and the gradients of both ranks' together."""
    dist.init_process_group("gloo")
    rank = dist.get_rank()
    whole = tiny_qwen2(vocabulary=23).train()
    sharded = copy.deepcopy(whole)
    for model in (whole, sharded):
        add_forward_redirection(model)
    mesh = init_device_mesh("cpu", (dist.get_world_size(),))
    for layer in sharded.model.layers:
        fully_shard(layer, mesh=mesh)
    fully_shard(sharded, mesh=mesh)
    compare_gradients(whole, sharded, rank)
    compare_passes(whole, sharded, rank)
    compare_samples(whole, sharded, rank)
    dist.barrier()
    dist.destroy_process_group()


def learn(model: Any, rank: int) -> torch.Tensor:
    """Return the log probabilities of the rank's two groups, and leave their mean's gradient in the model.

    The second rank's groups have one prompt in common, and still take as many runs as the first one's.
    """
    pairs = [
        (PROMPTS[number], completion)
        for number in (rank, 1)
        for completion in (COMPLETIONS[rank], COMPLETIONS[rank][::-1])
    ]
    scores = score_pairs(model, pairs, 0, temperature=0.7, batch_tokens=1, group=2)
    log_probs = torch.cat([score.log_probs for score in scores])
    log_probs.mean().backward()
    return log_probs.detach()


def compare_gradients(whole: Any, sharded: Any, rank: int) -> None:
    """FSDP2 averages gradients over ranks, each with a batch of its own."""
    torch.testing.assert_close(learn(sharded, rank), learn(whole, rank), atol=1e-5, rtol=0)
    learn(whole, 1 - rank)
    for (name, weight), other in zip(whole.named_parameters(), sharded.parameters(), strict=True):
        assert isinstance(other.grad, DTensor), name
        torch.testing.assert_close(other.grad.full_tensor(), weight.grad / 2, atol=1e-5, rtol=0)


def compare_passes(whole: Any, sharded: Any, rank: int) -> None:
    """A rank with one pass does a second that teaches nothing, as in SFT, and all gradients are averaged."""
    trees = [grow_tree([prompt], [COMPLETIONS[0]]) for prompt in PROMPTS]
    passes = {0: [[trees[0]], [trees[1]]], 1: [[trees[1]], []]}
    for model, numbers in ((sharded, [rank]), (whole, [0, 1])):
        model.zero_grad()
        for each in (one for number in numbers for one in passes[number]):
            batch = pack_trees(each or [IDLE], 0)
            scores = model(redirect_to=partial(score_tokens, batch=batch))
            (scores.log_probs.sum() * bool(each)).backward()
    for (name, weight), other in zip(whole.named_parameters(), sharded.parameters(), strict=True):
        torch.testing.assert_close(other.grad.full_tensor(), weight.grad / 2, atol=1e-5, rtol=0, msg=name)


def compare_samples(whole: Any, sharded: Any, rank: int) -> None:
    """Ranks whose completions end at different times stay in step."""
    sampling = Sampling(temperature=1.0, max_new_tokens=8)
    draw = partial(
        sample_completions, trees=[grow_tree([PROMPTS[rank]] * 3)], sampling=sampling, end_ids=(9, 10, 11)
    )
    draw = partial(draw, pad_id=0, seeds=[rank, 5 + rank, 9 + rank])
    expected = [completion.ids for completion in draw(whole.eval())]
    found = sharded.eval()(redirect_to=partial(draw, synced_gpus=True))
    assert [completion.ids for completion in found] == expected


if __name__ == "__main__":
    main()
    os._exit(0)  # something of FSDP2 keeps gloo's threads, which can abort an ordinary end
