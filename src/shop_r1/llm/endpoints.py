"""Models that answer over a network, through their makers' own clients."""

import logging
import os
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib import import_module
from typing import Any

from pydantic import ValidationError

from shop_r1.config import describe_validation
from shop_r1.errors import ConfigError, ModelError
from shop_r1.llm.faults import KeyHider, read_fault
from shop_r1.llm.prices import find_price
from shop_r1.llm.protocol import Answer, Endpoint, Request, TemporaryFaultError
from shop_r1.llm.wires import chat_arguments, message_arguments, read_chat, read_message

__all__ = ["find_price", "open_endpoint"]

_NAME = re.compile(r"(openai|anthropic|bedrock):([!-?A-~]+)(?:@(https?://[!-?A-~]+))?")
_FORMS = "`openai:MODEL`, `openai:MODEL@URL`, `anthropic:MODEL[@URL]` or `bedrock:MODEL[@URL]`"
_CLIENTS = {"openai": "AsyncOpenAI", "anthropic": "AsyncAnthropic", "bedrock": "AsyncAnthropicBedrock"}
_URLS = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
_NO_KEY = "none"  # What a server without keys is sent, since the clients insist on some.
KEYS = (
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_BEARER_TOKEN_BEDROCK",
)
"""Variables that hold keys; what they hold is in no file, error or output."""


def open_endpoint(name: str, timeout_s: float) -> Endpoint:
    """Return the endpoint of this name; nothing is sent yet. It serves one event loop, then close it.

    `openai:MODEL@URL` is any server that speaks OpenAI's chat completions (vLLM, SGLang, llama.cpp, a hosted
    one). Its key, too, is OPENAI_API_KEY; without one it gets the word "none", as servers without keys
    expect no other. Without a URL the makers' own is asked. Amazon Bedrock takes AWS_BEARER_TOKEN_BEDROCK, or
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and the region in AWS_REGION; it serves
    Claude only. Nothing else in the environment changes who is asked.

    Args:
        name: in one of the forms above; it is the endpoint's name in files and messages.
        timeout_s: of connecting, and of each silence after.

    Raises:
        ConfigError: the name has no such form, a key is not in the environment, or the SDK is not installed.
    """
    kind, model, url = _split_name(name)
    hide = KeyHider(value for value in map(os.environ.get, KEYS) if value)
    sdk = _load("openai" if kind == "openai" else "anthropic")
    options = _bedrock_options(name, url) if kind == "bedrock" else _options(kind, name, url)
    client = _connect(sdk, _CLIENTS[kind], timeout_s, options)
    if kind == "openai":
        create = client.chat.completions.with_raw_response.create
        arguments = partial(chat_arguments, model=model, own=url is None)
        return _Remote(name, sdk, client, create, arguments, read_chat, hide)
    create = client.messages.with_raw_response.create
    return _Remote(name, sdk, client, create, partial(message_arguments, model=model), read_message, hide)


def _split_name(name: str) -> tuple[str, str, str | None]:
    if "://" in name and (name.count("@") > 1 or "?" in name or "#" in name):
        # Not repeated here: it may hold a password.
        raise ConfigError(
            "the URL in an endpoint's name must have no user, password, query or fragment, since the name is "
            "written to files; keys come from the environment"
        )
    found = _NAME.fullmatch(name)
    if found is None:
        raise ConfigError(f"endpoint {name!r}: expected {_FORMS}; a URL begins with http:// or https://")
    return found.group(1), found.group(2), found.group(3)


def _load(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError:
        raise ConfigError(
            f"models over a network need the package {package}; pip install 'shop-r1[api]'"
        ) from None


def _connect(sdk: Any, client: str, timeout_s: float, options: Mapping[str, Any]) -> Any:
    # No redirects: a key is for the server it was given for. No retries: `llm.asking` does and counts them.
    http = sdk.DefaultAsyncHttpxClient(follow_redirects=False, timeout=timeout_s)
    return getattr(sdk, client)(http_client=http, timeout=timeout_s, max_retries=0, **options)


def _options(kind: str, name: str, url: str | None) -> dict[str, str]:
    variable = f"{kind.upper()}_API_KEY"
    key = os.environ.get(variable)
    if not key and url is None:
        raise ConfigError(f"endpoint {name!r} needs a key; set {variable} in the environment")
    return {"api_key": key or _NO_KEY, "base_url": url or _URLS[kind]}


def _bedrock_options(name: str, url: str | None) -> Mapping[str, str | None]:
    region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    token, key, secret = map(
        os.environ.get, ("AWS_BEARER_TOKEN_BEDROCK", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    )
    if not region or not (token or (key and secret)):
        raise ConfigError(
            f"endpoint {name!r} needs AWS_REGION, and AWS_BEARER_TOKEN_BEDROCK or AWS_ACCESS_KEY_ID with "
            "AWS_SECRET_ACCESS_KEY; set them in the environment"
        )
    options = {"aws_region": region, "base_url": url or f"https://bedrock-runtime.{region}.amazonaws.com"}
    if token:
        return options | {"api_key": token}
    _load("boto3")  # Which signs; the anthropic package itself would do without.
    # At DEBUG it logs what it signs, the session token among it.
    logging.getLogger("botocore.auth").setLevel(logging.INFO)
    session = os.environ.get("AWS_SESSION_TOKEN")
    return options | {"aws_access_key": key, "aws_secret_key": secret, "aws_session_token": session}


@dataclass(frozen=True)
class _Remote:
    """One model at one place: its client's call, the call's arguments, and how its replies are read."""

    name: str
    sdk: Any = field(repr=False)
    client: Any = field(repr=False)
    create: Callable[..., Awaitable[Any]] = field(repr=False)
    arguments: Callable[[Request], Mapping[str, Any]] = field(repr=False)
    read: Callable[[Request, bytes], Answer] = field(repr=False)
    hide: KeyHider = field(repr=False)

    async def send(self, request: Request) -> Answer:
        fault: ModelError
        try:
            response = await self.create(**self.arguments(request))
            return self.read(request, response.http_response.content)
        except ValidationError as error:
            found = self.hide(describe_validation(error))
            fault = TemporaryFaultError(f"{self.name}: the body is no reply ({found})", billed=True)
        except self.sdk.APIError as error:
            fault = read_fault(self.sdk, error, self.name, self.hide)
        raise fault  # Out here it holds on to no error of the client, whose request has the key in it.

    async def close(self) -> None:
        await self.client.close()
