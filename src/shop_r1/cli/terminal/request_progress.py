"""The progress bar of requests to an endpoint: how many are done, what they cost, how long the rest takes."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shop_r1.endpoints.batch import Progress

NO_PRICE = "no price known: give price.input_usd and price.output_usd"


class Move(Protocol):
    """Moves a bar."""

    def __call__(self, done: int, total: int | None = None, note: str = "") -> None:
        """Show how many are done, of how many where that is known, and a note."""


@contextmanager
def noted_bar(title: str, total: int | None = None) -> Iterator[Move]:
    """Show a progress bar with a note behind it on stderr; what is yielded moves it."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn
    from rich.progress import Progress as Bar

    columns = (
        TextColumn("{task.description:<8}"),
        BarColumn(bar_width=16),
        MofNCompleteColumn(),
        TextColumn("{task.fields[note]}"),
    )
    with Bar(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, note="")

        def move(done: int, total: int | None = None, note: str = "") -> None:
            bar.update(task, completed=done, total=total, note=note)

        yield move


@contextmanager
def request_bar() -> "Iterator[Callable[[Progress], None]]":
    """Show the progress of requests; what is yielded takes each `Progress`."""
    with noted_bar("Requests") as move:
        yield lambda now: move(now.done, now.total, describe_progress(now))


def describe_progress(now: "Progress") -> str:
    """Return the note behind the bar: the cost or tokens so far, the failures, the time left."""
    tokens = f"{now.usage.input_tokens + now.usage.output_tokens:,} tokens"
    parts = [tokens if now.cost_usd is None else f"{now.cost_usd:.2f} USD"]
    if now.failed:
        parts.append(f"{now.failed} failed")
    if now.left_s is not None:
        parts.append(f"{timedelta(seconds=round(now.left_s))} left")
    return ", ".join(parts)
