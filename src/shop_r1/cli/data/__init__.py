"""`shop-r1 data`: import, check, count, split, balance and convert sessions."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

from typer import Argument, Option, Typer

from shop_r1.cli.terminal import console

data = Typer(help="Import sessions, check them, count what is in them, convert them.")
imports = Typer(help="Turn other people's records into sessions.")

File = Annotated[Path, Argument(metavar="FILE", help="Sessions: .jsonl, .jsonl.zst, .jsonl.gz or .parquet.")]
Out = Annotated[Path, Option("--out", metavar="FILE", help="Where to write: .jsonl, .jsonl.zst or .parquet.")]
Recipes = Annotated[
    list[str] | None,
    Option(metavar="NAME|FILE", help="A site's recipe for the pages it fits; may be repeated."),
]
KeepUntilError = Annotated[
    bool,
    Option("--keep-until-error", help="Keep the steps before a session's first error as a shorter session."),
]


def action_types(counts: Mapping[str, int]) -> list[str]:
    """Return the types of action that are counted, in order of name; `sessions` are none."""
    return sorted(counts.keys() - {"sessions"})


def print_mix(rows: Mapping[str, Mapping[str, int]]) -> None:
    """Print counts in columns, each type of action with its share of the row's actions, after `sessions`.

    `rows` are the counts by title; the first has all types.
    """
    first = next(iter(rows.values()))
    types, plain = action_types(first), [name for name in first if name == "sessions"]
    table = [["", *plain, *types]]
    for title, counts in rows.items():
        total = sum(counts.get(name, 0) for name in types) or 1
        cells = [f"{counts.get(name, 0):,} ({counts.get(name, 0) / total:.0%})" for name in types]
        table.append([title, *(f"{counts[name]:,}" for name in plain), *cells])
    console.print_columns(table)
