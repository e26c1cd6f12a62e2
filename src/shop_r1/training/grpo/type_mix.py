"""A term of the objective that holds the policy's mix of action types to the data's (ours).

-λ KL(q ‖ p), with p the types' shares among the policy's completions that parse and q their shares among the
shoppers' actions at the same steps. Its gradient is the expectation of a term for each completion times the
gradient of its log probability, so the term is added to the advantage. docs/training.md derives it, and says
why it is not KL(p ‖ q).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from transformers import TrainerCallback

MEMORY = 3
"""Steps over which the shares are smoothed: each step, counts before it lose a third. Ours; what looks back
further pulls when the policy has turned already, and the shares swing."""
PRIOR = 1.0
"""Completions by which each type is counted beforehand: one that is never sampled has a share too. Ours."""
LARGEST = 10.0
"""q(k) / p(k) at most: one completion of a type that has nearly vanished is no reason for a leap. Ours."""

Pair = tuple[str | None, str]
"""A completion's type, None where it could not be parsed, and the type of the shopper's action."""


class TypeMix(TrainerCallback):
    """Counts types over the last steps, on all processes alike; resumed runs go on from its counts."""

    def __init__(self) -> None:
        self._chosen: dict[str, float] = {}
        self._wanted: dict[str, float] = {}

    def add(self, pairs: Iterable[Pair], types: Sequence[str]) -> None:
        """Count a step's completions, those of all processes; `types` are the action space's."""
        for counts in (self._chosen, self._wanted):
            counts.update({name: counts.get(name, 0.0) * (1 - 1 / MEMORY) for name in types})
        for chosen, wanted in pairs:
            self._wanted[wanted] += 1
            if chosen is not None:
                self._chosen[chosen] += 1

    def divergence(self) -> float:
        """Return KL(q ‖ p) in nats."""
        chosen, wanted = shares(self._chosen), shares(self._wanted)
        return sum(share * math.log(share / chosen[name]) for name, share in wanted.items())

    def terms(self) -> dict[str, float]:
        """Return what a completion of each type adds to its advantage at λ = 1: q(k) / p(k) - 1.

        A type that is rarer than in the data earns, at most `LARGEST` - 1; one that is more frequent pays, at
        most 1. On average over the policy's own mix nothing is earned, where no type is beyond `LARGEST`.
        """
        chosen, wanted = shares(self._chosen), shares(self._wanted)
        return {name: min(wanted[name] / share, LARGEST) - 1 for name, share in chosen.items()}

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know, as plain values."""
        return {"chosen": dict(self._chosen), "wanted": dict(self._wanted)}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self._chosen, self._wanted = dict(state["chosen"]), dict(state["wanted"])


def shares(counts: Mapping[str, float]) -> dict[str, float]:
    """Return each type's share of the counts, `PRIOR` added to each.

    >>> shares({"click": 5.0, "terminate": 1.0})
    {'click': 0.75, 'terminate': 0.25}
    """
    total = sum(counts.values()) + PRIOR * len(counts)
    return {name: (count + PRIOR) / total for name, count in counts.items()}
