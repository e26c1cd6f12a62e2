"""A step's advantages, from the rewards of all its completions: by group, by target type, by mix of types."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import torch
from accelerate.utils import gather_object
from torch import Tensor

from shop_r1.training.grpo.advantages import group_advantages, type_scales, zero_variance
from shop_r1.training.grpo.scorer import ScoredCompletion
from shop_r1.training.grpo.type_mix import TypeMix
from shop_r1.training.settings import GrpoConfig


class StepAdvantages:
    """Computes what each completion teaches; all processes must call it together.

    Attributes:
        type_mix: the types' shares over the last steps; counted only with a `type_mix_weight`.
        figures: of the last step, by the names in docs/training.md.
    """

    def __init__(self, config: GrpoConfig, accelerator: Any) -> None:
        self._config = config
        self._accelerator = accelerator
        self.type_mix = TypeMix()
        self.figures: dict[str, float] = {}

    def compute(
        self,
        completions: Sequence[ScoredCompletion],
        types: Sequence[str],
        first: Sequence[ScoredCompletion] = (),
    ) -> Tensor:
        """Return (B,) the advantages of this process's completions, whose groups are whole, in float64.

        `types` are the action space's. Where groups were replaced by some that vary, `first` are the
        completions of the step's first prompts: zero-variance groups and types are counted in these.
        """
        config, first = self._config, first or completions
        rules, certainty = self._split_rewards(completions)
        equal = zero_variance(self._split_rewards(first)[0]).float().to(self._accelerator.device)
        self.figures = {"policy/frac_zero_variance": self._accelerator.gather(equal).mean().item()}
        found = group_advantages(rules, certainty, config.certainty_guard, config.certainty_floor)
        if config.advantage_balance == "target_type":
            found = self._balance(
                found, [completion.target.type for completion in completions[:: config.num_generations]]
            )
        if config.type_mix_weight:
            self._count_types(first, types)
            found = found + self._mix_terms(completions).view_as(found)
        return found.flatten()

    def _split_rewards(self, completions: Sequence[ScoredCompletion]) -> tuple[Tensor, Tensor]:
        """Return (groups, G) the completions' rule rewards and their certainty's."""
        pairs = [(completion.reward.total, completion.reward.rationale) for completion in completions]
        table = torch.tensor(pairs, dtype=torch.float64).view(-1, self._config.num_generations, 2)
        return table[..., 0] - table[..., 1], table[..., 1]

    def _balance(self, advantages: Tensor, targets: Sequence[str]) -> Tensor:
        """Return the (groups, G) advantages, each group's times the scale of its target's type."""
        sizes = advantages.abs().sum(1).tolist()
        groups = gather_object(list(zip(targets, sizes, strict=True)))
        summed: Counter[str] = Counter()
        for target, size in groups:
            summed[target] += size
        scales = type_scales(summed, Counter(target for target, _ in groups))
        return advantages * torch.tensor([scales[target] for target in targets], dtype=torch.float64)[:, None]

    def _count_types(self, completions: Sequence[ScoredCompletion], types: Sequence[str]) -> None:
        """Count the types of all processes' completions and of their targets."""
        pairs = [
            (None if each.action is None else each.action.type, each.target.type) for each in completions
        ]
        self.type_mix.add(gather_object(pairs), types)
        self.figures["type_mix/kl"] = self.type_mix.divergence()

    def _mix_terms(self, completions: Sequence[ScoredCompletion]) -> Tensor:
        """Return (B,) what the mix of types adds to each completion's advantage."""
        terms = self.type_mix.terms()
        values = [0.0 if each.action is None else terms[each.action.type] for each in completions]
        return self._config.type_mix_weight * torch.tensor(values, dtype=torch.float64)
