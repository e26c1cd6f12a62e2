"""Sampling's key/value cache with room holds what transformers' own would."""

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.cache_utils import DynamicLayer

from shop_r1.models.sampling import ROOM_TOKENS, RoomyLayer


@settings(deadline=None)
@given(
    st.lists(
        st.one_of(st.integers(1, 3), st.sampled_from(["select"])), min_size=1, max_size=2 * ROOM_TOKENS + 9
    ),
    st.integers(0, 9),
)
def test_after_any_appends_and_selections_it_is_the_plain_one(moves: list[int | str], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    plain, roomy = DynamicLayer(), RoomyLayer()
    rows = 4
    for move in (7, *moves):
        if isinstance(move, str):
            kept = torch.arange(rows)[: max(1, rows - 1)]
            rows = len(kept)
            plain.batch_select_indices(kept)
            roomy.batch_select_indices(kept)
        else:
            keys, values = torch.randn(2, rows, 2, move, 3, generator=generator)
            expected, found = plain.update(keys, values), roomy.update(keys, values)
            assert all(torch.equal(one, other) for one, other in zip(expected, found, strict=True))
        assert torch.equal(plain.keys, roomy.keys) and torch.equal(plain.values, roomy.values)
        assert roomy.get_seq_length() == plain.get_seq_length()


def test_a_token_is_written_and_the_prompt_is_not_copied() -> None:
    layer = RoomyLayer()
    layer.update(*torch.randn(2, 1, 2, 100, 4))
    places = set()
    for _ in range(ROOM_TOKENS):
        keys, _ = layer.update(*torch.randn(2, 1, 2, 3, 4))
        places.add(keys.data_ptr())
    assert len(places) == 1
