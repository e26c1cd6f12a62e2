"""The figures of a reproduction as SVG: exact match by row, temperature, effects, and the map."""

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes

from shop_r1.cli.reproduction.results.labels import row_label
from shop_r1.cli.reproduction.results.records import Reproduction, RowResult
from shop_r1.cli.reproduction.results.tables import find_paper
from shop_r1.evaluation.plots.results import SERIES, draw_sweep
from shop_r1.evaluation.plots.style import BLUE, COLOURS, GREY, drawing, to_svg
from shop_r1.records.results import Plot, percent

_DARK = "#333333"
NEAR = 0.8
"""Of the reachable exact match: what counts as near. Ours."""


def draw_figures(found: Reproduction) -> dict[str, Plot]:
    """Return the figures that the results allow, by name."""
    plots = {}
    for name in ("table2", "table4", "sizes"):
        if rows := _rows(found, name):
            plots[name] = Plot(
                svg=draw_bars(name, rows, found.reachable[0]),
                caption="Exact match, type accuracy and macro F1 with 95 % intervals; hollow: the paper's.",
            )
    if rows := _rows(found, "figure2"):
        plots["figure2"] = Plot(svg=draw_temperatures(rows), caption="By sampling temperature (Figure 2).")
    if rows := _rows(found, "ceiling"):
        told = "Exact match by sessions of SFT, with 95 % intervals; dotted: what is reachable."
        plots["ceiling"] = Plot(svg=draw_ceiling(rows, found.reachable[0]), caption=told)
    if rows := _rows(found, "map"):
        told = "Exact match by share of zero-variance groups, and the types that policies keep and give up."
        plots["map"] = Plot(svg=draw_map(rows), caption=told)
        plots["map_steps"] = Plot(
            svg=draw_map_steps(rows),
            caption="Over the steps of RL: share of terminate, zero variance, exact.",
        )
    return plots


def _rows(found: Reproduction, table: str) -> list[RowResult]:
    result = found.find_table(table)
    return [] if result is None else [row for key in result.rows if (row := found.row(key)) is not None]


def draw_bars(table: str, rows: Sequence[RowResult], reachable: RowResult) -> str:
    """Return each row's three figures as points with intervals, the paper's beside and the reachable line."""
    with drawing(6.4, 0.6 + 0.45 * len(rows)) as figure:
        axes: Axes = figure.subplots()
        for place, row in enumerate(rows):
            paper = find_paper(table, row)
            for shift, (name, _, colour, marker, _) in zip((0.22, 0, -0.22), SERIES, strict=True):
                low, value, high = (100 * each for each in row.measured.figures[name].mean)
                height = -place + shift
                axes.plot([low, high], [height, height], color=colour, linewidth=1)
                axes.plot([value], [height], marker, color=colour)
                if paper is not None:
                    shown = 100 * getattr(paper, name)
                    axes.plot([shown], [height], marker, color=colour, markerfacecolor="none")
        best = 100 * reachable.measured.figures["exact"].mean.value
        axes.axvline(best, color=BLUE, linestyle=":", linewidth=1)
        axes.annotate("reachable exact", (best, 0.45), color=BLUE, fontsize=7, ha="right", va="center")
        axes.set_yticks([-place for place in range(len(rows))], [row_label(table, row) for row in rows])
        axes.set_ylim(-len(rows) + 0.5, 0.6)
        axes.set_xlim(0, 100)
        axes.set_xlabel("%")
        axes.grid(axis="x")
        for _, label, colour, marker, _ in SERIES:
            axes.plot([], [], marker, color=colour, label=label)
        axes.plot([], [], "o", color=GREY, markerfacecolor="none", label="hollow: paper")
        figure.legend(loc="outside lower center", ncols=4, fontsize=8)
        told = "; ".join(
            f"{row_label(table, row)}: exact {row.measured.figures['exact'].mean}" for row in rows
        )
        return to_svg(figure, "Results by row", f"In per cent, with 95 % intervals: {told}.")


def draw_temperatures(rows: Sequence[RowResult]) -> str:
    """Return the three figures against the sampling temperature, with the paper's points that are known."""
    points = {}
    for row in sorted(rows, key=lambda row: row.temperature):
        means = {name: row.measured.figures[name].mean for name, *_ in SERIES}
        points[row.temperature] = {name: (each.low, each.value, each.high) for name, each in means.items()}
    return draw_sweep(points)


def draw_ceiling(rows: Sequence[RowResult], reachable: RowResult) -> str:
    """Return exact match against the sessions of SFT, with and without RL behind it."""
    with drawing(5.4, 3.2) as figure:
        axes: Axes = figure.subplots()
        for place, name in enumerate(dict.fromkeys(row.name for row in rows)):
            line = [row for row in rows if row.name == name]
            sessions = [row.sft_sessions or 0 for row in line]
            lows, means, highs = (
                [100 * each for each in part]
                for part in zip(*(row.measured.figures["exact"].mean for row in line), strict=True)
            )
            axes.plot(sessions, means, "o-", color=COLOURS[place], label=name)
            axes.fill_between(sessions, lows, highs, color=COLOURS[place], alpha=0.15, linewidth=0)
        best = 100 * reachable.measured.figures["exact"].mean.value
        for height, label in ((best, "reachable"), (NEAR * best, "80 % of it")):
            axes.axhline(height, color=BLUE, linestyle=":", linewidth=1)
            axes.annotate(
                label,
                (1, height),
                xycoords=("axes fraction", "data"),
                color=BLUE,
                fontsize=7,
                ha="right",
                va="bottom",
            )
        axes.set_xscale("log")
        ticks = list(dict.fromkeys(row.sft_sessions or 0 for row in rows))
        axes.set_xticks(ticks, [f"{each:,}" for each in ticks])
        axes.minorticks_off()
        axes.set_ylim(0, 100)
        axes.set_xlabel("sessions of SFT")
        axes.set_ylabel("exact, %")
        axes.grid(axis="y")
        axes.legend(loc="upper left", fontsize=8)
        told = "; ".join(f"{row_label('ceiling', row)} {row.measured.figures['exact'].mean}" for row in rows)
        return to_svg(figure, "Exact match by sessions of SFT", f"In per cent, with 95 % intervals: {told}.")


def _panels(rows: Sequence[RowResult]) -> dict[tuple[int, int], list[RowResult]]:
    """Return the map's rows by page size and sessions of SFT."""
    panels: dict[tuple[int, int], list[RowResult]] = {}
    for row in rows:
        panels.setdefault((row.page_size, row.sft_sessions or 0), []).append(row)
    return panels


def draw_map(rows: Sequence[RowResult]) -> str:
    """Return one panel for each start and page size: exact match, F1 and the mix of types of each reward."""
    panels = _panels(rows)
    pages = list(dict.fromkeys(page for page, _ in panels))
    starts = list(dict.fromkeys(sessions for _, sessions in panels))
    with drawing(2.5 * len(starts) + 0.6, 2.2 * len(pages) + 0.6) as figure:
        grid = figure.subplots(len(pages), len(starts), squeeze=False, sharex=True, sharey=True)
        for (page, sessions), found in panels.items():
            axes = grid[pages.index(page)][starts.index(sessions)]
            _draw_panel(axes, found)
            axes.set_title(f"SFT on {sessions:,}, {page} items", loc="left")
        for axes in grid[-1]:
            axes.set_xlabel("% of steps")
        _add_legend(grid[0][0], list(rows[0].target_mix))
        figure.legend(loc="outside lower center", ncols=4, fontsize=8)
        told = "; ".join(
            f"{row.key}: exact {percent(row.measured.figures['exact'].mean.value)}, "
            f"F1 {percent(row.measured.figures['type_f1_macro'].mean.value)}"
            for row in rows
        )
        return to_svg(figure, "When the reward's shape matters", f"In per cent: {told}.")


def _add_legend(axes: Axes, types: Sequence[str]) -> None:
    for place, name in enumerate(types):
        axes.plot([], [], "s", color=COLOURS[place], alpha=0.55, label=f"predicts {name}")
    axes.plot([], [], "D", color=_DARK, label="exact")
    axes.plot([], [], "^", color=_DARK, markerfacecolor="none", label="macro F1")
    axes.plot([], [], color=_DARK, linewidth=1, label="the data's mix")
    axes.plot([], [], " ", label="right: zero-variance groups")


def _draw_panel(axes: Axes, rows: Sequence[RowResult]) -> None:
    """Draw each reward's mix of predicted types as a bar, with its exact match and the data's mix over it."""
    types = list(rows[0].target_mix)
    for place, row in enumerate(rows):
        start = 0.0
        for number, name in enumerate(types):
            share = 100 * row.measured.figures[f"predicted/{name}"].mean.value
            axes.barh(-place, share, left=start, height=0.6, color=COLOURS[number], alpha=0.55)
            start += share
        edge = 0.0
        for name in types[:-1]:
            edge += 100 * row.target_mix[name]
            axes.plot([edge, edge], [-place - 0.38, -place + 0.38], color=_DARK, linewidth=1)
        exact, f1 = (100 * row.measured.figures[name].mean.value for name in ("exact", "type_f1_macro"))
        axes.plot([f1], [-place], "^", color=_DARK, markerfacecolor="none")
        axes.plot([exact], [-place], "D", color=_DARK)
        curve = row.curve("policy/frac_zero_variance")
        if curve is not None:
            shown = sum(curve.means) / len(curve.means)
            axes.annotate(
                f"{percent(shown, 0)} %", (102, -place), fontsize=7, va="center", annotation_clip=False
            )
    axes.set_yticks([-place for place in range(len(rows))], [row.name for row in rows], fontsize=8)
    axes.set_xlim(0, 100)


def draw_map_steps(rows: Sequence[RowResult]) -> str:
    """Return, for each start and page size, three metrics over the steps of RL, a line for each reward."""
    panels = _panels(rows)
    metrics: Mapping[str, str] = {
        "policy/share_terminate": "predicts terminate",
        "policy/frac_zero_variance": "zero-variance groups",
        "policy/exact": "exact",
    }
    with drawing(7.2, 1.35 * len(panels) + 0.6) as figure:
        grid = figure.subplots(len(panels), len(metrics), squeeze=False, sharex=True)
        for line, ((page, sessions), found) in enumerate(panels.items()):
            for column, (metric, label) in enumerate(metrics.items()):
                axes = grid[line][column]
                for place, row in enumerate(each for each in found if each.reward is not None):
                    _draw_curve(axes, row, metric, COLOURS[place % len(COLOURS)])
                axes.set_ylim(0, 100 if column < 2 else None)
                if line == 0:
                    axes.set_title(f"{label}, %", loc="left")
                if column == 0:
                    axes.set_ylabel(f"{sessions:,}, {page}")
                axes.grid(axis="y")
        for axes in grid[-1]:
            axes.set_xlabel("step")
        rewards = list(dict.fromkeys(row.name for row in rows if row.reward is not None))
        for place, name in enumerate(rewards):
            grid[0][0].plot([], [], color=COLOURS[place % len(COLOURS)], label=name)
        figure.legend(loc="outside lower center", ncols=len(rewards), fontsize=8)
        told = "Mean over seeds, band from the least to the most."
        return to_svg(figure, "RL over its steps, by start and reward", told)


def _draw_curve(axes: Axes, row: RowResult, metric: str, colour: str) -> None:
    curve = row.curve(metric)
    if curve is not None:
        lows, means, highs = (
            [100 * each for each in found] for found in (curve.lows, curve.means, curve.highs)
        )
        axes.plot(curve.steps, means, color=colour, linewidth=1.2)
        axes.fill_between(curve.steps, lows, highs, color=colour, alpha=0.15, linewidth=0)
