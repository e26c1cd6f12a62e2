"""What a run prints on stderr: notes of one line, and the progress bar of what is no trainer's run."""

import os
import resource
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

import torch
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

CONSOLE = Console(stderr=True)


def print_note(text: str) -> None:
    """Print a line about the run to stderr, as it is; of several processes the first does."""
    if os.environ.get("RANK", "0") == "0":
        CONSOLE.print(text, markup=False, highlight=False, soft_wrap=True)


def peak_memory() -> int:
    """Return the most memory that this process has held, in bytes: on its GPU, or else its resident set."""
    if torch.cuda.is_available():
        return int(torch.cuda.max_memory_allocated())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024  # Linux counts in KiB


def warn_of_warmup(warmup: int, learning_rate: float, steps: int) -> None:
    """Say so where the learning rate rises for half of a run or longer: such a run learns next to nothing."""
    if warmup == 0 or 2 * warmup < steps:
        return
    reached = learning_rate * min(1.0, (steps - 1) / warmup)
    print_note(
        f"A run of {steps} steps with {warmup} steps of warm-up: the learning rate rises to {reached:.2g} of "
        f"{learning_rate:.2g} at the most; set warmup_steps={steps // 10}, or let it run longer"
    )


@contextmanager
def step_progress(title: str, console: Console = CONSOLE) -> Iterator[Callable[[int, int, str], None]]:
    """Show a bar; yield the function that moves it: (steps done, steps, a few words).

    Away from a terminal, where a bar cannot move, it prints a line at each tenth of the steps.
    """
    if not console.is_terminal:
        yield _line_printer(title, console)
        return
    columns = (TextColumn("{task.description:<12}"), BarColumn(bar_width=20), MofNCompleteColumn())
    note = TextColumn("{task.fields[note]}")
    with Progress(*columns, TimeRemainingColumn(), note, console=console) as progress:
        task = progress.add_task(title, total=None, note="")
        yield lambda done, total, words: progress.update(task, completed=done, total=total, note=words)


def _line_printer(title: str, console: Console) -> Callable[[int, int, str], None]:
    started = time.monotonic()

    def print_line(done: int, total: int, words: str) -> None:
        if done * 10 // total == (done - 1) * 10 // total:
            return
        left = timedelta(seconds=round((time.monotonic() - started) * (total - done) / done))
        console.print(
            f"{title} {done}/{total}, {left} left: {words}", markup=False, highlight=False, soft_wrap=True
        )

    return print_line
