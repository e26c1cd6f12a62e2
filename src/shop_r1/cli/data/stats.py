"""`data stats`: what is in a file of sessions."""

from collections.abc import Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Option

from shop_r1.cli.data import File
from shop_r1.cli.jobs import Ray, RayWorkers, joined_cluster
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.console import count_of
from shop_r1.cli.terminal.outputs import Force, check_output

if TYPE_CHECKING:
    from shop_r1.datasets.statistics import BudgetFacts, Statistics, Tally
    from shop_r1.jobs.cluster import Cluster
    from shop_r1.jobs.sessions import SessionWork

_SESSIONS_SHOWN = 100
"""Sessions that a page of statistics lets one read through, the file's first."""
_LENGTHS = {
    "steps": "steps of a session",
    "page_tokens": "tokens of a page",
    "prompt_tokens": "of the last prompt",
    "session_tokens": "of the whole session",
}


def stats(
    file: File,
    against: Annotated[
        list[Path] | None,
        Option(metavar="OTHER", help="A file that should share nothing with it; may be repeated."),
    ] = None,
    tokenizer: Annotated[
        str, Option(metavar="NAME", help="What counts tokens: estimate, base, a folder, a hub name.")
    ] = "estimate",
    max_tokens: Annotated[
        int, Option(min=1, help="Longest prompt and completion together; the paper's by default.")
    ] = 32768,
    report: Annotated[
        Path | None, Option(metavar="FILE", help="Draw it too: .svg, or .html with some sessions.")
    ] = None,
    as_json: Annotated[bool, Option("--json", help="The figures as JSON.")] = False,
    ray: Ray = None,
    ray_workers: RayWorkers = None,
    force: Force = False,
) -> None:
    """Count what is in a file of sessions: actions, lengths in tokens, duplicates, what another file shares.

    Example: shop-r1 data stats train.jsonl --against test.jsonl --report stats.html
    """
    from shop_r1.datasets.statistics import Tally
    from shop_r1.jobs.sessions import MeasureWork, SessionWork
    from shop_r1.prompts.render import PromptConfig

    if report is not None:
        check_output(report, [file, *(against or []), tokenizer], force=force, endings=(".svg", ".html"))
    prompt = console.read_settings(PromptConfig, [], max_tokens=max_tokens)
    tally, others = Tally(prompt), {}
    with joined_cluster(ray, ray_workers) as cluster:
        for measured in _map(file, MeasureWork(tokenizer, prompt), cluster, "Counting"):
            tally.add(measured)
        for other in against or ():
            others[str(other)] = [*_map(other, SessionWork(), cluster, "Comparing")]
    found = tally.describe(str(file), tokenizer, others)
    if as_json:
        console.print_json(found.model_dump())
    else:
        _print_statistics(found)
    if report is not None:
        _write_report(report, tally, found, file)
        console.note(f"Drawn: {report}")


def _map(file: Path, work: "SessionWork", cluster: "Cluster | None", title: str) -> Iterator[Any]:
    """Yield the result of each session of a file, in order, from this process or from Ray's workers."""
    from shop_r1.datasets.session_files import read_sessions
    from shop_r1.jobs.sessions import map_sessions

    with console.file_progress(title) as moved:
        if cluster is None:
            yield from map(work.prepare_session(), read_sessions(file, moved))
        else:
            yield from map_sessions(file, work, cluster, moved)


def _print_statistics(found: "Statistics") -> None:
    console.print_table([*_list_counts(found), *_list_checks(found)])
    console.echo("")
    (tokens, *names), *rows = _list_lengths(found)
    console.print_columns([(tokens.ljust(24), *(name.rjust(9) for name in names)), *rows])


def _write_report(path: Path, tally: "Tally", found: "Statistics", file: Path) -> None:
    from shop_r1.datasets.session_files import read_sessions
    from shop_r1.evaluation.plots.sessions import plot_panels, plot_statistics
    from shop_r1.jsonl import write_text
    from shop_r1.records.results import Grid
    from shop_r1.report.build import ReportInputs, build_report

    if path.suffix == ".svg":
        write_text(path, plot_statistics(tally, found))
        return
    header, *rows = _list_lengths(found)
    first = tuple(islice(read_sessions(file), _SESSIONS_SHOWN))
    shown = count_of(len(first), "session")
    inputs = ReportInputs(
        title=f"Sessions: {Path(found.file).name}",
        summary=f"The file's first {shown} can be read through below.",
        about={
            "sessions": f"{found.sessions:,}",
            "steps": f"{found.steps:,}",
            "tokens counted by": found.tokenizer,
        },
        tables=(
            Grid(title="What is in it", header=("", ""), rows=tuple(_list_counts(found))),
            Grid(title="Lengths", header=header, rows=tuple(rows)),
            Grid(title="Budget, duplicates", header=("", ""), rows=tuple(_list_checks(found))),
        ),
        plots=tuple(plot_panels(tally, found)),
        sessions=first,
    )
    build_report(path, inputs)


def _list_counts(found: "Statistics") -> list[tuple[str, str]]:
    """Return (name, value) of what is counted."""
    without = f"; {count_of(found.without_user, 'session')} without" if found.without_user else ""
    many = "all" if found.rationales == found.steps else f"{found.rationales:,}"
    return [
        ("sessions", f"{found.sessions:,}"),
        ("users", f"{found.users:,}{without}"),
        ("steps", f"{found.steps:,}, {many if found.rationales else 'none'} with a rationale"),
        ("sources", describe_shares(found.sources)),
        ("outcomes", describe_shares(found.outcomes)),
        ("actions", describe_shares(found.actions)),
        ("the first", describe_shares(found.first_actions)),
        ("after it", describe_shares(found.later_actions) or "none"),
    ]


def _list_checks(found: "Statistics") -> list[tuple[str, str]]:
    """Return (name, value) of what could be wrong: budget, duplicates, leaks."""
    same, budget = found.duplicates, found.budget
    near = f"{same.near:,} nearly alike, in {count_of(same.near_groups, 'group')}"
    exact = count_of(same.exact, "exact copy").replace("copys", "copies")
    rows = [
        ("budget", _describe_budget(budget)),
        ("duplicates", f"{exact}; {near if same.near else 'none nearly alike'}"),
    ]
    if found.repeated_ids:
        rows.append(("ids", f"{found.repeated_ids:,} stand more than once: see shop-r1 data validate"))
    for leaks in found.leaks:
        shared = {
            "an id": leaks.same_id,
            "a user": leaks.same_user,
            "an exact copy": leaks.exact,
            "one nearly alike": leaks.near,
        }
        parts = [f"{count:,} share {what}" for what, count in shared.items() if count]
        what = f"{leaks.other} ({count_of(leaks.sessions, 'session')})"
        rows.append(("against", f"{what}: {', '.join(parts) or 'nothing shared'}"))
    return rows


def _list_lengths(found: "Statistics") -> list[tuple[str, ...]]:
    """Return the header and rows of the table of lengths."""
    rows: list[tuple[str, ...]] = [
        (f"tokens: {found.tokenizer}"[:24], "mean", "median", "90 %", "99 %", "most")
    ]
    for name, title in _LENGTHS.items():
        spread = found.spreads[name]
        mean = f"{spread.mean:,.1f}" if spread.mean < 100 else f"{spread.mean:,.0f}"
        others = (spread.median, spread.p90, spread.p99, spread.most)
        rows.append((title, mean, *(f"{value:,}" for value in others)))
    return rows


def _describe_budget(budget: "BudgetFacts") -> str:
    room = f"{budget.max_tokens:,} tokens, {budget.max_completion_length:,} of them for the completion"
    if not budget.over:
        return f"all {budget.prompts:,} prompts fit into {room}"
    cuts = [f"{count_of(budget.pages_left_out, 'earlier page')} left out"]
    cuts.append(f"{count_of(budget.pages_shortened, 'current page')} shortened")
    if budget.impossible:
        cuts.append(f"{count_of(budget.impossible, 'prompt')} cannot fit, their actions alone are too long")
    if budget.targets_cut:
        targets = count_of(budget.targets, "target")
        enough = f"; --max-tokens {budget.enough_tokens} keeps at least 95 %" if budget.enough_tokens else ""
        cuts.append(f"{budget.targets_cut:,} of their {targets} no longer shown{enough}")
    share = f"{100 * (budget.over / budget.prompts):.1f} %"
    return (
        f"{budget.over:,} of {budget.prompts:,} prompts ({share}) are longer than {room}: {', '.join(cuts)}"
    )


def describe_shares(counts: Mapping[str, int]) -> str:
    """Return the counts with their shares.

    >>> describe_shares({"click": 3, "terminate": 1})
    'click 3 (75.0 %), terminate 1 (25.0 %)'
    """
    total = sum(counts.values())
    return ", ".join(f"{name} {count:,} ({100 * (count / total):.1f} %)" for name, count in counts.items())
