"""A backtest drawn: what was predicted against what was measured, both with their intervals."""

from collections.abc import Sequence
from typing import Any

from shop_r1.comparison.backtest.wording import interval_words, unit_words
from shop_r1.evaluation.plots.style import BLUE, GREY, ORANGE, drawing, to_svg
from shop_r1.records.backtests import Backtest, Errors, Held
from shop_r1.records.results import Plot

_SIDE = 4.2
"""Of a plot, in inches."""
_ROOM = 1.08


def plot_backtest(found: Backtest) -> list[Plot]:
    """Return a calibration plot for each unit: on the line, what was predicted is what was measured."""
    plots = []
    for errors in found.errors:
        held = [each for each in found.experiments if _belongs(each, errors)]
        caption = f"Measured against predicted lifts,{unit_words(errors)}: on the line they are equal"
        with drawing(_SIDE, _SIDE) as figure:
            _draw(figure.subplots(), held, unit_words(errors))
            plots.append(Plot(svg=to_svg(figure, caption, _describe(held)), caption=caption))
    return plots


def _belongs(each: Held, errors: Errors) -> bool:
    is_same = each.unit == errors.unit and errors.metric in (None, each.metric)
    return is_same and each.value is not None


def _describe(held: Sequence[Held]) -> str:
    return "; ".join(
        f"{each.name}: measured {interval_words(each.measured)}, predicted "
        f"{interval_words(each.predicted) if each.predicted else f'{each.value:+.1f}'}"
        for each in held
    )


def _draw(axes: Any, held: Sequence[Held], unit: str) -> None:
    ends = [end for each in held for end in (*each.measured, *(each.predicted or (each.value,)))]
    reach = _ROOM * max(abs(end) for end in ends if end is not None) or 1.0
    axes.plot([-reach, reach], [-reach, reach], color=GREY, linewidth=1, linestyle="--")
    axes.axhline(0, color=GREY, linewidth=0.6)
    axes.axvline(0, color=GREY, linewidth=0.6)
    for agrees, colour, marker, label in (
        (True, BLUE, "o", "agrees within both intervals"),
        (False, ORANGE, "s", "does not"),
        (None, GREY, "x", "prediction without an interval"),
    ):
        group = [each for each in held if each.agrees is agrees]
        if group:
            axes.errorbar(**_points(group), fmt=marker, color=colour, elinewidth=0.8, label=label)
    axes.set(
        xlim=(-reach, reach), ylim=(-reach, reach), xlabel=f"predicted,{unit}", ylabel=f"measured,{unit}"
    )
    axes.set_aspect("equal")
    axes.legend(loc="upper left", fontsize=8)


def _points(held: Sequence[Held]) -> dict[str, list[Any]]:
    """Return the points with how far their intervals reach to both sides."""
    values = [each.value or 0.0 for each in held]
    predicted = [each.predicted or (value, value, value) for each, value in zip(held, values, strict=True)]
    return {
        "x": values,
        "y": [each.measured.value for each in held],
        "xerr": [
            [value - low for low, value, _ in predicted],
            [high - value for _, value, high in predicted],
        ],
        "yerr": [
            [each.measured.value - each.measured.low for each in held],
            [each.measured.high - each.measured.value for each in held],
        ],
    }
