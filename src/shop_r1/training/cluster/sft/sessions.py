"""Whole sessions as verl's dataset: a session's prompts are rendered when it is read, and never stored.

A row is a session's trees (`training.session_trees`) as flat tensors, which verl sends to its workers.
"""

from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import Dataset

from shop_r1.datasets.session_files import open_sessions
from shop_r1.models.prefix_tree import Branch, Tree
from shop_r1.training.cluster.start import open_without_weights
from shop_r1.training.memory import session_tokens
from shop_r1.training.session_trees import session_trees
from shop_r1.training.settings import SftConfig

Row = dict[str, Tensor]
"""A session's trees: `input_ids` (T,) trunks and branches in order; `loss_mask` (T,) 1 at completions;
`layout` (n,) the numbers that `pack_row` writes; `weights` (branches,) float64, at least one."""


class SessionTrees(Dataset[Row]):
    """One row for each session, in the order of their file.

    Attributes:
        lengths: the characters of each session's pages.
        model: the checkpoint without its weights.
    """

    def __init__(
        self,
        parquet_files: Sequence[str],
        tokenizer: Any,
        config: Any,
        processor: Any = None,
        max_samples: int = -1,
    ) -> None:
        """Open the sessions; verl's settings `data.shop_r1` say how they are rendered and weighed.

        `processor` and `max_samples` are verl's, and not used.

        Raises:
            DataError: the file cannot be read.
        """
        ours = config.shop_r1
        settings = SftConfig.model_validate_json(ours.settings)
        self._sessions = open_sessions(Path(parquet_files[0]))
        self._prompt = settings.prompt
        self._at_once = session_tokens(settings)
        self._weights = None if ours.weights is None else dict(ours.weights)
        self.lengths = list(ours.lengths)
        self.model = open_without_weights(ours.model, tokenizer)

    def __len__(self) -> int:
        return len(self.lengths)

    def __getitem__(self, index: int) -> Row:
        session = self._sessions[index]
        return pack_row(session_trees(session, self.model, self._prompt, self._at_once, self._weights))


def pack_row(trees: Sequence[Tree]) -> Row:
    """Return a session's trees as a row; without any it is one from which nothing is learnt."""
    ids: list[int] = []
    learnt: list[int] = []
    layout = [len(trees)]
    for tree in trees:
        ids += tree.trunk
        learnt += [0] * len(tree.trunk)
        layout += [len(tree.trunk), len(tree.branches)]
        for each in tree.branches:
            ids += each.prompt + each.completion
            learnt += [0] * len(each.prompt) + [1] * len(each.completion)
            layout += [each.attach, len(each.prompt), len(each.completion)]
    weights = [branch.weight for tree in trees for branch in tree.branches]
    return {
        "input_ids": torch.tensor(ids or [0]),
        "loss_mask": torch.tensor(learnt or [0]),
        "layout": torch.tensor(layout),
        "weights": torch.tensor(weights or [0.0], dtype=torch.float64),
    }


def unpack_row(row: Row) -> list[Tree]:
    """Return the trees that `pack_row` was given."""
    ids = iter(row["input_ids"].tolist())
    layout = iter(row["layout"].tolist())
    weights = iter(row["weights"].tolist())
    return [_unpack_tree(ids, layout, weights) for _ in range(next(layout))]


def _unpack_tree(ids: Iterator[int], layout: Iterator[int], weights: Iterator[float]) -> Tree:
    trunk = tuple(islice(ids, next(layout)))
    branches = []
    for _ in range(next(layout)):
        attach, prompt, completion = islice(layout, 3)
        before, learnt = tuple(islice(ids, prompt)), tuple(islice(ids, completion))
        branches.append(Branch(attach, before, learnt, next(weights)))
    return Tree(trunk, tuple(branches))
