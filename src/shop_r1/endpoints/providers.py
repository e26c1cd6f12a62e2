"""Models that answer over a network, through their makers' own clients."""

import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any, Literal

from shop_r1.endpoints.failures import Said, judge, read_fault, read_retry_after, said_by
from shop_r1.endpoints.pricing import find_price
from shop_r1.endpoints.protocol import (
    Answer,
    Endpoint,
    Request,
    RequestFaultError,
    TemporaryFaultError,
    Usage,
)
from shop_r1.endpoints.request_forms import (
    ChatForm,
    Form,
    LimitName,
    MessageForm,
    ResponseFormat,
    refused_sampling,
)
from shop_r1.endpoints.secrets import (
    KEYS,
    Redactor,
    check_proxies,
    environment_redactor,
    guard_logs,
    is_url,
    read_key,
    refuse_secret_name,
)
from shop_r1.endpoints.wire_formats import BodyFaultError, read_chat, read_message
from shop_r1.errors import ConfigError, ModelError

__all__ = ["KEYS", "find_price", "open_endpoint"]

_NAME = re.compile(r"(openai|anthropic|bedrock):([!-?A-~]+)(?:@(https?://[!-?A-~]+))?")
_FORMS = "`openai:MODEL`, `openai:MODEL@URL`, `anthropic:MODEL[@URL]` or `bedrock:MODEL[@URL]`"
_CLIENTS = {"openai": "AsyncOpenAI", "anthropic": "AsyncAnthropic", "bedrock": "AsyncAnthropicBedrock"}
_URLS = {"openai": "https://api.openai.com/v1", "anthropic": "https://api.anthropic.com"}
_NO_KEY = "none"  # What a server without keys is sent, since the clients insist on some.
_FORMS_TRIED = 3  # As given, without a schema, with the limit's other name.


def open_endpoint(
    name: str,
    timeout_s: float,
    *,
    response_format: ResponseFormat = "auto",
    max_tokens_name: LimitName | Literal["auto"] = "auto",
    tell: Callable[[str], None] = lambda text: None,
) -> Endpoint:
    """Return the endpoint of this name; nothing is sent yet. It serves one event loop, then close it.

    `openai:MODEL@URL` is any server that speaks OpenAI's chat completions (vLLM, SGLang, llama.cpp, a hosted
    one). Its key, too, is OPENAI_API_KEY; without one it gets the word "none", as servers without keys
    expect no other. Without a URL the makers' own is asked. Amazon Bedrock takes AWS_BEARER_TOKEN_BEDROCK, or
    AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN, and the region in AWS_REGION; it serves
    Claude only. Nothing else in the environment changes who is asked.

    Args:
        name: in one of the forms above; it is the endpoint's name in files and messages.
        timeout_s: of connecting, and of each silence after.
        response_format: whether chat completions are sent a request's JSON schema.
        max_tokens_name: the name under which chat completions are sent the longest completion.
        tell: told once of each form of a request that the server refused and that is no longer used.

    Raises:
        ConfigError: the name has no such form or holds a secret, a key is not in the environment or no header
            can carry it, or the SDK is not installed.
    """
    refuse_secret_name(name)
    kind, model, url = _split_name(name)
    check_proxies()
    guard_logs()
    sdk = _load("openai" if kind == "openai" else "anthropic")
    options = _bedrock_options(name, url) if kind == "bedrock" else _options(kind, name, url)
    hide = environment_redactor()
    client = _connect(sdk, _CLIENTS[kind], timeout_s, options)
    if kind != "openai":
        create = client.messages.with_raw_response.create
        return _Remote(name, sdk, client, create, MessageForm(model), read_message, hide)
    # OpenAI's own newer models refuse `max_tokens`, while some other servers know nothing else.
    limit: LimitName = "max_completion_tokens" if url is None else "max_tokens"
    if max_tokens_name != "auto":
        limit = max_tokens_name
    form = ChatForm(
        model, limit, max_tokens_name == "auto", response_format, lambda text: tell(f"{name}: {text}")
    )
    return _Remote(name, sdk, client, client.chat.completions.with_raw_response.create, form, read_chat, hide)


def _split_name(name: str) -> tuple[str, str, str | None]:
    found = _NAME.fullmatch(name)
    if found is None:
        raise ConfigError(f"endpoint {name!r}: expected {_FORMS}; a URL begins with http:// or https://")
    if found.group(3) is not None and not is_url(found.group(3)):
        raise ConfigError(f"endpoint {name!r}: its URL has no valid host or port; expected {_FORMS}")
    return found.group(1), found.group(2), found.group(3)


def _load(package: str) -> Any:
    try:
        return import_module(package)
    except ImportError:
        raise ConfigError(
            f"models over a network need the package {package}; pip install 'shop-r1[api]'"
        ) from None


def _connect(sdk: Any, client: str, timeout_s: float, options: Mapping[str, Any]) -> Any:
    # No redirects: a key is for the server it was given for. No retries: `batch` does and counts them.
    http = sdk.DefaultAsyncHttpxClient(follow_redirects=False, timeout=timeout_s)
    return getattr(sdk, client)(http_client=http, timeout=timeout_s, max_retries=0, **options)


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
    _load("boto3")  # Which signs; the anthropic package itself would do without.
    # At DEBUG it logs what it signs, the session token among it.
    logging.getLogger("botocore.auth").setLevel(logging.INFO)
    return options | {"aws_access_key": key, "aws_secret_key": secret, "aws_session_token": session}


@dataclass(frozen=True)
class _Remote:
    """One model at one place: its client's call, how it is put, and how its completions are read."""

    name: str
    sdk: Any = field(repr=False)
    client: Any = field(repr=False)
    create: Callable[..., Awaitable[Any]] = field(repr=False)
    form: Form = field(repr=False)
    read: Callable[[Request, bytes], Answer] = field(repr=False)
    hide: Redactor = field(repr=False)

    async def send(self, request: Request) -> Answer:
        for _ in range(_FORMS_TRIED):
            sent = self.form.arguments(request)
            answer, fault, said = await self._try(request, sent)
            if fault is None:
                break
            if said is not None and said.is_filter and not isinstance(fault, TemporaryFaultError):
                return Answer(text="", stop="refused", usage=Usage(input_tokens=0, output_tokens=0))
            if said is None or not isinstance(fault, RequestFaultError):
                raise fault
            if not self.form.learn(sent, said):
                raise self._advise(fault, said)
        if (
            fault is not None
        ):  # Out here it holds on to no error of the client, whose request has the key in it.
            raise fault
        assert answer is not None
        if self.hide.finds(answer.text):
            raise ModelError(
                f"{self.name}: a completion repeats the key that was sent, so nothing of it is kept; trust "
                "this endpoint with no key (if yours is a mere placeholder, give another word)"
            )
        return answer

    async def _try(
        self, request: Request, arguments: Mapping[str, Any]
    ) -> tuple[Answer | None, ModelError | None, Said | None]:
        """Return the answer, or what went wrong and what the endpoint says of it."""
        try:
            response = await self.create(**arguments)
        except self.sdk.APIError as error:
            content = error.response.content if isinstance(error, self.sdk.APIStatusError) else b""
            return None, read_fault(self.sdk, error, self.name, self.hide), said_by(content)
        try:
            return self.read(request, response.http_response.content), None, None
        except BodyFaultError as error:
            after_s = read_retry_after(response.http_response.headers)
            return None, self._read_body_fault(error, after_s), error.said

    def _read_body_fault(self, error: BodyFaultError, after_s: float | None) -> ModelError:
        if error.said is None:
            return TemporaryFaultError(
                f"{self.name}: the body is no completion ({self.hide(error.found)})", billed=True
            )
        code = "" if error.said.status is None else f", code {error.said.status}"
        message = f"{self.name}: HTTP 200 with an error inside{code} ({self.hide(error.said.message)})"
        return judge(error.said.status, error.said, message, after_s, billed=error.billed)

    def _advise(self, fault: ModelError, said: Said) -> ModelError:
        """Return the fault; where it is of the sampling, it is every request's, and says what to set."""
        refused = refused_sampling(said)
        if refused is None:
            return fault
        setting = {"temperature": "sampling.send_temperature=false", "top_p": "sampling.top_p=1"}[refused]
        return ModelError(
            f"{fault}; this model takes no {refused} but its own. Give {setting} (for rationales, no "
            f"{refused}) to leave it to the endpoint: what is measured then is the model at its own {refused}"
        )

    async def close(self) -> None:
        await self.client.close()
