"""What an endpoint's errors mean: retry, give up this request, or give up; no message holds a key."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from shop_r1.endpoints.secrets import Redactor
from shop_r1.errors import ModelError

_TRANSIENT_STATUS = frozenset({408, 409, 424, 425, 429})  # and all from 500
_INVALID_REQUEST_STATUS = frozenset({400, 413, 422})
_NO_CREDIT = 402
_NOTHING_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout"})
"""httpx's errors before a request is sent; after any other the endpoint may have worked, and may bill."""

_CODES = {
    _NO_CREDIT: "insufficient_quota insufficient_balance billing_hard_limit_reached billing_not_active",
    429: "rate_limit_exceeded rate_limit_error rate_limited too_many_requests resource_exhausted "
    "throttlingexception",
    401: "invalid_api_key authentication_error unauthenticated unauthorized",
    403: "permission_error permission_denied forbidden accessdeniedexception",
    404: "model_not_found not_found_error not_found",
    400: "context_length_exceeded exceed_context_size_error invalid_argument validationexception bad_request "
    "invalid_request_error",
    413: "request_too_large",
    529: "overloaded_error",
    503: "unavailable",
    500: "api_error server_error",
}
"""Error codes in words, in lower case, by the status that they stand for. From the error references of
OpenAI, Anthropic, Amazon Bedrock and Google, and from llama.cpp's server."""
_STATUS_OF_CODE = {code: status for status, codes in _CODES.items() for code in codes.split()}
_CODE_NAMES = ("code", "error_code", "status", "statusCode", "type", "__type")
FILTERED = frozenset({"content_filter", "content_policy_violation", "responsibleaipolicyviolation"})
"""The codes of a filter that refused the prompt or the completion."""


@dataclass(frozen=True)
class ErrorDetail:
    """What the body of an error says, in the provider's own words."""

    message: str
    """Not yet redacted."""
    status: int | None = None
    """The HTTP status that its code stands for; None where it has none that we know."""
    codes: frozenset[str] = frozenset()
    """Its codes and types, in lower case."""
    param: str = ""
    """The argument of the request that it is about; empty where it does not say."""


class EndpointError(ModelError):
    """An endpoint returned an error; by itself, one that any request would get.

    `detail` is what the provider says, if anything; `retry_after_s`, how long it asks to wait; `billed`, that
    it may bill for the attempt, although no whole completion arrived.
    """

    def __init__(
        self,
        message: str,
        detail: ErrorDetail | None = None,
        *,
        retry_after_s: float | None = None,
        billed: bool = False,
    ) -> None:
        super().__init__(message)
        self.detail, self.retry_after_s, self.billed = detail, retry_after_s, billed


class InvalidRequestError(EndpointError):
    """An endpoint rejects this request, for instance because it is too long; others may succeed."""


class TransientError(EndpointError):
    """An attempt failed and another may succeed: a rate limit, server error, lost connection or timeout."""


class MalformedBodyError(Exception):
    """The body of a response with status 200 is no completion; the message, not yet redacted, says what is.

    `detail` is what the provider says went wrong, if anything; `billed`, that the endpoint may bill for it.
    """

    def __init__(self, found: str, detail: ErrorDetail | None = None, *, billed: bool = True) -> None:
        super().__init__(found)
        self.detail, self.billed = detail, billed


def parse_error(body: Any) -> ErrorDetail | None:
    """Return what the JSON body of a response says went wrong; None where it says no such thing.

    Known are the forms of OpenAI (`{"error": {"message", "type", "code", "param"}}`), Anthropic and Bedrock,
    Google (a list of one), vLLM (`{"object": "error", "message"}`), FastAPI (`{"detail"}`), and a plain text
    in place of the object. A body with choices or content and no error is a completion.
    """
    if isinstance(body, list):
        return next((detail for detail in map(parse_error, body) if detail is not None), None)
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
    return _parse_detail(error) if error else None


def _parse_detail(error: Any) -> ErrorDetail:
    if not isinstance(error, Mapping):
        return ErrorDetail(str(error))
    inner = error.get("innererror")
    places = [error, inner] if isinstance(inner, Mapping) else [error]
    given = [place.get(name) for place in places for name in _CODE_NAMES]
    codes = [
        str(value).rpartition("#")[2][:100].lower()
        for value in given
        if isinstance(value, str | int) and not isinstance(value, bool)
    ]
    words = frozenset(code for code in codes if not code.isdigit())
    numbers = [int(code) for code in codes if code.isdigit() and 400 <= int(code) <= 599]
    known = [_STATUS_OF_CODE[code] for code in codes if code in _STATUS_OF_CODE]
    status = _NO_CREDIT if _NO_CREDIT in known else next(iter(numbers or known), None)
    return ErrorDetail(_message(error), status, words, str(error.get("param") or ""))


def _message(error: Mapping[str, Any]) -> str:
    metadata = error.get("metadata")  # OpenRouter: what the provider behind it said.
    found = [error.get(name) for name in ("message", "msg", "detail", "error_msg", "error")]
    found.append(metadata.get("raw") if isinstance(metadata, Mapping) else None)
    texts = [each for each in found if isinstance(each, str) and each.strip()]
    return ": ".join(texts) or json.dumps(error, default=str)


def convert_error(sdk: Any, error: Exception, name: str, hide: Redactor) -> ModelError:
    """Return our error for one of the `openai` or `anthropic` package (`sdk`), which share their classes."""
    if isinstance(error, sdk.APIStatusError):
        response: Any = error.response
        try:
            detail = parse_error(json.loads(response.content))
        except (ValueError, RecursionError):
            detail = None
        status = int(response.status_code)
        message = f"{name}: HTTP {status} ({hide(detail.message if detail else error)})"
        return _classify_error(status, detail, message, response.headers)
    if isinstance(error, sdk.APIConnectionError):
        cause = error.__cause__ or error
        kind = type(cause).__name__
        message = f"{name}: no connection, or it broke ({kind}: {hide(cause)})"
        return TransientError(message, billed=kind not in _NOTHING_SENT)
    return ModelError(f"{name}: {hide(f'{type(error).__name__}: {error}')}")


def convert_malformed(
    error: MalformedBodyError, headers: Mapping[str, str], name: str, hide: Redactor
) -> EndpointError:
    """Return our error for a response with status 200 that is no completion."""
    detail = error.detail
    if detail is None:
        return TransientError(f"{name}: the body is no completion ({hide(error)})", billed=True)
    code = "" if detail.status is None else f", code {detail.status}"
    message = f"{name}: HTTP 200 with an error inside{code} ({hide(detail.message)})"
    return _classify_error(detail.status, detail, message, headers, billed=error.billed)


def _classify_error(
    status: int | None,
    detail: ErrorDetail | None,
    message: str,
    headers: Mapping[str, str],
    *,
    billed: bool = False,
) -> EndpointError:
    """Return the error as transient, as this request's, or as one of every request.

    `status` is of HTTP, or what stands for it in the body; an error without one is transient. That no credit
    is left, or that the prompt is too long, comes before it, since servers send these with others too (429,
    500).
    """
    if _NO_CREDIT in (status, detail and detail.status):  # OpenAI sends 429, but waiting does not help.
        return EndpointError(f"{message}; the account has no credit left", detail)
    too_long = detail is not None and "exceed_context_size_error" in detail.codes  # llama.cpp sends 500.
    if too_long or status in _INVALID_REQUEST_STATUS:
        return InvalidRequestError(message, detail)
    if status is None or status in _TRANSIENT_STATUS or status >= 500:
        return TransientError(message, detail, retry_after_s=read_retry_after(headers), billed=billed)
    if status in (401, 403):
        message += "; expected a valid key in the environment that may use this model"
    elif status == 404:
        message += "; expected the name of a model that this endpoint serves, and its right URL"
    return EndpointError(message, detail)


def read_retry_after(headers: Mapping[str, str]) -> float | None:
    """Return how many seconds a response's headers ask to wait; None where they do not say.

    `retry-after-ms`, which is finer, comes first. A date in `Retry-After` is compared with the response's own
    `Date` where it has one, so that our clock need not be right.
    """
    milliseconds = _read_number(headers.get("retry-after-ms", ""))
    if milliseconds is not None:
        return milliseconds / 1000
    text = headers.get("retry-after", "")
    until = _read_date(text)
    if until is None:
        return _read_number(text)
    now = _read_date(headers.get("date", "")) or datetime.now(UTC)
    return max(0.0, (until - now).total_seconds())


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
