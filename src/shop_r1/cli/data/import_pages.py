"""`data import pages`: moves between saved pages as sessions."""

from pathlib import Path
from typing import Annotated

from typer import Argument

from shop_r1.cli.data import Out
from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import Force, check_output
from shop_r1.validation_messages import list_counts


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
