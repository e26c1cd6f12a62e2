"""Which sessions each step learns from, by its number alone: so a run that goes on needs no other state."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers.trainer_pt_utils import get_length_grouped_indices

from shop_r1.training.cluster.sft.sessions import Row, SessionTrees, pack_row
from shop_r1.training.session_trees import sessions_per_step
from shop_r1.training.settings import SftConfig

IDLE_ROW = -1
"""In place of a session where an epoch's last step has too few for all devices."""


class SessionBatches:
    """What verl's SFT trainer has as its loader: each epoch a new order, sessions of like length together."""

    def __init__(self, dataset: SessionTrees, config: SftConfig) -> None:
        self._dataset = dataset
        self._seed = config.seed
        self._devices = config.cluster.data_parallel
        self._on_device = config.per_device_train_batch_size
        self._a_step = sessions_per_step(config, self._devices)

    def __len__(self) -> int:
        """Return the steps of an epoch; the last may be short."""
        return -(-len(self._dataset) // self._a_step)

    def rows(self, step: int) -> list[int]:
        """Return the numbers of the sessions of a step, counted from 0: those of the first device, and so on.

        Each device has equally many, filled up with `IDLE_ROW`. A device takes every other micro-batch, so
        that those run at once on all devices are of like length.
        """
        epoch, place = divmod(step, len(self))
        (seed,) = np.random.SeedSequence((self._seed, epoch)).generate_state(1)
        generator = torch.Generator().manual_seed(int(seed))
        order = get_length_grouped_indices(self._dataset.lengths, self._a_step, generator=generator)
        chosen = order[place * self._a_step : (place + 1) * self._a_step]
        at_once = self._devices * self._on_device
        chosen += [IDLE_ROW] * (-len(chosen) % at_once)
        shape = (-1, self._devices, self._on_device)
        return torch.tensor(chosen).view(shape).transpose(0, 1).flatten().tolist()

    def batch(self, step: int) -> dict[str, Tensor]:
        """Return the rows of a step, each column nested (`sessions.Row`)."""
        return collate([pack_row([]) if row == IDLE_ROW else self._dataset[row] for row in self.rows(step)])

    def state_dict(self) -> dict[str, Any]:
        """Return nothing: the step's number says all."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Do nothing."""


def collate(rows: Sequence[Row]) -> dict[str, Tensor]:
    """Return the rows' columns as nested tensors, each row as long as it is."""
    return {
        name: torch.nested.as_nested_tensor([row[name] for row in rows], layout=torch.jagged)
        for name in rows[0]
    }
