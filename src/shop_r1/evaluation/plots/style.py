"""How plots look: the same figures give the same bytes, colours told apart by colour-blind readers.

Text stays text and takes the reader's font; ink turns light where the screen is dark. Each plot carries a
title and a description for those who hear it read.
"""

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from html import escape
from typing import Any

import matplotlib
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

BLUE, ORANGE, GREEN, PINK, SKY, GREY = "#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#8c8c8c"
"""Okabe and Ito's palette (2008), plus grey."""
_INK = "#333333"
_DARK_INK = "#d6d6d6"
COLOURS = (BLUE, ORANGE, GREEN, PINK, SKY, GREY)
STYLE: Mapping[str, Any] = {
    "svg.hashsalt": "shop-r1",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.size": 9,
    "text.color": _INK,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "axes.edgecolor": _INK,
    "axes.labelcolor": _INK,
    "axes.titlesize": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": _INK,
    "ytick.color": _INK,
    "grid.color": "#999999",
    "grid.alpha": 0.35,
    "hatch.linewidth": 0.5,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 4,
}
"""What every plot is drawn with."""


@contextmanager
def drawing(width: float, height: float) -> Iterator[Figure]:
    """Give an empty figure of this size in inches; what is drawn meanwhile is drawn in our style."""
    with matplotlib.rc_context(dict(STYLE)):
        yield Figure(figsize=(width, height), layout="constrained")


def to_svg(figure: Figure, title: str, description: str) -> str:
    """Return the figure as one `<svg>` element with title, description and ink that suits dark screens."""
    stream = io.StringIO()
    nothing = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    FigureCanvasSVG(figure).print_svg(stream, metadata=nothing)
    text = stream.getvalue()
    text = text[text.index("<svg") :]
    opening, body = text.split(">", 1)
    dark = (
        f'text{{fill:{_DARK_INK}!important}} text[style*="#000000"]{{fill:#000!important}} '
        f'[style*="stroke: {_INK}"]{{stroke:{_DARK_INK}!important}}'
    )
    head = (
        f"\n <title>{escape(title)}</title>\n <desc>{escape(description)}</desc>\n"
        f" <style>@media (prefers-color-scheme: dark){{{dark}}}</style>"
    )
    return f'{opening} role="img">{head}{body}'
