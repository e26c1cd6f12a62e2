"""`data validate` and `data stats`: what is wrong in a file of sessions, and what is in it."""

from collections.abc import Iterator
from contextlib import nullcontext
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

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
from shop_r1.errors import DataError

if TYPE_CHECKING:
    from shop_r1.datasets.statistics import Identities, Statistics, Tally
    from shop_r1.datasets.validation import Checker, Finding
    from shop_r1.jsonl import Moved
    from shop_r1.pages.tokens import CountTokens
    from shop_r1.prompts.render import PromptConfig
    from shop_r1.records.sessions import Session

_SHOWN = 20
_SESSIONS_SHOWN = 20
"""Sessions that a page of statistics lets one read through, the file's first."""


def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Sessions, .jsonl or .jsonl.zst.")],
    show: Annotated[int, typer.Option(min=0, help="Findings shown of each file; 0: all.")] = _SHOWN,
    as_json: Annotated[bool, typer.Option("--json", help="All findings, a JSON object each.")] = False,
) -> None:
    """Check every line of files of sessions and name all that is wrong, with line and field.

    Exit code: 0 without faults (there may be remarks), 1 with faults, 2 if a file cannot be read.

    Example: shop-r1 data validate sessions.jsonl
    """
    code = 0
    for file in files:
        try:
            faults = _validate_file(file, show, as_json)
            code = max(code, 1 if faults else 0)
        except DataError as error:
            typer.echo(f"shop-r1: {error}", err=True)
            code = 2
    if code:
        raise typer.Exit(code)


def _validate_file(file: Path, show: int, as_json: bool) -> int:
    """Print what is found in the file, and return how many faults there are."""
    from shop_r1.datasets.validation import Checker

    checker, shown = Checker(), list["Finding"]()
    at_once = as_json or show == 0  # Else what is found waits for the end: it would break the progress bar.
    with nullcontext() if at_once else file_progress("Checking", file) as moved:
        for finding in _find(file, checker, moved):
            if at_once:
                _say_finding(file, finding, as_json)
            elif len(shown) < show:
                shown.append(finding)
    for finding in shown:
        _say_finding(file, finding, as_json)
    if not as_json:
        _sum_up(file, checker, None if at_once else len(shown))
    return checker.faults


def _find(file: Path, checker: "Checker", moved: "Moved | None") -> "Iterator[Finding]":
    from shop_r1.jsonl import read_lines

    for number, text in read_lines(file, moved):
        yield from checker.check(number, text)
    yield from checker.finish()


def _say_finding(file: Path, finding: "Finding", as_json: bool) -> None:
    if as_json:
        print_json({"file": str(file), "fault": finding.is_fault, **finding.model_dump()})
        return
    mark = "" if finding.is_fault else "remark: "
    print_line(f"{file}:{finding.line}: {mark}{finding.field}: {finding.problem}")


def _sum_up(file: Path, checker: "Checker", shown: int | None) -> None:
    """Print how often each kind was found, and what there is in all."""
    from shop_r1.datasets.validation import FAULTS, REMARKS

    found = checker.kinds.total()
    if shown is not None and shown < found:
        print_line(f"… {found - shown:,} more; --show 0 prints all")
    if found:
        print_line("")
        rows = [
            (kind, f"{checker.kinds[kind]:,}".rjust(7), ("" if kind in FAULTS else "remark: ") + meaning)
            for kind, meaning in (*FAULTS.items(), *REMARKS.items())
            if checker.kinds[kind]
        ]
        print_table(rows)
        print_line("")
    what = f"{count_of(checker.sessions, 'session')}, {count_of(checker.steps, 'step')}"
    faults = count_of(checker.faults, "fault")
    if checker.faults:
        faults += f" in {checker.faulty_lines:,} of {count_of(checker.lines, 'line')}"
    print_line(f"{file}: {what}; {faults}, {count_of(checker.remarks, 'remark')}")


def stats(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Sessions, .jsonl or .jsonl.zst.")],
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
        _say_statistics(found)
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
    from shop_r1.datasets.statistics import Tally
    from shop_r1.jsonl import read_records
    from shop_r1.records.sessions import Session

    tally, first = Tally(count, prompt), list[Session]()
    with file_progress("Counting", file) as moved:
        for session in read_records(file, Session, moved):
            tally.add(session)
            if len(first) < _SESSIONS_SHOWN:
                first.append(session)
    return tally, first


def _identify(file: Path) -> "Identities":
    from shop_r1.datasets.statistics import identify
    from shop_r1.jsonl import read_records
    from shop_r1.records.sessions import Session

    with file_progress("Comparing", file) as moved:
        return identify(read_records(file, Session, moved))


def _say_statistics(found: "Statistics") -> None:
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
