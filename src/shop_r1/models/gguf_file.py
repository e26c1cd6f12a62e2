"""A GGUF file as an ordinary model with its tokenizer: weights unpacked, nothing else changed.

The package gguf, which transformers needs for it, comes with the extra `fetch`.
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

from shop_r1.errors import ModelError
from shop_r1.models.attention import check_attention
from shop_r1.models.checkpoint import UNLOADABLE, LocalModel, finish_loading, reason_of, refuse_made_up

_DIGITS_ALONE = frozenset({"smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"})
"""Pre-tokenizers, by their names in GGUF files, that part digits from all else and from each other. llama.cpp
(src/llama-vocab.cpp) has them; transformers takes them for GPT-2's, which keeps the space before a digit."""


def read_gguf(path: Path, dtype: torch.dtype = torch.float32) -> LocalModel:
    """Return the model that a GGUF file holds, its quantized weights unpacked into `dtype`.

    Raises:
        ModelError: the package gguf is missing; the file is no GGUF file, of a kind of model that cannot be
            read or trained here, or without a chat template.
    """
    if find_spec("gguf") is None:
        raise ModelError(
            "reading a GGUF file needs the package gguf, which is not installed: pip install "
            "'shop-r1[fetch]', or pip install gguf==0.19.0"
        )
    try:
        fields = _read_fields(path)
        model, info = AutoModelForCausalLM.from_pretrained(
            str(path.parent),
            gguf_file=path.name,
            dtype=dtype,
            quantization_config=GgufConfig(dequantize=True),
            attn_implementation="sdpa",
            trust_remote_code=False,
            output_loading_info=True,
        )
        tokenizer = AutoTokenizer.from_pretrained(
            str(path.parent), gguf_file=path.name, trust_remote_code=False
        )
    except (*UNLOADABLE, LookupError, TypeError) as error:  # the last two from a file that is cut off
        raise ModelError(
            f"{path}: cannot be read as a GGUF file of a causal LM ({reason_of(error)}); it may be incomplete"
        ) from None
    refuse_made_up(info, str(path))
    check_attention(model.config)
    if fields.get("tokenizer.ggml.pre") in _DIGITS_ALONE:
        _part_digits(tokenizer)
    tokenizer.model_max_length = model.config.max_position_embeddings
    model.config.__dict__.pop("_model_name_or_path", None)  # the file's own title, of which a path is made
    return finish_loading(model, tokenizer, str(path))


def _read_fields(path: Path) -> dict[str, Any]:
    """Return what the file's header says, by name; not its lists of tokens."""
    from gguf import GGUFReader

    fields = GGUFReader(path).fields
    return {name: field.contents() for name, field in fields.items() if len(field.data) == 1}


def _part_digits(tokenizer: Any) -> None:
    from tokenizers.pre_tokenizers import Digits, Sequence

    backend = tokenizer.backend_tokenizer
    backend.pre_tokenizer = Sequence([Digits(individual_digits=True), backend.pre_tokenizer])
