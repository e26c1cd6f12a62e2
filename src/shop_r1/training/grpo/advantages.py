"""Advantages within groups (paper, Eq. A1), and guards for zero-variance groups.

In these all rule rewards are equal, and the completions differ in their self-certainty alone, by a few
thousandths. Divided by the group's standard deviation that becomes unit size at any weight: the policy
then drifts to saying what it is sure of. docs/training.md has the evidence for the default guard.
"""

from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor

Guard = Literal["paper", "skip", "floor", "centred"]
Balance = Literal["none", "target_type"]

_EPSILON = 1e-4
"""Added to the standard deviation, as TRL does."""
_EQUAL = 1e-6
"""Rule rewards this near are equal: far below any part's step, far above rounding in float64."""


def zero_variance(rules: Tensor) -> Tensor:
    """Return (groups,) bool: whether a group's (groups, G) rule rewards are all equal."""
    return (rules.amax(1) - rules.amin(1)) < _EQUAL


def group_advantages(rules: Tensor, certainty: Tensor, guard: Guard, floor: float = 0.1) -> Tensor:
    """Return the (groups, G) advantages of completions within their groups, of rewards of the same shape.

    With r = rules + certainty, d(x) = x minus its group's mean and σ the sample standard deviation:

    - `paper`: d(r) / σ(r), as Eq. A1 has it.
    - `skip`: the same, and 0 in groups whose rules are all equal.
    - `floor`: d(r) / max(σ(rules), floor), the certainty left out of the standard deviation.
    - `centred`: d(rules) / σ(rules) + d(certainty), the certainty centred and never scaled.

    `rules` are rewards without the certainty part, `certainty` is that part, weight included; `floor` is in
    units of the reward. In float64: at rewards of 1000, float32 rounding alone would make equal ones differ.
    """
    rules, certainty = rules.double(), certainty.double()
    together = rules + certainty
    centred = together - together.mean(1, keepdim=True)
    if guard == "floor":
        return centred / rules.std(1, keepdim=True).clamp_min(floor)
    if guard == "centred":
        scaled = (rules - rules.mean(1, keepdim=True)) / (rules.std(1, keepdim=True) + _EPSILON)
        sure = certainty - certainty.mean(1, keepdim=True)
        return torch.where(zero_variance(rules)[:, None], 0.0, scaled) + sure
    advantages = centred / (together.std(1, keepdim=True) + _EPSILON)
    # Where all are equal, rounding is no difference to learn from.
    quiet = zero_variance(rules) if guard == "skip" else together.amax(1) == together.amin(1)
    return torch.where(quiet[:, None], 0.0, advantages)


def type_scales(sizes: Mapping[str, float], groups: Mapping[str, int]) -> dict[str, float]:
    """Return by what the advantages of each target type's groups are multiplied, so that types are balanced.

    Then each type's sum of absolute advantages is to those of the others as its number of groups, and the sum
    over all types stays what it was. A type without any advantage keeps none, and the others share its part.

    `sizes` are the types' sums of absolute advantages in a step, `groups` their numbers of groups. Ours.

    >>> type_scales({"click": 6.0, "terminate": 2.0}, {"click": 4, "terminate": 4})
    {'click': 0.6666666666666666, 'terminate': 2.0}
    """
    teaching = [name for name, size in sizes.items() if size > 0]
    each = sum(sizes.values()) / max(1, sum(groups[name] for name in teaching))
    return {name: groups[name] * each / size if size > 0 else 1.0 for name, size in sizes.items()}
