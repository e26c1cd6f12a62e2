"""A trained model as a policy: the session so far to a prompt, to a completion, to the next action.

One model decides for many shoppers: what waits when it is free is completed in one batch, in a thread of its
own, so that browsers go on meanwhile.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Literal, Protocol

from pydantic import Field

from shop_r1.config import Config
from shop_r1.errors import ConfigError
from shop_r1.models.checkpoint import LocalModel
from shop_r1.models.precision import Bf16, autocast
from shop_r1.models.prefix_tree import (
    Tree,
    TreeShape,
    batch_trees,
    common_prefix,
    fit_pass,
    grow_tree,
)
from shop_r1.models.sampling import SEEDS, Sampling, sample_completions
from shop_r1.prompts.parse import ParseFailure, parse_response
from shop_r1.prompts.render import PromptConfig, render_history
from shop_r1.records.actions import SHOP, ActionSpace
from shop_r1.records.sessions import Page, Step
from shop_r1.simulation.loop import EndVisit

_GATHER_S = 0.005
"""How long nobody has to join before a batch begins. Ours."""
_SHARED = 0.5
"""Prompts that begin alike for this share of the longer one are run as one tree. Ours, measured: with less in
common, the attention between branches costs more than what they share."""


class PolicyConfig(Config):
    """How a model acts."""

    prompt: PromptConfig = PromptConfig()
    """What of a session the model sees."""
    sampling: Sampling = Sampling()
    """How completions are drawn."""
    bf16: Bf16 = "auto"
    """The number format: see `TrainConfig.bf16`."""
    space: Literal["auto", "shop", "live"] = "auto"
    """The actions that the prompt offers: `shop` is the paper's space, `live` the one for browsers. `auto` is
    `live` in a browser, but for a checkpoint that was trained here, which knows `shop` alone."""
    batch_tokens: int = Field(24_000, gt=0)
    """Prompts that are completed at once, in tokens when padded. Ours."""


Messages = Sequence[dict[str, str]]
Chat = Callable[[], Messages]
"""Renders the messages of a prompt, which takes a while for long sessions."""


@dataclass(frozen=True)
class _Asked:
    """A chat that waits for its completion."""

    chat: Chat
    seed: int
    answer: "asyncio.Future[str]"


class Completer(Protocol):
    """Completes chats for any number of visits, in this process or in another."""

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the text has."""
        ...

    async def complete(self, chat: Chat, seed: int) -> str:
        """Return the completion of the messages that `chat` returns, which may be called in another thread.

        Raises:
            ConfigError: the chat cannot be rendered within its budget, or is longer than the model can read.
        """
        ...

    async def close(self) -> None:
        """Let go of all that it holds."""
        ...


class BatchedModel:
    """A checkpoint in this process: what waits when it is free is completed in one batch.

    It serves one event loop. A completion depends on its seed alone, whoever else is in the batch (up to
    rounding). `batches` has the size of each batch so far.
    """

    def __init__(self, model: LocalModel, config: PolicyConfig) -> None:
        self._model, self._config = model, config
        self._waiting: list[_Asked] = []
        self._answering: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "checkpoint")
        self.batches: list[int] = []

    def count_tokens(self, text: str) -> int:
        """Return how many tokens the text has."""
        return self._model.count_tokens(text)

    async def complete(self, chat: Chat, seed: int) -> str:
        """Return the completion; see `Completer`."""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Asked(chat, seed, answer))
        if self._answering is None or self._answering.done():
            self._answering = asyncio.ensure_future(self._answer_all())
        return await answer

    async def close(self) -> None:
        """Wait for the batch under way, and let go of the thread."""
        await asyncio.to_thread(partial(self._thread.shutdown, cancel_futures=True))

    async def _answer_all(self) -> None:
        """Answer those that wait, batch by batch, until nobody does."""
        loop = asyncio.get_running_loop()
        while self._waiting:
            count = 0
            while count < len(self._waiting):
                count = len(self._waiting)
                await asyncio.sleep(_GATHER_S)
            # Those whose visit was ended meanwhile need no answer.
            batch, self._waiting = [each for each in self._waiting if not each.answer.done()], []
            if not batch:
                continue
            self.batches.append(len(batch))
            doing = loop.run_in_executor(self._thread, self._complete, batch)
            (found,) = await asyncio.gather(doing, return_exceptions=True)
            # An error of the batch as a whole ends each of its visits.
            results = [found] * len(batch) if isinstance(found, BaseException) else found
            for each, result in zip(batch, results, strict=True):
                if each.answer.done():
                    continue
                if isinstance(result, BaseException):
                    each.answer.set_exception(result)
                else:
                    each.answer.set_result(result)

    def _complete(self, batch: Sequence[_Asked]) -> list[str | Exception]:
        """Return each one's completion, or what stands against it."""
        found: dict[int, str | Exception] = {}
        prompts: dict[int, list[int]] = {}
        for index, each in enumerate(batch):
            try:
                prompts[index] = self._model.prompt_ids(each.chat(), self._config.prompt.chat_template_kwargs)
            except ConfigError as error:
                found[index] = error
        groups = group_prompts(prompts, self._config.batch_tokens)
        trees = [grow_tree([prompts[index] for index in group]) for group in groups]
        for numbers in batch_trees([tree.shape for tree in trees], self._config.batch_tokens):
            indices = [index for number in numbers for index in groups[number]]
            texts = self._sample(
                [trees[number] for number in numbers], [batch[index].seed for index in indices]
            )
            found |= zip(indices, texts, strict=True)
        return [found[index] for index in range(len(batch))]

    def _sample(self, trees: Sequence[Tree], seeds: Sequence[int]) -> list[str]:
        model = self._model
        with autocast(self._config.bf16, model.model.device.type):
            completions = sample_completions(
                model.model, trees, self._config.sampling, model.end_ids, model.pad_id, seeds
            )
        return [model.decode(each.ids) for each in completions]


class ModelPolicy:
    """A policy that samples from a checkpoint; it sees the prompt of training, nothing else.

    It serves any number of visits on one event loop.
    """

    def __init__(
        self,
        model: Completer,
        config: PolicyConfig,
        space: ActionSpace = SHOP,
        persona: str | None = None,
    ) -> None:
        self._model, self._prompt, self._space, self._persona = model, config.prompt, space, persona
        self._count = lru_cache(maxsize=10_000)(model.count_tokens)

    async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step | ParseFailure:
        """Return the model's next step, or why its completion is no valid response.

        Raises:
            EndVisit: the actions so far are over the prompt's budget.
        """
        chat = partial(self._render, tuple(history), page)
        try:
            completion = await self._model.complete(chat, rng.getrandbits(63) % SEEDS)
        except ConfigError as error:
            raise EndVisit("error", str(error)) from None
        return read_step(completion, page, self._space)

    def of_persona(self, persona: str | None) -> "ModelPolicy":
        """Return this policy for a shopper who is another; they share the model."""
        other = copy(self)
        other._persona = persona
        return other

    async def close(self) -> None:
        """Close the model."""
        await self._model.close()

    def _render(self, history: Sequence[Step], page: Page) -> Messages:
        pages = [*(step.page.html for step in history), page.html]
        actions = [step.action for step in history]
        return render_history(pages, actions, self._space, self._prompt, self._count, self._persona).messages


def group_prompts(prompts: dict[int, list[int]], most: int) -> list[list[int]]:
    """Return the prompts' numbers in groups that share enough of their beginning to be one tree each.

    A group of several is a pass of at most `most` tokens, what its prompts share with its first counted once.

    >>> some = {0: [1, 2, 3], 1: [7, 8], 2: [1, 2, 4], 3: [1, 9, 9, 9]}
    >>> group_prompts(some, most=4), group_prompts(some, most=3)
    ([[0, 2], [3], [1]], [[0], [2], [3], [1]])
    """
    groups: list[list[int]] = []
    own = 0
    for index in sorted(prompts, key=lambda each: (prompts[each], each)):
        prompt, first = prompts[index], prompts[groups[-1][0]] if groups else []
        shared = common_prefix(first, prompt)
        more = len(prompt) - min(shared, len(prompt) - 1)  # a branch has one token at least
        alike = shared >= _SHARED * max(len(first), len(prompt))
        if groups and alike and fit_pass([TreeShape(len(first), own + more)], most):
            groups[-1].append(index)
            own += more
        else:
            groups.append([index])
            own = 0
    return groups


def read_step(completion: str, page: Page, space: ActionSpace) -> Step | ParseFailure:
    """Return the step that a completion says, or why it is no valid response."""
    response = parse_response(completion, space)
    if isinstance(response, ParseFailure):
        return response
    return Step(page=page, action=response.action, rationale=response.rationale)
