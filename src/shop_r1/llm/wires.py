"""What goes over the wire and comes back, in OpenAI's form and in Anthropic's.

A body is read by records of our own, so one that lacks something is refused, whoever sent it.
"""

from typing import Any

from pydantic import BaseModel, Field

from shop_r1.llm.protocol import Answer, Request, Stop, Usage
from shop_r1.llm.spending import worst_case

_CHAT_STOPS: dict[str | None, Stop] = {"length": "length", "content_filter": "refused"}
_MESSAGE_STOPS: dict[str | None, Stop] = {
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refused",
}


def chat_arguments(request: Request, model: str, own: bool) -> dict[str, Any]:
    """Return the arguments of a chat completion.

    Args:
        request: the question.
        model: as the server calls it.
        own: OpenAI's own server is asked: its newer models refuse `max_tokens`, while some other servers
            know nothing else.
    """
    arguments: dict[str, Any] = {"model": model, "messages": list(request.messages)}
    arguments["max_completion_tokens" if own else "max_tokens"] = request.max_tokens
    if request.json_schema is not None:
        schema = {"name": "reply", "schema": dict(request.json_schema), "strict": True}
        arguments["response_format"] = {"type": "json_schema", "json_schema": schema}
    return arguments | _sampling(request)


def message_arguments(request: Request, model: str) -> dict[str, Any]:
    """Return the arguments of a message to Claude, whose schema, if any, is left to the prompt."""
    messages = list(request.messages)
    arguments: dict[str, Any] = {"model": model, "max_tokens": request.max_tokens}
    if messages and messages[0]["role"] == "system":
        arguments["system"] = messages.pop(0)["content"]
    # The client has no arguments for sampling, which the newest models no longer take; the older ones do.
    return arguments | {"messages": messages, "extra_body": _sampling(request)}


def _sampling(request: Request) -> dict[str, float]:
    given = {"temperature": request.temperature, "top_p": request.top_p}
    return {name: value for name, value in given.items() if value is not None}


class _ChatMessage(BaseModel):
    content: str | None = None
    refusal: str | None = None


class _ChatChoice(BaseModel):
    message: _ChatMessage
    finish_reason: str | None = None


class _ChatUsage(BaseModel):
    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)


class _ChatReply(BaseModel):
    choices: list[_ChatChoice] = Field(min_length=1)
    usage: _ChatUsage | None = None


def read_chat(request: Request, body: bytes) -> Answer:
    """Return the answer in the body of a chat completion.

    Where the server does not say what it bills, the worst case counts, so that a cap holds all the same.

    Raises:
        ValidationError: the body is no such reply.
    """
    reply = _ChatReply.model_validate_json(body)
    choice, usage = reply.choices[0], worst_case(request)
    if reply.usage is not None:
        usage = Usage(input_tokens=reply.usage.prompt_tokens, output_tokens=reply.usage.completion_tokens)
    if choice.message.refusal:
        return Answer(text=choice.message.refusal, stop="refused", usage=usage)
    stop = _CHAT_STOPS.get(choice.finish_reason, "end")
    return Answer(text=choice.message.content or "", stop=stop, usage=usage)


class _Block(BaseModel):
    type: str
    text: str = ""


class _MessageUsage(BaseModel):
    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)


class _MessageReply(BaseModel):
    content: list[_Block]
    stop_reason: str | None = None
    usage: _MessageUsage


def read_message(request: Request, body: bytes) -> Answer:
    """Return the answer in the body of a message from Claude.

    Raises:
        ValidationError: the body is no such reply.
    """
    reply = _MessageReply.model_validate_json(body)
    text = "".join(block.text for block in reply.content if block.type == "text")
    usage = Usage(input_tokens=reply.usage.input_tokens, output_tokens=reply.usage.output_tokens)
    return Answer(text=text, stop=_MESSAGE_STOPS.get(reply.stop_reason, "end"), usage=usage)
