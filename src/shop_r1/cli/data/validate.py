"""`data validate`: what is wrong in a file of sessions."""

from collections.abc import Iterable, Iterator
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from typer import Argument, Option

from shop_r1.cli.jobs import Ray, RayWorkers, joined_cluster
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.console import count_of
from shop_r1.errors import DataError

if TYPE_CHECKING:
    from shop_r1.datasets.validation import CheckedLine, Checker, Finding
    from shop_r1.jobs.cluster import Cluster
    from shop_r1.jsonl import Moved


def validate(
    files: Annotated[
        list[Path],
        Argument(metavar="FILE...", help="Sessions: .jsonl, .jsonl.zst, .jsonl.gz or .parquet."),
    ],
    show: Annotated[int, Option(min=0, help="Findings shown of each file; 0: all.")] = 20,
    as_json: Annotated[bool, Option("--json", help="All findings, a JSON object each.")] = False,
    ray: Ray = None,
    ray_workers: RayWorkers = None,
) -> None:
    """Check every line of files of sessions and name all that is wrong, with line and field.

    Exit code: 0 without errors (there may be warnings), 1 with errors, 2 if a file cannot be read.

    Example: shop-r1 data validate sessions.jsonl
    """
    code = 0
    with joined_cluster(ray, ray_workers) as cluster:
        for file in files:
            try:
                errors = _validate_file(file, show, as_json, cluster)
                code = max(code, 1 if errors else 0)
            except DataError as error:
                typer.echo(f"shop-r1: {error}", err=True)
                code = 2
    if code:
        raise typer.Exit(code)


def _validate_file(file: Path, show: int, as_json: bool, cluster: "Cluster | None") -> int:
    """Print what is found in the file, and return how many errors there are."""
    from shop_r1.datasets.validation import Checker

    checker, shown = Checker(), list["Finding"]()
    at_once = as_json or show == 0  # Else what is found waits for the end: it would break the progress bar.
    with nullcontext() if at_once else console.file_progress("Checking") as moved:
        for finding in _find(checker, _check_lines(file, moved, cluster)):
            if at_once:
                _print_finding(file, finding, as_json)
            elif len(shown) < show:
                shown.append(finding)
    for finding in shown:
        _print_finding(file, finding, as_json)
    if not as_json:
        _sum_up(file, checker, 0 if at_once else checker.kinds.total() - len(shown))
    return checker.errors


def _check_lines(file: Path, moved: "Moved | None", cluster: "Cluster | None") -> "Iterator[CheckedLine]":
    """Yield what each line is found to be by itself, in order."""
    from shop_r1.datasets.session_files import read_session_lines
    from shop_r1.datasets.validation import check_line

    if cluster is None:
        return (check_line(number, text) for number, text in read_session_lines(file, moved))
    from shop_r1.jobs.sessions import CheckWork, map_sessions

    return map_sessions(file, CheckWork(), cluster, moved)


def _find(checker: "Checker", lines: "Iterable[CheckedLine]") -> "Iterator[Finding]":
    for line in lines:
        yield from checker.add(line)
    yield from checker.finish()


def _print_finding(file: Path, finding: "Finding", as_json: bool) -> None:
    if as_json:
        console.print_json({"file": str(file), "error": finding.is_error, **finding.model_dump()})
        return
    mark = "" if finding.is_error else "warning: "
    console.echo(f"{file}:{finding.line}: {mark}{finding.field}: {finding.problem}")


def _sum_up(file: Path, checker: "Checker", more: int) -> None:
    """Print how often each kind was found, and what there is in all; `more` were found and not shown."""
    from shop_r1.datasets.validation import ERRORS, WARNINGS

    if more:
        console.echo(f"… {more:,} more; --show 0 prints all")
    meanings = {**ERRORS, **{kind: f"warning: {meaning}" for kind, meaning in WARNINGS.items()}}
    rows = [
        (kind, f"{checker.kinds[kind]:,}".rjust(7), meaning)
        for kind, meaning in meanings.items()
        if checker.kinds[kind]
    ]
    if rows:
        console.echo("")
        console.print_table(rows)
        console.echo("")
    what = f"{count_of(checker.sessions, 'session')}, {count_of(checker.steps, 'step')}"
    errors = count_of(checker.errors, "error")
    if checker.errors:
        errors += f" in {checker.lines_with_errors:,} of {count_of(checker.lines, 'line')}"
    console.echo(f"{file}: {what}; {errors}, {count_of(checker.warnings, 'warning')}")
