"""`data import rrweb`: session replays as sessions."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from shop_r1.cli.data import KeepUntilError, Out, Recipes
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import Force, check_output
from shop_r1.validation_messages import list_counts


def import_rrweb(
    recordings: Annotated[
        list[Path],
        Argument(
            metavar="RECORDING…",
            help="Files of rrweb events, or folders, also simulations.",
        ),
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
