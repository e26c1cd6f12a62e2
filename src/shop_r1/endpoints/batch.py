"""Ask an endpoint many questions: at once but not too many, again where it may help, within a budget.

Every answer is in the cache (`endpoints.response_cache`) before anything is done with it. So a run that is
stopped, even killed, is gone on with by running it again: answered questions are not sent. The only ones that
can be paid for twice are those that were in flight, at most `concurrency` of them: their answers had not
arrived, and none of these interfaces lets a client fetch the answer to a request that it has lost.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

from shop_r1.endpoints.budget import about_tokens
from shop_r1.endpoints.protocol import (
    Answer,
    Endpoint,
    Price,
    Request,
    RequestFaultError,
    TemporaryFaultError,
    Usage,
)
from shop_r1.endpoints.rate_limit import Clock
from shop_r1.endpoints.response_cache import AnswerCache, request_key
from shop_r1.endpoints.retry import AskConfig, Asker, CapError
from shop_r1.errors import ConfigError

__all__ = ["Accept", "AskConfig", "Estimate", "Outcome", "Progress", "ask_all", "estimate"]

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
        output_tokens: of their completions, at most.
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
    endpoint_name: str,
    requests: Sequence[Request],
    cache: AnswerCache,
    price: Price | None,
    report: Callable[[int], None] | None = None,
) -> Estimate:
    """Return what asking would send and cost; nothing is sent.

    Args:
        endpoint_name: who would be asked.
        requests: the questions.
        cache: holds answers of earlier runs.
        price: of the endpoint; None if unknown.
        report: told after each request how many were looked at.
    """
    seen: set[str] = set()
    input_tokens = output_tokens = 0
    for done, request in enumerate(requests, 1):
        key = request_key(endpoint_name, request)
        if key not in seen and not cache.answers(key):
            seen.add(key)
            input_tokens += about_tokens(request)
            output_tokens += request.max_tokens
        if report is not None:
            report(done)
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
        self._requests, self._config, self._cache, self._clock = requests, config, cache, clock
        self._accept, self._report = accept, report
        self._keys = [request_key(endpoint.name, request) for request in requests]
        self._turns = {key: asyncio.Lock() for key, count in Counter(self._keys).items() if count > 1}
        self._asker = Asker(endpoint, config, cache, price, cache.spent(self._keys), clock)
        self._started_s = clock.now()
        self._done = self._failed = self._asked = 0

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
                answer = await self._asker.ask(self._keys[index], self._requests[index])
            except CapError:
                return Outcome(None, f"cost cap of {self._config.max_cost_usd:g} USD reached; not sent", paid)
            except TemporaryFaultError as fault:
                return Outcome(None, f"no answer in {self._config.tries} tries; the last: {fault}", paid)
            except RequestFaultError as fault:
                return Outcome(None, str(fault), paid)
            paid += 1
            reason = self._accept(index, answer)
            if reason is None:
                return Outcome(answer, None, paid)
        return Outcome(None, reason, paid)

    def _finish(self, index: int, outcome: Outcome) -> None:
        self.outcomes[index] = outcome
        self._done += 1
        self._failed += outcome.answer is None
        self._asked += outcome.tries > 0
        if self._report is not None:
            self._report(self._progress())

    def _progress(self) -> Progress:
        spent, left_s = self._asker.purse.spent, None
        if self._asked:
            passed_s = self._clock.now() - self._started_s
            left_s = passed_s / self._asked * (len(self.outcomes) - self._done)
        return Progress(
            self._done,
            len(self.outcomes),
            self._failed,
            self._asker.purse.spent_usd,
            spent.input_tokens,
            spent.output_tokens,
            self._asker.retries,
            left_s,
        )
