"""A checkpoint on each of a cluster's workers, which predicts whole batches of sessions."""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shop_r1.datasets.examples import Example
from shop_r1.evaluation.predict import Batch, BatchRunner, PredictConfig
from shop_r1.jobs.cluster import Cluster
from shop_r1.records.results import Prediction


@dataclass(frozen=True)
class PredictFunction:
    """Predicts the steps of a batch; it travels to the workers, each of which loads the checkpoint."""

    model: str
    examples: Sequence[Example]
    """Of a Parquet file only its place travels, and each worker reads what it needs."""
    config: PredictConfig
    threads: int
    """Of torch. Sums can differ in their last bits with another number."""
    folder: Path = field(default_factory=Path.cwd)
    """What relative paths are below, on every machine."""

    def prepare(self) -> Callable[[Batch], list[Prediction]]:
        """Return the function of a batch, in the process of a worker.

        Raises:
            ModelError: the checkpoint cannot be loaded there.
        """
        os.chdir(self.folder)
        import torch

        from shop_r1.models.checkpoint import load_model

        torch.set_num_threads(self.threads)
        return BatchRunner(load_model(self.model), self.examples, self.config).run_batch


def run_batches_on(
    cluster: Cluster, function: PredictFunction, batches: Mapping[int, Batch]
) -> Iterator[tuple[int, list[Prediction]]]:
    """Yield the predictions of each batch, in order.

    Raises:
        ShopR1Error: a worker cannot load the checkpoint, or workers were lost too often.
    """
    yield from cluster.map(batches, function)
