"""A step's micro-batches: which groups go through the policy's scoring pass, and in which order (ours).

Without a KL term a group whose advantages are all zero adds nothing to the loss and nothing to any gradient,
however long its prompt. Such groups are left out, and the loss of the rest counts by their share of the
micro-batch, so that it stays the mean over all completions.
"""

from collections.abc import Mapping, Sequence
from typing import Any

SCORED_SHARE = "scored_share"
"""Key in a micro-batch: the share of its completions that are left in it, by which its loss counts."""


def choose_scored(teaching: Sequence[bool], count: int) -> list[int]:
    """Return the numbers of `count` groups in order: those that teach, and the first others to fill up.

    >>> choose_scored([False, True, False, True], 3)
    [0, 1, 3]
    """
    ranked = sorted(range(len(teaching)), key=lambda number: not teaching[number])
    return sorted(ranked[:count])


def split_step(
    batch: Mapping[str, Any], group: int, micro_batches: int, scored: Sequence[int]
) -> list[dict[str, Any]]:
    """Return the step's micro-batches, each of whole groups of `group` rows, and its `SCORED_SHARE`.

    `batch` has tensors of all rows, group by group, and some of none. Of the groups only those in `scored`
    are left. They are in the last micro-batches: the last one of all, with which processes exchange their
    gradients, is never empty where any group is scored.
    """
    groups = len(batch["advantages"]) // group
    size = groups // micro_batches
    chosen = set(scored)
    order = sorted(range(groups), key=lambda number: number in chosen)
    found = []
    for start in range(0, groups, size):
        kept = [number for number in order[start : start + size] if number in chosen]
        rows = [number * group + place for number in kept for place in range(group)]
        columns = {name: values[rows] if values.ndim else values for name, values in batch.items()}
        found.append(columns | {SCORED_SHARE: len(kept) / size})
    return found
