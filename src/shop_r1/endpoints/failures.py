"""What an endpoint's errors mean: try again, give this request up, or give up; with no key in the message."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from shop_r1.endpoints.protocol import RequestFaultError, TemporaryFaultError
from shop_r1.endpoints.secrets import Redactor
from shop_r1.errors import ModelError

_PASSING = frozenset({408, 409, 424, 425, 429})  # and all from 500
_OF_THE_REQUEST = frozenset({400, 413, 422})
_NO_CREDIT = 402
_NOTHING_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout"})
"""httpx's errors before a request is on its way; after any other the endpoint may have done its work."""

_STATUS_OF_WORD = {
    "insufficient_quota": _NO_CREDIT,
    "insufficient_balance": _NO_CREDIT,
    "billing_hard_limit_reached": _NO_CREDIT,
    "billing_not_active": _NO_CREDIT,
    "rate_limit_exceeded": 429,
    "rate_limit_error": 429,
    "rate_limited": 429,
    "too_many_requests": 429,
    "resource_exhausted": 429,
    "throttlingexception": 429,
    "invalid_api_key": 401,
    "authentication_error": 401,
    "unauthenticated": 401,
    "unauthorized": 401,
    "permission_error": 403,
    "permission_denied": 403,
    "forbidden": 403,
    "accessdeniedexception": 403,
    "model_not_found": 404,
    "not_found_error": 404,
    "not_found": 404,
    "context_length_exceeded": 400,
    "exceed_context_size_error": 400,
    "invalid_argument": 400,
    "validationexception": 400,
    "bad_request": 400,
    "invalid_request_error": 400,
    "request_too_large": 413,
    "overloaded_error": 529,
    "unavailable": 503,
    "api_error": 500,
    "server_error": 500,
}
"""Words in place of numbers, in lower case, from the error references of OpenAI, Anthropic, Amazon Bedrock
and Google, and from llama.cpp's server."""
_FILTERED = frozenset({"content_filter", "content_policy_violation", "responsibleaipolicyviolation"})


@dataclass(frozen=True)
class Said:
    """What the body of an error says, in the provider's own words.

    Attributes:
        message: the provider's sentence; not yet redacted.
        status: the HTTP status that its code stands for; None where it has none that we know.
        words: its codes and types, in lower case.
        param: the argument of the request that it is about; empty where it does not say.
    """

    message: str
    status: int | None = None
    words: frozenset[str] = frozenset()
    param: str = ""

    @property
    def is_filter(self) -> bool:
        """Whether a filter refused the prompt or the completion."""
        return bool(self.words & _FILTERED)


def read_said(body: Any) -> Said | None:
    """Return what the JSON body of a response says went wrong; None where it says no such thing.

    Read are the forms of OpenAI (`{"error": {"message", "type", "code", "param"}}`), Anthropic and Bedrock,
    Google (a list of one), vLLM (`{"object": "error", "message"}`), FastAPI (`{"detail"}`), and a plain text
    in place of the object. A body with choices or content and no error is a completion.
    """
    if isinstance(body, list):
        return next((said for said in map(read_said, body) if said is not None), None)
    if not isinstance(body, Mapping):
        return None
    error = body.get("error") or body.get("errors")
    if isinstance(error, list):
        error = error[0] if error else None
    if not error:
        if body.get("choices") or body.get("content"):
            return None
        named = ("message", "msg", "detail", "error_msg", "Output", "__type")
        error = {key: body[key] for key in body if key != "choices"} if any(map(body.get, named)) else None
    return _read_error(error) if error else None


def _read_error(error: Any) -> Said:
    if not isinstance(error, Mapping):
        return Said(str(error))
    codes = [*_codes(error)]
    words = frozenset(code.lower() for code in codes if not code.isdigit())
    numbers = [int(code) for code in codes if code.isdigit() and 400 <= int(code) <= 599]
    known = [_STATUS_OF_WORD[code.lower()] for code in codes if code.lower() in _STATUS_OF_WORD]
    status = _NO_CREDIT if _NO_CREDIT in known else next(iter(numbers or known), None)
    return Said(_message(error), status, words, str(error.get("param") or ""))


def _codes(error: Mapping[str, Any]) -> Iterator[str]:
    inner = error.get("innererror")
    for place in (error, inner if isinstance(inner, Mapping) else {}):
        for name in ("code", "error_code", "status", "statusCode", "type", "__type"):
            value = place.get(name)
            if isinstance(value, str | int) and not isinstance(value, bool):
                yield str(value).rpartition("#")[2][:100]


def _message(error: Mapping[str, Any]) -> str:
    found = [error.get(name) for name in ("message", "msg", "detail", "error_msg", "error")]
    metadata = error.get("metadata")  # OpenRouter: what the provider behind it said.
    found.append(metadata.get("raw") if isinstance(metadata, Mapping) else None)
    said = [each for each in found if isinstance(each, str) and each.strip()]
    return ": ".join(said) if said else json.dumps(error, default=str)


def read_fault(sdk: Any, error: Exception, name: str, hide: Redactor) -> ModelError:
    """Return what an error of the `openai` or `anthropic` package, which agree in their errors, is to us.

    Args:
        sdk: the package.
        error: what it raised.
        name: the endpoint's.
        hide: takes keys out of the message.
    """
    if isinstance(error, sdk.APIStatusError):
        response: Any = error.response
        said = said_by(response.content) or Said(str(error))
        after_s = read_retry_after(response.headers)
        status = int(response.status_code)
        return judge(status, said, f"{name}: HTTP {status} ({hide(said.message)})", after_s)
    if isinstance(error, sdk.APIConnectionError):
        cause = error.__cause__ or error
        kind = type(cause).__name__
        return TemporaryFaultError(
            f"{name}: no connection, or it broke ({kind}: {hide(cause)})", billed=kind not in _NOTHING_SENT
        )
    return ModelError(f"{name}: {hide(f'{type(error).__name__}: {error}')}")


def said_by(content: bytes) -> Said | None:
    """Return what a body says went wrong; None where it is not JSON or says no such thing."""
    try:
        return read_said(json.loads(content))
    except (ValueError, RecursionError):
        return None


def judge(
    status: int | None, said: Said, message: str, after_s: float | None = None, *, billed: bool = False
) -> ModelError:
    """Return what an error is to us: passing, the request's, or lasting.

    Args:
        status: of HTTP, or what stands for it in the body; None for an error that gives none, which passes.
        said: what the provider says. That there is no credit left, or that the prompt is too long, comes
            before the status, since servers send these with others too (429, 500).
        message: what to tell, without keys.
        after_s: how long to wait, if the endpoint says so.
        billed: the endpoint may bill for this try.
    """
    if said.status == _NO_CREDIT or status == _NO_CREDIT:  # OpenAI says 429, but no wait will help.
        return ModelError(f"{message}; the account has no credit left")
    if "exceed_context_size_error" in said.words:  # llama.cpp says 500.
        return RequestFaultError(message)
    if status is None or status in _PASSING or status >= 500:
        return TemporaryFaultError(message, retry_after_s=after_s, billed=billed)
    if status in _OF_THE_REQUEST:
        return RequestFaultError(message)
    if status in (401, 403):
        return ModelError(f"{message}; expected a valid key in the environment that may use this model")
    if status == 404:
        return ModelError(
            f"{message}; expected the name of a model that this endpoint serves, and its right URL"
        )
    return ModelError(message)


def read_retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return how many seconds an endpoint asks to be left alone; None where it does not say.

    Args:
        headers: of the response. `retry-after-ms`, which is finer, comes first. A date in `Retry-After` is
            compared with its own `Date`, so that our clock need not be right.
        now: for a response without a date; by default, now.
    """
    milliseconds = _read_number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after", "").strip()
    try:
        float(text)
    except ValueError:
        until, since = _read_date(text), _read_date(headers.get("date", "")) or now or datetime.now(UTC)
        return None if until is None else max(0.0, (until - since).total_seconds())
    return _read_number(text)


def _read_number(text: str) -> float | None:
    try:
        number = float(text.strip())
    except ValueError:
        return None
    return number if 0 <= number < math.inf else None


def _read_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
