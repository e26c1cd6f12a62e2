"""`card`: a model's card."""

from pathlib import Path
from typing import Annotated

from typer import Argument

from shop_r1.cli.terminal import console
from shop_r1.cli.terminal.outputs import Force, check_output
from shop_r1.report.seal import is_sealed
from shop_r1.runs import CARD


def card(
    folder: Annotated[Path, Argument(metavar="MODEL", help="A folder that sft or grpo wrote.")],
    evaluations: Annotated[
        list[Path] | None, Argument(metavar="DIR", help="Folders that evaluate wrote for it.")
    ] = None,
    force: Force = False,
) -> None:
    """Write MODEL/README.md, the model's card: data, settings, and the figures of its evaluations.

    Training writes it too, without figures.

    Example: shop-r1 card runs/grpo runs/evaluation
    """
    from shop_r1.report.card import write_card

    check_output(folder / CARD, evaluations or [], force=force, endings=(), is_own=is_sealed)
    console.echo(f"{write_card(folder, evaluations or [])}")
