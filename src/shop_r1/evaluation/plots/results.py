"""The results of an evaluation, drawn."""

from collections.abc import Sequence
from itertools import chain

from shop_r1.errors import DataError
from shop_r1.evaluation.metrics import UNPARSABLE
from shop_r1.evaluation.paper_figures import TEMPERATURE_EXACT, TEMPERATURE_F1, TEMPERATURE_TYPE_ACCURACY
from shop_r1.evaluation.plots.rewards import RewardCurve, plot_rewards
from shop_r1.evaluation.plots.style import BLUE, COLOURS, GREEN, GREY, ORANGE, drawing, to_svg
from shop_r1.evaluation.tables import list_mixes
from shop_r1.records.results import Interval, Plot, TableRow, percent

_HATCHES = ("", "///", "\\\\\\", "--", "||", "")


def plot_evaluation(
    rows: Sequence[TableRow], sweep: Sequence[TableRow] = (), curves: Sequence[RewardCurve] = ()
) -> list[Plot]:
    """Return the plots of an evaluation that its figures allow.

    `sweep` has the rows of a temperature sweep where that is not among `rows`.
    """
    plots = [Plot(svg=plot_results(rows), caption="Held-out sessions, 95 % intervals.")]
    if any(row.predicted_mix for row in rows):
        plots.append(Plot(svg=plot_mixes(rows), caption="Predicted types against the shoppers' own."))
    sweep = sweep or rows
    if sum(bool(row.temperature) for row in sweep) > 1:
        plots.append(Plot(svg=plot_temperature(sweep), caption="Sampling temperature (paper, Figure 2)."))
    if curves:
        plots.append(Plot(svg=plot_rewards(curves), caption="Reward, part by part, over GRPO's steps."))
    return plots


def plot_results(rows: Sequence[TableRow]) -> str:
    """Return each setting's exact accuracy and macro F1 with intervals, the paper's (3B) as hollow marks."""
    with drawing(6.4, 0.9 + 0.42 * len(rows)) as figure:
        left, right = figure.subplots(1, 2, sharey=True)
        for axes, field, label, colour in (
            (left, "exact", "exact accuracy, %", BLUE),
            (right, "type_f1_macro", "macro F1 of types, %", ORANGE),
        ):
            for place, row in enumerate(rows):
                interval: Interval = getattr(row, field)
                ends = [100 * interval.low, 100 * interval.high]
                axes.plot(ends, [place, place], color=colour, solid_capstyle="butt")
                axes.plot(100 * interval.value, place, "o", color=colour)
                if row.paper is not None:
                    paper = 100 * getattr(row.paper, field)
                    axes.plot(paper, place, "D", markerfacecolor="none", color=GREY)
            axes.set_xlabel(label)
            axes.set_xlim(left=0)
            axes.grid(axis="x")
        if any(row.paper is not None for row in rows):
            figure.suptitle("hollow: the paper's 3B model on its own data", fontsize=8, color=GREY)
        left.set_yticks(range(len(rows)), [row.label for row in rows])
        left.set_ylim(len(rows) - 0.5, -0.5)
        values = "; ".join(
            f"{row.label} exact {percent(row.exact.value)}, F1 {percent(row.type_f1_macro.value)}"
            for row in rows
        )
        return to_svg(figure, "Exact accuracy and macro F1 by setting", f"In per cent: {values}.")


def plot_temperature(rows: Sequence[TableRow]) -> str:
    """Return the three metrics against the sampling temperature, with the points of Figure 2 that are known.

    Rows without a temperature are left out.

    Raises:
        DataError: no row has one.
    """
    kept = sorted((row for row in rows if row.temperature), key=lambda row: row.temperature or 0.0)
    if not kept:
        raise DataError("no row has a temperature; expected the rows of a temperature sweep")
    temperatures = [row.temperature or 0.0 for row in kept]
    curves = (
        ("exact", "exact accuracy", BLUE, "o", TEMPERATURE_EXACT),
        ("type_accuracy", "type accuracy", GREEN, "s", TEMPERATURE_TYPE_ACCURACY),
        ("type_f1_macro", "macro F1", ORANGE, "^", TEMPERATURE_F1),
    )
    with drawing(5.2, 3.2) as figure:
        axes = figure.subplots()
        for field, label, colour, marker, known in curves:
            intervals: list[Interval] = [getattr(row, field) for row in kept]
            bounds = [[100 * share for share in (each.low, each.value, each.high)] for each in intervals]
            lows, values, highs = zip(*bounds, strict=True)
            axes.plot(temperatures, values, marker + "-", color=colour, label=label)
            axes.fill_between(temperatures, lows, highs, color=colour, alpha=0.15, linewidth=0)
            shares = [100 * share for share in known.values()]
            axes.plot(list(known), shares, marker, color=colour, markerfacecolor="none")
        axes.plot([], [], "o", color=GREY, markerfacecolor="none", label="hollow: paper, 3B (Fig. 2)")
        axes.set_xlabel("sampling temperature")
        axes.set_ylabel("%")
        axes.grid(axis="y")
        figure.legend(loc="outside right upper")
        told = "; ".join(f"T {row.temperature:g}: exact {percent(row.exact.value)}" for row in kept)
        return to_svg(figure, "Accuracy against sampling temperature", f"In per cent: {told}.")


def plot_mixes(rows: Sequence[TableRow]) -> str:
    """Return the mix of predicted types of each setting as bars, under the shoppers' own mix."""
    mixes = list_mixes(rows)
    if not mixes:
        raise DataError("no row has a mix of predicted types to plot")
    labels = [label for label in dict.fromkeys(chain(*(mix for _, mix in mixes))) if label != UNPARSABLE]
    styles = dict(zip(labels, zip(COLOURS, _HATCHES, strict=True), strict=False))
    styles[UNPARSABLE] = (GREY, "xxx")
    with drawing(6.4, 0.8 + 0.34 * len(mixes)) as figure:
        axes = figure.subplots()
        starts = [0.0] * len(mixes)
        for label, (colour, hatch) in styles.items():
            widths = [100 * mix.get(label, 0.0) for _, mix in mixes]
            axes.barh(
                range(len(mixes)), widths, left=starts, color=colour, hatch=hatch, label=label, height=0.7
            )
            starts = [start + width for start, width in zip(starts, widths, strict=True)]
        axes.set_yticks(range(len(mixes)), [setting for setting, _ in mixes])
        axes.set_ylim(len(mixes) - 0.5, -0.5)
        axes.set_xlim(0, 100)
        axes.set_xlabel("% of steps")
        figure.legend(loc="outside right upper")
        text = "; ".join(
            f"{setting}: " + ", ".join(f"{label} {percent(share)}" for label, share in mix.items())
            for setting, mix in mixes
        )
        return to_svg(figure, "Mix of predicted types of action", f"In per cent: {text}.")
