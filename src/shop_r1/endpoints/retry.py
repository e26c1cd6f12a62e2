"""One completion from an endpoint: retried with backoff, within the rates and the budget of its run."""

import asyncio
from typing import TYPE_CHECKING, ClassVar, Literal

from pydantic import Field

from shop_r1.config import Config
from shop_r1.endpoints.budget import Budget, estimate_prompt, max_usage
from shop_r1.endpoints.failures import InvalidRequestError, TransientError
from shop_r1.endpoints.protocol import Completion, Endpoint, Request
from shop_r1.endpoints.rate_limit import RateLimiter
from shop_r1.endpoints.response_cache import ResponseCache
from shop_r1.endpoints.wire_formats import LimitName, ResponseFormat
from shop_r1.errors import ModelError

if TYPE_CHECKING:
    import tenacity

_MAX_BACKOFF_S = 60.0  # Ours.
_MAX_RETRY_AFTER_S = 600.0  # Ours: told to wait longer, a run ends and says so; running it again is free.
_MAX_FAILURES_IN_A_ROW = 20  # Ours: after so many requests without a completion, the cause is not theirs.


class RequestConfig(Config):
    """How requests are sent."""

    RENAMED: ClassVar = {"tries": "max_attempts", "answers": "max_completions"}
    concurrency: int = Field(8, ge=1, le=1000)
    """Most requests in flight."""
    requests_per_minute: float = Field(0.0, ge=0)
    """Attempts that may start in a minute, evenly spaced; 0 is no limit."""
    tokens_per_minute: float = Field(0.0, ge=0)
    """The same in tokens, of the request by estimate and of the longest completion; 0 is no limit."""
    timeout_s: float = Field(120.0, gt=0)
    """Of one attempt."""
    max_attempts: int = Field(6, ge=1)
    """For one completion, while errors are transient."""
    backoff_s: float = Field(1.0, ge=0)
    """The wait after the first error is drawn from 0 to this; the range doubles each time, up to 60 s (AWS's
    "full jitter"). An endpoint's `Retry-After` is honoured where it is longer."""
    max_completions: int = Field(3, ge=1)
    """For one request, while completions are rejected; those of earlier runs count."""
    response_format: ResponseFormat = "auto"
    """Whether chat completions are sent the JSON schema of the completion, where there is one: `auto` until
    the server rejects it (then the same request goes without), `json_schema` always, `none` never."""
    max_tokens_name: LimitName | Literal["auto"] = "auto"
    """The argument of chat completions for the longest completion: `auto` is `max_completion_tokens` for
    OpenAI's own server and `max_tokens` behind a URL, and the other one where the server rejects that."""
    max_cost_usd: float | None = Field(None, ge=0)
    """Most that all completions of these requests may cost, those of earlier runs included; a request that
    could exceed it is not sent. None is no cap. A cap needs a price."""


class RequestSender:
    """Gets completions from one endpoint for one run; `retries` counts its repeated attempts."""

    def __init__(
        self, endpoint: Endpoint, config: RequestConfig, cache: ResponseCache, budget: Budget
    ) -> None:
        self.config, self.cache, self.budget = config, cache, budget
        self.retries = 0
        self._endpoint = endpoint
        self._had_completion, self._failures_in_a_row = budget.usage.input_tokens > 0, 0
        self._limiter = RateLimiter(config.requests_per_minute, config.tokens_per_minute)

    async def send(self, key: str, request: Request) -> Completion:
        """Return a new completion; it is in the cache, under this `request_key`.

        Raises:
            BudgetExceededError: it was not sent, or not again.
            TransientError: all attempts failed; the message has the last one's error.
            InvalidRequestError: the endpoint rejects this request.
            ModelError: it rejects all requests, or asks for a long wait.
            DataError: the cache cannot be written.
        """
        try:
            completion: Completion = await self._retrying()(self._attempt, key, request)
        except InvalidRequestError as error:
            if not self._had_completion:  # Else they are invalid one by one.
                self._count_failure(error)
            raise
        except TransientError as error:
            self._count_failure(error)
            attempts = self.config.max_attempts
            raise TransientError(f"no completion in {attempts} attempts; the last error: {error}") from None
        self._had_completion, self._failures_in_a_row = True, 0
        return completion

    def _retrying(self) -> "tenacity.AsyncRetrying":
        """Return tenacity's loop; it has a state of its own, so each completion takes a new one."""
        import tenacity

        jitter = tenacity.wait_random_exponential(self.config.backoff_s, max=_MAX_BACKOFF_S)

        def count(_: tenacity.RetryCallState) -> None:
            self.retries += 1

        def wait(state: tenacity.RetryCallState) -> float:
            error = state.outcome.exception() if state.outcome is not None else None
            retry_after_s = error.retry_after_s if isinstance(error, TransientError) else None
            return max(jitter(state), retry_after_s or 0.0)

        return tenacity.AsyncRetrying(
            stop=tenacity.stop_after_attempt(self.config.max_attempts),
            wait=wait,
            retry=tenacity.retry_if_exception_type(TransientError),
            before_sleep=count,
            reraise=True,
        )

    async def _attempt(self, key: str, request: Request) -> Completion:
        """Return the completion of one attempt, which is in the cache by then."""
        most = max_usage(request)
        await self.budget.reserve(most)
        try:
            tokens = estimate_prompt(request) + request.max_tokens if self.config.tokens_per_minute else 0
            await self._limiter.acquire(tokens)
            completion = await self._call(request)
            self.cache.add(key, self._endpoint.name, completion)
        except ModelError as error:
            self.budget.release(most, billed=isinstance(error, TransientError) and error.billed)
            if isinstance(error, TransientError):
                self._pause(error)
            raise
        self.budget.commit(most, completion.usage)
        return completion

    async def _call(self, request: Request) -> Completion:
        timeout_s = self.config.timeout_s
        try:
            async with asyncio.timeout(timeout_s):
                return await self._endpoint.send(request)
        except TimeoutError:
            message = f"{self._endpoint.name}: no completion within {timeout_s:g} s"
            raise TransientError(message, billed=True) from None

    def _pause(self, error: TransientError) -> None:
        """Pause all requests where the endpoint asks for it, not only the one that got the error."""
        if error.retry_after_s is None:
            return
        if error.retry_after_s > _MAX_RETRY_AFTER_S:
            raise ModelError(
                f"{error}; {self._endpoint.name} asks to wait for {error.retry_after_s:.0f} s: run again "
                "after that, all completions so far are kept"
            ) from None
        self._limiter.pause(error.retry_after_s)

    def _count_failure(self, error: ModelError) -> None:
        """Count a request without a completion.

        Raises:
            ModelError: too many in a row for it to be of use to go on.
        """
        self._failures_in_a_row += 1
        if self._failures_in_a_row >= _MAX_FAILURES_IN_A_ROW:
            raise ModelError(
                f"{self._failures_in_a_row} requests in a row got no completion; the last error: {error}. "
                "All completions so far are kept: run again when the cause is fixed"
            ) from None
