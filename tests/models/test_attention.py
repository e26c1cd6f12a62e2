"""Attention through a mask, against PyTorch's own with keys and values copied for every head of queries."""

import pytest
import torch
from tests.tiny import tiny_llama
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention

from shop_r1.models.attention import tree_attention


def draw(*sizes: int) -> Tensor:
    return torch.randn(*sizes, generator=torch.Generator().manual_seed(sum(sizes)))


@pytest.mark.parametrize("rows", [1, 3, 7, 8, 20], ids=lambda rows: f"{rows} of 20 queries masked")
@pytest.mark.parametrize("trunk", [True, False], ids=["with a trunk", "without"])
def test_heads_that_share_keys_attend_as_if_each_had_its_own(rows: int, trunk: bool) -> None:
    module = tiny_llama().model.layers[0].self_attn  # 4 heads of queries, 2 of keys, of 4 numbers each
    queries = 20 if trunk else rows
    query, key, value = draw(2, 4, queries, 4), draw(2, 2, 20, 4), draw(2, 2, 20, 4) + 1
    mask = draw(2, 1, rows, 20) > 0
    mask[..., 0] = True
    whole = torch.ones(20, 20, dtype=torch.bool).tril()[20 - queries :].repeat(2, 1, 1, 1)
    whole[:, :, queries - rows :] = mask
    expected = scaled_dot_product_attention(
        query, key.repeat_interleave(2, 1), value.repeat_interleave(2, 1), attn_mask=whole
    )
    found, _ = tree_attention(module, query, key, value, mask, scaling=0.5)
    torch.testing.assert_close(found, expected.transpose(1, 2))
