"""Score completion tokens in packed trees: log probability, entropy, and what else a distribution tells.

The language-model head runs at the tokens that predict a completion token and nowhere else, a piece of them
at a time; while training, a piece's logits are computed again for the gradients instead of being kept. So
memory follows the completion tokens, never context times vocabulary.

Dimension letters as in `models.prefix_tree`; H hidden size.
"""

import functools
import types
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.distributed import ProcessGroup
from torch.utils.checkpoint import checkpoint

from shop_r1.errors import ModelError
from shop_r1.models.attention import additive_mask, attention_dtype, use_tree_attention
from shop_r1.models.prefix_tree import TreeBatch, grow_tree, pack_trees
from shop_r1.models.sequence_parallel import gather_shares, own_columns, share_rows, share_targets

HEAD_LOGITS = 2**25
"""Logits that the head makes at once (ours): 128 MiB in float32, 220 tokens of Qwen2.5's vocabulary."""

Measure = Callable[[Tensor], Tensor]
"""From (N, V) untempered logits to (N,) some figure of each distribution; computed without gradients."""


class TokenScores(NamedTuple):
    """What a scoring pass says of completion tokens."""

    log_probs: Tensor
    """(N,) log probability of the token at the given temperature, in nats."""
    entropy: Tensor
    """(N,) entropy of the distribution it was drawn from, at the same temperature, in nats."""
    right: Tensor
    """(N,) whether the token is the likeliest."""
    measured: Tensor | None = None
    """(N,) what `measure` found; None without one."""


def hidden_states(model: Any, batch: TreeBatch, **kwargs: Any) -> Tensor:
    """Return (B * T, H), the last hidden state of every packed token.

    Raises:
        ModelError: the model's attention would not obey the trees' mask.
    """
    use_tree_attention(model)
    outputs = model.base_model(
        input_ids=batch.input_ids,
        position_ids=batch.position_ids,
        attention_mask=additive_mask(batch.branch_mask, attention_dtype(model)),
        **{"use_cache": False} | kwargs,
    )
    hidden: Tensor = outputs.last_hidden_state
    return hidden.flatten(0, 1)


def project(model: Any, hidden: Tensor) -> Tensor:
    """Return (N, V) float32 logits of (N, H) hidden states, with the model's own scaling of them."""
    config = model.config.get_text_config()
    logits: Tensor = model.get_output_embeddings()(hidden).float()
    for scale in ("logit_scale", "logits_scaling", "lm_head_multiplier", "output_multiplier"):
        if getattr(config, scale, None) not in (None, 1, 1.0):
            raise ModelError(f"models that scale their logits ({scale}) are not supported")
    cap = getattr(config, "final_logit_softcapping", None)
    return logits if cap is None else torch.tanh(logits / cap) * cap


def split_hidden_states(model: Any, batch: TreeBatch, group: ProcessGroup) -> Tensor:
    """Return (B, t, H), the last hidden states of this rank's columns (`models.sequence_parallel`).

    Raises:
        ModelError: as `hidden_states`; or attention cannot be split between so many ranks.
    """
    own = replace(
        batch,
        input_ids=own_columns(batch.input_ids, group),
        position_ids=own_columns(batch.position_ids, group),
    )
    hidden = hidden_states(model, own, sequence_group=group)
    return hidden.view(*own.input_ids.shape, -1)


def score_tokens(
    model: Any,
    batch: TreeBatch,
    temperature: float = 1.0,
    measure: Measure | None = None,
    sequence_group: ProcessGroup | None = None,
) -> TokenScores:
    """Return the view that a model without wrappers has of the batch's N completion tokens.

    The temperature divides the logits of log probabilities and entropy, not those of `right` and `measure`.
    Gradients flow where they are enabled.

    With a group, whose ranks call this together with the same batch and the same weights, each computes its
    share, and all return the whole. The mean of their gradients is that of the whole.
    """
    if sequence_group is None:
        hidden = hidden_states(model, batch)[batch.predictors]
        return _score_hidden(model, hidden, batch.targets, temperature, measure)
    hidden = split_hidden_states(model, batch, sequence_group)
    own = share_rows(hidden, batch.predictors, batch.input_ids.shape[1], sequence_group)
    targets = share_targets(batch.targets, sequence_group)
    scores = _score_hidden(model, own, targets, temperature, measure)
    return _gather_scores(scores, len(batch.targets), sequence_group)


def _gather_scores(scores: TokenScores, tokens: int, group: ProcessGroup) -> TokenScores:
    columns = [each.float() for each in scores if each is not None]
    whole = gather_shares(torch.stack(columns, dim=1), tokens, group)
    log_probs = whole[:, 0].clone()  # FSDP would lose its hook on a view that is changed in place
    entropy, right, *measured = whole.detach()[:, 1:].unbind(1)
    return TokenScores(log_probs, entropy, right > 0, measured[0] if measured else None)


def _score_hidden(
    model: Any, hidden: Tensor, targets: Tensor, temperature: float, measure: Measure | None
) -> TokenScores:
    """Return the scores of (N,) targets, each predicted by its row of (N, H) hidden states."""
    vocabulary = int(model.get_output_embeddings().weight.shape[0])
    rows = max(1, HEAD_LOGITS // vocabulary)
    score = functools.partial(_score_rows, model, temperature=temperature, measure=measure)
    if torch.is_grad_enabled() and len(hidden) > rows:
        score = functools.partial(checkpoint, score, use_reentrant=False, preserve_rng_state=False)
    pieces = [score(*piece) for piece in zip(hidden.split(rows), targets.split(rows), strict=True)]
    log_probs, entropy, right, measured = zip(*pieces, strict=True)
    found = None if measure is None else torch.cat(measured)
    return TokenScores(torch.cat(log_probs), torch.cat(entropy), torch.cat(right), found)


def _score_rows(
    model: Any, hidden: Tensor, targets: Tensor, *, temperature: float, measure: Measure | None
) -> TokenScores:
    logits = project(model, hidden)
    scaled = logits if temperature == 1 else logits / temperature
    normaliser = scaled.logsumexp(-1)
    chosen = scaled.gather(1, targets[:, None])[:, 0] - normaliser
    with torch.no_grad():
        entropy = normaliser - ((scaled - normaliser[:, None]).exp_().mul_(scaled)).sum(-1)
        right = logits.argmax(-1) == targets
        measured = None if measure is None else measure(logits)
    return TokenScores(chosen, entropy, right, measured)


def add_forward_redirection(model: Any) -> None:
    """Let `model(redirect_to=f)` return `f(model)`; other calls stay as they were.

    What wraps a model to spread it over devices gathers weights and averages gradients when the model is
    called. So what we run with its parts has to run within such a call. The model, still without wrappers, is
    changed in place.
    """
    plain = model.forward

    @functools.wraps(type(model).forward)
    def forward(self: Any, *args: Any, redirect_to: Callable[[Any], Any] | None = None, **kwargs: Any) -> Any:
        return plain(*args, **kwargs) if redirect_to is None else redirect_to(self)

    model.forward = types.MethodType(forward, model)


def score_pairs(
    model: Any,
    pairs: Sequence[tuple[Sequence[int], Sequence[int]]],
    pad_id: int,
    temperature: float = 1.0,
    measure: Measure | None = None,
    batch_tokens: int = 6000,
    group: int = 0,
    sequence_group: ProcessGroup | None = None,
) -> list[TokenScores]:
    """Return the scores of each (prompt, completion), in order; equal prompts share a tree.

    Trees of like length are run together, about `batch_tokens` tokens at once unless one tree has more, since
    attention over padding costs as much as over pages. The model, with its `add_forward_redirection`, may be
    wrapped, and is called once. Temperature and measure are as in `score_tokens`.

    With `group` each so many rows, whose prompts are equal, are a tree that is run alone: then the number of
    runs within the call follows from the number of pairs alone, as sharded weights need it.

    `sequence_group` is that of `score_tokens`: each tree is split between its ranks.
    """
    prompts = [prompt for prompt, _ in pairs]
    groups = group_rows(len(pairs), group) if group else group_equal(prompts)
    batch_tokens = 0 if group else batch_tokens
    trees = [grow_tree([pairs[row][0] for row in rows], [pairs[row][1] for row in rows]) for rows in groups]
    chunks = list(batch_by_length([tree.size for tree in trees], batch_tokens))
    device = next(model.parameters()).device
    batches = [pack_trees([trees[number] for number in chunk], pad_id).to(device) for chunk in chunks]
    scored: list[TokenScores] = model(
        redirect_to=lambda whole: [
            score_tokens(whole, batch, temperature, measure, sequence_group) for batch in batches
        ]
    )
    order = [row for chunk in chunks for number in chunk for row in groups[number]]
    split = chain.from_iterable(map(_split_branches, scored, batches))
    by_row = dict(zip(order, split, strict=True))
    return [by_row[row] for row in range(len(pairs))]


def group_equal(prompts: Sequence[Sequence[int]]) -> list[list[int]]:
    """Return the row numbers of equal prompts together, groups and rows in order.

    >>> group_equal([[1, 2], [3], [1, 2]])
    [[0, 2], [1]]
    """
    groups: dict[tuple[int, ...], list[int]] = {}
    for row, ids in enumerate(prompts):
        groups.setdefault(tuple(ids), []).append(row)
    return list(groups.values())


def group_rows(rows: int, size: int) -> list[list[int]]:
    """Return the numbers of the rows, `size` of them together.

    >>> group_rows(4, 2)
    [[0, 1], [2, 3]]
    """
    return [list(range(start, start + size)) for start in range(0, rows, size)]


def batch_by_length(sizes: Sequence[int], budget: int) -> Iterator[list[int]]:
    """Yield row numbers, longest row first, as many at once as fit the budget of tokens when padded.

    A row longer than the budget comes alone.

    >>> list(batch_by_length([2, 9, 3, 3], 6))
    [[1], [2, 3], [0]]
    """
    batch: list[int] = []
    for row in sorted(range(len(sizes)), key=lambda row: -sizes[row]):
        if batch and (len(batch) + 1) * sizes[batch[0]] > budget:
            yield batch
            batch = []
        batch.append(row)
    if batch:
        yield batch


def _split_branches(scores: TokenScores, batch: TreeBatch) -> list[TokenScores]:
    lengths = torch.bincount(batch.owners, minlength=len(batch.last_prompt)).tolist()
    columns = [[None] * len(lengths) if column is None else column.split(lengths) for column in scores]
    return [TokenScores(*parts) for parts in zip(*columns, strict=True)]
