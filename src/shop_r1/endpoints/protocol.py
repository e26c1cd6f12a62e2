"""What is asked of a model that answers over a network, and what comes back.

`endpoints.providers` has those who answer, `endpoints.batch` asks many of them at once and loses nothing.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pydantic import Field

from shop_r1.errors import ModelError
from shop_r1.jsonl import Record

Stop = Literal["end", "length", "refused"]
"""Why a completion ended: by itself, cut at `max_tokens`, or because the model or a filter refused."""
Instead = Literal["tool_calls", "reasoning"]
"""What a completion holds where it has no text."""


class Request(Record):
    """One question. Equal requests to one endpoint are the same question: the cache knows them by content."""

    messages: tuple[dict[str, str], ...]
    """Each with `role` (system, user or assistant) and `content`; the system message, if any, first."""
    max_tokens: int
    """The completion is cut here, in tokens."""
    temperature: float | None = None
    """Of sampling; None leaves it to the endpoint."""
    top_p: float | None = None
    """Of sampling; None leaves it to the endpoint."""
    json_schema: Mapping[str, Any] | None = None
    """A JSON schema that the completion should fit, for endpoints that can hold a model to one."""
    draw: int = 0
    """Which of several draws of the same question this is; never sent, but part of what the cache knows."""


class Usage(Record):
    """What a completion is billed by, in tokens."""

    input_tokens: int = Field(ge=0)
    output_tokens: int = Field(ge=0)


class Answer(Record):
    """One completion."""

    text: str
    stop: Stop
    usage: Usage
    usage_known: bool = True
    """Whether the endpoint said what it bills; where it did not, `usage` is the most that it can be."""
    instead: Instead | None = None
    """Why there is no text, where something else came."""


class TemporaryFaultError(ModelError):
    """An endpoint did not answer this time: a rate limit, a fault of its own, a broken connection, time over.

    Attributes:
        retry_after_s: how long it asked to be left alone, in seconds; None where it did not say.
        billed: it may have worked and may bill for it, although its answer did not arrive whole.
    """

    def __init__(self, message: str, retry_after_s: float | None = None, billed: bool = False) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s
        self.billed = billed


class RequestFaultError(ModelError):
    """An endpoint will not answer this request, for instance since it is too long; others it may."""


class Endpoint(Protocol):
    """A model that answers over a network."""

    @property
    def name(self) -> str:
        """What the cache and the output call it, for instance `openai:qwen@http://127.0.0.1:8000/v1`."""

    async def send(self, request: Request) -> Answer:
        """Return the completion to one try; nothing is retried here.

        Raises:
            TemporaryFaultError: trying again may help.
            RequestFaultError: it will not, with this request.
            ModelError: it will not, with any request: a wrong key, an unknown model.
        """

    async def close(self) -> None:
        """Give back connections."""


@dataclass(frozen=True)
class Price:
    """US dollars for a million tokens."""

    input_usd: float
    output_usd: float

    def cost_usd(self, usage: Usage) -> float:
        """Return what a completion costs."""
        return (usage.input_tokens * self.input_usd + usage.output_tokens * self.output_usd) / 1e6
