"""What a checkpoint's own configuration says before it is loaded."""

from typing import TYPE_CHECKING

from shop_r1.commands.show import remark
from shop_r1.errors import ConfigError
from shop_r1.prompts.render import PromptConfig

if TYPE_CHECKING:
    from shop_r1.llm.local import LocalModel


def hide_loading() -> None:
    """Keep transformers' own progress bars off the screen; ours say what goes on."""
    from transformers.utils import logging

    logging.disable_progress_bar()


def load(name_or_path: str) -> "LocalModel":
    """Return the checkpoint, loaded without transformers' bars and warnings about long texts.

    The tokenizer warns of pages longer than the model; the prompt's budget cuts them, and counts it.

    Raises:
        ModelError: it cannot be loaded.
    """
    from shop_r1.llm.local import load_model

    hide_loading()
    model = load_model(name_or_path)
    model.tokenizer.model_max_length = 10**30
    return model


def longest_context(name_or_path: str) -> int | None:
    """Return how many positions the checkpoint promises; None where it does not say or cannot be read.

    A checkpoint that cannot be read is `load_model`'s to report, with the reason.
    """
    from transformers import AutoConfig

    from shop_r1.llm.local import resolve_model

    try:
        config = AutoConfig.from_pretrained(resolve_model(name_or_path), trust_remote_code=False)
    except (OSError, ValueError):
        return None
    found = getattr(config.get_text_config(), "max_position_embeddings", None)
    return found if isinstance(found, int) else None


def fit_prompt(prompt: PromptConfig, name_or_path: str, needed: int = 0) -> PromptConfig:
    """Return the prompt settings with the budget lowered to what the model can read, and say so.

    Args:
        prompt: as configured.
        name_or_path: the model.
        needed: tokens that a reply may take; more of the budget is kept free where it is less.

    Raises:
        ConfigError: nothing is left for the prompt.
    """
    longest = longest_context(name_or_path)
    budget = min(prompt.max_tokens, longest or prompt.max_tokens)
    reply = max(prompt.reply_tokens, needed)
    if reply >= budget:
        raise ConfigError(
            f"model {name_or_path!r} reads {budget} tokens and {reply} are kept free for the reply; lower "
            "prompt.reply_tokens"
        )
    if budget < prompt.max_tokens:
        remark(
            f"Prompt budget: {budget} tokens, which is all that {name_or_path!r} can read (the settings "
            f"allow {prompt.max_tokens})"
        )
    return prompt.model_copy(update={"max_tokens": budget, "reply_tokens": reply})
