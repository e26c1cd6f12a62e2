"""The mix of action types that RL learns from: others more frequent than `terminate` (paper, 4.1)."""

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeVar

from shop_r1.errors import DataError

Method = Literal["undersample", "resample"]
ItemT = TypeVar("ItemT")
_NO_TERMINATE = (
    "no session terminates, and balancing measures the other types by `terminate`; "
    "type_ratio=0 takes every step as it is"
)


def draw_balanced(
    by_type: Mapping[str, Sequence[ItemT]], type_ratio: float, seed: int, method: Method = "undersample"
) -> list[ItemT]:
    """Return a seeded, shuffled sample: each other type is `type_ratio` times as frequent as `terminate`.

    Args:
        by_type: what there is of each type of action.
        type_ratio: paper 4.1: click and type_and_submit each occur about 10 % more often, that is 1.1.
        seed: of the sample and its order.
        method: `undersample` uses none twice and leaves out what a type has too much of. `resample` uses all,
            those of a scarce type repeatedly, each as often as any other of its type or once more. The paper
            does not say how its mix was made.

    Raises:
        DataError: there is no `terminate` to measure by.
    """
    if not by_type.get("terminate"):
        raise DataError(_NO_TERMINATE)
    weights = {name: 1.0 if name == "terminate" else type_ratio for name in by_type}
    ratios = [len(found) / weights[name] for name, found in by_type.items()]
    unit = min(ratios) if method == "undersample" else max(ratios)
    rng = random.Random(seed)
    chosen = [
        item
        for name in sorted(by_type)
        for item in _draw(by_type[name], round(unit * weights[name]), method, rng)
    ]
    rng.shuffle(chosen)
    return chosen


def type_weights(counts: Mapping[str, int], type_ratio: float) -> dict[str, float]:
    """Return how much an item counts by its type, so that other types count `type_ratio` times `terminate`.

    All items together count as many as they are: the mean weight is 1.

    >>> type_weights({"click": 8, "terminate": 2}, type_ratio=1.5)
    {'click': 0.75, 'terminate': 2.0}

    Raises:
        DataError: there is no `terminate` to measure by.
    """
    if not counts.get("terminate"):
        raise DataError(_NO_TERMINATE)
    shares = {name: 1.0 if name == "terminate" else type_ratio for name, count in counts.items() if count}
    unit = sum(counts.values()) / sum(shares.values())
    return {name: share * unit / counts[name] for name, share in shares.items()}


def _draw(items: Sequence[ItemT], number: int, method: Method, rng: random.Random) -> Iterator[ItemT]:
    if method == "undersample":
        yield from rng.sample(items, min(len(items), number))
        return
    rounds, rest = divmod(max(number, len(items)), len(items))
    for _ in range(rounds):
        yield from items
    yield from rng.sample(items, rest)
