"""`data import`: other people's records as sessions."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Argument, Option, Typer

from shop_r1.cli.data import Out
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.console import join_counts
from shop_r1.cli.terminal.outputs import Force, check_output
from shop_r1.validation_messages import list_counts

if TYPE_CHECKING:
    from shop_r1.importers.opera.sessions import OperaTally

imports = Typer(help="Turn other people's records into sessions.")

Recipes = Annotated[
    list[str] | None,
    Option(metavar="NAME|FILE", help="A site's recipe for the pages it fits; may be repeated."),
]
KeepUntilError = Annotated[
    bool,
    Option("--keep-until-error", help="Keep the steps before a session's first error as a shorter session."),
]


@imports.command("pages")
def import_saved_pages(
    folder: Annotated[Path, Argument(metavar="DIR", help="links.json and the pages it names.")],
    out: Out,
    force: Force = False,
) -> None:
    """Import moves between saved pages: each a session of one step, the link that was clicked.

    Example: shop-r1 data import pages saved_pages --out moves.jsonl
    """
    from shop_r1.datasets.session_files import write_sessions
    from shop_r1.importers.saved_pages import import_pages

    check_output(out, [folder], force=force)
    found = import_pages(folder)
    write_sessions(out, found.sessions)
    for problem in found.unresolved:
        console.echo(f"left out: {problem}")
    moves = len(found.sessions) + len(found.unresolved)
    ways = list_counts(found.chosen_by)
    console.echo(f"{out}: {len(found.sessions)} of {moves} moves; links found by: {ways}")
    place = console.unused_path("runs/pages")
    console.print_next("evaluate --model base --data", out, "--first-step 0 --out", place)


@imports.command("log")
def import_session_log(
    log: Annotated[
        Path, Argument(metavar="LOG.jsonl", help="One session a line; docs/data.md has its fields.")
    ],
    out: Out,
    recipe: Recipes = None,
    keep_until_error: KeepUntilError = False,
    force: Force = False,
) -> None:
    """Import a plain log: pages, raw or simplified, and what was done to which element of them.

    Example: shop-r1 data import log visits.jsonl --out sessions.jsonl
    """
    from shop_r1.datasets.session_files import write_sessions
    from shop_r1.importers.logs import LogTally, import_log
    from shop_r1.pages.sites.recipes import load_recipe

    check_output(out, [log, *(recipe or [])], force=force)
    tally = LogTally()
    recipes = [load_recipe(name) for name in recipe or ()]
    with console.progress("Importing", in_bytes=True) as move:
        found = import_log(log, tally, recipes, move, keep_until_error=keep_until_error)
        write_sessions(out, found)
    for message in tally.messages:
        console.echo(f"invalid: {message}")
    console.echo(f"{out}: {tally.sessions} of {tally.lines} sessions, {tally.steps} steps")
    console.echo(f"elements found by: {list_counts(tally.chosen_by) or 'none was needed'}")
    if recipes:
        console.echo(f"recipes used: {list_counts(tally.recipes) or 'none fits a page'}")
    if tally.problems:
        console.echo(f"problems: {list_counts(tally.problems)}")
        kept = f"; {tally.shortened} end before their first problem" if keep_until_error else ""
        console.note(
            f"{tally.left_out} of {tally.lines} sessions are left out{kept}, each for the problems above"
        )
    missing = tally.steps - tally.rationales
    if missing:
        console.note(f"{missing} of {tally.steps} steps have no rationale, which SFT needs")
        console.print_next("rationales", out, "--model NAME --out", console.unused_path("with.jsonl"))
    else:
        console.print_next("data split", out, "--out", console.unused_path("data"))


@imports.command("rrweb")
def import_rrweb(
    recordings: Annotated[
        list[Path], Argument(metavar="RECORDING…", help="Files of rrweb events, or folders of them.")
    ],
    out: Out,
    space: Annotated[
        str, Option(help="shop, or opera: typing that is not submitted is kept, as input.")
    ] = "shop",
    end: Annotated[
        str, Option(help="none, or terminate: a visit without a purchase ends with leaving.")
    ] = "none",
    bought: Annotated[
        str, Option(metavar="TEXT", help="Part of the address of pages that tell of a purchase.")
    ] = "",
    masked: Annotated[
        str, Option(help="keep, or drop: typing whose text the recorder masked (***) is left out.")
    ] = "keep",
    recipe: Recipes = None,
    keep_until_error: KeepUntilError = False,
    force: Force = False,
) -> None:
    """Import session replays of rrweb: the page before each click or submitted text is rebuilt.

    Example: shop-r1 data import rrweb recordings/ --bought /order/ --out sessions.jsonl
    """
    from shop_r1.datasets.session_files import write_sessions
    from shop_r1.importers.rrweb.recordings import RecordingTally, import_recordings
    from shop_r1.importers.rrweb.visit import MASKED, RecordingOptions
    from shop_r1.pages.sites.recipes import load_recipe
    from shop_r1.records.actions import find_space

    console.check_choice("--end", end, ("none", "terminate"))
    console.check_choice("--masked", masked, ("keep", "drop"))
    check_output(out, [*recordings, *(recipe or [])], force=force)
    found = tuple(load_recipe(name) for name in recipe or ())
    options = RecordingOptions(
        find_space(space).name, end == "terminate", bought, found, masked == "keep", keep_until_error
    )
    tally = RecordingTally()
    with console.progress("Importing") as move:
        write_sessions(out, import_recordings(recordings, tally, options, move))
    for problem in tally.left_out:
        console.echo(f"left out: {problem}")
    total = tally.recordings + len(tally.left_out)
    tabs = f", {tally.sessions} sessions (a tab each)" if tally.sessions > tally.recordings else ""
    console.echo(f"{out}: {tally.recordings} of {total} recordings{tabs}, {tally.steps} steps")
    console.note(f"passed over: {list_counts(tally.counts) or 'nothing'}")
    if tally.remarks:
        console.note(f"worth a look: {list_counts(tally.remarks)}")
    if tally.remarks[MASKED]:
        console.note(
            "Masked texts cannot be learned from or measured against: `data validate` calls them invalid and "
            "training refuses them. --masked drop leaves these steps out."
        )
    if tally.left_out:
        console.note(f"{len(tally.left_out)} of {total} recordings are left out, each for the reason above")
    console.print_next("rationales", out, "--model NAME --out", console.unused_path("with.jsonl"))


@imports.command("opera")
def import_opera(
    config: Annotated[
        Literal["filtered", "full"],
        Option(help="filtered: click, input, terminate; full: click, input, scroll."),
    ],
    split: Annotated[Literal["train", "test"], Option(help="The data set's own split.")],
    out: Out,
    path: Annotated[
        Path | None,
        Option(metavar="DIR", help="The data set's files; without it they come from the hub."),
    ] = None,
    require_targets: Annotated[
        bool,
        Option("--require-targets", help="Leave out actions on what the recorded page has no name for."),
    ] = False,
    force: Force = False,
) -> None:
    """Import OPeRA: what people did in a real shop, for what reasons, and who they are.

    Example: shop-r1 data import opera --config filtered --split test --out opera_test.jsonl.zst
    """
    from shop_r1.datasets.session_files import write_sessions
    from shop_r1.importers.opera.sessions import OperaTally, import_opera
    from shop_r1.importers.opera.tables import fetch_tables, find_tables

    check_output(out, [path], force=force)
    if path is None:
        # What the hub could not do is said in one sentence, not in warnings about retries.
        os.environ.setdefault("HF_HUB_VERBOSITY", "error")
        path = fetch_tables(config, split)
    tables = find_tables(path, config, split)
    tally = OperaTally()
    with console.progress("Reading") as move:
        sessions = import_opera(tables, out.parent, tally, require_targets=require_targets, progress=move)
        written = write_sessions(out, sessions)
    console.echo(f"{out}: {written} sessions of {len(tally.users)} users, {tally.steps.total()} steps")
    console.print_table(_describe_opera(tally))
    console.note("OPeRA is under CC-BY-4.0: name its authors (arXiv 2506.05606) in what you make of it.")
    if config == "full":  # which has no terminate
        place = console.unused_path("runs/opera")
        console.print_next("grpo --model base --data", out, "--out", place, "type_ratio=0")
    elif tally.rationales < tally.steps.total():  # SFT needs one at each step
        console.print_next("rationales", out, "--model NAME --out", console.unused_path("with.jsonl"))
    else:
        console.print_next("data stats", out)


def _describe_opera(tally: "OperaTally") -> list[tuple[str, str]]:
    problems = join_counts(tally.persona_problems.items())
    nothings = join_counts(tally.nothings.items()) or "0"
    several = sum(len(kinds) > 1 for kinds in tally.click_types.values())
    rows = [
        ("rows read", str(tally.rows)),
        ("actions", join_counts(tally.steps.items())),
        ("outcomes", join_counts(tally.outcomes.items())),
        ("rationales", f"{tally.rationales}, given by the shoppers"),
        ("nothing", f"{nothings}: values None, nan and the like, taken as missing"),
        ("personas", f"of {tally.personas} sessions{f'; users: {problems}' if problems else ''}"),
        ("no actions", join_counts(tally.not_actions.items()) or "0"),
        ("scrolls merged", f"{tally.scrolls_merged}, each with the scroll before it"),
        ("left out", join_counts(tally.left_out.items()) or "0"),
        ("sessions lost", f"{tally.empty_sessions}, of which no step is left"),
        ("off the page", f"{tally.off_page} targets that are no name on their page, kept"),
        ("click types", f"{several} of {len(tally.click_types)} names were clicked with more than one"),
        ("users by id", f"{tally.users_by_id} sessions are not in the session table"),
    ]
    return rows + [("first", f"{reason}: {where}") for reason, where in tally.examples.items()]
