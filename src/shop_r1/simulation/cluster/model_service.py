"""A checkpoint that decides for the shoppers of all processes."""

import asyncio
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from shop_r1.errors import ModelError
from shop_r1.models.checkpoint import LocalModel
from shop_r1.pages.tokens import CountTokens
from shop_r1.ray_cluster import cause_of_death, result_of
from shop_r1.simulation.policies.checkpoint import BatchedModel, Chat, Messages, PolicyConfig


class ModelService:
    """Completes chats in batches; a Ray actor is made of it.

    A completion depends on its seed alone, so one that started again gives the same.
    """

    def __init__(self, load: Callable[[], LocalModel], config: PolicyConfig, beside: int = 0) -> None:
        """Take what `load` returns; the number format is settled in `config`.

        `beside` is how many other services its machine may have, with which it shares the cores.
        """
        self._load, self._config, self._beside = load, config, beside
        self._loading = asyncio.Lock()
        self._model: BatchedModel | None = None

    async def open(self) -> None:
        """Load the checkpoint.

        Raises:
            ModelError: it cannot be loaded.
        """
        await self._opened()

    async def complete(self, messages: Messages, seed: int) -> str:
        """Return the completion; see `Completer`."""
        return await (await self._opened()).complete(lambda: messages, seed)

    async def _opened(self) -> BatchedModel:
        async with self._loading:
            if self._model is None:
                self._model = BatchedModel(await asyncio.to_thread(self._load_with_threads), self._config)
        return self._model

    def _load_with_threads(self) -> LocalModel:
        """Return the model, with a thread for each core that is its own; Ray's processes have one."""
        import torch

        torch.set_num_threads(max(1, (os.cpu_count() or 1) // (1 + self._beside)))
        return self._load()


class RemoteCompleter:
    """A `Completer` that renders here and asks one of several services, by the seed."""

    def __init__(self, services: Sequence[Any], count_tokens: CountTokens) -> None:
        """Ask the `ModelService` behind each of these handles; `count_tokens` is the model's."""
        self._services = services
        self.count_tokens = count_tokens
        self._thread = ThreadPoolExecutor(1, "prompts")

    async def complete(self, chat: Chat, seed: int) -> str:
        """Return the completion; see `Completer`.

        Raises:
            ConfigError: as `Completer.complete`.
            ModelError: the service's process has died too often.
        """
        from ray.exceptions import RayActorError

        messages = await asyncio.get_running_loop().run_in_executor(self._thread, chat)
        service = self._services[seed % len(self._services)]
        try:
            return str(await result_of(service.complete.remote(messages, seed)))
        except RayActorError as error:
            raise ModelError(
                f"the checkpoint's process in the cluster is gone ({cause_of_death(error)})"
            ) from None

    async def close(self) -> None:
        """Let go of the thread; the services belong to the run."""
        await asyncio.to_thread(self._thread.shutdown, cancel_futures=True)
