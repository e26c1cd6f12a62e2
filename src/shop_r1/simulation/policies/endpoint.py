"""A model over a network as a policy: within its budget, its rate and its retries, every completion kept."""

import asyncio
import random
import zlib
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal, Protocol

from shop_r1.config import Config
from shop_r1.endpoints.budget import Budget, BudgetExceededError
from shop_r1.endpoints.failures import InvalidRequestError, TransientError
from shop_r1.endpoints.pricing import Price
from shop_r1.endpoints.protocol import NO_USAGE, Completion, Endpoint, RemoteSampling, Request
from shop_r1.endpoints.response_cache import ResponseCache, request_key
from shop_r1.endpoints.retry import RequestConfig, RequestSender
from shop_r1.errors import ConfigError
from shop_r1.pages.tokens import estimate_tokens
from shop_r1.prompts.parse import Parse, ParseFailure, parse_response, unwrap
from shop_r1.prompts.render import PromptConfig, render_history
from shop_r1.records.actions import ActionSpace
from shop_r1.records.sessions import Page, Step
from shop_r1.simulation.loop import EndVisit

_DRAW_BITS = 53  # JSON's numbers are exact up to there
estimated_tokens = lru_cache(maxsize=10_000)(estimate_tokens)
"""About how many tokens a text has; pages come again with each step."""


class EndpointConfig(Config):
    """How a model over a network acts."""

    prompt: PromptConfig = PromptConfig()
    """What of a session the model sees; tokens by estimate."""
    sampling: RemoteSampling = RemoteSampling(max_new_tokens=1024)
    """How completions are sampled."""
    parse: Parse = "lenient"
    """`lenient` removes a think part before a completion and a code fence around it, nothing else; `strict`
    takes it as it came, as in training."""
    requests: RequestConfig = RequestConfig()
    """How many at once, how often again, and for how much."""
    price: Price | None = None
    """Of the endpoint; comes before the published price."""
    space: Literal["auto", "shop", "live"] = "auto"
    """The actions that the prompt offers: `shop` is the paper's space, `live` the one for browsers. `auto` is
    `live` in a browser."""


class RequestedModel(Protocol):
    """What `EndpointPolicy` needs of a model over a network, be it in this process or in another."""

    config: EndpointConfig
    price: Price | None
    space: ActionSpace
    persona: str | None

    def count_tokens(self, text: str) -> int:
        """Return about how many tokens the text has."""
        ...

    async def complete(self, request: Request) -> Completion:
        """Return the completion of the request; see `EndpointModel.complete`."""
        ...


class EndpointModel:
    """A model over a network, for all visits of a run, on one event loop."""

    def __init__(
        self,
        endpoint: Endpoint,
        config: EndpointConfig,
        cache: ResponseCache,
        price: Price | None,
        space: ActionSpace,
        persona: str | None = None,
    ) -> None:
        """Send requests to the endpoint; what is in the cache is not sent again, and was paid for."""
        self.config, self.price, self.space, self.persona = config, price, space, persona
        budget = Budget(price, config.requests.max_cost_usd, cache.usage())
        self._endpoint, self._cache = endpoint, cache
        self._sender = RequestSender(endpoint, config.requests, cache, budget)
        self._at_once = asyncio.Semaphore(config.requests.concurrency)

    def count_tokens(self, text: str) -> int:
        """Return about how many tokens the text has."""
        return estimated_tokens(text)

    @property
    def cost_usd(self) -> float | None:
        """What all completions cost so far; None where no price is known."""
        return self._sender.budget.cost_usd

    async def complete(self, request: Request) -> Completion:
        """Return the completion of the request, from the cache where it is there.

        Raises:
            EndVisit: the budget is spent, or the endpoint gives none to this request.
            ModelError: it gives none to any request.
        """
        key = request_key(self._endpoint.name, request)
        if found := self._cache.completions(key):
            return found[0]
        try:
            async with self._at_once:
                return await self._sender.send(key, request)
        except BudgetExceededError:
            cap = self.config.requests.max_cost_usd
            raise EndVisit("stopped", f"the budget of {cap:g} USD is spent (--max-cost)") from None
        except (TransientError, InvalidRequestError) as error:
            raise EndVisit("error", str(error)) from None


class EndpointPolicy:
    """The policy of one visit, which counts what it used."""

    def __init__(self, model: RequestedModel, version: str | None = None, persona: str | None = None) -> None:
        """Decide by the model, in this version of the shop; versions share no completion in a cache.

        `persona` is who this visit's shopper is, None: the model's own.
        """
        self._model = model
        self._persona = model.persona if persona is None else persona
        self._apart = zlib.crc32(version.encode()) if version is not None else 0
        self.usage = NO_USAGE
        """Of its completions."""

    @property
    def cost_usd(self) -> float | None:
        """What its completions cost; None where no price is known."""
        price = self._model.price
        return None if price is None else price.cost_usd(self.usage)

    async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step | ParseFailure:
        """Return the model's next step, or why its completion is no valid response.

        Raises:
            EndVisit: as `EndpointModel.complete`, or the actions so far are over the prompt's budget.
            ModelError: no request can succeed.
        """
        model, config = self._model, self._model.config
        draw = rng.getrandbits(_DRAW_BITS) ^ self._apart
        completion = await model.complete(self._request(history, page, draw))
        self.usage += completion.usage
        if completion.stop == "refused":
            message = "the model, or a filter of its endpoint, refused"
            return ParseFailure(reason="empty", message=message)
        if completion.instead is not None:
            message = f"the completion has no text, only {completion.instead.replace('_', ' ')}"
            return ParseFailure(reason="empty", message=message)
        text = unwrap(completion.text).text if config.parse == "lenient" else completion.text
        response = parse_response(text, model.space)
        if isinstance(response, ParseFailure):
            return response
        return Step(page=page, action=response.action, rationale=response.rationale)

    def _request(self, history: Sequence[Step], page: Page, draw: int) -> Request:
        model, config = self._model, self._model.config
        sampling = config.sampling
        prompt = config.prompt.model_copy(
            update={
                "max_completion_length": max(config.prompt.max_completion_length, sampling.max_new_tokens)
            }
        )
        pages = [*(step.page.html for step in history), page.html]
        actions = [step.action for step in history]
        try:
            rendered = render_history(pages, actions, model.space, prompt, model.count_tokens, self._persona)
        except ConfigError as error:
            raise EndVisit("error", str(error)) from None
        return Request(
            messages=rendered.messages,
            max_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature if sampling.send_temperature else None,
            top_p=sampling.top_p if sampling.top_p < 1 else None,
            draw=draw,
        )
