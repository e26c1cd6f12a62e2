"""Self-certainty of sampled replies, over exactly their rationales' tokens (paper, Eq. 3)."""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor

from shop_r1.actions import ActionSpace
from shop_r1.llm.local import LocalModel, score_trees, token_offsets
from shop_r1.llm.tree import Tree
from shop_r1.prompts.parse import ParseFailure, parse_response
from shop_r1.rewards.certainty import rationale_token_mask, token_certainty
from shop_r1.rewards.total import CertaintyDirection


def measure_certainty(
    model: LocalModel, trees: Sequence[Tree], space: ActionSpace, direction: CertaintyDirection
) -> list[float | None]:
    """Return each reply's mean self-certainty in nats per token, by tree and branch, from one scoring pass.

    The distributions are the model's own, untempered. None stands where a reply has no rationale: it is out
    of format, or the rationale is empty.
    """
    with torch.no_grad():
        scores = score_trees(
            model.model, trees, model.pad_id, measure=partial(token_certainty, direction=direction)
        )
    replies = [branch.reply for tree in trees for branch in tree.branches]
    return [
        rationale_certainty(model, reply, score.measured, space)
        for reply, score in zip(replies, scores, strict=True)
    ]


def rationale_certainty(
    model: LocalModel, reply: Sequence[int], certainty: Tensor | None, space: ActionSpace
) -> float | None:
    """Return the mean of a reply's per-token certainties over exactly its rationale's tokens.

    Args:
        model: whose tokenizer wrote the reply.
        reply: token ids.
        certainty: (len(reply),) nats.
        space: the action space.
    """
    parsed = parse_response(model.decode(reply), space)
    if isinstance(parsed, ParseFailure) or certainty is None:
        return None
    mask = rationale_token_mask(token_offsets(model.tokenizer, reply), parsed.rationale_span)
    return certainty[torch.tensor(mask)].mean().item() if any(mask) else None
