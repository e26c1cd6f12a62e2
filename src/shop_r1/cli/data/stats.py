"""`data stats`: what is in a file of sessions."""

from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shop_r1.cli.data import File
from shop_r1.cli.terminal.console import (
    count_of,
    file_progress,
    print_json,
    print_line,
    print_note,
    print_table,
    read_settings,
)
from shop_r1.cli.terminal.outputs import Force, check_output
from shop_r1.cli.terminal.statistics import checks_table, counts_table, lengths_table

if TYPE_CHECKING:
    from shop_r1.datasets.statistics import Identities, Statistics, Tally
    from shop_r1.pages.tokens import CountTokens
    from shop_r1.prompts.render import PromptConfig
    from shop_r1.records.sessions import Session

_SESSIONS_SHOWN = 20
"""Sessions that a page of statistics lets one read through, the file's first."""


def stats(
    file: File,
    against: Annotated[
        list[Path] | None,
        typer.Option(metavar="OTHER", help="A file that should share nothing with it; may be repeated."),
    ] = None,
    tokenizer: Annotated[
        str, typer.Option(metavar="NAME", help="What counts tokens: estimate, base, a folder, a hub name.")
    ] = "estimate",
    max_tokens: Annotated[
        int, typer.Option(min=1, help="Longest prompt and completion together; the paper's by default.")
    ] = 32768,
    report: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw it too: .svg, or .html with some sessions.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The figures as JSON.")] = False,
    force: Force = False,
) -> None:
    """Count what is in a file of sessions: actions, lengths in tokens, duplicates, what another file shares.

    Example: shop-r1 data stats train.jsonl --against test.jsonl --report stats.html
    """
    from shop_r1.prompts.render import PromptConfig

    if report is not None:
        check_output(report, [file, *(against or []), tokenizer], force=force, endings=(".svg", ".html"))
    prompt = read_settings(PromptConfig, [], max_tokens=max_tokens)
    tally, first = _count(file, _load_counter(tokenizer), prompt)
    others = {str(other): _identify(other) for other in against or []}
    found = tally.describe(str(file), tokenizer, others)
    if as_json:
        print_json(found.model_dump())
    else:
        _print_statistics(found)
    if report is not None:
        _write_report(report, tally, found, first)
        print_note(f"Drawn: {report}")


def _load_counter(name: str) -> "CountTokens":
    from shop_r1.cli.terminal.checkpoints import load_counter
    from shop_r1.datasets.statistics import remember_lines
    from shop_r1.pages.tokens import estimate_tokens

    if name == "estimate":
        return remember_lines(estimate_tokens)
    return lru_cache(maxsize=512)(load_counter(name))


def _count(file: Path, count: "CountTokens", prompt: "PromptConfig") -> "tuple[Tally, list[Session]]":
    """Return what is in the file, and its first sessions to be shown."""
    from shop_r1.datasets.session_files import read_sessions
    from shop_r1.datasets.statistics import Tally

    tally, first = Tally(count, prompt), list["Session"]()
    with file_progress("Counting", file) as moved:
        for session in read_sessions(file, moved):
            tally.add(session)
            if len(first) < _SESSIONS_SHOWN:
                first.append(session)
    return tally, first


def _identify(file: Path) -> "Identities":
    from shop_r1.datasets.session_files import read_sessions
    from shop_r1.datasets.statistics import identify

    with file_progress("Comparing", file) as moved:
        return identify(read_sessions(file, moved))


def _print_statistics(found: "Statistics") -> None:
    print_table([*counts_table(found), *checks_table(found)])
    print_line("")
    header, *rows = lengths_table(found)
    print_line("  ".join((header[0].ljust(24), *(cell.rjust(9) for cell in header[1:]))))
    for row in rows:
        print_line("  ".join((row[0].ljust(24), *(cell.rjust(9) for cell in row[1:]))))


def _write_report(path: Path, tally: "Tally", found: "Statistics", first: "list[Session]") -> None:
    from shop_r1.evaluation.plots.sessions import plot_statistics
    from shop_r1.jsonl import write_text
    from shop_r1.records.results import Grid, Plot
    from shop_r1.report.build import ReportInputs, build_report

    svg = plot_statistics(tally, found)
    if path.suffix == ".svg":
        write_text(path, svg)
        return
    header, *rows = lengths_table(found)
    inputs = ReportInputs(
        title=f"Sessions: {Path(found.file).name}",
        summary=f"Below the figures, the file's first {count_of(len(first), 'session')} can be read through.",
        tables=(
            Grid(title="What is in it", header=("", ""), rows=tuple(counts_table(found))),
            Grid(title="Lengths", header=header, rows=tuple(rows)),
            Grid(title="Budget, duplicates", header=("", ""), rows=tuple(checks_table(found))),
        ),
        plots=(Plot(svg=svg),),
        sessions=tuple(first),
    )
    build_report(path, inputs)
