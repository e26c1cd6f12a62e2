"""The terminal: results to stdout, notes and progress to stderr, settings from the command line."""

import json
import os
import shlex
import textwrap
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any, Protocol, TypeVar

import typer

from shop_r1.config import Config, load_config, suggest
from shop_r1.errors import ConfigError
from shop_r1.jsonl import Moved
from shop_r1.records.sessions import Session

WIDTH = 80
"""Columns of what is printed at most."""
IS_FIRST_PROCESS = os.environ.get("RANK", "0") == "0"
"""Of several processes that train together, only the first prints."""

_LARGE_FILE_BYTES = 4_000_000
"""Smaller ones are read in about a second. Ours."""

ConfigT = TypeVar("ConfigT", bound=Config)


def echo(text: str) -> None:
    """Print a line of the result to stdout."""
    if IS_FIRST_PROCESS:
        typer.echo(text)


def echo_wrapped(text: str) -> None:
    """Print a text of the result to stdout, wrapped."""
    echo("\n".join(wrap(text)))


def note(text: str) -> None:
    """Print a note on progress to stderr, wrapped."""
    if IS_FIRST_PROCESS:
        typer.echo("\n".join(wrap(text)), err=True)


def wrap(text: str, first: str = "", later: str = "") -> list[str]:
    """Return the text in lines of at most `WIDTH` columns, long words apart, with indents before them."""
    return textwrap.wrap(
        text,
        WIDTH,
        initial_indent=first,
        subsequent_indent=later,
        break_long_words=False,
        break_on_hyphens=False,
    )


def print_next(*words: str | Path, to_stderr: bool = False) -> None:
    """Print the command to give next on one line, paths quoted as a shell wants it; to stderr beside JSON."""
    if IS_FIRST_PROCESS:
        quoted = (word if isinstance(word, str) else shlex.quote(str(word)) for word in words)
        typer.echo(f"Next: shop-r1 {' '.join(quoted)}", err=to_stderr)


def unused_path(place: str | Path) -> Path:
    """Return a place for an output: this one, with a number behind its name if something is there already."""
    path = Path(place)
    others = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return path if not path.exists() else next(other for other in others if not other.exists())


def count_of(number: int, thing: str) -> str:
    """Return the number with its thing in the singular or plural, as in `no groups` and `1,107 steps`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}" if number else f"no {thing}s"


def join_counts(counts: Iterable[tuple[str, int]]) -> str:
    """Return the counts in words, in their order.

    >>> join_counts({"terminate": 3, "click": 1}.items())
    'terminate 3, click 1'
    """
    return ", ".join(f"{name} {number}" for name, number in counts)


def print_json(value: Any, *, indent: int | None = None) -> None:
    """Print a JSON value to stdout, on one line unless an indent is given."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=indent))


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of text aligned in columns; the last column is wrapped within `WIDTH`."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]) - 1)]
    left = sum(widths) + 2 * len(widths)
    for row in rows:
        head = "".join(cell.ljust(width) + "  " for cell, width in zip(row[:-1], widths, strict=True))
        lines = textwrap.wrap(row[-1], max(20, WIDTH - left)) or [""]
        echo((head + lines[0]).rstrip())
        for line in lines[1:]:
            echo(" " * left + line)


def print_columns(rows: Sequence[Sequence[str]]) -> None:
    """Print rows of figures: the first column stands at the left, the others at the right of theirs."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for name, *figures in rows:
        right = (figure.rjust(width) for figure, width in zip(figures, widths[1:], strict=True))
        echo("  ".join([name.ljust(widths[0]), *right]))


class Move(Protocol):
    """Moves a progress bar."""

    def __call__(self, done: int, total: int | None = None, note: str = "") -> None:
        """Show how many are done, of how many where that is known, and a note where the bar has one."""


@contextmanager
def progress(
    title: str, total: int | None = None, *, in_bytes: bool = False, noted: bool = False
) -> Iterator[Move]:
    """Show a progress bar on stderr, with the time left or a note behind it; what is yielded moves it."""
    from rich import progress as parts
    from rich.console import Console

    columns = (
        parts.TextColumn(f"{{task.description:<{8 if noted else 12}}}"),
        parts.BarColumn(bar_width=16 if noted else 20),
        parts.DownloadColumn() if in_bytes else parts.MofNCompleteColumn(),
        parts.TextColumn("{task.fields[note]}") if noted else parts.TimeRemainingColumn(),
    )
    with parts.Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=total, note="")
        yield lambda done, total=None, note="": bar.update(task, completed=done, total=total, note=note)


@contextmanager
def file_progress(title: str) -> Iterator[Moved]:
    """Show how much of a file is read, from when a large one is begun; what is yielded is told of it."""
    with ExitStack() as stack:

        @cache
        def bar() -> Move:
            return stack.enter_context(progress(title, in_bytes=True))

        def moved(done: int, total: int) -> None:
            if IS_FIRST_PROCESS and total >= _LARGE_FILE_BYTES:
                bar()(done, total)

        yield moved


def split_words(words: Sequence[str]) -> tuple[Path | None, list[str]]:
    """Return the settings file, if there is one, and the overrides of `[CONFIG.toml] [key=value …]`.

    Raises:
        ConfigError: a word is neither, or there are two files.
    """
    files = [word for word in words if "=" not in word]
    wrong = [word for word in files if not word.endswith(".toml")] or files[1:]
    if wrong:
        raise ConfigError(f"{wrong[0]!r}: expected at most one settings file (*.toml), then key=value")
    return (Path(files[0]) if files else None), [word for word in words if "=" in word]


def read_settings(
    schema: type[ConfigT],
    words: Sequence[str],
    under: Mapping[str, Any] | None = None,
    **chosen: str | float | None,
) -> ConfigT:
    """Return settings from `[CONFIG.toml] [key=value …]`; options that were given (`chosen`) come last.

    Values `under` them count where nothing was given.

    Raises:
        ConfigError: a word is neither, there are two files, or the settings are not valid.
    """
    path, overrides = split_words(words)
    # JSON's strings and numbers are TOML's too, so a model named 3 stays a string.
    overrides += [f"{key}={json.dumps(value)}" for key, value in chosen.items() if value is not None]
    return load_config(schema, path, overrides, under)


def check_choice(option: str, given: str | None, known: Sequence[str]) -> None:
    """Make sure that what an option was given, if anything, is one of those known.

    Raises:
        ConfigError: it is none; the message says which is meant, or all.
    """
    if given is not None and given not in known:
        raise ConfigError(f"{option} {given!r} is unknown; {suggest(given, known)}")


def open_sessions(path: Path) -> Sequence[Session]:
    """Return the sessions of a file, opened; while a large one is read, a progress bar is shown.

    Raises:
        DataError: it cannot be read, holds no session, or a line or row is not a valid one.
    """
    from shop_r1.datasets import session_files

    with file_progress("Reading") as moved:
        return session_files.open_sessions(path, moved, note)


def existing_paths(paths: Sequence[Path | str]) -> list[Path]:
    """Return those that are on this machine (a model can be a name on the hub instead)."""
    return [Path(path) for path in paths if Path(path).exists()]
