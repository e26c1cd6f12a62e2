"""Prompts in an order of their own for each target type: a step may need more of one type than another."""

import random
from collections.abc import Mapping, Sequence
from typing import Any

from transformers import TrainerCallback


class PromptQueue(TrainerCallback):
    """Hands out examples by the type of their target action, each type's in passes of a seeded order.

    No example comes twice before all of its type have come once. A resumed run goes on where it was.
    """

    def __init__(self, types: Sequence[str], seed: int) -> None:
        """Take the target type of each example; what is handed out are their numbers."""
        self.types = types
        self._seed = seed
        self._members: dict[str, list[int]] = {}
        for number, name in enumerate(types):
            self._members.setdefault(name, []).append(number)
        self._taken = dict.fromkeys(self._members, 0)
        self._orders: dict[str, tuple[int, list[int]]] = {}  # each type's current turn and its order

    def take(self, name: str) -> int:
        """Return the next example of this type."""
        members = self._members[name]
        turn, place = divmod(self._taken[name], len(members))
        self._taken[name] += 1
        if name not in self._orders or self._orders[name][0] != turn:
            order = random.Random(f"{self._seed} {name} {turn}").sample(members, len(members))
            self._orders[name] = turn, order
        return self._orders[name][1][place]

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run must know, as plain values."""
        return dict(self._taken)

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self._taken = dict(state)
