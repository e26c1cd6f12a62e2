"""Dynamic sampling (DAPO, Yu et al. 2025, 3.2): zero-variance groups give place to groups of fresh prompts.

Fresh prompts are of the target types of those that they replace (ours): the types whose groups vary most
would otherwise fill the step, and the mix of what teaches would no longer be the data's.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from accelerate.utils import gather_object

from shop_r1.models.sampling import SampledCompletion
from shop_r1.training.grpo.advantages import zero_variance
from shop_r1.training.grpo.prompt_queue import PromptQueue
from shop_r1.training.grpo.scorer import ScoredCompletion


@dataclass(frozen=True)
class DrawnGroup:
    """A prompt's completions, drawn and scored; their certainty does not count yet."""

    example: int
    prompt_ids: list[int]
    drawn: list[SampledCompletion]
    log_probs: list[list[float]] | None
    """Of each completion's tokens, as vLLM gives them; None with our own sampling."""
    scored: list[ScoredCompletion]

    @property
    def varies(self) -> bool:
        """Whether the rule rewards differ."""
        rules = [each.reward.total - each.reward.rationale for each in self.scored]
        return not zero_variance(torch.tensor([rules], dtype=torch.float64)).item()


class DrawGroups(Protocol):
    """Draws a group for each example of this process; all processes draw together, equally many."""

    def __call__(self, examples: Sequence[int], places: Sequence[int], turn: int) -> list[DrawnGroup]:
        """Return the groups; a group's place in the step, on all processes, and the turn give its seeds."""


class DynamicSampling:
    """Fills a step with groups that vary, in a number of rounds; all processes must call it together.

    Attributes:
        queue: the prompts, in an order for each target type.
        first: this process's groups of the step's first prompts, before any was replaced.
        figures: of the last step, by the names in docs/training.md.
    """

    def __init__(self, queue: PromptQueue, rounds: int, accelerator: Any, draw: DrawGroups) -> None:
        self.queue = queue
        self._rounds = rounds
        self._accelerator = accelerator
        self._draw = draw
        self.first: list[DrawnGroup] = []
        self.figures: dict[str, float] = {}

    def fill(self, requested: Sequence[int]) -> list[DrawnGroup]:
        """Return a group for each example asked for on this process, of an example of the same target type.

        A group that does not vary is replaced by one that does, as soon as one is drawn. What none was drawn
        for in the last round stays as it was first drawn.
        """
        first = self._accelerator.process_index * len(requested)
        places = [first + number for number in range(len(requested))]
        self.first = groups = self._draw(self._hand_out(requested)[0], places, 0)
        total = drawn = len(requested) * self._accelerator.num_processes
        for turn in range(1, self._rounds + 1):
            equal = [number for number, group in enumerate(groups) if not group.varies]
            examples, most, count = self._hand_out([groups[number].example for number in equal])
            if most == 0:
                break
            drawn += count
            # Processes that need fewer groups draw their first one again beside them, for nobody: they would
            # wait for the others anyway, and with sharded weights or vLLM all must draw equally many.
            spare = most - len(equal)
            numbers = [*equal, *[0] * spare]
            examples += [groups[0].example] * spare
            fresh = self._draw(examples, [places[number] for number in numbers], turn)[: len(equal)]
            taken = {number: group for number, group in zip(equal, fresh, strict=True) if group.varies}
            groups = [taken.get(number, group) for number, group in enumerate(groups)]
        replaced = sum(now is not before for now, before in zip(groups, self.first, strict=True))
        self.figures = {
            "policy/frac_refilled": sum(gather_object([replaced])) / total,
            "policy/prompts_drawn": float(drawn),
        }
        return groups

    def _hand_out(self, examples: Sequence[int]) -> tuple[list[int], int, int]:
        """Return this process's next examples, of the given ones' target types.

        Beside them stand how many the process with the most gets, and how many all get together. Every
        process hands out to all, in their order, so that the queues stay the same everywhere.
        """
        asked = gather_object([[self.queue.types[example] for example in examples]])
        given = [[self.queue.take(name) for name in names] for names in asked]
        counts = [len(each) for each in given]
        return given[self._accelerator.process_index], max(counts), sum(counts)
