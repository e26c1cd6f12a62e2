"""The two wire formats: OpenAI's chat completions and Anthropic's messages.

A format writes a request as the arguments of the client's call, adapts to what the server rejects, and reads
the completion from the body (`completion_body`). `providers` opens the client and sends.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from shop_r1.endpoints.completion_body import read_chat, read_message
from shop_r1.endpoints.failures import EndpointError, ErrorDetail
from shop_r1.endpoints.protocol import Request
from shop_r1.errors import ModelError
from shop_r1.models.chat_template import merge_system

ResponseFormat = Literal["auto", "json_schema", "none"]
"""Whether a JSON schema is sent: until the server rejects it, always, or never."""
LimitName = Literal["max_tokens", "max_completion_tokens"]
"""The argument for the longest completion."""

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


@dataclass
class ChatFormat:
    """OpenAI's chat completions. What a server rejects is remembered and reported once."""

    model: str
    limit: LimitName
    adapts_limit: bool
    """Whether the other name may be sent where this one is rejected."""
    response_format: ResponseFormat
    notify: Callable[[str], None] = field(repr=False)
    """Called with a sentence about each adaptation."""
    system_role: bool = True
    """Whether a system message is sent; else its text stands before the first user message, as for a
    checkpoint whose chat template has no system role."""
    read = staticmethod(read_chat)

    def arguments(self, request: Request) -> dict[str, Any]:
        """Return the arguments of a chat completion."""
        messages = list(request.messages) if self.system_role else merge_system(request.messages)
        arguments: dict[str, Any] = {"model": self.model, "messages": messages}
        arguments[self.limit] = request.max_tokens
        if request.json_schema is not None and self.response_format != "none":
            schema = {"name": "completion", "schema": dict(request.json_schema), "strict": True}
            arguments["response_format"] = {"type": "json_schema", "json_schema": schema}
        return arguments | request.sampling

    def adapt(self, sent: Mapping[str, Any], detail: ErrorDetail) -> bool:
        """Return whether the next `arguments` of the request differ in what the server rejected.

        Changed are the place of the system's text, the schema or the limit's name. Of several requests in
        flight each gets the same error: all but the first find the format adapted.
        """
        text = f"{detail.param} {detail.message}"
        if _NO_SYSTEM.search(text):
            return self._drop_system_role(sent)
        if not _is_unsupported(detail):
            return False
        if "response_format" in sent and self.response_format != "json_schema" and _SCHEMA.search(text):
            if self.response_format == "auto":
                self.response_format = "none"
                self.notify(
                    "the server rejects response_format, so requests go without it from now on; completions "
                    "are checked as before (requests.response_format=none never sends it)"
                )
            return True
        return self._rename_limit(sent, text)

    def _drop_system_role(self, sent: Mapping[str, Any]) -> bool:
        if all(each["role"] != "system" for each in sent["messages"]):
            return False
        if self.system_role:
            self.system_role = False
            self.notify(
                "the server's model has no system role, so the system's text stands before the first user "
                "message from now on"
            )
        return True

    def _rename_limit(self, sent: Mapping[str, Any], text: str) -> bool:
        rejected: LimitName = "max_tokens" if "max_tokens" in sent else "max_completion_tokens"
        other: LimitName = "max_completion_tokens" if rejected == "max_tokens" else "max_tokens"
        if not re.search(rf"\b{rejected}\b", text):
            return False
        if self.adapts_limit and self.limit == rejected:
            self.limit, self.adapts_limit = other, False
            self.notify(
                f"the server rejects {rejected}, so it is sent {other} from now on "
                f"(requests.max_tokens_name={other} sends that from the start)"
            )
        return self.limit == other


@dataclass(frozen=True)
class MessagesFormat:
    """Anthropic's messages. A schema is not sent; the prompt describes it."""

    model: str
    read = staticmethod(read_message)

    def arguments(self, request: Request) -> dict[str, Any]:
        """Return the arguments of a message."""
        messages = list(request.messages)
        arguments: dict[str, Any] = {"model": self.model, "max_tokens": request.max_tokens}
        if messages and messages[0]["role"] == "system":
            arguments["system"] = messages.pop(0)["content"]
        # The client has no sampling arguments, since the newest models take none; the older ones do.
        return arguments | {"messages": messages, "extra_body": request.sampling}

    def adapt(self, sent: Mapping[str, Any], detail: ErrorDetail) -> bool:
        """Return False: nothing that is rejected is left out."""
        return False


def explain_rejection(error: EndpointError, detail: ErrorDetail) -> ModelError:
    """Return the error; one about sampling concerns every request, and names the setting to change.

    Neither setting is dropped silently: the server's own value would be another measurement.
    """
    found = _SAMPLING.search(f"{detail.param} {detail.message}")
    if found is None or not _is_unsupported(detail):
        return error
    rejected = found[1].lower()
    setting = {"temperature": "sampling.send_temperature=false", "top_p": "sampling.top_p=1"}[rejected]
    return ModelError(
        f"{error}; this model takes no {rejected} but its own. Set {setting} (for rationales, no "
        f"{rejected}) to leave it to the endpoint: this measures the model at its own {rejected}"
    )


def _is_unsupported(detail: ErrorDetail) -> bool:
    return bool(_UNSUPPORTED.search(f"{detail.param} {detail.message} {' '.join(detail.codes)}"))
