"""Requests to a model over a network, its completions, and what they cost.

`endpoints.providers` opens endpoints; `endpoints.batch` sends them many requests and loses no completion.
"""

from collections.abc import Mapping
from typing import Any, Literal, Protocol

from pydantic import Field

from shop_r1.config import Config
from shop_r1.jsonl import Record

Stop = Literal["end", "length", "refused"]
"""Why a completion ended: by itself, cut at `max_tokens`, or because the model or a filter refused."""
Instead = Literal["tool_calls", "reasoning"]
"""What a completion holds where it has no text."""


class Request(Record):
    """One request. The cache treats equal requests to one endpoint as the same request."""

    messages: tuple[dict[str, str], ...]
    """Each with `role` (system, user or assistant) and `content`; the system message, if any, first."""
    max_tokens: int
    """Longest completion, in tokens."""
    temperature: float | None = None
    """Of sampling; None leaves it to the endpoint."""
    top_p: float | None = None
    """Of sampling; None leaves it to the endpoint."""
    json_schema: Mapping[str, Any] | None = None
    """A JSON schema that the completion should fit, for endpoints that support structured output."""
    draw: int = 0
    """Tells apart several samples for the same messages; part of the cache's key, never sent."""

    @property
    def sampling(self) -> dict[str, float]:
        """Temperature and top-p, where they are not left to the endpoint."""
        return self.model_dump(include={"temperature", "top_p"}, exclude_none=True)


class RemoteSampling(Config):
    """How an endpoint samples completions."""

    temperature: float = Field(0.6, ge=0)
    """0 is greedy. Paper 4.1."""
    send_temperature: bool = True
    """Off for endpoints that accept no temperature; theirs is then used."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Sample among the likeliest tokens that together reach this probability; 1, all tokens, is not sent."""
    max_new_tokens: int = Field(128, ge=1)
    """Longest completion, in tokens. A reasoning model needs more."""


class Usage(Record):
    """What a completion is billed by, in tokens."""

    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )


NO_USAGE = Usage(input_tokens=0, output_tokens=0)


class Completion(Record):
    """One completion as an endpoint returned it."""

    text: str
    stop: Stop
    usage: Usage
    usage_known: bool = True
    """Whether the endpoint reported its usage; if not, `usage` is an upper bound."""
    instead: Instead | None = None
    """What it holds in place of text; None where it has text or nothing at all."""


class Endpoint(Protocol):
    """A model that is sent requests."""

    @property
    def name(self) -> str:
        """Its name in the cache and in files, for instance `openai:qwen@http://127.0.0.1:8000/v1`."""

    async def send(self, request: Request) -> Completion:
        """Return the completion of one attempt; nothing is retried here.

        Raises:
            TransientError: another attempt may succeed.
            InvalidRequestError: this request cannot succeed; others may.
            ModelError: no request can succeed: a wrong key, an unknown model.
        """

    async def close(self) -> None:
        """Close its connections."""
