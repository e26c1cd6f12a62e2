"""One long sequence split between devices, by exchanging heads of attention (Ulysses).

All that a decoder computes but attention looks at one token at a time, so each device does it for its own
tokens alone. Attention looks at all tokens, but at one head at a time. So before it they exchange: each
gives away the other heads of its own tokens and gets its own heads of the others' tokens; after it they
exchange back. What comes out is what one device would compute. The tree's mask, which every device has whole,
is as it was.

Gradients go back the same way. Every device ends with all scores, and so with the same loss; the gradients of
all of them together are as many times the loss's as there are devices. Their mean is the loss's own gradient,
and the mean over ranks is what data-parallel and sharded training (DDP, FSDP) take anyway.

Each function is called by all ranks of the process group together, with tensors of the same shapes.

Letters as in `models.prefix_tree`; P ranks, D numbers in a head. A rank has t = ceil(T / P) columns and
n = ceil(N / P) completion tokens.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed import ProcessGroup
from torch.nn.functional import pad

from shop_r1.errors import ModelError


def check_heads(heads: int, kv_heads: int, ranks: int) -> None:
    """Make sure that attention with so many heads of queries, and of keys, can be split between the ranks.

    Raises:
        ModelError: it cannot; the message says between how many it can.
    """
    possible = [count for count in range(1, heads + 1) if can_split(heads, kv_heads, count)]
    if ranks not in possible:
        raise ModelError(
            f"a model with {heads} heads of attention, {kv_heads} of them with keys of their own, cannot be "
            f"split between {ranks} devices (sequence_parallel); expected {', '.join(map(str, possible))}"
        )


def can_split(heads: int, kv_heads: int, ranks: int) -> bool:
    """Return whether each rank gets as many heads of queries, and those the same of keys."""
    return heads % ranks == 0 and (kv_heads % ranks == 0 or ranks % kv_heads == 0)


def own_columns(values: Tensor, group: ProcessGroup) -> Tensor:
    """Return this rank's (B, t) of (B, T) columns; those after the last are 0."""
    ranks, columns = group.size(), values.shape[1]
    share = -(-columns // ranks)
    return pad(values, (0, share * ranks - columns))[:, group.rank() * share :][:, :share]


def exchange_for_heads(
    query: Tensor, key: Tensor, value: Tensor, width: int, group: ProcessGroup
) -> tuple[Tensor, Tensor, Tensor]:
    """Return the queries, keys and values of this rank's heads, for all `width` = T tokens.

    Queries are (B, heads, t, D) before and (B, heads / P, T, D) after, keys and values likewise. Where there
    are fewer heads of keys than ranks, some ranks get the same.

    Raises:
        ModelError: the heads cannot be split between so many ranks.
    """
    ranks = group.size()
    check_heads(query.shape[1], key.shape[1], ranks)
    copies = max(1, ranks // key.shape[1])
    kinds = [each.unflatten(1, (ranks, -1)) for each in (query, *_repeat(copies, key, value))]
    counts = [each.shape[2] for each in kinds]
    given = torch.cat(kinds, dim=2).movedim(1, 0)  # (P, B, heads of all kinds / P, t, D), by their new owner
    whole = _exchange(given, group).permute(1, 2, 0, 3, 4).flatten(2, 3)[:, :, :width]
    query, key, value = whole.split(counts, dim=1)
    return query, key, value


def _repeat(copies: int, *states: Tensor) -> tuple[Tensor, ...]:
    return states if copies == 1 else tuple(each.repeat_interleave(copies, dim=1) for each in states)


def exchange_for_tokens(seen: Tensor, group: ProcessGroup) -> Tensor:
    """Return (B, t, heads, D), this rank's tokens, of (B, T, heads / P, D), what its heads have seen."""
    ranks = group.size()
    missing = -seen.shape[1] % ranks
    given = pad(seen, (0, 0, 0, 0, 0, missing)).unflatten(1, (ranks, -1)).movedim(1, 0)  # (P, B, t, h / P, D)
    return _exchange(given, group).permute(1, 2, 0, 3, 4).flatten(2, 3)


def share_rows(hidden: Tensor, places: Tensor, width: int, group: ProcessGroup) -> Tensor:
    """Return (n, H), this rank's share of the N rows of hidden states that are asked for.

    The shares are alike, wherever in the sequence the rows are: completions stand at its end, and the ranks
    without any would else have no logits to compute. Rows after the last are 0.

    Args:
        hidden: (B, t, H), of this rank's own columns.
        places: (N,) indices into the flattened (B * T).
        width: T.
        group: the ranks.
    """
    ranks, columns = group.size(), hidden.shape[1]
    share = -(-len(places) // ranks)
    tree, column = places // width, places % width
    (mine,) = torch.where(column // columns == group.rank())
    rows = hidden.new_zeros(ranks * share, hidden.shape[2])
    rows = rows.index_put((mine,), hidden[tree[mine], column[mine] % columns])
    return _exchange(rows.unflatten(0, (ranks, share)), group).sum(0)


def share_targets(targets: Tensor, group: ProcessGroup) -> Tensor:
    """Return (n,), this rank's share of the N targets; those after the last are 0."""
    return own_columns(targets[None], group)[0]


def gather_shares(shares: Tensor, rows: int, group: ProcessGroup) -> Tensor:
    """Return all N = `rows` rows of the ranks' (n, F) shares."""
    return _exchange(shares.expand(group.size(), *shares.shape), group).flatten(0, 1)[:rows]


def _exchange(given: Tensor, group: ProcessGroup) -> Tensor:
    """Return (P, ...), what every rank gives to this one, of (P, ...), what this one gives to every rank."""
    received: Tensor = _AllToAll.apply(given, group)  # type: ignore[no-untyped-call]
    return received


class _AllToAll(torch.autograd.Function):
    """The exchange, whose gradient goes to whoever gave: by the same exchange."""

    @staticmethod
    def forward(ctx: Any, given: Tensor, group: ProcessGroup) -> Tensor:
        ctx.group = group
        return _all_to_all(given, group)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return _all_to_all(gradients[0], ctx.group), None


def _all_to_all(given: Tensor, group: ProcessGroup) -> Tensor:
    given = given.contiguous()
    received = torch.empty_like(given)
    dist.all_to_all_single(received, given, group=group)
    return received
