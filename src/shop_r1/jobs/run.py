"""A job: its blocks, in one process here or on the workers of a Ray cluster; the results are the same."""

from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shop_r1.jobs.blocks import Block
from shop_r1.jobs.cluster import Cluster
from shop_r1.jobs.isolated import IsolatedWorker
from shop_r1.jobs.work import Limits, Work


@dataclass(frozen=True)
class BlockFunction:
    """What is done to a block: the work, item by item, in a child process; it travels to the workers."""

    work: Work
    limits: Limits = field(default_factory=Limits)
    encode: Callable[[list[Any]], Any] = list
    """Makes of a block's results, where they are, what is sent back."""
    folder: Path = field(default_factory=Path.cwd)
    """What relative paths are below, on every machine."""

    def prepare(self) -> "_BlockRunner":
        """Return the function of a block, in the process of a worker."""
        return _BlockRunner(IsolatedWorker(self.work, self.limits, self.folder), self.encode)


class _BlockRunner:
    """Works on one block after the other."""

    def __init__(self, worker: IsolatedWorker, encode: Callable[[list[Any]], Any]) -> None:
        self._worker, self._encode = worker, encode

    def __call__(self, block: Block) -> Any:
        return self._encode(self._worker.run(block))

    def close(self) -> None:
        """End the child process."""
        self._worker.close()


def run_blocks(
    blocks: Mapping[int, Block], function: BlockFunction, cluster: Cluster | None, *, ordered: bool = True
) -> Generator[tuple[int, Any]]:
    """Yield (number, encoded results) of each block, in order; on a cluster as they come unless `ordered`.

    Close the iterator when it is not read to its end.

    Raises:
        ShopR1Error: the work cannot be prepared, a block cannot be read, or Ray's workers were lost.
    """
    if cluster is not None:
        yield from cluster.map(blocks, function, ordered=ordered)
        return
    with closing(function.prepare()) as run:
        for number, block in blocks.items():
            yield number, run(block)
