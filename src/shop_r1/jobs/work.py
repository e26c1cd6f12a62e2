"""What a job does to each item: the same function in every engine, and how it can fail."""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, Protocol

from pydantic import Field

from shop_r1.config import Config
from shop_r1.jobs.blocks import Item

FailureReason = Literal["invalid", "error", "crash", "timeout"]
"""Why an item has no result: it is not what it should be; the function raised an internal error; its process
ended; or it took too long."""


class ItemFailure(NamedTuple):
    """An item without a result."""

    reason: FailureReason
    message: str

    def __str__(self) -> str:
        return f"{self.reason}: {self.message}"


class Limits(Config):
    """What one item may take. An item over it is tried again in a process of its own, and then has failed."""

    seconds: float = Field(60.0, gt=0)
    """From one item to the next."""
    memory_gib: float = Field(4.0, gt=0)
    """Of a worker's process, where the system can limit it (Linux)."""
    attempts: int = Field(2, ge=1)
    """Before an item has failed: a process can also be killed from outside."""


class Work(Protocol):
    """A job's function, as it travels to the workers: small, and pickled."""

    def prepare(self) -> Callable[[Item], Any]:
        """Return the function of an item, in the process that will run it. Equal items give equal results.

        The function may raise a `ShopR1Error`, which makes the item an invalid one.

        Raises:
            ShopR1Error: it cannot be prepared; the job then ends.
        """

    def failed(self, item: Item, failure: ItemFailure) -> Any:
        """Return the result that stands for an item without one; of the item the content is not there."""
