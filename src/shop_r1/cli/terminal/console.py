"""The terminal: results to stdout, notes and progress to stderr, settings from the command line."""

import json
import os
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer

from shop_r1.config import Config, load_config
from shop_r1.errors import ConfigError

if TYPE_CHECKING:
    from shop_r1.records.sessions import Session

WIDTH = 80
"""Columns of what is printed at most."""
IS_FIRST_PROCESS = os.environ.get("RANK", "0") == "0"
"""Of several processes that train together, only the first prints."""

_LARGE_FILE_BYTES = 4_000_000
"""Smaller ones are read in about a second. Ours."""

ConfigT = TypeVar("ConfigT", bound=Config)


def print_line(text: str) -> None:
    """Print a line of the result to stdout."""
    if IS_FIRST_PROCESS:
        typer.echo(text)


def print_paragraph(text: str) -> None:
    """Print a text of the result to stdout, wrapped."""
    print_line(_wrap(text))


def print_note(text: str) -> None:
    """Print a note on progress to stderr, wrapped."""
    if IS_FIRST_PROCESS:
        typer.echo(_wrap(text), err=True)


def _wrap(text: str) -> str:
    return textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False)


def count_of(number: int, thing: str) -> str:
    """Return the number with its thing in the singular or plural, as in `no groups` and `1,107 steps`."""
    return f"{number:,} {thing}{'' if number == 1 else 's'}" if number else f"no {thing}s"


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
        print_line((head + lines[0]).rstrip())
        for line in lines[1:]:
            print_line(" " * left + line)


@contextmanager
def progress(title: str, *, in_bytes: bool = False) -> Iterator[Callable[[int, int], None]]:
    """Show a progress bar on stderr; what is yielded moves it: `move(done, total)`."""
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description:<12}"),
        BarColumn(bar_width=20),
        DownloadColumn() if in_bytes else MofNCompleteColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextmanager
def file_progress(title: str, path: Path) -> Iterator[Callable[[int, int], None] | None]:
    """Show how much of a file is read, where it is large; None is yielded where it is small."""
    if not path.is_file() or path.stat().st_size < _LARGE_FILE_BYTES:
        yield None
        return
    with progress(title, in_bytes=True) as move:
        yield move


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


def open_sessions(path: Path) -> "Sequence[Session]":
    """Return the sessions of a file, opened; while a large one is read, a progress bar is shown.

    Raises:
        DataError: it cannot be read, holds no session, or a line or row is not a valid one.
    """
    from shop_r1.datasets import session_files

    with ExitStack() as stack:

        @cache
        def bar() -> Callable[[int, int], None]:
            return stack.enter_context(progress("Reading", in_bytes=True))

        def move(done: int, total: int) -> None:
            if IS_FIRST_PROCESS and total >= _LARGE_FILE_BYTES:
                bar()(done, total)

        return session_files.open_sessions(path, move, print_note)


def existing_paths(paths: Sequence[Path | str]) -> list[Path]:
    """Return those that are on this machine (a model can be a name on the hub instead)."""
    return [Path(path) for path in paths if Path(path).exists()]
