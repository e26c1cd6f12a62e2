"""A model over a network for the shoppers of all processes: one budget, one cache, one rate of requests.

All requests of a run are sent by one process, so the budget's reservations, the cache and the pauses that an
endpoint asks for hold for all shoppers. A shopper's process that dies leaves no reservation behind, and what
it asked for is in the cache when its visit runs again: nothing is paid for twice.
"""

import os
from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from typing import Any

from shop_r1.endpoints.pricing import Price
from shop_r1.endpoints.protocol import Completion, Request
from shop_r1.endpoints.secrets import environment_redactor
from shop_r1.errors import ModelError
from shop_r1.ray_cluster import cause_of_death, result_of
from shop_r1.records.actions import ActionSpace
from shop_r1.simulation.loop import EndVisit
from shop_r1.simulation.policies.endpoint import EndpointConfig, EndpointModel, estimated_tokens


class EndpointService:
    """Sends requests within the run's budget; a Ray actor is made of it."""

    def __init__(
        self,
        open_model: Callable[[], AbstractAsyncContextManager[EndpointModel]],
        environment: Mapping[str, str],
    ) -> None:
        """Take what `open_model` gives; `environment` has the keys and proxies of the command."""
        self._open_model, self._environment = open_model, environment
        self._stack = AsyncExitStack()

    async def open(self) -> None:
        """Open the endpoint and its cache.

        Raises:
            ShopR1Error: one of them cannot be opened.
        """
        os.environ |= self._environment
        self._model = await self._stack.enter_async_context(self._open_model())

    async def complete(self, request: Request) -> Completion:
        """Return the completion; see `EndpointModel.complete`. No error's message holds a key."""
        try:
            return await self._model.complete(request)
        except EndVisit as end:
            raise EndVisit(end.outcome, environment_redactor().redact(end.reason)) from None
        except ModelError as error:
            raise ModelError(environment_redactor().redact(str(error))) from None

    async def cost(self) -> float | None:
        """Return what all completions cost so far, in US dollars; None where no price is known."""
        return self._model.cost_usd

    async def close(self) -> None:
        """Close the endpoint and its cache."""
        await self._stack.aclose()


class RemoteEndpointModel:
    """A `RequestedModel` whose requests a service sends."""

    def __init__(
        self,
        service: Any,
        config: EndpointConfig,
        price: Price | None,
        space: ActionSpace,
        persona: str | None,
    ) -> None:
        """Ask the `EndpointService` behind this handle."""
        self._service = service
        self.config, self.price, self.space, self.persona = config, price, space, persona

    def count_tokens(self, text: str) -> int:
        """Return about how many tokens the text has."""
        return estimated_tokens(text)

    async def complete(self, request: Request) -> Completion:
        """Return the completion; see `EndpointModel.complete`.

        Raises:
            EndVisit: as there.
            ModelError: as there, or the service's process has died.
        """
        from ray.exceptions import RayActorError

        try:
            completion: Completion = await result_of(self._service.complete.remote(request))
        except RayActorError as error:
            raise ModelError(
                f"the process that sends requests has died ({cause_of_death(error)}); all completions so "
                "far are kept: go on with --resume"
            ) from None
        return completion
