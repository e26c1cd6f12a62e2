"""`demo`: the whole pipeline on the built-in store."""

from pathlib import Path
from typing import Annotated

from typer import Option

from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import Force, check_folder
from shop_r1.cli.terminal.settings_list import ListSettings
from shop_r1.cli.terminal.training_run import Words, exit_when_stopped
from shop_r1.runs import RunFolder


def demo(
    settings: Words = None,
    out: Annotated[
        Path | None,
        Option(metavar="DIR", help="Where everything goes; else runs/demo, or runs/demo-quick."),
    ] = None,
    seed: Annotated[int, Option(min=0, max=2**32 - 1, help="Of everything random.")] = 0,
    quick: Annotated[
        bool, Option("--quick", help="Every stage in about two minutes; the figures mean nothing.")
    ] = False,
    force: Force = False,
    list_settings: ListSettings = False,
) -> None:
    """Run the main job on the built-in store: sessions, SFT, GRPO, evaluation, report.

    Run again after an interruption, it goes on from the last finished stage; stopped by Ctrl-C or SIGTERM
    while training, from there.

    Example: shop-r1 demo --out runs/demo
    """
    from shop_r1.cli.pipeline.config import QUICK
    from shop_r1.cli.pipeline.walkthrough import run_demo
    from shop_r1.cli.terminal.checkpoints import hide_loading

    config, overrides = console.split_words(settings or [])
    place = out or Path("runs/demo-quick" if quick else "runs/demo")
    check_folder(place, [config], force=force or RunFolder(place).settings.exists())
    hide_loading()
    with exit_when_stopped("run the demo again to go on"):
        run_demo(place, seed, config, [*(QUICK if quick else ()), *overrides], force)
