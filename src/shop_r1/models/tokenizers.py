"""A model's tokenizer alone: how many tokens a text has, without the model's weights."""

from typing import Any

from shop_r1.errors import ModelError
from shop_r1.pages.tokens import CountTokens


def load_tokenizer(name_or_path: str) -> Any:
    """Return a model's tokenizer; nothing else of the model is loaded.

    Raises:
        ModelError: it cannot be loaded; the message says why.
    """
    try:
        from transformers import AutoTokenizer

        from shop_r1.models.checkpoint import resolve_model

        tokenizer = AutoTokenizer.from_pretrained(resolve_model(name_or_path), trust_remote_code=False)
    except (ImportError, OSError, ValueError) as error:
        found = " ".join(str(error).split())[:200]
        raise ModelError(f"the tokenizer of {name_or_path!r} cannot be loaded: {found}") from None
    tokenizer.model_max_length = 10**30  # Else it warns of long texts.
    return tokenizer


def token_counter(tokenizer: Any) -> CountTokens:
    """Return how many tokens a text has for a tokenizer."""
    return lambda text: len(tokenizer(text, add_special_tokens=False)["input_ids"])
