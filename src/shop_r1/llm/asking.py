"""Ask an endpoint many questions: at once but not too many, again where it may help, within a budget.

Every answer is in the cache (`llm.answers`) before anything is done with it. So a run that is stopped, even
killed, is gone on with by running it again: answered questions are not sent. The only ones that can be paid
for twice are those that were in flight, at most `concurrency` of them: their answers had not arrived, and
none of these interfaces lets a client fetch the answer to a request that it has lost.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from shop_r1.config import Config
from shop_r1.errors import ConfigError, ModelError
from shop_r1.llm.answers import AnswerCache, request_key
from shop_r1.llm.pacing import Clock, Pace
from shop_r1.llm.protocol import (
    Answer,
    Endpoint,
    Price,
    Request,
    RequestFaultError,
    TemporaryFaultError,
    Usage,
)
from shop_r1.llm.spending import Purse, about_tokens, worst_case

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
    """The same in tokens, of the request by estimate and of the reply at most; 0 is no limit."""
    timeout_s: float = Field(120.0, gt=0)
    """Of one try."""
    tries: int = Field(6, ge=1)
    """For one answer, against temporary faults."""
    backoff_s: float = Field(1.0, ge=0)
    """The wait after the first fault is drawn from 0 to this, and the span doubles each time, to 60 s at
    most (AWS's "full jitter"). An endpoint that asks for longer gets it."""
    answers: int = Field(3, ge=1)
    """To one request, while `accept` says no; those of earlier runs count."""
    max_cost_usd: float | None = Field(None, ge=0)
    """All answers to these requests, those of earlier runs included, cost no more; a request that could pass
    it is not sent. None is no cap. A cap needs a price."""


Accept = Callable[[int, Answer], str | None]
"""Why an answer to the request of this index will not do; None if it will."""


@dataclass(frozen=True)
class Outcome:
    """What came of one request.

    Attributes:
        answer: the first that was accepted, or None.
        fault: why there is none; None if there is.
        tries: answers paid for it in this run; 0 where the cache had it.
    """

    answer: Answer | None
    fault: str | None
    tries: int


@dataclass(frozen=True)
class Estimate:
    """What a run would send, were every answer accepted.

    Attributes:
        requests: all of them.
        cached: those that have an answer already, or are equal to one before them.
        input_tokens: of those to be sent, by `pages.tokens.estimate_tokens`.
        output_tokens: of their replies, at most.
        cost_usd: of both; None where the price is not known.
    """

    requests: int
    cached: int
    input_tokens: int
    output_tokens: int
    cost_usd: float | None


@dataclass(frozen=True)
class Progress:
    """How far a run is.

    Attributes:
        done: requests that have an outcome.
        total: all requests.
        failed: outcomes without an answer.
        spent_usd: what all answers to these requests have cost, those of earlier runs included.
        input_tokens: of the same answers.
        output_tokens: of the same answers.
        retries: tries repeated after temporary faults, in this run.
        left_s: seconds to the end at this run's rate so far; None before an answer has come.
    """

    done: int
    total: int
    failed: int
    spent_usd: float | None
    input_tokens: int
    output_tokens: int
    retries: int
    left_s: float | None


def estimate(
    endpoint_name: str, requests: Sequence[Request], cache: AnswerCache, price: Price | None
) -> Estimate:
    """Return what asking would send and cost; nothing is sent."""
    seen: set[str] = set()
    input_tokens = output_tokens = 0
    for request in requests:
        key = request_key(endpoint_name, request)
        if key not in seen and not cache.answers(key):
            seen.add(key)
            input_tokens += about_tokens(request)
            output_tokens += request.max_tokens
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    cost = None if price is None else price.cost_usd(usage)
    return Estimate(len(requests), len(requests) - len(seen), input_tokens, output_tokens, cost)


async def ask_all(
    endpoint: Endpoint,
    requests: Sequence[Request],
    config: AskConfig,
    cache: AnswerCache,
    price: Price | None,
    accept: Accept,
    report: Callable[[Progress], None] | None = None,
    *,
    clock: Clock | None = None,
) -> list[Outcome]:
    """Return an outcome for each request, in order.

    A request is sent where no answer in the cache is accepted. When the cap stops it, the rest have the fault
    "cost cap ..." and were not sent.

    Args:
        endpoint: who answers; the caller closes it.
        requests: the questions. Equal ones are one question, asked once.
        config: how.
        cache: holds answers of earlier runs, and gets each new one at once.
        price: of the endpoint; None if unknown.
        accept: judges an answer; called again on those in the cache.
        report: called after each request.
        clock: time; the machine's own unless a test brings one.

    Raises:
        ConfigError: a cap without a price.
        ModelError: no request can be answered: a wrong key, an unknown model, an endpoint that is away or
            asks for a long rest. Requests in flight are given up; all answers received are in the cache.
        DataError: the cache cannot be written.
    """
    if config.max_cost_usd is not None and price is None:
        raise ConfigError(
            f"max_cost_usd={config.max_cost_usd:g} needs the price of {endpoint.name}, which is not known; "
            "give a price, or leave the cap out"
        )
    run = _Run(endpoint, requests, config, cache, price, accept, report, clock or Clock())
    todo = iter(range(len(requests)))
    try:
        async with asyncio.TaskGroup() as group:
            # A task for each place in flight, not for each request: memory does not grow with those waiting.
            for _ in range(min(config.concurrency, len(requests))):
                group.create_task(run.work(todo))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [outcome for outcome in run.outcomes if outcome is not None]


class _CapError(Exception):
    """The request could pass the cap."""


class _Run:
    def __init__(
        self,
        endpoint: Endpoint,
        requests: Sequence[Request],
        config: AskConfig,
        cache: AnswerCache,
        price: Price | None,
        accept: Accept,
        report: Callable[[Progress], None] | None,
        clock: Clock,
    ) -> None:
        self.outcomes: list[Outcome | None] = [None] * len(requests)
        self._endpoint, self._requests, self._config = endpoint, requests, config
        self._cache, self._accept, self._report, self._clock = cache, accept, report, clock
        self._keys = [request_key(endpoint.name, request) for request in requests]
        self._turns = {key: asyncio.Lock() for key, count in Counter(self._keys).items() if count > 1}
        self._purse = Purse(price, config.max_cost_usd, cache.spent(self._keys))
        self._pace = Pace(config.requests_per_minute, config.tokens_per_minute, clock)
        self._started_s = clock.now()
        self._done = self._failed = self._asked = self._retries = self._vain = 0
        self._answered = any(cache.answers(key) for key in self._keys)

    async def work(self, todo: Iterator[int]) -> None:
        """Take one request after the other until none is left."""
        for index in todo:
            async with self._turn(self._keys[index]):
                outcome = await self._settle(index)
            self._finish(index, outcome)
            await asyncio.sleep(0)  # A long row of cached answers must not keep the others from theirs.

    def _turn(self, key: str) -> AbstractAsyncContextManager[Any]:
        """Of equal requests, let one at a time: the next then finds its answer in the cache."""
        return self._turns.get(key, nullcontext())

    async def _settle(self, index: int) -> Outcome:
        reason: str | None = None
        stored = self._cache.answers(self._keys[index])
        for answer in stored:
            reason = self._accept(index, answer)
            if reason is None:
                return Outcome(answer, None, 0)
        paid = 0
        while len(stored) + paid < self._config.answers:
            try:
                answer = await self._ask(index)
            except _CapError:
                return Outcome(None, f"cost cap of {self._config.max_cost_usd:g} USD reached; not sent", paid)
            except (RequestFaultError, TemporaryFaultError) as fault:
                return Outcome(None, self._note_vain(fault), paid)
            paid += 1
            reason = self._accept(index, answer)
            if reason is None:
                return Outcome(answer, None, paid)
        return Outcome(None, reason, paid)

    async def _ask(self, index: int) -> Answer:
        """Return a new answer, tried for as often as is allowed."""
        request = self._requests[index]
        return await self._retrying()(self._try, self._keys[index], request)  # type: ignore[no-any-return]

    def _retrying(self) -> Any:
        """Return tenacity's loop; it keeps a state of its own, so each answer takes a new one."""
        try:
            import tenacity
        except ImportError:
            raise ConfigError("asking needs tenacity; pip install 'shop-r1[api]'") from None
        jitter = tenacity.wait_random_exponential(self._config.backoff_s, max=_LONGEST_BACKOFF_S)

        def count(_: tenacity.RetryCallState) -> None:
            self._retries += 1

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
        if not await self._purse.hold(worst):
            raise _CapError
        try:
            await self._pace.wait(self._tokens(request))
            answer = await self._send(request)
            self._cache.add(key, self._endpoint.name, answer)
        except TemporaryFaultError as fault:
            self._purse.free(worst, None, fault.billed)
            self._rest(fault)
            raise
        except ModelError:
            self._purse.free(worst, None)
            raise
        self._purse.free(worst, answer.usage)
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

    def _note_vain(self, fault: ModelError) -> str:
        """Return why a request has no answer.

        Raises:
            ModelError: as many in a row had none, so it is no use to go on. That some requests are refused as
                such is no such sign, unless nothing was ever answered.
        """
        self._vain += 1
        away = isinstance(fault, TemporaryFaultError)
        if self._vain >= _VAIN_IN_A_ROW and (away or not self._answered):
            raise ModelError(
                f"{self._vain} requests in a row got no answer; the last fault: {fault}. All answers so far "
                "are kept: run again when the cause is gone"
            )
        return f"no answer in {self._config.tries} tries; the last: {fault}" if away else str(fault)

    def _finish(self, index: int, outcome: Outcome) -> None:
        self.outcomes[index] = outcome
        self._done += 1
        self._failed += outcome.answer is None
        self._asked += outcome.tries > 0
        if self._report is not None:
            self._report(self._progress())

    def _progress(self) -> Progress:
        spent, left_s = self._purse.spent, None
        if self._asked:
            passed_s = self._clock.now() - self._started_s
            left_s = passed_s / self._asked * (len(self.outcomes) - self._done)
        return Progress(
            self._done,
            len(self.outcomes),
            self._failed,
            self._purse.spent_usd,
            spent.input_tokens,
            spent.output_tokens,
            self._retries,
            left_s,
        )
