"""`shop-r1 model`: pretrained models, fetched and converted to checkpoint folders."""

from pathlib import Path
from typing import Annotated, Literal

from typer import Option, Typer

model = Typer(help="Fetch a pretrained model, or convert one, to an ordinary checkpoint folder.")

Dtype = Annotated[
    Literal["float32", "bfloat16"],
    Option(help="Of the weights on disk. bfloat16 takes half of the room and rounds to 8 bits."),
]
Out = Annotated[Path | None, Option("--out", metavar="DIR", help="Where the checkpoint goes.")]


def describe_size(size: int) -> str:
    """Return a number of bytes in words.

    >>> describe_size(92_871_040)
    '93 MB'
    """
    return f"{size / 1e6:,.0f} MB"
