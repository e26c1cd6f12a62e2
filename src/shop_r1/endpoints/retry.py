"""One answer from an endpoint: tried as often as it may help, at the pace and within the cap of its run."""

import asyncio
from typing import Any, Literal

from pydantic import Field

from shop_r1.config import Config
from shop_r1.endpoints.budget import Purse, about_tokens, worst_case
from shop_r1.endpoints.protocol import (
    Answer,
    Endpoint,
    Price,
    Request,
    RequestFaultError,
    TemporaryFaultError,
    Usage,
)
from shop_r1.endpoints.rate_limit import Clock, Pace
from shop_r1.endpoints.request_forms import LimitName, ResponseFormat
from shop_r1.endpoints.response_cache import AnswerCache
from shop_r1.errors import ConfigError, ModelError

_LONGEST_BACKOFF_S = 60.0  # Ours.
_LONGEST_REST_S = 600.0  # Ours: asked to wait longer, a run ends and says so; running it again is free.
_VAIN_IN_A_ROW = 20  # Ours: after so many requests without an answer, the fault is not theirs.


class AskConfig(Config):
    """How to ask."""

    concurrency: int = Field(8, ge=1, le=1000)
    """Requests in flight at most."""
    requests_per_minute: float = Field(0.0, ge=0)
    """Tries that may start in a minute, evenly spaced; 0 is no limit."""
    tokens_per_minute: float = Field(0.0, ge=0)
    """The same in tokens, of the request by estimate and of the completion at most; 0 is no limit."""
    timeout_s: float = Field(120.0, gt=0)
    """Of one try."""
    tries: int = Field(6, ge=1)
    """For one answer, against temporary faults."""
    backoff_s: float = Field(1.0, ge=0)
    """The wait after the first fault is drawn from 0 to this, and the span doubles each time, to 60 s at
    most (AWS's "full jitter"). An endpoint that asks for longer gets it."""
    answers: int = Field(3, ge=1)
    """To one request, while `accept` says no; those of earlier runs count."""
    response_format: ResponseFormat = "auto"
    """Whether chat completions are sent the JSON schema of the completion, where there is one: `auto` until
    the server refuses it (then the same question goes without), `json_schema` always, `none` never."""
    max_tokens_name: LimitName | Literal["auto"] = "auto"
    """What chat completions are sent the longest completion under: `auto` is `max_completion_tokens` for
    OpenAI's own server and `max_tokens` behind a URL, and the other one where the server refuses that."""
    max_cost_usd: float | None = Field(None, ge=0)
    """All answers to these requests, those of earlier runs included, cost no more; a request that could pass
    it is not sent. None is no cap. A cap needs a price."""


class CapError(Exception):
    """The request could pass the cap; it was not sent."""


class Asker:
    """Gets answers from one endpoint for one run.

    Attributes:
        purse: what the run has spent.
        retries: tries repeated after temporary faults.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        config: AskConfig,
        cache: AnswerCache,
        price: Price | None,
        spent: Usage,
        clock: Clock,
    ) -> None:
        self.purse = Purse(price, config.max_cost_usd, spent)
        self.retries = 0
        self._endpoint, self._config, self._cache, self._clock = endpoint, config, cache, clock
        self._answered, self._vain = spent.input_tokens > 0, 0
        self._pace = Pace(config.requests_per_minute, config.tokens_per_minute, clock)

    async def ask(self, key: str, request: Request) -> Answer:
        """Return a new answer; it is in the cache, under this `request_key`.

        Raises:
            CapError: it was not sent, or not again.
            TemporaryFaultError: the last try's, when no more are allowed.
            RequestFaultError: the endpoint will not answer this request.
            ModelError: it will answer none, or asks for a long rest.
            DataError: the cache cannot be written.
        """
        try:
            return await self._retrying()(self._try, key, request)  # type: ignore[no-any-return]
        except (TemporaryFaultError, RequestFaultError) as fault:
            self._note_vain(fault)
            raise

    def _retrying(self) -> Any:
        """Return tenacity's loop; it keeps a state of its own, so each answer takes a new one."""
        try:
            import tenacity
        except ImportError:
            raise ConfigError("asking needs tenacity; pip install 'shop-r1[api]'") from None
        jitter = tenacity.wait_random_exponential(self._config.backoff_s, max=_LONGEST_BACKOFF_S)

        def count(_: tenacity.RetryCallState) -> None:
            self.retries += 1

        def wait(state: tenacity.RetryCallState) -> float:
            fault = state.outcome.exception() if state.outcome is not None else None
            asked_s = fault.retry_after_s if isinstance(fault, TemporaryFaultError) else None
            return max(jitter(state), asked_s or 0.0)

        return tenacity.AsyncRetrying(
            sleep=self._clock.sleep,
            stop=tenacity.stop_after_attempt(self._config.tries),
            wait=wait,
            retry=tenacity.retry_if_exception_type(TemporaryFaultError),
            before_sleep=count,
            reraise=True,
        )

    async def _try(self, key: str, request: Request) -> Answer:
        """Return the answer to one try, which is in the cache by then."""
        worst = worst_case(request)
        if not await self.purse.hold(worst):
            raise CapError
        try:
            await self._pace.wait(self._tokens(request))
            answer = await self._send(request)
            self._cache.add(key, self._endpoint.name, answer)
        except TemporaryFaultError as fault:
            self.purse.free(worst, None, fault.billed)
            self._rest(fault)
            raise
        except ModelError:
            self.purse.free(worst, None)
            raise
        self.purse.free(worst, answer.usage)
        self._answered, self._vain = True, 0
        return answer

    async def _send(self, request: Request) -> Answer:
        try:
            async with asyncio.timeout(self._config.timeout_s):
                return await self._endpoint.send(request)
        except TimeoutError:
            raise TemporaryFaultError(
                f"{self._endpoint.name}: no answer within {self._config.timeout_s:g} s", billed=True
            ) from None

    def _tokens(self, request: Request) -> int:
        return about_tokens(request) + request.max_tokens if self._config.tokens_per_minute else 0

    def _rest(self, fault: TemporaryFaultError) -> None:
        """Let all rest where the endpoint asks for it, not only the request that it told."""
        if fault.retry_after_s is None:
            return
        if fault.retry_after_s > _LONGEST_REST_S:
            raise ModelError(
                f"{fault}; {self._endpoint.name} asks to be left alone for {fault.retry_after_s:.0f} s: run "
                "again after that, all answers so far are kept"
            ) from None
        self._pace.rest(fault.retry_after_s)

    def _note_vain(self, fault: ModelError) -> None:
        """Count a request that got no answer.

        Raises:
            ModelError: too many in a row got none for it to be of use to go on. That requests are refused as
                such counts only where nothing was ever answered.
        """
        if isinstance(fault, RequestFaultError) and self._answered:
            return
        self._vain += 1
        if self._vain < _VAIN_IN_A_ROW:
            return
        raise ModelError(
            f"{self._vain} requests in a row got no answer; the last fault: {fault}. All answers so far are "
            "kept: run again when the cause is gone"
        ) from None
