"""A comparison drawn: distances against their noise floor, quantiles of lengths, mixes, what betrays it."""

from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.ticker import MaxNLocator

from shop_r1.evaluation.plots.style import BLUE, GREY, ORANGE, drawing, to_svg
from shop_r1.fidelity.results import Check, Fidelity, MixRow
from shop_r1.records.results import Plot

_WIDTH = 4.6
_ROW = 0.27
"""Height of a line of a plot, in inches."""
_MIX_ROWS = 12


def plot_fidelity(found: Fidelity) -> list[Plot]:
    """Return the plots of a report."""
    plots = [_plot(*each) for each in _list_plots(found)]
    return [plot for plot in plots if plot is not None]


def _list_plots(found: Fidelity) -> list[tuple[str, float, Callable[[Any], None] | None, str]]:
    """Return caption, height, what draws it if there is anything, and a description, of each plot."""
    known = [each for each in found.distances if each.is_beyond is not None]
    plots: list[tuple[str, float, Callable[[Any], None] | None, str]] = [
        (
            "Distances as multiples of what parts of the real log are apart at most (the dashed line)",
            _height(len(known)),
            (lambda axes: _draw_distances(axes, found)) if known else None,
            ", ".join(f"{each.title}: {_multiple(each):.1f}" for each in known),
        ),
        (
            "Session lengths, quantile by quantile; on the line they are as long as real ones",
            3.2,
            lambda axes: _draw_quantiles(axes, found.quantiles),
            f"Least to most steps: {', '.join(f'{real} and {other}' for real, other in found.quantiles)}",
        ),
    ]
    captions = {
        "actions": "Actions, % of steps",
        "funnel": "Furthest stage, % of sessions",
        "places": "Places of opened products, %",
    }
    for name, caption in captions.items():
        rows = found.mixes.get(name, ())[:_MIX_ROWS]
        draw = _mix_drawer(rows) if rows else None
        told = ", ".join(f"{row.label} {row.real:.2f} and {row.simulated:.2f}" for row in rows)
        plots.append((caption, _height(len(rows)), draw, told))
    if found.calibration is not None:
        checks = found.calibration.checks
        told = ", ".join(f"{each.title} {each.before:.3f} to {each.after:.3f}" for each in checks)
        caption = "Distances to held-out real sessions with weights, as multiples of those without"
        plots.append((caption, _height(len(checks)), lambda axes: _draw_checks(axes, checks), told))
    return plots


def _plot(caption: str, height: float, draw: Callable[[Any], None] | None, told: str) -> Plot | None:
    if draw is None:
        return None
    with drawing(_WIDTH, height) as figure:
        draw(figure.subplots())
        return Plot(svg=to_svg(figure, caption, told), caption=caption)


def _height(rows: int) -> float:
    return 1.0 + _ROW * rows


def _multiple(figure: Any) -> float:
    return float(figure.distance.value / max(figure.floor.most, 1e-9))


def _draw_distances(axes: Any, found: Fidelity) -> None:
    """Draw each distance on a scale on which its own noise floor is 1."""
    known = [each for each in found.distances if each.distance and each.floor and each.floor.most > 0]
    for place, each in enumerate(known):
        assert each.distance is not None and each.floor is not None
        low, value, high = (max(end, 0.0) / each.floor.most for end in each.distance)
        colour = ORANGE if each.is_beyond else BLUE
        axes.plot([low, high], [place, place], color=colour)
        axes.plot([value], [place], "o", color=colour)
    axes.axvline(1, color=GREY, linestyle="--")
    axes.set_xscale("symlog", linthresh=1)
    axes.set_xlim(left=0)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
    _name_rows(axes, [each.title for each in known])
    axes.set_xlabel("multiples of the noise floor")


def _draw_quantiles(axes: Any, quantiles: Sequence[tuple[float, float]]) -> None:
    most = max(max(pair) for pair in quantiles)
    axes.plot([0, most], [0, most], color=GREY, linestyle="--")
    axes.plot([real for real, _ in quantiles], [other for _, other in quantiles], "o-", color=BLUE)
    axes.set_xlabel("steps of real sessions")
    axes.set_ylabel("steps of simulated ones")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.grid()


def _mix_drawer(rows: Sequence[MixRow]) -> Callable[[Any], None]:
    def draw(axes: Any) -> None:
        for shift, colour, name in ((-0.2, BLUE, "real"), (0.2, ORANGE, "simulated")):
            places = [place + shift for place in range(len(rows))]
            axes.barh(places, [100 * getattr(row, name) for row in rows], 0.36, color=colour, label=name)
        _name_rows(axes, [row.label for row in rows])
        axes.set_xlabel("%")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=8, borderpad=0)

    return draw


def _draw_checks(axes: Any, checks: Sequence[Check]) -> None:
    kept = [each for each in checks if each.before > 0]
    for place, each in enumerate(kept):
        ratio = max(each.after, 0.0) / each.before
        axes.plot([1, ratio], [place, place], color=GREY)
        axes.plot([ratio], [place], "o", color=ORANGE if each.change == "further" else BLUE)
    axes.axvline(1, color=GREY, linestyle="--")
    axes.set_xlim(left=0)
    _name_rows(axes, [each.title + (" *" if each.is_fitted else "") for each in kept])
    axes.set_xlabel("with weights, times the distance without")


def _name_rows(axes: Any, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names, fontsize=8, parse_math=False)
    axes.set_ylim(len(names) - 0.5, -0.5)
    axes.grid(axis="x")
