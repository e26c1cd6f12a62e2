"""`data import opera`: the public data set OPeRA as sessions."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

from typer import Option

from shop_r1.cli.data import Out
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.console import join_counts
from shop_r1.cli.terminal.outputs import Force, check_output

if TYPE_CHECKING:
    from shop_r1.importers.opera.sessions import OperaTally


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
    console.print_table(_describe(tally))
    console.note("OPeRA is under CC-BY-4.0: name its authors (arXiv 2506.05606) in what you make of it.")
    if config == "full":  # which has no terminate
        place = console.unused_path("runs/opera")
        console.print_next("grpo --model base --data", out, "--out", place, "type_ratio=0")
    elif tally.rationales < tally.steps.total():  # SFT needs one at each step
        console.print_next("rationales", out, "--model NAME --out", console.unused_path("with.jsonl"))
    else:
        console.print_next("data stats", out)


def _describe(tally: "OperaTally") -> list[tuple[str, str]]:
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
