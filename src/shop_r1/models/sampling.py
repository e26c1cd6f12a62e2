"""Sample completions from a checkpoint: shared prompts run once, their cache never copied."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from pydantic import Field
from torch import Tensor
from torch.nn.functional import pad
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer
from transformers.generation.logits_process import TopKLogitsWarper, TopPLogitsWarper

from shop_r1.config import Config
from shop_r1.models.attention import causal_lm
from shop_r1.models.precision import flush_subnormals
from shop_r1.models.prefix_tree import Tree, TreeBatch, pack_trees
from shop_r1.models.scoring import Measure, hidden_states, project

SEEDS = 2**32
"""How many seeds there are: torch's generator on the CPU, a Mersenne Twister, takes 32 bits and ignores those
above them."""

ROOM_TOKENS = 32
"""Appends that one growth of the cache makes room for: so each copies a 32nd of it. Ours."""


class Sampling(Config):
    """How completions are drawn; the defaults are the paper's (4.1)."""

    temperature: float = Field(0.6, ge=0)
    """0 takes the likeliest token. Paper 4.1."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Keep the likeliest tokens that together reach this probability; 1 keeps all."""
    top_k: int = Field(0, ge=0)
    """Keep this many of the likeliest tokens; 0 keeps all."""
    max_new_tokens: int = Field(128, ge=1)
    """Completions are cut here, in tokens."""


@dataclass(frozen=True)
class SampledCompletion:
    """One completion."""

    ids: list[int]
    """Its tokens, the ending one included."""
    log_probs: Tensor
    """(len(ids),) the tokens' log probabilities at the sampling temperature (1 where that is 0), before top-k
    and top-p, in nats."""
    measured: Tensor | None = None
    """(len(ids),) what `measure` found of each token's distribution; None without one."""


@torch.no_grad()
@flush_subnormals()
def sample_completions(
    model: Any,
    trees: Sequence[Tree],
    sampling: Sampling,
    end_ids: Sequence[int],
    pad_id: int,
    seeds: Sequence[int],
    measure: Measure | None = None,
    synced_gpus: bool = False,
) -> list[SampledCompletion]:
    """Return one sampled completion for each branch of each tree, in order.

    Shared prompts are run once and their cache is never copied: the completions grow as branches of one
    sequence. The distribution is that of `generate` with the same temperature, top-k and top-p.

    Args:
        model: a Hugging Face causal LM, in eval mode, with adapters or without.
        trees: prompts whose branches have no completion yet.
        sampling: temperature, top-p, top-k, length.
        end_ids: tokens that end a completion.
        pad_id: fills rectangles.
        seeds: one for each branch, in [0, `SEEDS`); a completion depends on its prompt and its seed alone (up
            to rounding in batches of other shapes).
        measure: what to find out about each token's distribution, before temperature and cuts.
        synced_gpus: take `max_new_tokens` steps even when all completions have ended, so that processes which
            share a sharded model stay in step; as in transformers' `generate`.

    Raises:
        ValueError: a seed is outside its range.
    """
    model = causal_lm(model)
    batch = pack_trees(trees, pad_id).to(model.device)
    decoder = _Decoder(model, batch, sampling.max_new_tokens)
    uniforms = _uniforms(seeds, sampling.max_new_tokens).to(model.device)
    pick = _picker(sampling)
    ends = torch.tensor(list(end_ids), device=model.device)
    alive = torch.ones(len(seeds), dtype=torch.bool, device=model.device)
    columns: list[Tensor] = []
    log_probs: list[Tensor] = []
    measured: list[Tensor] = []
    hidden = decoder.first
    for place in range(sampling.max_new_tokens):
        logits = project(model, hidden)
        tokens = pick(logits, uniforms[:, place])
        columns.append(torch.where(alive, tokens, -1))
        scaled = logits / (sampling.temperature or 1.0)
        log_probs.append(scaled.gather(1, tokens[:, None])[:, 0] - scaled.logsumexp(-1))
        if measure is not None:
            measured.append(measure(logits))
        alive = alive & ~torch.isin(tokens, ends)
        if place + 1 == sampling.max_new_tokens or not (synced_gpus or alive.any()):
            break
        hidden = decoder.advance(torch.where(alive, tokens, pad_id), alive)
    rows = [[token for token in row if token >= 0] for row in torch.stack(columns, dim=1).tolist()]
    likely = torch.stack(log_probs, dim=1)
    found = torch.stack(measured, dim=1) if measure is not None else [None] * len(rows)
    return [
        SampledCompletion(ids, logs[: len(ids)], None if one is None else one[: len(ids)])
        for ids, logs, one in zip(rows, likely, found, strict=True)
    ]


def _uniforms(seeds: Sequence[int], length: int) -> Tensor:
    """Return (branches, length) numbers in [0, 1), each row from its own seed."""
    if wrong := [seed for seed in seeds if not 0 <= seed < SEEDS]:
        raise ValueError(f"seed {wrong[0]} is not in [0, 2**32): torch's generator has no more of them")
    rows = [torch.rand(length, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    return torch.stack(rows)


def _picker(sampling: Sampling) -> Callable[[Tensor, Tensor], Tensor]:
    """Return the function from (N, V) logits and (N,) uniforms to (N,) tokens."""
    if sampling.temperature == 0:
        return lambda logits, uniform: logits.argmax(-1)
    warpers: list[Any] = []
    if sampling.top_k:
        warpers.append(TopKLogitsWarper(sampling.top_k))
    if sampling.top_p < 1:
        warpers.append(TopPLogitsWarper(sampling.top_p))

    def pick(logits: Tensor, uniform: Tensor) -> Tensor:
        logits = logits / sampling.temperature
        for warper in warpers:
            logits = warper(None, logits)
        cumulative = logits.double().softmax(-1).cumsum(-1)
        # Scaling by the last sum keeps rounding from pushing the draw past the end.
        drawn = torch.searchsorted(cumulative, uniform.double()[:, None] * cumulative[:, -1:], right=True)
        return drawn[:, 0].clamp(max=logits.shape[-1] - 1)

    return pick


class _Decoder:
    """The growing completions of a batch of trees, and their one cache.

    Attributes:
        first: (branches, H) hidden states that predict each completion's first token.
    """

    def __init__(self, model: Any, batch: TreeBatch, max_new_tokens: int) -> None:
        self._model = model
        self._cache = DynamicCache(config=model.config)
        self._cache.layers = [RoomyLayer() for _ in self._cache.layers]
        trees, width = batch.input_ids.shape
        self._tree, self._slot = batch.slots[:, 0], batch.slots[:, 1]
        self._row = torch.arange(trees, device=batch.slots.device)  # each tree's in the cache; -1: left out
        self._slots = int(self._slot.max()) + 1
        self._width = width
        self._place = 0
        self._positions = torch.zeros(trees, self._slots, dtype=torch.long, device=model.device)
        self._positions[self._tree, self._slot] = batch.prompt_lengths
        total = width + self._slots * max_new_tokens
        self._mask = torch.zeros(trees, 1, self._slots, total, dtype=torch.bool, device=model.device)
        prompt_rows = batch.branch_mask[self._tree, 0, batch.last_prompt % width - batch.trunk_width]
        self._mask[self._tree, 0, self._slot, :width] = prompt_rows
        self._mask[..., :width].logical_or_(~self._mask[..., :width].any(-1, keepdim=True))  # unused slots
        hidden = hidden_states(model, batch, past_key_values=self._cache, use_cache=True)
        self.first = hidden[batch.last_prompt]

    def advance(self, tokens: Tensor, alive: Tensor) -> Tensor:
        """Append one token to each completion; return (branches, H), what predicts the next."""
        self._drop_finished(alive)
        row = self._row[self._tree]
        kept = row >= 0
        ids = torch.zeros_like(self._positions)
        ids[row[kept], self._slot[kept]] = tokens[kept]
        start = self._width + self._place * self._slots
        every = torch.arange(self._slots, device=tokens.device)
        self._mask[:, 0, every, start + every] = True
        self._place += 1
        outputs = self._model.base_model(
            input_ids=ids,
            position_ids=self._positions + self._place - 1,
            attention_mask=self._mask[..., : start + self._slots],
            past_key_values=self._cache,
            use_cache=True,
        )
        hidden: Tensor = outputs.last_hidden_state
        result = hidden.new_zeros(len(tokens), hidden.shape[-1])
        result[kept] = hidden[row[kept], self._slot[kept]]
        return result

    def _drop_finished(self, alive: Tensor) -> None:
        """Leave out trees whose completions have all ended, once they are a third of those in the cache."""
        active = torch.zeros_like(self._row, dtype=torch.bool)
        active[self._tree[alive]] = True
        keep = self._row[active]
        if len(keep) * 3 > len(self._mask) * 2 or not len(keep):
            return
        self._cache.batch_select_indices(keep)
        self._mask, self._positions = self._mask[keep], self._positions[keep]
        self._row = torch.where(active, active.cumsum(0) - 1, -1)


class RoomyLayer(DynamicLayer):  # type: ignore[misc] # transformers' class, which is untyped
    """transformers' cache of a layer, with room to grow: a new token is written, and nothing copied for it.

    `keys` and `values` are (B, heads, T, D) views of larger tensors.
    """

    keys: Tensor
    values: Tensor
    _rooms: tuple[Tensor, Tensor] | None = None

    def update(
        self, key_states: Tensor, value_states: Tensor, *args: Any, **kwargs: Any
    ) -> tuple[Tensor, Tensor]:
        """Append (B, heads, n, D) keys and values; return all that there are."""
        held = self.get_seq_length()
        if held == 0:
            return super().update(key_states, value_states, *args, **kwargs)  # type: ignore[no-any-return]
        total = held + key_states.shape[-2]
        if self._rooms is None or self._rooms[0].shape[-2] < total:
            more = (0, 0, 0, ROOM_TOKENS * key_states.shape[-2])
            self._rooms = pad(self.keys, more), pad(self.values, more)
        for room, states in zip(self._rooms, (key_states, value_states), strict=True):
            room[:, :, held:total] = states
        self.keys, self.values = (room[:, :, :total] for room in self._rooms)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows of the batch alone."""
        super().batch_select_indices(indices)
        self._rooms = None
