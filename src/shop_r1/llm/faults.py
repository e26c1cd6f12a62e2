"""What an SDK's errors mean: try again, give this request up, or give up; with no key in the message."""

import math
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from shop_r1.errors import ModelError
from shop_r1.llm.protocol import RequestFaultError, TemporaryFaultError

_PASSING = frozenset({408, 409, 424, 425, 429})  # and all from 500
_OF_THE_REQUEST = frozenset({400, 413, 422})
_NOTHING_SENT = frozenset({"ConnectError", "ConnectTimeout", "PoolTimeout"})
"""httpx's errors before a request is on its way; after any other the endpoint may have done its work."""
_LONGEST_DETAIL = 300  # characters, ours
_SHORTEST_KEY = 6  # characters: what is shorter is no secret, and would be found in every other word


class KeyHider:
    """Takes keys out of what others wrote, since endpoints and proxies like to repeat what they were sent."""

    def __init__(self, keys: Iterable[str]) -> None:
        forms = {form for key in keys for form in (key, quote(key, safe=""), key.replace("/", "\\/"))}
        self._keys = sorted((form for form in forms if len(form) >= _SHORTEST_KEY), key=len, reverse=True)

    def __call__(self, text: object) -> str:
        """Return the text on one line, without keys and control characters, and not long."""
        shown = str(text)
        for key in self._keys:
            shown = shown.replace(key, "[key]")
        shown = " ".join("".join(each if each.isprintable() else " " for each in shown).split())
        return shown if len(shown) <= _LONGEST_DETAIL else shown[: _LONGEST_DETAIL - 1] + "…"


def read_fault(sdk: Any, error: Exception, name: str, hide: KeyHider) -> ModelError:
    """Return what an error of the `openai` or `anthropic` package, which agree in their errors, is to us.

    Args:
        sdk: the package.
        error: what it raised.
        name: the endpoint's.
        hide: takes keys out of the message.
    """
    if isinstance(error, sdk.APIStatusError):
        return _read_status(error, name, hide)
    if isinstance(error, sdk.APIConnectionError):
        cause = error.__cause__ or error
        kind = type(cause).__name__
        return TemporaryFaultError(
            f"{name}: no connection, or it broke ({kind}: {hide(cause)})", billed=kind not in _NOTHING_SENT
        )
    return ModelError(f"{name}: {hide(f'{type(error).__name__}: {error}')}")


def _read_status(error: Any, name: str, hide: KeyHider) -> ModelError:
    status = int(error.status_code)
    said = f"{name}: HTTP {status} ({hide(error.message)})"
    if getattr(error, "code", None) == "insufficient_quota":  # OpenAI says 429, but no wait will help.
        return ModelError(f"{said}; the account has no credit left")
    if status in _PASSING or status >= 500:
        return TemporaryFaultError(said, retry_after_s=read_retry_after(error.response.headers))
    if status in _OF_THE_REQUEST:
        return RequestFaultError(said)
    if status in (401, 403):
        return ModelError(f"{said}; expected a valid key in the environment that may use this model")
    if status == 404:
        return ModelError(
            f"{said}; expected the name of a model that this endpoint serves, and its right URL"
        )
    return ModelError(said)


def read_retry_after(headers: Mapping[str, str], now: datetime | None = None) -> float | None:
    """Return how many seconds an endpoint asks to be left alone; None where it does not say.

    Args:
        headers: of the response. A date in `Retry-After` is compared with its own `Date`, so that our clock
            need not be right.
        now: for a response without a date; by default, now.
    """
    text = headers.get("retry-after", "").strip()
    try:
        seconds = float(text)
    except ValueError:
        until, since = _read_date(text), _read_date(headers.get("date", "")) or now or datetime.now(UTC)
        return None if until is None else max(0.0, (until - since).total_seconds())
    return seconds if 0 <= seconds < math.inf else None


def _read_date(text: str) -> datetime | None:
    try:
        date = parsedate_to_datetime(text)
    except ValueError:
        return None
    return date if date.tzinfo is not None else date.replace(tzinfo=UTC)
