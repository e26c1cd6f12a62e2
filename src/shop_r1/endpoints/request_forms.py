"""What goes over the wire, in OpenAI's form and in Anthropic's, as the server at hand takes it."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from shop_r1.endpoints.failures import Said
from shop_r1.endpoints.protocol import Request
from shop_r1.models.chat_template import merge_system

ResponseFormat = Literal["auto", "json_schema", "none"]
"""Whether a JSON schema is sent: until the server refuses it, always, or never."""
LimitName = Literal["max_tokens", "max_completion_tokens"]
"""What a server calls the most tokens of a completion."""

_UNSUPPORTED = re.compile(
    r"unsupported|(?:not|n't) (?:be )?(?:support|available|allow|permit|specif|recogni|accept)"
    r"|cannot (?:both )?be|unavailable|unrecognized|unknown|unexpected|extra (?:inputs|fields)|deprecated"
    r"|instead|invalid response_format",
    re.IGNORECASE,
)
_SCHEMA = re.compile(r"response_format|json[_ ]schema|structured output", re.IGNORECASE)
_NO_SYSTEM = re.compile(
    r"(?:system|developer) (?:role|message|prompt|instruction)s?(?: is| are)? (?:not|un)\s?(?:be )?"
    r"(?:support|allow|enabl|accept)|only user(?:,| and) (?:assistant|model) roles",
    re.IGNORECASE,
)
_SAMPLING = re.compile(r"\b(temperature|top_p)\b", re.IGNORECASE)


class Form(Protocol):
    """How requests to one endpoint are put."""

    def arguments(self, request: Request) -> dict[str, Any]:
        """Return the arguments of the client's call."""

    def learn(self, sent: Mapping[str, Any], said: Said) -> bool:
        """Return whether the same request, put otherwise, may be taken: the next `arguments` are."""


@dataclass
class ChatForm:
    """A chat completion. What a server refuses is remembered and told once.

    Attributes:
        model: as the server calls it.
        limit: the argument that limits the completion's length.
        learns_limit: whether the other name may be tried where this one is refused.
        response_format: whether a schema is sent; the completions are checked in any case.
        tell: told of what is put otherwise from then on.
        system_role: whether a system message is sent; else its text stands before the user's first, as for a
            checkpoint whose chat template has no system role.
    """

    model: str
    limit: LimitName
    learns_limit: bool
    response_format: ResponseFormat
    tell: Callable[[str], None] = field(repr=False)
    system_role: bool = True

    def arguments(self, request: Request) -> dict[str, Any]:
        """Return the arguments of a chat completion."""
        messages = list(request.messages) if self.system_role else merge_system(request.messages)
        arguments: dict[str, Any] = {"model": self.model, "messages": messages}
        arguments[self.limit] = request.max_tokens
        if request.json_schema is not None and self.response_format != "none":
            schema = {"name": "completion", "schema": dict(request.json_schema), "strict": True}
            arguments["response_format"] = {"type": "json_schema", "json_schema": schema}
        return arguments | _sampling(request)

    def learn(self, sent: Mapping[str, Any], said: Said) -> bool:
        """Return whether another place for the system's text, no schema, or the limit's other name may help.

        Of several requests in flight each is told the same: all but the first find it learnt already.
        """
        about = f"{said.param} {said.message}"
        if _NO_SYSTEM.search(about):
            return self._learn_system(sent)
        if not _UNSUPPORTED.search(f"{about} {' '.join(said.words)}"):
            return False
        if "response_format" in sent and self.response_format != "json_schema" and _SCHEMA.search(about):
            if self.response_format == "auto":
                self.response_format = "none"
                self.tell(
                    "the server refuses response_format, so completions are asked for without it from now on "
                    "and checked as before (ask.response_format=none asks without it from the start)"
                )
            return True
        return self._learn_limit(sent, about)

    def _learn_system(self, sent: Mapping[str, Any]) -> bool:
        if all(each["role"] != "system" for each in sent["messages"]):
            return False
        if self.system_role:
            self.system_role = False
            self.tell(
                "the server's model has no system role, so the system's text stands before the user's first "
                "message from now on"
            )
        return True

    def _learn_limit(self, sent: Mapping[str, Any], about: str) -> bool:
        other: LimitName = "max_completion_tokens" if "max_tokens" in sent else "max_tokens"
        refused = next(name for name in ("max_tokens", "max_completion_tokens") if name in sent)
        if not re.search(rf"\b{refused}\b", about):
            return False
        if self.learns_limit and self.limit == refused:
            self.limit, self.learns_limit = other, False
            self.tell(
                f"the server refuses {refused}, so it is sent {other} from now on "
                f"(ask.max_tokens_name={other} sends it from the start)"
            )
        return self.limit == other


@dataclass(frozen=True)
class MessageForm:
    """A message to Claude, whose schema, if any, is left to the prompt.

    Attributes:
        model: as the server calls it.
    """

    model: str

    def arguments(self, request: Request) -> dict[str, Any]:
        """Return the arguments of a message."""
        messages = list(request.messages)
        arguments: dict[str, Any] = {"model": self.model, "max_tokens": request.max_tokens}
        if messages and messages[0]["role"] == "system":
            arguments["system"] = messages.pop(0)["content"]
        # The client has no arguments for sampling, which the newest models no longer take; the older ones do.
        return arguments | {"messages": messages, "extra_body": _sampling(request)}

    def learn(self, sent: Mapping[str, Any], said: Said) -> bool:
        """Return False: there is no other form."""
        return False


def refused_sampling(said: Said) -> str | None:
    """Return which sampling setting an endpoint does not take, `temperature` or `top_p`, or None.

    Neither is left out on our own: what it then draws with would be another measurement.
    """
    about = f"{said.param} {said.message}"
    found = _SAMPLING.search(about)
    return (
        found.group(1).lower() if found and _UNSUPPORTED.search(f"{about} {' '.join(said.words)}") else None
    )


def _sampling(request: Request) -> dict[str, float]:
    given = {"temperature": request.temperature, "top_p": request.top_p}
    return {name: value for name, value in given.items() if value is not None}
