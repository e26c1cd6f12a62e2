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

    def compute(self, completions: Sequence[ScoredCompletion], types: Sequence[str]) -> Tensor:
        """Return (B,) the advantages of this process's completions, whose groups are whole, in float64.

        `types` are the action space's.
        """
        config, group = self._config, self._config.num_generations
        totals, certainty = (
            torch.tensor(values, dtype=torch.float64).view(-1, group)
            for values in (
                [completion.reward.total for completion in completions],
                [completion.reward.rationale for completion in completions],
            )
        )
        rules = totals - certainty
        equal = zero_variance(rules).float().to(self._accelerator.device)
        self.figures = {"policy/frac_zero_variance": self._accelerator.gather(equal).mean().item()}
        found = group_advantages(rules, certainty, config.certainty_guard, config.certainty_floor)
        if config.advantage_balance == "target_type":
            found = self._balance(found, [completion.target.type for completion in completions[::group]])
        if config.type_mix_weight:
            found = found + self._mix_terms(completions, types).view_as(found)
        return found.flatten()

    def _balance(self, advantages: Tensor, targets: Sequence[str]) -> Tensor:
        """Return the (groups, G) advantages, each group's times the scale of its target's type."""
        sizes = advantages.abs().sum(1).tolist()
        groups = gather_object(list(zip(targets, sizes, strict=True)))
        summed: Counter[str] = Counter()
        for target, size in groups:
            summed[target] += size
        scales = type_scales(summed, Counter(target for target, _ in groups))
        return advantages * torch.tensor([scales[target] for target in targets], dtype=torch.float64)[:, None]

    def _mix_terms(self, completions: Sequence[ScoredCompletion], types: Sequence[str]) -> Tensor:
        """Return (B,) what the mix of types adds to each completion's advantage."""
        chosen = [None if each.action is None else each.action.type for each in completions]
        pairs = list(zip(chosen, (each.target.type for each in completions), strict=True))
        self.type_mix.add(gather_object(pairs), types)
        self.figures["type_mix/kl"] = self.type_mix.divergence()
        terms = self.type_mix.terms()
        values = [0.0 if name is None else terms[name] for name in chosen]
        return self._config.type_mix_weight * torch.tensor(values, dtype=torch.float64)
