"""The command to give next: a command's last line, ready to be copied."""

import shlex
from collections.abc import Mapping
from itertools import count
from pathlib import Path

import typer

from shop_r1.cli.terminal.console import IS_FIRST_PROCESS


def print_next(*words: str | Path, to_stderr: bool = False) -> None:
    """Print a command of ours on one line, quoted as a shell wants it; to stderr where stdout holds JSON."""
    if IS_FIRST_PROCESS:
        typer.echo(f"Next: shop-r1 {shlex.join(map(str, words))}", err=to_stderr)


def unused_path(place: str | Path) -> Path:
    """Return a place for an output: this one, with a number behind its name if something is there already."""
    path = Path(place)
    others = (path.with_name(f"{path.stem}-{number}{path.suffix}") for number in count(2))
    return path if not path.exists() else next(other for other in others if not other.exists())


def rl_settings(types: Mapping[str, int]) -> list[str]:
    """Return the settings that grpo needs for examples of these types of action, by how many there are.

    Types are balanced against `terminate`; without any the balance has to be switched off.
    """
    return [] if types.get("terminate") else ["type_ratio=0"]
