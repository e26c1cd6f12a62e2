"""`data import log`: a plain log of visits as sessions."""

from pathlib import Path
from typing import Annotated

from typer import Argument

from shop_r1.cli.data import KeepUntilError, Out, Recipes
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import Force, check_output
from shop_r1.validation_messages import list_counts


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
