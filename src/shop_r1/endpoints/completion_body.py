"""Response bodies: completions in OpenAI's form and in Anthropic's, from servers that differ in detail.

A text may be a string or a list of parts; usage may be missing or partial. What is not a completion (no
choices, an error inside a 200 or inside a choice) is an error and never an empty completion.
"""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from typing import Any

from pydantic import NonNegativeInt, TypeAdapter, ValidationError

from shop_r1.endpoints.budget import max_usage
from shop_r1.endpoints.failures import MalformedBodyError, parse_error
from shop_r1.endpoints.protocol import Completion, Instead, Request, Stop, Usage

_LENGTH = frozenset(
    {"length", "max_tokens", "max_output_tokens", "model_length", "token_limit"}
    | {"model_context_window_exceeded"}
)
_REFUSED = frozenset(
    {"content_filter", "content_filtered", "guardrail_intervened", "prohibited_content", "recitation"}
    | {"refusal", "safety", "sensitive", "blocklist", "spii"}
)
_COUNT = TypeAdapter(NonNegativeInt)
_BROKEN_OFF = frozenset({"error", "abort", "cancelled", "network_error", "insufficient_system_resource"})
"""Reasons of a stop that the server caused, not the model. OpenRouter, vLLM and SGLang, Zhipu, DeepSeek."""


def read_chat(request: Request, body: bytes) -> Completion:
    """Return the completion in the body of OpenAI's chat completions.

    Its text is the message's content; parts of other kinds than text (thinking, images), `reasoning_content`
    and tool calls are no text. Usage that the server does not report counts at its upper bound, so that a
    cap holds all the same.

    Raises:
        MalformedBodyError: the body is no such completion.
    """
    completion = _read_object(body)
    choices = completion.get("choices")
    if isinstance(choices, Mapping):
        choices = [choices]
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], Mapping):
        raise MalformedBodyError(f"choices is {_quote(choices)}; expected a list with a choice")
    choice = choices[0]
    reason = str(choice.get("finish_reason") or "").lower()
    if choice.get("error") or reason in _BROKEN_OFF:
        detail = parse_error({"error": choice.get("error")})
        raise MalformedBodyError(f"the choice ended with {reason or 'an error'}", detail)
    message = choice.get("message", choice.get("delta"))
    if message is None and isinstance(choice.get("text"), str):
        message = {"content": choice["text"]}
    if not isinstance(message, Mapping):
        raise MalformedBodyError(f"the choice's message is {_quote(message)}; expected an object")
    names = ("prompt_tokens", "completion_tokens")
    return _complete(request, message, reason, completion.get("usage"), names)


def read_message(request: Request, body: bytes) -> Completion:
    """Return the completion in the body of Anthropic's messages; usage as in `read_chat`.

    Raises:
        MalformedBodyError: the body is no such completion.
    """
    completion = _read_object(body)
    content = completion.get("content")
    if not isinstance(content, list | str):
        raise MalformedBodyError(f"content is {_quote(content)}; expected a list of blocks")
    reason = str(completion.get("stop_reason") or "").lower()
    if reason in _BROKEN_OFF:
        raise MalformedBodyError(f"the message ended with {reason}")
    return _complete(request, completion, reason, completion.get("usage"), ("input_tokens", "output_tokens"))


def _read_object(body: bytes) -> Mapping[str, Any]:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        start = body.lstrip()[:200].decode(errors="replace")
        if start.startswith(("data:", "event:")):
            raise MalformedBodyError(f"it streams, although no stream was requested: {start}") from None
        raise MalformedBodyError(f"it is not JSON: {start}" if start else "it is empty") from None
    detail = parse_error(value)
    if detail is not None:
        raise MalformedBodyError("it is an error", detail, billed=detail.status is None)
    if not isinstance(value, Mapping):
        raise MalformedBodyError(f"it is {_quote(value)}; expected an object")
    return value


def _complete(
    request: Request, message: Mapping[str, Any], reason: str, given: object, names: tuple[str, str]
) -> Completion:
    """Return the completion; its usage as given under these names, else an upper bound."""
    most = max_usage(request)
    counts = [_count(given.get(name)) for name in names] if isinstance(given, Mapping) else [None, None]
    usage = Usage(
        input_tokens=most.input_tokens if counts[0] is None else counts[0],
        output_tokens=most.output_tokens if counts[1] is None else counts[1],
    )
    stop: Stop = "length" if reason in _LENGTH else "refused" if reason in _REFUSED else "end"
    parts = list(_parts(message.get("content")))
    text, instead = _text(parts), None
    refusals = [each for part in (message, *parts) if isinstance(each := part.get("refusal"), str)]
    if refusal := _text(_parts(refusals)):  # the message's own, or that of its parts
        text, stop = refusal, "refused"
    elif not text.strip():
        instead = _instead(message, {str(part.get("type")) for part in parts})
    return Completion(text=text, stop=stop, usage=usage, usage_known=None not in counts, instead=instead)


def _parts(content: object) -> Iterator[Mapping[str, Any]]:
    """Yield the parts of a message's content: a string, a part, or a list of either."""
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str | Mapping):
            yield {"text": part} if isinstance(part, str) else part


def _text(parts: Iterable[Mapping[str, Any]]) -> str:
    """Return the parts' text.

    Halves of surrogate pairs, which JSON can hold and no file, become U+FFFD, as in a checkpoint's
    completions.
    """
    texts = [part.get("text") for part in parts if part.get("type", "text") in ("text", "output_text")]
    found = [text.get("value") if isinstance(text, Mapping) else text for text in texts]
    joined = "".join(text for text in found if isinstance(text, str))
    return joined.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _instead(message: Mapping[str, Any], kinds: set[str]) -> Instead | None:
    """Return what a message without text, with parts of these kinds, holds in its place."""
    if "tool_use" in kinds or message.get("tool_calls") or message.get("function_call"):
        return "tool_calls"
    names = ("reasoning_content", "reasoning", "reasoning_details")
    if kinds & {"thinking", "redacted_thinking", "reasoning"} or any(map(message.get, names)):
        return "reasoning"
    return None


def _count(value: object) -> int | None:
    """Return a number of tokens, given as a number or as its digits; None for anything else."""
    with suppress(ValidationError):
        return None if isinstance(value, bool) else _COUNT.validate_python(value)
    return None


def _quote(value: object) -> str:
    """Return a value of the body as it may stand in a message."""
    if value is None:
        return "missing or null"
    text = json.dumps(value, default=str)
    return text if len(text) <= 80 else text[:79] + "…"
