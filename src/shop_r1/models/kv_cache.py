"""A key/value cache that has room to grow: a new token is written, and what is there stays where it is."""

from typing import Any

from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer

ROOM_TOKENS = 32
"""Appends that one growth makes room for: so each copies a 32nd of the cache. Ours."""


class RoomyLayer(DynamicLayer):  # type: ignore[misc] # transformers' class, which is untyped
    """transformers' layer, whose concatenation copies the whole prompt for each token, without that copy.

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
            more = ROOM_TOKENS * key_states.shape[-2]
            self._rooms = _with_room(self.keys, more), _with_room(self.values, more)
        for room, states in zip(self._rooms, (key_states, value_states), strict=True):
            room[:, :, held:total] = states
        self.keys, self.values = (room[:, :, :total] for room in self._rooms)
        return self.keys, self.values

    def batch_select_indices(self, indices: Tensor) -> None:
        """Keep these rows of the batch alone."""
        super().batch_select_indices(indices)
        self._rooms = None


def _with_room(states: Tensor, more: int) -> Tensor:
    batch, heads, length, size = states.shape
    room = states.new_empty(batch, heads, length + more, size)
    room[:, :, :length] = states
    return room


def growing_cache(config: Any) -> DynamicCache:
    """Return an empty cache for a model whose layers all attend to everything (`check_attention`)."""
    cache = DynamicCache(config=config)
    cache.layers = [RoomyLayer() for _ in cache.layers]
    return cache
