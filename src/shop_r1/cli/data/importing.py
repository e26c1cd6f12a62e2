"""`data import`: other people's records turned into sessions."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated

import typer

from shop_r1.cli.simulate import Out
from shop_r1.cli.terminal.console import print_line, print_note, progress
from shop_r1.cli.terminal.next_command import print_next, unused_path
from shop_r1.cli.terminal.outputs import Force, check_output
from shop_r1.errors import ConfigError
from shop_r1.records.sessions import Session

Recipes = Annotated[
    list[str] | None,
    typer.Option(metavar="NAME|FILE", help="A site's recipe for the pages it fits; may come repeatedly."),
]

KeepBeforeFault = Annotated[
    bool,
    typer.Option(
        "--keep-before-fault", help="Keep the steps before a session's first fault as a shorter session."
    ),
]
bring = typer.Typer(help="Turn other people's records into sessions.")


@bring.command("pages")
def import_saved_pages(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="links.json and the pages it names.")],
    out: Out,
    force: Force = False,
) -> None:
    """Import moves between saved pages: each a session of one step, the link that was clicked.

    Example: shop-r1 data import pages saved_pages --out moves.jsonl
    """
    from shop_r1.importers.saved_pages import import_pages
    from shop_r1.jsonl import write_records

    check_output(out, [folder], force=force)
    found = import_pages(folder)
    write_records(out, found.sessions)
    for fault in found.unresolved:
        print_line(f"left out: {fault}")
    moves = len(found.sessions) + len(found.unresolved)
    print_line(f"{out}: {len(found.sessions)} of {moves} moves; links found by: {_counts(found.chosen_by)}")
    place = unused_path("runs/pages")
    print_next("evaluate", "--model", "base", "--data", out, "--first-step", "0", "--out", place)


@bring.command("log")
def import_session_log(
    log: Annotated[
        Path, typer.Argument(metavar="LOG.jsonl", help="One session a line; docs/data.md has its fields.")
    ],
    out: Out,
    recipe: Recipes = None,
    keep_before_fault: KeepBeforeFault = False,
    force: Force = False,
) -> None:
    """Import a plain log: pages, raw or simplified, and what was done to which element of them.

    Example: shop-r1 data import log visits.jsonl --out sessions.jsonl
    """
    from shop_r1.importers.logs import LogTally, import_log
    from shop_r1.jsonl import write_records
    from shop_r1.pages.sites.recipes import load_recipe

    check_output(out, [log, *(recipe or [])], force=force)
    tally = LogTally()
    recipes = [load_recipe(name) for name in recipe or ()]
    with progress("Importing", in_bytes=True) as move:
        found = import_log(log, tally, recipes, move, keep_before_fault=keep_before_fault)
        rationales = [0]
        write_records(out, _count_rationales(found, rationales))
    for fault in tally.told:
        print_line(f"fault: {fault}")
    print_line(f"{out}: {tally.sessions} of {tally.lines} sessions, {tally.steps} steps")
    print_line(f"elements found by: {_counts(tally.chosen_by) or 'none was needed'}")
    if recipes:
        print_line(f"recipes used: {_counts(tally.recipes) or 'none fits a page'}")
    if tally.faults:
        print_line(f"faults: {_counts(tally.faults)}")
        kept = f"; {tally.shortened} end before their first fault" if keep_before_fault else ""
        print_note(
            f"{tally.left_out} of {tally.lines} sessions are left out{kept}, each for the faults above"
        )
    if rationales[0] < tally.steps:
        print_note(f"{tally.steps - rationales[0]} of {tally.steps} steps have no rationale, which SFT needs")
        print_next("rationales", out, "--model", "NAME", "--out", unused_path("with.jsonl"))
    else:
        print_next("data", "split", out, "--out", unused_path("data"))


def _count_rationales(sessions: Iterator[Session], count: list[int]) -> Iterator[Session]:
    """Yield the sessions; the count gets how many steps have a rationale."""
    for session in sessions:
        count[0] += sum(step.rationale is not None for step in session.steps)
        yield session


@bring.command("rrweb")
def import_rrweb(
    recordings: Annotated[
        list[Path], typer.Argument(metavar="RECORDING…", help="Files of rrweb events, or folders of them.")
    ],
    out: Out,
    space: Annotated[
        str, typer.Option(help="shop, or opera: typing that is not submitted is kept, as input.")
    ] = "shop",
    end: Annotated[
        str, typer.Option(help="none, or terminate: a visit without a purchase ends with leaving.")
    ] = "none",
    bought: Annotated[
        str, typer.Option(metavar="TEXT", help="Part of the address of pages that tell of a purchase.")
    ] = "",
    masked: Annotated[
        str, typer.Option(help="keep, or drop: typing whose text the recorder masked (***) is left out.")
    ] = "keep",
    recipe: Recipes = None,
    keep_before_fault: KeepBeforeFault = False,
    force: Force = False,
) -> None:
    """Import session replays of rrweb: the page before each click or submitted text is rebuilt.

    Example: shop-r1 data import rrweb recordings/ --bought /order/ --out sessions.jsonl
    """
    from shop_r1.importers.rrweb.recordings import (
        RecordingOptions,
        RecordingTally,
        describe,
        import_recordings,
    )
    from shop_r1.importers.rrweb.visit import MASKED
    from shop_r1.jsonl import write_records
    from shop_r1.pages.sites.recipes import load_recipe
    from shop_r1.records.actions import find_space

    if end not in ("none", "terminate"):
        raise ConfigError(f"--end {end!r} is unknown; expected none or terminate")
    if masked not in ("keep", "drop"):
        raise ConfigError(f"--masked {masked!r} is unknown; expected keep or drop")
    check_output(out, [*recordings, *(recipe or [])], force=force)
    found = tuple(load_recipe(name) for name in recipe or ())
    options = RecordingOptions(
        find_space(space).name, end == "terminate", bought, found, masked == "keep", keep_before_fault
    )
    tally = RecordingTally()
    with progress("Importing") as move:
        write_records(out, import_recordings(recordings, tally, options, move))
    for fault in tally.left_out:
        print_line(f"left out: {fault}")
    total = tally.recordings + len(tally.left_out)
    tabs = f", {tally.sessions} sessions (a tab each)" if tally.sessions > tally.recordings else ""
    print_line(f"{out}: {tally.recordings} of {total} recordings{tabs}, {tally.steps} steps")
    print_note(f"passed over: {describe(tally.counts)}")
    if tally.remarks:
        print_note(f"worth a look: {describe(tally.remarks)}")
    if tally.remarks[MASKED]:
        print_note(
            "Masked texts cannot be learned from or measured against: `data validate` calls them faults, and "
            "training refuses them. --masked drop leaves these steps out."
        )
    if tally.left_out:
        print_note(f"{len(tally.left_out)} of {total} recordings are left out, each for the reason above")
    print_next("rationales", out, "--model", "NAME", "--out", unused_path("with.jsonl"))


def _counts(counts: Mapping[str, int]) -> str:
    ordered = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {count}" for name, count in ordered)
