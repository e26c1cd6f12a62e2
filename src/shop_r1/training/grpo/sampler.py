"""A step's completions, drawn as prefix trees: the prompt that a group shares is run once."""

import zlib
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from accelerate import DistributedType
from torch import Tensor

from shop_r1.models.checkpoint import LocalModel
from shop_r1.models.prefix_tree import grow_tree
from shop_r1.models.sampling import SampledCompletion, Sampling, sample_completions
from shop_r1.models.scoring import batch_by_length, group_equal, group_rows
from shop_r1.rewards.certainty import token_certainty
from shop_r1.training.memory import SAMPLED_TOKENS
from shop_r1.training.settings import GrpoConfig


class GroupSampler:
    """Draws completions of the policy, group by group.

    Attributes:
        measure: the certainty of each token's distribution; None with that reward switched off.
        prompt_ids: the step's prompts, one for each completion.
        drawn: the step's completions in the prompts' order; empty where they were given instead of drawn.
    """

    def __init__(self, model: LocalModel, config: GrpoConfig) -> None:
        self._model = model
        self._seed = config.seed
        self._group = config.num_generations
        self._sampling = Sampling(
            temperature=config.temperature,
            top_p=config.top_p,
            top_k=config.top_k,
            max_new_tokens=config.max_completion_length,
        )
        certainty = partial(token_certainty, direction=config.reward.certainty_direction)
        self.measure = certainty if config.reward.use_rationale else None
        self.prompt_ids: list[list[int]] = []
        self.drawn: list[SampledCompletion] = []

    def draw(
        self,
        policy: Any,
        accelerator: Any,
        prompt_ids: list[list[int]],
        step: int,
        before_batch: Callable[[int, int], None],
        rows: Sequence[int] | None = None,
        turn: int = 0,
    ) -> list[SampledCompletion]:
        """Return a completion for each of this process's prompts; equal ones are run as one tree.

        The optimiser steps done, the row and the settings' seed give a completion's seed; so does the turn,
        where a row is drawn again with another prompt. `rows` are the prompts' rows in the step, on all
        processes; left out, they are this process's part of as many on each. `before_batch` is called with
        (groups done, groups) before each batch of trees. The policy is as the trainer wraps it.
        """
        first = accelerator.process_index * len(prompt_ids)
        rows = range(first, first + len(prompt_ids)) if rows is None else rows
        seeds = [_seed(self._seed, step, row, *([turn] if turn else [])) for row in rows]
        # Sharded weights are gathered by all processes together, so they must take the same steps.
        synced = accelerator.distributed_type == DistributedType.FSDP
        sample = partial(self._sample, prompt_ids, seeds, synced, before_batch)
        policy.eval()
        with accelerator.autocast():
            drawn: list[SampledCompletion] = policy(redirect_to=sample)
        policy.train()
        return drawn

    def _sample(
        self,
        prompt_ids: Sequence[Sequence[int]],
        seeds: Sequence[int],
        synced: bool,
        before_batch: Callable[[int, int], None],
        model: Any,
    ) -> list[SampledCompletion]:
        """Return the prompts' completions in order; as many trees at once as memory is planned for."""
        groups = group_rows(len(prompt_ids), self._group) if synced else group_equal(prompt_ids)
        trees = [grow_tree([prompt_ids[row] for row in rows]) for rows in groups]
        by_row: dict[int, SampledCompletion] = {}
        done = 0
        for numbers in batch_by_length([tree.size for tree in trees], 0 if synced else SAMPLED_TOKENS):
            before_batch(done, len(groups))
            rows = [row for number in numbers for row in groups[number]]
            drawn = sample_completions(
                model,
                [trees[number] for number in numbers],
                self._sampling,
                self._model.end_ids,
                self._model.pad_id,
                [seeds[row] for row in rows],
                self.measure,
                synced,
            )
            by_row.update(zip(rows, drawn, strict=True))
            done += len(numbers)
        return [by_row[row] for row in range(len(prompt_ids))]

    def log_probs(self, pairs: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[Tensor]:
        """Return for each (prompt, completion) of the step its tokens' log probabilities when drawn."""
        drawn = {
            (tuple(prompt), tuple(completion.ids)): completion.log_probs
            for prompt, completion in zip(self.prompt_ids, self.drawn, strict=True)
        }
        return [drawn[tuple(prompt), tuple(completion)] for prompt, completion in pairs]


def _seed(*numbers: int) -> int:
    """Return one seed for (run, step, row): the same numbers give the same completion in a rerun."""
    return zlib.crc32(",".join(map(str, numbers)).encode())
