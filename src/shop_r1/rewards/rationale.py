"""Self-certainty of sampled replies, over exactly their rationales' tokens (paper, Eq. 3)."""

from collections.abc import Sequence

import torch

from shop_r1.actions import ActionSpace
from shop_r1.llm.local import LocalModel, hidden_states, project, token_offsets
from shop_r1.llm.tree import Tree, pack_trees
from shop_r1.prompts.parse import ParseFailure, parse_response
from shop_r1.rewards.certainty import rationale_token_mask, token_certainty
from shop_r1.rewards.total import CertaintyDirection


@torch.no_grad()
def measure_certainty(
    model: LocalModel, trees: Sequence[Tree], space: ActionSpace, direction: CertaintyDirection
) -> list[float | None]:
    """Return each reply's mean self-certainty in nats per token, by tree and branch, from one scoring pass.

    The distributions are the model's own, untempered. None stands where a reply has no rationale: it is out
    of format, or the rationale is empty.
    """
    masks = [_rationale_mask(model, branch.reply, space) for tree in trees for branch in tree.branches]
    batch = pack_trees(trees, model.pad_id).to(model.model.device)
    chosen = torch.tensor(
        [flag for mask in masks for flag in mask], dtype=torch.bool, device=batch.owners.device
    )
    if not chosen.any():
        return [None] * len(masks)
    logits = project(model.model, hidden_states(model.model, batch)[batch.predictors[chosen]])
    certainty = token_certainty(logits, direction)
    owners = batch.owners[chosen]
    sums = torch.zeros(len(masks), device=owners.device).index_add(0, owners, certainty)
    counts = torch.bincount(owners, minlength=len(masks))
    means = (sums / counts.clamp(min=1)).tolist()
    return [mean if count else None for mean, count in zip(means, counts.tolist(), strict=True)]


def _rationale_mask(model: LocalModel, reply: Sequence[int], space: ActionSpace) -> list[bool]:
    parsed = parse_response(model.decode(reply), space)
    if isinstance(parsed, ParseFailure):
        return [False] * len(reply)
    return rationale_token_mask(token_offsets(model.tokenizer, reply), parsed.rationale_span)
