"""`reproduce`: every table of the paper on the built-in store."""

from pathlib import Path
from typing import Annotated

from typer import Option

from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import Force, check_folder
from shop_r1.cli.terminal.settings_list import ListSettings
from shop_r1.cli.terminal.training_run import Words, exit_when_stopped
from shop_r1.runs import RunFolder


def reproduce(
    settings: Words = None,
    out: Annotated[
        Path | None,
        Option(metavar="DIR", help="Where everything goes; else runs/reproduction."),
    ] = None,
    only: Annotated[
        list[str] | None,
        Option(
            metavar="TABLE",
            help="table2, table3, table4, table5, figure2, sizes, map or ceiling; more than once for "
            "several. Without it, all but map and ceiling.",
        ),
    ] = None,
    seeds: Annotated[int, Option(min=1, max=1000, help="How many seeds; each has its own shoppers.")] = 3,
    quick: Annotated[
        bool, Option("--quick", help="Every stage in a few minutes; the figures mean nothing.")
    ] = False,
    force: Force = False,
    list_settings: ListSettings = False,
) -> None:
    """Remake the paper's tables on the built-in store, with seeds and intervals.

    Run again after an interruption, it goes on from the last finished stage, in training and predictions
    from where they were; with more --seeds or another --only it makes what is new and keeps the rest.

    Example: shop-r1 reproduce --out runs/reproduction --only table2 --seeds 1
    """
    from shop_r1.cli.reproduction.config import QUICK
    from shop_r1.cli.reproduction.folder import STAGES
    from shop_r1.cli.reproduction.rows import check_tables
    from shop_r1.cli.reproduction.walkthrough import run_reproduction
    from shop_r1.cli.terminal.checkpoints import hide_loading

    tables = check_tables(only or [])
    config, overrides = console.split_words(settings or [])
    place = out or Path("runs/reproduction-quick" if quick else "runs/reproduction")
    # A run that was killed at its very start leaves its empty log alone.
    check_folder(place, [config], force=force or RunFolder(place).settings.exists(), leftovers=[STAGES])
    hide_loading()
    with exit_when_stopped("give the same command again to go on"):
        run_reproduction(place, tables, seeds, config, [*(QUICK if quick else ()), *overrides], force)
