"""Endpoints of OpenAI, Anthropic and Amazon Bedrock, and of any server with OpenAI's or Anthropic's API."""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from shop_r1.endpoints.failures import (
    FILTERED,
    EndpointError,
    InvalidRequestError,
    MalformedBodyError,
    TransientError,
    convert_error,
    convert_malformed,
)
from shop_r1.endpoints.protocol import NO_USAGE, Completion, Endpoint, Request
from shop_r1.endpoints.retry import RequestConfig
from shop_r1.endpoints.secrets import (
    Redactor,
    check_proxies,
    environment_redactor,
    guard_logs,
    is_url,
    read_key,
    refuse_secret_name,
)
from shop_r1.endpoints.wire_formats import (
    ChatFormat,
    LimitName,
    MessagesFormat,
    explain_rejection,
)
from shop_r1.errors import ConfigError, ModelError

_NAME = re.compile(r"(openai|anthropic|bedrock):([!-?A-~]+)(?:@(https?://[!-?A-~]+))?")
_NAME_FORMS = "`openai:MODEL`, `openai:MODEL@URL`, `anthropic:MODEL[@URL]` or `bedrock:MODEL[@URL]`"
_CLIENTS = {"openai": "AsyncOpenAI", "anthropic": "AsyncAnthropic", "bedrock": "AsyncAnthropicBedrock"}
_URLS = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
_NO_KEY = "none"  # Sent to servers without keys, since the clients insist on one.


def open_endpoint(
    name: str, config: RequestConfig, notify: Callable[[str], None] = lambda text: None
) -> Endpoint:
    """Return the endpoint of this name; nothing is sent yet. Use it in one event loop, then close it.

    `openai:MODEL@URL` is any server with OpenAI's chat completions (vLLM, SGLang, llama.cpp, a hosted one).
    Its key is in OPENAI_API_KEY too; without one it is sent the word "none". Without a URL, requests go to
    the provider. Amazon Bedrock takes AWS_BEARER_TOKEN_BEDROCK, or AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY
    and AWS_SESSION_TOKEN, and the region in AWS_REGION; it serves Claude only. No other variable of the
    environment changes where requests go.

    The name is the endpoint's in files and messages too. `notify` is called once for each part of a request
    that the server rejected and that is not sent again.

    Raises:
        ConfigError: the name has another form or holds a secret, or a key is not in the environment or no
            HTTP header can carry it.
        ModuleNotFoundError: the provider's client is not installed; the commands say which extra brings it.
    """
    refuse_secret_name(name)
    kind, model, url = _split_name(name)
    check_proxies()
    guard_logs()
    sdk: Any = import_module("openai" if kind == "openai" else "anthropic")
    options = _bedrock_options(name, url) if kind == "bedrock" else _options(kind, name, url)
    hide = environment_redactor()
    # No redirects: a key is for the server it was given for. No retries: `retry` does and counts them.
    http = sdk.DefaultAsyncHttpxClient(follow_redirects=False, timeout=config.timeout_s)
    connect = getattr(sdk, _CLIENTS[kind])
    client = connect(http_client=http, timeout=config.timeout_s, max_retries=0, **options)
    if kind != "openai":
        create = client.messages.with_raw_response.create
        return _RemoteEndpoint(name, sdk, client, create, MessagesFormat(model), hide)
    # OpenAI's own newer models reject `max_tokens`, while some other servers know nothing else.
    usual: LimitName = "max_completion_tokens" if url is None else "max_tokens"
    limit = usual if config.max_tokens_name == "auto" else config.max_tokens_name
    adapts = config.max_tokens_name == "auto"
    wire = ChatFormat(model, limit, adapts, config.response_format, lambda text: notify(f"{name}: {text}"))
    return _RemoteEndpoint(name, sdk, client, client.chat.completions.with_raw_response.create, wire, hide)


def _split_name(name: str) -> tuple[str, str, str | None]:
    found = _NAME.fullmatch(name)
    if found is None:
        raise ConfigError(f"endpoint {name!r}: expected {_NAME_FORMS}; a URL begins with http:// or https://")
    if found.group(3) is not None and not is_url(found.group(3)):
        raise ConfigError(f"endpoint {name!r}: its URL has no valid host or port; expected {_NAME_FORMS}")
    return found.group(1), found.group(2), found.group(3)


def _options(kind: str, name: str, url: str | None) -> dict[str, str]:
    variable = f"{kind.upper()}_API_KEY"
    key = read_key(variable)
    if not key and url is None:
        raise ConfigError(f"endpoint {name!r} needs a key; set {variable} in the environment")
    return {"api_key": key or _NO_KEY, "base_url": url or _URLS[kind]}


def _bedrock_options(name: str, url: str | None) -> Mapping[str, str | None]:
    region = read_key("AWS_REGION") or read_key("AWS_DEFAULT_REGION")
    token, key, secret, session = map(
        read_key,
        ("AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
    )
    if not region or not (token or (key and secret)):
        raise ConfigError(
            f"endpoint {name!r} needs AWS_REGION, and AWS_BEARER_TOKEN_BEDROCK or AWS_ACCESS_KEY_ID with "
            "AWS_SECRET_ACCESS_KEY; set them in the environment"
        )
    options = {"aws_region": region, "base_url": url or f"https://bedrock-runtime.{region}.amazonaws.com"}
    if token:
        return options | {"api_key": token}
    import_module("boto3")  # It signs; the anthropic package imports it only then.
    # At DEBUG it logs what it signs, the session token among it.
    logging.getLogger("botocore.auth").setLevel(logging.INFO)
    return options | {"aws_access_key": key, "aws_secret_key": secret, "aws_session_token": session}


@dataclass(frozen=True)
class _RemoteEndpoint:
    """One model of one server."""

    name: str
    sdk: Any = field(repr=False)
    client: Any = field(repr=False)
    create: Callable[..., Awaitable[Any]] = field(repr=False)
    wire: ChatFormat | MessagesFormat = field(repr=False)
    hide: Redactor = field(repr=False)

    async def send(self, request: Request) -> Completion:
        while True:  # It ends: what the format gives up when the server rejects it, it never sends again.
            arguments = self.wire.arguments(request)
            try:
                return await self._call(request, arguments)
            except EndpointError as error:
                detail = error.detail
                if detail is None or isinstance(error, TransientError):
                    raise
                if detail.codes & FILTERED:
                    return Completion(text="", stop="refused", usage=NO_USAGE)
                if not isinstance(error, InvalidRequestError):
                    raise
                if not self.wire.adapt(arguments, detail):
                    raise explain_rejection(error, detail) from None

    async def _call(self, request: Request, arguments: Mapping[str, Any]) -> Completion:
        failure: ModelError
        try:
            response = (await self.create(**arguments)).http_response
            completion = self.wire.read(request, response.content)
        except self.sdk.APIError as error:
            failure = convert_error(self.sdk, error, self.name, self.hide)
        except MalformedBodyError as error:
            failure = convert_malformed(error, response.headers, self.name, self.hide)
        else:
            if self.hide.finds(completion.text):
                raise ModelError(
                    f"{self.name}: a completion repeats the key that was sent, so nothing of it is kept; "
                    "trust this endpoint with no key (if yours is a mere placeholder, choose another word)"
                )
            return completion
        # Raised out here, it has no reference to the client's error, whose request has the key in it.
        raise failure

    async def close(self) -> None:
        await self.client.close()
