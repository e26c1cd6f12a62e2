"""Self-certainty of sampled completions, over exactly their rationales' tokens (paper, Eq. 3)."""

from collections.abc import Sequence

import torch
from torch import Tensor

from shop_r1.models.checkpoint import LocalModel, token_offsets
from shop_r1.prompts.parse import ParseFailure, parse_response
from shop_r1.records.actions import ActionSpace
from shop_r1.rewards.certainty import rationale_token_mask


def rationale_certainty(
    model: LocalModel, completion: Sequence[int], certainty: Tensor | None, space: ActionSpace
) -> float | None:
    """Return the mean of a completion's per-token certainties over exactly its rationale's tokens.

    None stands where a completion has no rationale: it is out of format, or the rationale is empty.

    Args:
        model: whose tokenizer wrote the completion.
        completion: token ids.
        certainty: (len(completion),) nats, of the model's own distributions, untempered; None: not measured.
        space: the action space.
    """
    parsed = parse_response(model.decode(completion), space)
    if isinstance(parsed, ParseFailure) or certainty is None:
        return None
    mask = rationale_token_mask(token_offsets(model.tokenizer, completion), parsed.rationale_span)
    return certainty[torch.tensor(mask)].mean().item() if any(mask) else None
