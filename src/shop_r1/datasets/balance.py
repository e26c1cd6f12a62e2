"""The set that RL learns from, with each other type of action more frequent than `terminate` (paper, 4.1)."""

import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

from shop_r1.errors import DataError
from shop_r1.jsonl import Moved, read_records
from shop_r1.records.sessions import Session

Method = Literal["thin", "resample"]
ItemT = TypeVar("ItemT")


class StepRef(NamedTuple):
    """A step of a file's session.

    Attributes:
        place: of the session in the file, from 0.
        step: from 0.
        action_type: what the shopper did.
    """

    place: int
    step: int
    action_type: str


def draw_balanced(
    by_type: Mapping[str, Sequence[ItemT]], skew: float, seed: int, method: Method = "thin"
) -> list[ItemT]:
    """Return a seeded sample, shuffled, in which every other type is `skew` times as frequent as `terminate`.

    Args:
        by_type: what there is of each type of action.
        skew: paper 4.1: click and type_and_submit each occur about 10 % more often, that is 1.1.
        seed: of the sample and its order.
        method: `thin` uses none twice and leaves out what a type has too much of. `resample` uses all, those
            of a scarce type again and again, each as often as any other of its type or once more. The paper
            does not say how its mix was made.

    Raises:
        DataError: there is no `terminate` to measure by.
    """
    if not by_type.get("terminate"):
        raise DataError(
            "no session terminates, and balancing measures the other types by `terminate`; "
            "`shop-r1 grpo … type_ratio=0` takes every step as it is"
        )
    weights = {name: 1.0 if name == "terminate" else skew for name in by_type}
    ratios = [len(found) / weights[name] for name, found in by_type.items()]
    unit = min(ratios) if method == "thin" else max(ratios)
    rng = random.Random(seed)
    chosen = [
        item
        for name in sorted(by_type)
        for item in _draw(by_type[name], round(unit * weights[name]), method, rng)
    ]
    rng.shuffle(chosen)
    return chosen


def refs_by_type(
    path: Path, first_step: int, moved: Moved | None = None
) -> tuple[list[str], dict[str, list[StepRef]]]:
    """Return the ids of a file's sessions, and the steps to predict by their type of action.

    Args:
        path: the sessions, read one by one; none is kept.
        first_step: steps before it are given, not predicted.
        moved: called after each line.

    Raises:
        DataError: the file is not as it should be, or two sessions have one id: a reference would mean both.
    """
    ids: dict[str, None] = {}
    by_type: dict[str, list[StepRef]] = {}
    for session in read_records(path, Session, moved):
        if session.session_id in ids:
            problem = f"two sessions have the session_id {session.session_id!r}; expected one of an id"
            raise DataError.at(path, None, problem)
        for step in range(first_step, len(session.steps)):
            kind = session.steps[step].action.type
            by_type.setdefault(kind, []).append(StepRef(len(ids), step, kind))
        ids[session.session_id] = None
    return list(ids), by_type


def _draw(items: Sequence[ItemT], number: int, method: Method, rng: random.Random) -> Iterator[ItemT]:
    if method == "thin":
        yield from rng.sample(items, min(len(items), number))
        return
    rounds, rest = divmod(max(number, len(items)), len(items))
    for _ in range(rounds):
        yield from items
    yield from rng.sample(items, rest)
