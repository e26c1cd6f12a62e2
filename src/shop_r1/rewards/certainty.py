"""Self-certainty: how far the model's next-token distributions are from uniform (paper, Eq. 3).

Departure: Eq. 3 as printed is KL(p || U) divided once more by the vocabulary's size. The default here is
KL(U || p), which the works it cites define and which alone fits the paper's Figure 1; docs/rewards.md has the
arithmetic. Dimension letters: B batch, T tokens, V vocabulary.
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from shop_r1.rewards.total import CertaintyDirection


def token_certainty(logits: Tensor, direction: CertaintyDirection = "kl_uniform_model") -> Tensor:
    """Return each position's divergence between its next-token distribution p and the uniform U, in nats.

    Args:
        logits: (..., V), any float type; computed in float32.
        direction: `kl_uniform_model` is KL(U || p), in [0, inf), infinite where a logit is -inf;
            `kl_model_uniform` is KL(p || U), in [0, log V].

    Returns:
        (...), float32.
    """
    z = logits.float()
    if direction == "kl_uniform_model":
        return certainty_from_statistics(torch.logsumexp(z, -1), z.mean(-1), z.shape[-1])
    entropy: Tensor = torch.special.entr(torch.softmax(z, -1)).sum(-1)
    return (math.log(z.shape[-1]) - entropy).clamp_min(0.0)


def certainty_from_statistics(logsumexp: Tensor, mean_logit: Tensor, vocabulary_size: int) -> Tensor:
    """Return KL(U || p) in nats from what a scoring pass already has, without a pass over the vocabulary.

    Args:
        logsumexp: (...), of each position's logits; z_y - log p(y) for any scored token y.
        mean_logit: (...), of each position's logits; the hidden state times the LM head's mean row.
        vocabulary_size: V, the length of a logit vector.

    Returns:
        (...), float32, in [0, inf).
    """
    # KL(U || p) = -log V - mean(log p), and log p = z - logsumexp(z). Rounding can leave it just below 0.
    return (logsumexp.float() - mean_logit.float() - math.log(vocabulary_size)).clamp_min(0.0)


def self_certainty(
    logits: Tensor, mask: Tensor, direction: CertaintyDirection = "kl_uniform_model"
) -> Tensor:
    """Return how far each rationale's next-token distributions are from uniform, on average.

    Args:
        logits: (B, T, V), any float type; computed in float32. Position t holds the distribution from
            which token t was drawn, so the caller has shifted by one already.
        mask: (B, T), 1 on rationale tokens, 0 elsewhere.
        direction: which divergence, see `token_certainty`.

    Returns:
        (B,), float32, mean over the rationale's tokens in nats per token.

    Raises:
        ValueError: a row of `mask` is all zero; the message names the rows.

    Source: paper, Eq. 3.
    Departure: KL(U || p) by default and never divided again by V, see docs/rewards.md.
    """
    return mean_certainty(token_certainty(logits, direction), mask)


def mean_certainty(certainty: Tensor, mask: Tensor) -> Tensor:
    """Return the masked mean of per-token certainties.

    Args:
        certainty: (B, T), nats.
        mask: (B, T), 1 on rationale tokens, 0 elsewhere.

    Returns:
        (B,), nats per token.

    Raises:
        ValueError: a row of `mask` is all zero; the message names the rows.
    """
    chosen = mask.bool()
    counts = chosen.sum(-1)
    if not bool((counts > 0).all()):
        rows = ", ".join(str(row) for row in (counts == 0).nonzero().flatten().tolist())
        raise ValueError(
            f"mask rows {rows} are all zero; a self-certainty needs at least one rationale token"
        )
    # where, not a product: what stands outside the mask may be infinite or no number at all.
    return torch.where(chosen, certainty, torch.zeros_like(certainty)).sum(-1) / counts


def rationale_token_mask(offsets: Sequence[tuple[int, int]], span: tuple[int, int]) -> list[bool]:
    """Return for each token of a completion whether it holds any of the rationale's characters.

    Args:
        offsets: (first, last + 1) characters of each token in the completion, as a fast tokenizer gives them;
            special tokens have none and count as outside.
        span: `Response.rationale_span`.

    >>> rationale_token_mask([(0, 1), (1, 4), (4, 9), (0, 0)], (3, 5))
    [False, True, True, False]
    """
    first, last = span
    return [max(start, first) < min(end, last) for start, end in offsets]
