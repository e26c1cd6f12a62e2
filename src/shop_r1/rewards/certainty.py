"""Self-certainty: how far the model's next-token distributions are from uniform (paper, Eq. 3).

Departure: Eq. 3 as printed is KL(p || U) divided once more by the vocabulary's size. The default here is
KL(U || p), which the works it cites define and which alone fits the paper's Figure 1; docs/rewards.md has the
arithmetic. Dimension letters: T completion tokens, V vocabulary.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from shop_r1.models.checkpoint import LocalModel, token_offsets
from shop_r1.prompts.parse import ParseFailure, Response
from shop_r1.rewards.total import CertaintyDirection


def self_certainty(
    model: LocalModel, completion: Sequence[int], certainty: Tensor | None, response: Response | ParseFailure
) -> float | None:
    """Return the mean certainty over exactly the rationale's tokens, in nats per token (paper, Eq. 3).

    None stands where there is nothing to average: the completion is out of format, its rationale is empty,
    or the certainty was not measured. The completion is (T,) token ids of the model's tokenizer, `response`
    what it was parsed to; the certainty is (T,) `token_certainty` of the untempered distributions that the
    tokens were drawn from.
    """
    if isinstance(response, ParseFailure) or certainty is None:
        return None
    mask = rationale_token_mask(token_offsets(model.tokenizer, completion), response.rationale_span)
    return certainty[torch.tensor(mask)].mean().item() if any(mask) else None


def token_certainty(logits: Tensor, direction: CertaintyDirection = "kl_uniform_model") -> Tensor:
    """Return (...) divergences between each next-token distribution p and the uniform U, in nats.

    Logits are (..., V), of any float type; computed in float32. `kl_uniform_model` is KL(U || p), in
    [0, inf), infinite where a logit is -inf; `kl_model_uniform` is KL(p || U), in [0, log V].
    """
    z, log_size = logits.float(), math.log(logits.shape[-1])
    if direction == "kl_uniform_model":
        # KL(U || p) = -log V - mean(log p), and log p = z - logsumexp(z).
        divergence = torch.logsumexp(z, -1) - z.mean(-1) - log_size
    else:
        divergence = log_size - torch.special.entr(torch.softmax(z, -1)).sum(-1)
    return divergence.clamp_min(0.0)  # rounding can leave it just below 0


def rationale_token_mask(offsets: Sequence[tuple[int, int]], span: tuple[int, int]) -> list[bool]:
    """Return for each token of a completion whether it holds any of the rationale's characters.

    Offsets are the (first, last + 1) characters of each token, as a fast tokenizer gives them; special tokens
    have none and count as outside. The span is `Response.rationale_span`.

    >>> rationale_token_mask([(0, 1), (1, 4), (4, 9), (0, 0)], (3, 5))
    [False, True, True, False]
    """
    first, last = span
    return [max(start, first) < min(end, last) for start, end in offsets]
