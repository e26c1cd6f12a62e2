"""A trained model as a shopper: what it has seen and done so far, to a completion, to the next action."""

import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import lru_cache

from starlette.types import ASGIApp

from shop_r1.config import Config
from shop_r1.drivers.in_process import InProcessDriver
from shop_r1.models.checkpoint import LocalModel
from shop_r1.models.precision import Bf16, autocast
from shop_r1.models.prefix_tree import grow_tree
from shop_r1.models.sampling import SEEDS, Sampling, sample_completions
from shop_r1.prompts.parse import ParseFailure, parse_response
from shop_r1.prompts.render import PromptConfig, render_history
from shop_r1.records.actions import SHOP, ActionSpace
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.simulation.loop import MAX_STEPS, Decision, NoStepError, Tally, Unreadable, run_session

Progress = Callable[[int, int], None]
"""Called with how many sessions are done and how many there will be."""


class ShopperConfig(Config):
    """How a model shops."""

    prompt: PromptConfig = PromptConfig()
    """What of a session the model sees."""
    sampling: Sampling = Sampling()
    """How completions are drawn."""
    bf16: Bf16 = "auto"
    """The number format: see `TrainConfig.bf16`."""


class ModelShopper:
    """A policy that asks a checkpoint; it sees the prompt of training and evaluation, nothing else."""

    def __init__(
        self,
        model: LocalModel,
        prompt: PromptConfig,
        sampling: Sampling,
        space: ActionSpace = SHOP,
        bf16: Bf16 = "auto",
    ) -> None:
        self._model = model
        self._bf16 = bf16
        self._prompt = prompt
        self._sampling = sampling
        self._space = space
        self._count = lru_cache(maxsize=10_000)(model.count_tokens)

    def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Decision | Unreadable:
        """Return the action of the model, or why its completion cannot be read."""
        prompt = render_history(
            [*(step.page.html for step in history), page.html],
            [step.action for step in history],
            self._space,
            self._prompt,
            self._count,
        )
        ids = self._model.prompt_ids(prompt.messages, self._prompt.chat_template_kwargs)
        tree = grow_tree([ids])
        model = self._model
        seeds = [rng.getrandbits(63) % SEEDS]
        with autocast(self._bf16, model.model.device.type):
            (sampled,) = sample_completions(
                model.model, [tree], self._sampling, model.end_ids, model.pad_id, seeds
            )
        completion = parse_response(model.decode(sampled.ids), self._space)
        if isinstance(completion, ParseFailure):
            return Unreadable(f"unparsable completion: {completion.reason}")
        return Decision(completion.rationale, completion.action)


def generate_model_sessions(
    app: ASGIApp,
    shopper: ModelShopper,
    count: int,
    seed: int,
    *,
    max_steps: int = MAX_STEPS,
    progress: Progress | None = None,
    tally: Tally | None = None,
) -> Iterator[Session]:
    """Yield sessions of the model in a store; the same for the same store, model, machine and seed.

    A visit in which not one completion could be read has no step and so is no session: it is left out and
    counted in `tally.outcomes["no step"]`.

    Args:
        app: the store.
        shopper: the model.
        count: how many visits.
        seed: of the sampled completions.
        max_steps: per session.
        progress: told after each visit.
        tally: counts outcomes and faults.
    """
    with InProcessDriver(app) as driver:
        for index in range(count):
            key = f"{seed}-{index:05d}"
            names = {"session_id": f"model-{key}", "user_id": f"model-{key}"}
            with suppress(NoStepError):  # Counted by run_session.
                yield run_session(shopper, driver, key, max_steps, tally=tally, **names)
            if progress is not None:
                progress(index + 1, count)
