"""`shop-r1 data`: import, check, count, split, balance and convert sessions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated

import typer

from shop_r1.cli.terminal.console import print_line

data = typer.Typer(help="Import sessions, check them, count what is in them, convert them.")
imports = typer.Typer(help="Turn other people's records into sessions.")

File = Annotated[
    Path, typer.Argument(metavar="FILE", help="Sessions: .jsonl, .jsonl.zst, .jsonl.gz or .parquet.")
]
Out = Annotated[
    Path, typer.Option("--out", metavar="FILE", help="Where to write: .jsonl, .jsonl.zst or .parquet.")
]
Recipes = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME|FILE", help="A site's recipe for the pages it fits; may be repeated."),
]
KeepUntilError = Annotated[
    bool,
    typer.Option(
        "--keep-until-error", help="Keep the steps before a session's first error as a shorter session."
    ),
]


def say_mix(rows: Sequence[tuple[str, Mapping[str, int]]], names: Sequence[str]) -> None:
    """Print counts in columns, each type of action with its share of the row's actions."""
    types = [name for name in names if name != "sessions"]
    table = [["", *names]]
    for title, counts in rows:
        total = sum(counts.get(name, 0) for name in types) or 1
        cells = [f"{counts.get(name, 0):,} ({counts.get(name, 0) / total:.0%})" for name in types]
        table.append([title, *([f"{counts['sessions']:,}"] if "sessions" in names else []), *cells])
    widths = [max(len(row[place]) for row in table) for place in range(len(table[0]))]
    for first, *cells in table:
        right = (cell.rjust(width) for cell, width in zip(cells, widths[1:], strict=True))
        print_line("  ".join([first.ljust(widths[0]), *right]))
