"""Attention over packed trees: the trunk causally, the branches through a mask of their own.

A packed tree (`models.prefix_tree`) has a long trunk, whose tokens see what stands before them as in any
text, and a few branch tokens with an irregular view. So the trunk takes the fast causal kernel and the mask
has rows for the branches alone: at 32k tokens of context it is a fraction of a square one.
"""

from typing import Any, NamedTuple

import torch
from peft import PeftModel
from torch import Tensor
from torch.distributed import ProcessGroup
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from shop_r1.errors import ModelError
from shop_r1.models.sequence_parallel import exchange_for_heads, exchange_for_tokens

TREE_ATTENTION = "tree_sdpa"
"""The name under which transformers knows `tree_attention`."""


def tree_attention(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    sequence_group: ProcessGroup | None = None,
    **kwargs: Any,
) -> tuple[Tensor, None]:
    """Return (B, T, heads, D) attention; a mask with fewer rows than queries is that of the last ones.

    The queries before those see causally. With any other mask, or none, this is transformers' own `sdpa`.
    Queries are (B, heads, T, D), keys and values (B, key heads, T', D), the mask (B, 1, R, T') of bools or an
    `additive_mask`.

    With a group, queries, keys and values are those of this rank's own columns, and so is what is returned;
    the mask is the whole tree's (`models.sequence_parallel`).
    """
    if sequence_group is not None:
        if attention_mask is None:
            raise ValueError("attention that is split between ranks needs the whole tree's mask")
        # Under autocast positions leave queries and keys in float32, and attention rounds them: before they
        # are sent.
        query, key = query.to(value.dtype), key.to(value.dtype)
        query, key, value = exchange_for_heads(query, key, value, attention_mask.shape[-1], sequence_group)
        module = _Heads(query.shape[1] // key.shape[1])
        seen, _ = tree_attention(module, query, key, value, attention_mask, **kwargs)
        return exchange_for_tokens(seen, sequence_group), None
    if attention_mask is None:
        return sdpa_attention_forward(module, query, key, value, None, **kwargs)  # type: ignore[no-any-return]
    trunk = query.shape[2] - attention_mask.shape[2]
    if trunk <= 0:
        return _masked_attention(module, query, key, value, attention_mask, **kwargs), None
    seen, _ = sdpa_attention_forward(
        module,
        query[:, :, :trunk],
        key[:, :, :trunk],
        value[:, :, :trunk],
        None,
        **kwargs | {"is_causal": True},
    )
    branches = _masked_attention(module, query[:, :, trunk:], key, value, attention_mask, **kwargs)
    return torch.cat([seen, branches], dim=1), None


def _masked_attention(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Tensor, **kwargs: Any
) -> Tensor:
    """Return (B, R, heads, D) attention of R queries through their mask.

    Several heads of queries share one of keys. transformers copies keys and values for each of them, at every
    token that is sampled; here the heads that share one stand below each other as more queries, and only the
    mask is copied, wherever that is less.
    """
    rows, heads = query.shape[2], key.shape[1]
    shared = query.shape[1] // heads
    if shared == 1 or rows >= heads * key.shape[3]:
        return sdpa_attention_forward(module, query, key, value, mask, **kwargs)[0]  # type: ignore[no-any-return]
    stacked = query.reshape(len(query), heads, shared * rows, -1)
    mask = mask.repeat(1, 1, shared, 1)
    found: Tensor = sdpa_attention_forward(_Heads(1), stacked, key, value, mask, **kwargs)[0]
    # (B, shared * rows, heads, D); the queries' heads are those of head 0 of keys, then of head 1, and so on.
    result: Tensor = found.unflatten(1, (shared, rows)).permute(0, 2, 3, 1, 4).flatten(2, 3)
    return result


def additive_mask(mask: Tensor, dtype: torch.dtype) -> Tensor:
    """Return 0 where a bool mask lets a token be seen, and minus infinity elsewhere.

    PyTorch makes this of a mask of bools itself, but once in each layer, and keeps all of them for the
    gradients: R rows of T numbers, 200 MiB a layer for 1,600 tokens of completions after 32k of pages.
    """
    return torch.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(~mask, -torch.inf)


def attention_dtype(model: Any) -> torch.dtype:
    """Return the number format in which the model attends here: autocast's, or that of its weights."""
    device = model.device.type
    found: torch.dtype = (
        torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else model.dtype
    )
    return found


class _Heads(NamedTuple):
    """What transformers asks a module of attention, for heads that are not the module's own."""

    num_key_value_groups: int
    """How many heads of queries share one of keys."""
    is_causal: bool = False


AttentionInterface.register(TREE_ATTENTION, tree_attention)
AttentionMaskInterface.register(TREE_ATTENTION, sdpa_mask)


def causal_lm(model: Any) -> Any:
    """Return the language model itself, from within adapters where there are any."""
    return model.get_base_model() if isinstance(model, PeftModel) else model


def use_tree_attention(model: Any) -> None:
    """Let a causal LM attend as packed trees need it; everything else it computes stays as it was.

    Raises:
        ModelError: its attention is of another kind (`check_attention`).
    """
    if model.config._attn_implementation == TREE_ATTENTION:
        return
    check_attention(model.config)
    model.set_attn_implementation(TREE_ATTENTION)


def check_attention(config: Any) -> None:
    """Make sure that a packed tree gives what each completion alone would.

    That needs attention that obeys a mask of our own and no state besides.

    Raises:
        ModelError: the model's attention is of another kind.
    """
    text = config.get_text_config()
    layers = getattr(text, "layer_types", None)
    if layers is None and getattr(text, "sliding_window", None) is not None:
        layers = ["sliding_attention"]
    kinds = {*(layers or ())} - {"full_attention"}
    if config._attn_implementation != "sdpa":
        kinds.add(f"attention by {config._attn_implementation}")  # Others read a mask of bools as numbers.
    if kinds:
        raise ModelError(
            f"{config.model_type} models with {', '.join(sorted(kinds))} are not supported; use one whose "
            "layers all have full attention (Qwen2.5, Qwen3, Llama 3), loaded with attention by sdpa"
        )
