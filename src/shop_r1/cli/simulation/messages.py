"""What `simulate` says: what will be done, and what came of it."""

from collections import Counter
from pathlib import Path

from shop_r1.cli.simulation.edit_uses import edit_rows, edit_warnings, read_edit_uses
from shop_r1.cli.simulation.live import Totals
from shop_r1.cli.simulation.options import Options
from shop_r1.cli.simulation.policies import DeciderFacts
from shop_r1.cli.simulation.shops import ShopFacts
from shop_r1.cli.terminal import console
from shop_r1.errors import DataError
from shop_r1.records.visits import (
    RECORDINGS_FOLDER,
    SCREENSHOTS_FOLDER,
    SESSIONS_FILE,
    STEPS_FILE,
    TRACES_FOLDER,
    VISITS_FILE,
)
from shop_r1.validation_messages import harmless

_SHOWN, _CHARS = 5, 150
_EVENTS = {
    "purchase_held": "purchases held back, and recorded as intended",
    "blocked": "requests refused",
    "dialog": "dialogs answered",
    "crash": "pages crashed",
    "no_answer": "pages without an answer in time",
    "not_settled": "steps after which the page was still changing",
    "cut": "pages too large to be read whole",
}
"""Of what happened in browsers, what is said at the end."""


def print_plan(
    options: Options,
    shop: ShopFacts,
    deciders: DeciderFacts,
    out: Path,
    finished: int,
    cluster: str | None = None,
) -> None:
    """Print what will be done, before anything is; `cluster` says in words which processes will."""
    count = options.shoppers
    (title, words), *more = deciders.facts
    rows = [*shop.facts[:1], (title, f"{count} {words}; seed {options.seed}"), *more]
    if deciders.persona:
        rows.append(("persona", harmless(deciders.persona)))
    if cluster is not None:
        rows.append(("cluster", cluster))
    each = " in each process" if cluster is not None else ""
    at_once = f"{min(options.concurrency, count)} at a time{each}, " if count > 1 else ""
    by = f" in {shop.browser}" if shop.browser else ""
    limits = f"each at most {options.most_steps} steps and {options.max_seconds:g} s"
    rows.append(("visits", f"{at_once}{limits}{by}"))
    rows += shop.facts[1:]
    if options.in_browser:
        rows.append(("kept", _describe_kept(options)))
    if not options.is_one_file:
        rows.append(("folder", str(out)))
    console.print_table(rows)
    if finished:
        console.note(f"{finished} of {count} visits are finished; {count - finished} are left to do")


def _describe_kept(options: Options) -> str:
    parts = ["sessions"]
    parts += [] if options.no_recording else ["recordings to replay"]
    parts += ["screenshots"] if options.screenshots else []
    parts += ["Playwright traces, which hold all that is typed, secrets too"] if options.trace else []
    return ", ".join(parts)


def print_dropped(dropped: Counter[str]) -> None:
    """Print what is in no recording and no picture."""
    if dropped:
        found = ", ".join(f"{count} {what}" for what, count in _most(dropped))
        console.note(f"Not recorded: {found}")


def print_deaths(died: int, repeated: int) -> None:
    """Print how many processes of a cluster have died, and how many visits were run again for that."""
    if died:
        actors = f"{console.count_of(died, 'actor')} died and {'was' if died == 1 else 'were'} replaced"
        console.note(f"{actors}; {console.count_of(repeated, 'visit')} run again")


def check_sessions(totals: Totals, out: Path, folder: Path) -> None:
    """Make sure that there are sessions in the run's folder.

    Raises:
        DataError: no visit gave one; the reasons are printed before.
    """
    if not (folder / SESSIONS_FILE).exists():
        print_problems(totals)
        why = ": every response of the model was invalid" if totals.invalid else ""
        raise DataError(f"{out}: no visit gave a session{why}")


def print_unfinished(options: Options, out: Path, totals: Totals) -> None:
    """Print what there is after an interruption or an error, and how to go on."""
    if not totals.outcomes:
        return
    print_problems(totals)
    done = totals.outcomes.total() - totals.outcomes["stopped"]
    console.note(
        f"{out}: this run finished {done} of {options.shoppers} visits, {totals.steps} steps; to go on, give "
        "the same command with --resume" + (f" --out {out}" if options.out is None else "")
    )


def print_result(options: Options, out: Path, totals: Totals) -> None:
    """Print what came of the run, where it is, and the next command."""
    print_problems(totals)
    for kind, words in _EVENTS.items():
        if count := totals.events[kind]:
            hosts = f" ({console.join_counts(_most(totals.refused))})" if kind == "blocked" else ""
            console.note(f"{count} {words}{hosts}")
    if totals.turned_away:
        console.note(
            f"{console.count_of(totals.turned_away, 'step')} on the shop's page for too many requests (429): "
            "fewer page loads a second, with --rate, ask less of it"
        )
    outcomes = console.join_counts(totals.outcomes.most_common()) or "none, all visits were finished before"
    spent = totals.cost()
    cost = f"; {spent:.2f} USD" if spent is not None else ""
    console.echo_wrapped(
        f"{out}: {totals.sessions} sessions, {totals.steps} steps; outcomes: {outcomes}{cost}"
    )
    _print_edits(options, out)
    if options.is_one_file:
        console.print_next("data split", out, "--out", console.unused_path("data"))
        return
    kept = (RECORDINGS_FOLDER, SCREENSHOTS_FOLDER, TRACES_FOLDER)
    beside = [name for name in kept if (out / name).is_dir()]
    written = [SESSIONS_FILE, STEPS_FILE, VISITS_FILE, *(f"{name}/" for name in beside)]
    console.echo_wrapped(f"Written: {', '.join(written)}")
    console.print_next("report", out)


def _print_edits(options: Options, out: Path) -> None:
    """Print on how many pages each edit of the version held."""
    if options.page_variant is None:
        return
    uses = read_edit_uses(out / SESSIONS_FILE, {options.page_variant.name: options.page_variant})
    rows = edit_rows(uses, options.page_variant.name)
    console.print_columns([(f"edits of {options.page_variant.name}", "held on pages"), *rows])
    for warning in edit_warnings(uses):
        console.note(f"{warning}.")


def print_problems(totals: Totals) -> None:
    """Print what went wrong, by reason, hostile text made harmless."""
    failed = totals.errors.total()
    if totals.invalid:
        console.note(
            f"{console.count_of(totals.invalid, 'invalid response')}; the first of two in a row is retried"
        )
    if failed:
        console.note(f"Actions and visits that failed: {failed}; most often:")
        for kind, count in _most(totals.errors):
            console.note(f"  {count} x {harmless(totals.examples[kind])[:_CHARS]}")


def _most(counts: Counter[str]) -> list[tuple[str, int]]:
    return counts.most_common(_SHOWN)
