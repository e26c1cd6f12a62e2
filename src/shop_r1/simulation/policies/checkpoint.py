"""A trained model as a policy: the session so far to a prompt, to a completion, to the next action."""

import random
from collections.abc import Sequence
from functools import lru_cache

from shop_r1.config import Config
from shop_r1.models.checkpoint import LocalModel
from shop_r1.models.precision import Bf16, autocast
from shop_r1.models.prefix_tree import grow_tree
from shop_r1.models.sampling import SEEDS, Sampling, sample_completions
from shop_r1.prompts.parse import ParseFailure, parse_response
from shop_r1.prompts.render import PromptConfig, render_history
from shop_r1.records.actions import SHOP
from shop_r1.records.sessions import Page, Step


class PolicyConfig(Config):
    """How a model acts."""

    prompt: PromptConfig = PromptConfig()
    """What of a session the model sees."""
    sampling: Sampling = Sampling()
    """How completions are drawn."""
    bf16: Bf16 = "auto"
    """The number format: see `TrainConfig.bf16`."""


class ModelPolicy:
    """A policy that samples from a checkpoint; it sees the prompt of training, nothing else."""

    def __init__(self, model: LocalModel, config: PolicyConfig) -> None:
        self._model, self._config = model, config
        self._count = lru_cache(maxsize=10_000)(model.count_tokens)

    async def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step | ParseFailure:
        """Return the model's next step, or why its completion is no valid response."""
        prompt = render_history(
            [*(step.page.html for step in history), page.html],
            [step.action for step in history],
            SHOP,
            self._config.prompt,
            self._count,
        )
        model, sampling = self._model, self._config.sampling
        tree = grow_tree([model.prompt_ids(prompt.messages, self._config.prompt.chat_template_kwargs)])
        seeds = [rng.getrandbits(63) % SEEDS]
        with autocast(self._config.bf16, model.model.device.type):
            (sampled,) = sample_completions(model.model, [tree], sampling, model.end_ids, model.pad_id, seeds)
        response = parse_response(model.decode(sampled.ids), SHOP)
        if isinstance(response, ParseFailure):
            return response
        return Step(page=page, action=response.action, rationale=response.rationale)
