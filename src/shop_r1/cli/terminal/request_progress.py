"""What is shown while a model answers: how far it is, what it has cost, and how long it will take."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from shop_r1.endpoints.batch import AskConfig, Progress
    from shop_r1.endpoints.protocol import Endpoint


def open_remote(name: str, ask: "AskConfig", tell: Callable[[str], None]) -> "Endpoint":
    """Return the endpoint of this name, asked as the settings have it; nothing is sent yet.

    Args:
        name: as `endpoints.providers.open_endpoint` takes it.
        ask: the settings.
        tell: told of what the server refused of a request's form.

    Raises:
        ConfigError: as `open_endpoint`.
    """
    from shop_r1.endpoints.providers import open_endpoint

    return open_endpoint(
        name,
        ask.timeout_s,
        response_format=ask.response_format,
        max_tokens_name=ask.max_tokens_name,
        tell=tell,
    )


class Move(Protocol):
    """Moves a bar."""

    def __call__(self, done: int, total: int | None = None, note: str = "") -> None:
        """Show that so many are done, of how many where that is known by now, and a few words."""


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


def describe_progress(now: "Progress") -> str:
    """Return what stands behind the bar: the spending, the failures, the time left."""
    spent = f"{now.input_tokens + now.output_tokens:,} tokens"
    parts = [spent if now.spent_usd is None else f"{now.spent_usd:.2f} USD"]
    if now.failed:
        parts.append(f"{now.failed} failed")
    if now.left_s is not None:
        parts.append(f"{timedelta(seconds=round(now.left_s))} left")
    return ", ".join(parts)
