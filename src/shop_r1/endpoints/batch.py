"""Send an endpoint many requests: concurrently, with retries, within a budget.

Every completion is in the cache (`endpoints.response_cache`) before anything is done with it. So a run that
was stopped, even killed, continues when it is run again: requests with a completion are not sent. Only those
that were in flight, at most `concurrency` of them, can be paid for twice: their completions had not arrived,
and none of these APIs lets a client fetch the completion of a request that it has lost.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass

from shop_r1.endpoints.budget import Budget, BudgetExceededError, estimate_prompt
from shop_r1.endpoints.failures import InvalidRequestError, TransientError
from shop_r1.endpoints.pricing import Price
from shop_r1.endpoints.protocol import NO_USAGE, Completion, Endpoint, Request, Usage
from shop_r1.endpoints.response_cache import ResponseCache, request_key
from shop_r1.endpoints.retry import RequestConfig, RequestSender
from shop_r1.errors import ConfigError


@dataclass(frozen=True)
class Failure:
    """Why a completion is not what was requested, or why a request has none."""

    reason: str
    """One word for counting: `cost_cap`, `no_completion`, or the last rejected completion's reason."""
    message: str


Check = Callable[[int, Completion], Failure | None]
"""Returns why a completion of the request of this index is to be rejected; None where it is accepted."""


@dataclass(frozen=True)
class Outcome:
    """The result of one request: the first completion that was accepted, or why there is none."""

    completion: Completion | None
    failure: Failure | None
    received: int
    """Completions that arrived for it in this run; 0 where the cache had one."""


@dataclass(frozen=True)
class Estimate:
    """What a run would send if every completion were accepted."""

    requests: int
    cached: int
    """Those that have a completion already, or are equal to one before them."""
    usage: Usage
    """Of those to be sent: input tokens by `pages.tokens.estimate_tokens`, output tokens at most."""
    cost_usd: float | None
    """None where the price is not known."""


@dataclass(frozen=True)
class Progress:
    """How far a run is; usage and cost include those of earlier runs."""

    done: int
    total: int
    failed: int
    usage: Usage
    cost_usd: float | None
    """None where the price is not known."""
    retries: int
    left_s: float | None
    """Seconds to the end at this run's rate so far; None before a completion has arrived."""


def estimate(
    endpoint_name: str,
    requests: Sequence[Request],
    cache: ResponseCache,
    price: Price | None,
    report: Callable[[int], None] = lambda done: None,
) -> Estimate:
    """Return what a run would send and cost; `report` is called with how many requests were counted."""
    seen: set[str] = set()
    usage = NO_USAGE
    for done, request in enumerate(requests, 1):
        key = request_key(endpoint_name, request)
        if key not in seen and not cache.completions(key):
            seen.add(key)
            usage += Usage(input_tokens=estimate_prompt(request), output_tokens=request.max_tokens)
        report(done)
    cost = None if price is None else price.cost_usd(usage)
    return Estimate(len(requests), len(requests) - len(seen), usage, cost)


async def send_all(
    endpoint: Endpoint,
    requests: Sequence[Request],
    config: RequestConfig,
    cache: ResponseCache,
    price: Price | None = None,
    check: Check = lambda index, completion: None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> list[Outcome]:
    """Return an outcome for each request, in order; the caller closes the endpoint.

    A request is sent where no completion in the cache passes the check, equal ones once. Once the cost cap is
    reached, the rest fail with `cost_cap` and are not sent. `price` is None if unknown; `report` is called
    after each request.

    Raises:
        ConfigError: a cap without a price.
        ModelError: no request can succeed: a wrong key, an unknown model, an endpoint that is away or asks
            for a long wait. Requests in flight are cancelled; all completions received are in the cache.
        DataError: the cache cannot be written.
    """
    if config.max_cost_usd is not None and price is None:
        raise ConfigError(
            f"max_cost_usd={config.max_cost_usd:g} needs the price of {endpoint.name}, which is not known; "
            "give a price, or leave the cap out"
        )
    keys = [request_key(endpoint.name, request) for request in requests]
    budget = Budget(price, config.max_cost_usd, cache.usage(keys))
    run = _Run(RequestSender(endpoint, config, cache, budget), requests, keys, check, report)
    indices = iter(range(len(requests)))
    try:
        async with asyncio.TaskGroup() as group:
            # One task per request in flight, not per request: memory does not grow with those that wait.
            for _ in range(min(config.concurrency, len(requests))):
                group.create_task(run.work(indices))
    except BaseExceptionGroup as errors:
        raise errors.exceptions[0] from None
    return [outcome for outcome in run.outcomes if outcome is not None]


@dataclass
class _Run:
    sender: RequestSender
    requests: Sequence[Request]
    keys: Sequence[str]
    check: Check
    report: Callable[[Progress], None]

    def __post_init__(self) -> None:
        self.outcomes: list[Outcome | None] = [None] * len(self.requests)
        self._locks = {key: asyncio.Lock() for key, count in Counter(self.keys).items() if count > 1}
        self._now = asyncio.get_running_loop().time
        self._started_s = self._now()
        self._done = self._failed = self._sent = 0

    async def work(self, indices: Iterator[int]) -> None:
        """Take one request after the other until none is left."""
        for index in indices:
            # Of equal requests, one at a time: the next then finds its completion in the cache.
            async with self._locks.get(self.keys[index], nullcontext()):
                outcome = await self._settle(index)
            self.outcomes[index] = outcome
            self._done += 1
            self._failed += outcome.completion is None
            self._sent += outcome.received > 0
            self.report(self._progress())
            await asyncio.sleep(0)  # A long row of cached completions must not keep the others waiting.

    async def _settle(self, index: int) -> Outcome:
        failure, received = None, 0
        found = self.sender.cache.completions(self.keys[index])
        left = self.sender.config.max_completions - len(found)
        while True:
            for completion in found:
                failure = self.check(index, completion)
                if failure is None:
                    return Outcome(completion, None, received)
            if received >= left:
                return Outcome(None, failure, received)
            try:
                found = [await self.sender.send(self.keys[index], self.requests[index])]
            except BudgetExceededError as error:
                return Outcome(None, Failure("cost_cap", str(error)), received)
            except (TransientError, InvalidRequestError) as error:
                return Outcome(None, Failure("no_completion", str(error)), received)
            received += 1

    def _progress(self) -> Progress:
        total, budget, left_s = len(self.outcomes), self.sender.budget, None
        if self._sent:
            left_s = (self._now() - self._started_s) / self._sent * (total - self._done)
        retries = self.sender.retries
        return Progress(self._done, total, self._failed, budget.usage, budget.cost_usd, retries, left_s)
