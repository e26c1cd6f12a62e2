"""The results of an evaluation, drawn."""

from collections.abc import Mapping, Sequence

from shop_r1.errors import DataError
from shop_r1.evaluation.paper_figures import TEMPERATURE_EXACT, TEMPERATURE_F1, TEMPERATURE_TYPE_ACCURACY
from shop_r1.evaluation.plots.rewards import RewardCurve, plot_rewards
from shop_r1.evaluation.plots.style import BLUE, GREEN, GREY, ORANGE, drawing, to_svg
from shop_r1.records.results import Interval, Plot, TableRow, percent

Bounds = tuple[float, float, float]
"""An interval's lower end, its value, and its upper end."""
SERIES = (
    ("exact", "exact accuracy", BLUE, "o", TEMPERATURE_EXACT),
    ("type_accuracy", "type accuracy", GREEN, "s", TEMPERATURE_TYPE_ACCURACY),
    ("type_f1_macro", "macro F1", ORANGE, "^", TEMPERATURE_F1),
)
"""The headline figures: name, label, colour, marker, and the paper's points of Figure 2 that are known."""


def plot_evaluation(
    rows: Sequence[TableRow], sweep: Sequence[TableRow] = (), curves: Sequence[RewardCurve] = ()
) -> list[Plot]:
    """Return the plots of an evaluation that its figures allow; the report itself draws bars and grids.

    `sweep` has the rows of a temperature sweep where that is not among `rows`.
    """
    told = "Mean of each part over GRPO's steps; the band is one standard deviation of the completions."
    plots = [
        Plot(svg=svg, caption=told, group="Reward over training, part by part")
        for svg in plot_rewards(curves)
    ]
    sweep = sweep or rows
    if sum(bool(row.temperature) for row in sweep) > 1:
        plots.append(
            Plot(svg=plot_temperature(sweep), caption="Accuracy by sampling temperature (paper, Figure 2)")
        )
    return plots


def plot_temperature(rows: Sequence[TableRow]) -> str:
    """Return the three metrics against the sampling temperature, with the points of Figure 2 that are known.

    Rows without a temperature are left out.

    Raises:
        DataError: no row has one.
    """
    kept = sorted((row for row in rows if row.temperature), key=lambda row: row.temperature or 0.0)
    if not kept:
        raise DataError("no row has a temperature; expected the rows of a temperature sweep")
    return draw_sweep(
        {row.temperature or 0.0: {name: _bounds(getattr(row, name)) for name, *_ in SERIES} for row in kept}
    )


def draw_sweep(points: Mapping[float, Mapping[str, Bounds]]) -> str:
    """Return the figures of `SERIES` against the temperature, in its order, the paper's known points beside.

    Each temperature has each figure's interval, as shares.
    """
    with drawing(4.4, 3.2) as figure:
        axes = figure.subplots()
        for name, label, colour, marker, known in SERIES:
            bounds = [[100 * share for share in figures[name]] for figures in points.values()]
            lows, values, highs = zip(*bounds, strict=True)
            axes.plot(list(points), values, marker + "-", color=colour, label=label)
            axes.fill_between(list(points), lows, highs, color=colour, alpha=0.15, linewidth=0)
            shares = [100 * share for share in known.values()]
            axes.plot(list(known), shares, marker, color=colour, markerfacecolor="none")
        axes.plot([], [], "o", color=GREY, markerfacecolor="none", label="hollow: paper, 3B (Fig. 2)")
        axes.set_xlabel("sampling temperature")
        axes.set_ylabel("%")
        axes.grid(axis="y")
        figure.legend(loc="outside lower center", ncols=2, fontsize=8)
        told = "; ".join(f"T {at:g}: exact {percent(found['exact'][1])}" for at, found in points.items())
        return to_svg(figure, "Accuracy against sampling temperature", f"In per cent: {told}.")


def _bounds(interval: Interval) -> Bounds:
    return interval.low, interval.value, interval.high
