"""What a tokenizer's own chat template can and cannot do, and messages put so that it takes them."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jinja2 import TemplateError

from shop_r1.errors import ConfigError, ModelError

Options = Mapping[str, bool | int | str]
"""Switches of a chat template by name, such as `enable_thinking`; transformers' `chat_template_kwargs`."""
_MARK = "shop-r1-probe"
_THINK = "<think>"


@dataclass(frozen=True)
class ChatFacts:
    """What was found out about a chat template."""

    system_role: bool
    """Whether a system message is in what it writes; else it stands before the user's first."""
    turn_end: str
    """The text of the token that ends the assistant's turn."""
    open_think: bool
    """Whether the assistant's turn begins in a `<think>` that is still open."""
    knows_thinking: bool
    """Whether the template has the usual switch, `enable_thinking`."""


def examine_template(tokenizer: Any, options: Options) -> ChatFacts:
    """Return what the tokenizer's chat template does under these options.

    Raises:
        ConfigError: the template has no such option.
        ModelError: it cannot write a user's message.
    """
    template = str(tokenizer.chat_template)
    for name in options:
        if not re.search(rf"\b{re.escape(name)}\b", template):
            known = ", it has enable_thinking" if "enable_thinking" in template else ""
            raise ConfigError(
                f"prompt.chat_template_kwargs.{name}: the model's chat template does not use {name!r}{known}"
            )
    try:
        prompt = _write(tokenizer, [{"role": "user", "content": _MARK}], options)
    except TemplateError as error:
        raise ModelError(f"the model's chat template cannot write a user's message: {error}") from None
    return ChatFacts(
        system_role=has_system_role(tokenizer, options),
        turn_end=str(tokenizer.convert_ids_to_tokens(turn_end_id(tokenizer))),
        open_think=prompt.rstrip().endswith(_THINK),
        knows_thinking="enable_thinking" in template,
    )


def has_system_role(tokenizer: Any, options: Options | None = None) -> bool:
    """Return whether the template writes a system message; some refuse it, some leave it out."""
    probe = [{"role": "system", "content": _MARK}, {"role": "user", "content": "?"}]
    try:
        return _MARK in _write(tokenizer, probe, options or {})
    except TemplateError:
        return False


def merge_system(messages: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
    r"""Return the messages with the system's text before the user's first.

    >>> merge_system([{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello"}])
    [{'role': 'user', 'content': 'Be brief.\n\nHello'}]
    """
    system = [each["content"] for each in messages if each["role"] == "system"]
    others = [dict(each) for each in messages if each["role"] != "system"]
    if system and others:
        others[0]["content"] = "\n\n".join((*system, others[0]["content"]))
    return others


def turn_end_id(tokenizer: Any) -> int | None:
    """Return the token with which the template ends the assistant's turn.

    That is the first special token after the assistant's text. Where there is none, and where a template
    cannot write an assistant's message, the tokenizer's own end-of-sequence token stands for it.
    """
    probe = [{"role": "user", "content": "?"}, {"role": "assistant", "content": _MARK}]
    try:
        written = _write(tokenizer, probe, {}, begin_completion=False)
    except TemplateError:
        return tokenizer.eos_token_id  # type: ignore[no-any-return]
    _, found, rest = written.rpartition(_MARK)
    # A turn's end that is not the tokenizer's own end-of-sequence token is a special token without a role.
    added = getattr(tokenizer, "added_tokens_decoder", {})
    special = {*tokenizer.all_special_ids, *(each for each, token in added.items() if token.special)}
    ids = tokenizer(rest, add_special_tokens=False)["input_ids"] if found else []
    end: int | None = next((token for token in ids if token in special), tokenizer.eos_token_id)
    return end


def _write(
    tokenizer: Any, messages: Sequence[Mapping[str, str]], options: Options, begin_completion: bool = True
) -> str:
    return str(
        tokenizer.apply_chat_template(
            list(messages), tokenize=False, add_generation_prompt=begin_completion, **options
        )
    )
