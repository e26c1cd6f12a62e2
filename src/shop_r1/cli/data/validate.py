"""`data validate`: what is wrong in a file of sessions."""

from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from shop_r1.cli.terminal.console import count_of, file_progress, print_json, print_line, print_table
from shop_r1.errors import DataError

if TYPE_CHECKING:
    from shop_r1.datasets.validation import Checker, Finding
    from shop_r1.jsonl import Moved

_SHOWN = 20


def validate(
    files: Annotated[
        list[Path],
        typer.Argument(metavar="FILE...", help="Sessions: .jsonl, .jsonl.zst, .jsonl.gz or .parquet."),
    ],
    show: Annotated[int, typer.Option(min=0, help="Findings shown of each file; 0: all.")] = _SHOWN,
    as_json: Annotated[bool, typer.Option("--json", help="All findings, a JSON object each.")] = False,
) -> None:
    """Check every line of files of sessions and name all that is wrong, with line and field.

    Exit code: 0 without errors (there may be warnings), 1 with errors, 2 if a file cannot be read.

    Example: shop-r1 data validate sessions.jsonl
    """
    code = 0
    for file in files:
        try:
            errors = _validate_file(file, show, as_json)
            code = max(code, 1 if errors else 0)
        except DataError as error:
            typer.echo(f"shop-r1: {error}", err=True)
            code = 2
    if code:
        raise typer.Exit(code)


def _validate_file(file: Path, show: int, as_json: bool) -> int:
    """Print what is found in the file, and return how many errors there are."""
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
    return checker.errors


def _find(file: Path, checker: "Checker", moved: "Moved | None") -> "Iterator[Finding]":
    from shop_r1.datasets.session_files import read_session_lines

    for number, text in read_session_lines(file, moved):
        yield from checker.check(number, text)
    yield from checker.finish()


def _say_finding(file: Path, finding: "Finding", as_json: bool) -> None:
    if as_json:
        print_json({"file": str(file), "error": finding.is_error, **finding.model_dump()})
        return
    mark = "" if finding.is_error else "warning: "
    print_line(f"{file}:{finding.line}: {mark}{finding.field}: {finding.problem}")


def _sum_up(file: Path, checker: "Checker", shown: int | None) -> None:
    """Print how often each kind was found, and what there is in all."""
    from shop_r1.datasets.validation import ERRORS, WARNINGS

    found = checker.kinds.total()
    if shown is not None and shown < found:
        print_line(f"… {found - shown:,} more; --show 0 prints all")
    if found:
        print_line("")
        rows = [
            (kind, f"{checker.kinds[kind]:,}".rjust(7), ("" if kind in ERRORS else "warning: ") + meaning)
            for kind, meaning in (*ERRORS.items(), *WARNINGS.items())
            if checker.kinds[kind]
        ]
        print_table(rows)
        print_line("")
    what = f"{count_of(checker.sessions, 'session')}, {count_of(checker.steps, 'step')}"
    errors = count_of(checker.errors, "error")
    if checker.errors:
        errors += f" in {checker.lines_with_errors:,} of {count_of(checker.lines, 'line')}"
    print_line(f"{file}: {what}; {errors}, {count_of(checker.warnings, 'warning')}")
