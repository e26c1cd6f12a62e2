"""What is in a file of sessions, drawn: one SVG with the mix of actions and how lengths are spread."""

import warnings
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from shop_r1.datasets.statistics import Statistics, Tally
from shop_r1.evaluation.plots.style import BLUE, GREEN, GREY, ORANGE, PINK, SKY, drawing, to_svg
from shop_r1.records.results import Plot

_BINS = 40
_NAME_CHARS = 40
_HEIGHT = 2.7
"""Of a plot, in inches."""


def plot_statistics(tally: Tally, found: Statistics) -> str:
    """Return the actions, the steps of sessions, the tokens of pages and of last prompts, and the budget."""
    file = "".join(each if each.isprintable() else "\ufffd" for each in found.file)
    top = _mix_height(found)
    with drawing(7.2, top + _HEIGHT) as figure, warnings.catch_warnings():
        # The reader's font draws the text; that ours lacks a letter of a file's name is no matter.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        grid = figure.subplots(2, 2, height_ratios=[top, _HEIGHT]).ravel()
        for axes, (_, draw) in zip(grid, _panels(tally, found), strict=True):
            draw(axes)
        name = file if len(file) <= _NAME_CHARS else f"…{file[1 - _NAME_CHARS :]}"
        counts = f"{_count_of(found.sessions, 'session')}, {_count_of(found.steps, 'step')}"
        figure.suptitle(f"{name}: {counts}; tokens: {found.tokenizer}", fontsize=9, parse_math=False)
        return to_svg(figure, f"What is in {file}", _describe(found))


def _count_of(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'s' if number != 1 else ''}"


def plot_panels(tally: Tally, found: Statistics) -> list[Plot]:
    """Return the same as four plots, which stand beside or under each other as there is room."""
    plots = []
    for place, (title, draw) in enumerate(_panels(tally, found)):
        with drawing(4.0, _HEIGHT if place else _mix_height(found)) as figure:
            draw(figure.subplots())
            plots.append(Plot(svg=to_svg(figure, title, _describe(found)), caption=title))
    return plots


def _mix_height(found: Statistics) -> float:
    """Return the height that each type's two bars need beside each other, in inches."""
    return max(_HEIGHT, 1.0 + 0.36 * len(found.actions))


def _panels(tally: Tally, found: Statistics) -> list[tuple[str, Callable[[Any], None]]]:
    """Return each panel's title and what draws it."""
    budget = found.budget.max_tokens - found.budget.max_completion_length

    def draw_prompts(axes: Any) -> None:
        _draw_tokens(axes, tally.prompt_tokens, "sessions", SKY)
        axes.set_xlabel("tokens of a session's last prompt")
        _draw_budget(axes, budget)

    def draw_pages(axes: Any) -> None:
        _draw_tokens(axes, tally.page_tokens, "pages", GREEN)
        axes.set_xlabel("tokens of a page")

    return [
        ("Types of action", lambda axes: _draw_mix(axes, found)),
        ("Lengths of sessions", lambda axes: _draw_steps(axes, tally.steps)),
        ("Lengths of pages", draw_pages),
        ("Lengths of last prompts, and the budget", draw_prompts),
    ]


def _draw_steps(axes: Any, steps: Sequence[int]) -> None:
    most = max(steps)
    width = -(-most // _BINS)  # whole steps, so that all bars hold equally many numbers of steps
    axes.set_axisbelow(True)
    axes.hist(steps, np.arange(0.5, most + width + 0.5, width), color=PINK, rwidth=0.9)
    axes.set_ylabel("sessions")
    axes.set_xlabel("steps of a session")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.grid(axis="y")


def _draw_mix(axes: Any, found: Statistics) -> None:
    """Draw how frequent each type is as a session's first action and after it."""
    names = list(found.actions)
    parts = (
        ("first action", found.first_actions, ORANGE, -0.2),
        ("after it", found.later_actions, BLUE, 0.2),
    )
    for label, counts, colour, shift in parts:
        total = sum(counts.values()) or 1
        shares = [100 * counts.get(name, 0) / total for name in names]
        places = [place + shift for place in range(len(names))]
        bars = axes.barh(places, shares, 0.36, color=colour, label=label)
        axes.bar_label(bars, [f"{share:.0f}" if share else "" for share in shares], padding=2, fontsize=8)
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.45, -0.55)
    axes.set_xlim(0, 112)
    axes.set_xlabel("% of actions")
    axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=8, borderpad=0)


def _draw_tokens(axes: Any, tokens: Sequence[int], what: str, colour: str) -> None:
    axes.set_axisbelow(True)
    axes.hist(tokens, _BINS, color=colour)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(5, integer=True, min_n_ticks=1))
    axes.set_ylabel(what)
    axes.grid(axis="y")


def _draw_budget(axes: Any, budget: int) -> None:
    """Mark where the budget ends, if any prompt comes near; say it above the plot, where nothing is drawn."""
    right = axes.get_xlim()[1]
    above = {"loc": "right", "fontsize": 8, "color": GREY}
    if budget > 2 * right:
        axes.set_title(f"budget {budget:,}: far to the right", **above)
        return
    axes.axvline(budget, color=ORANGE, linestyle="--")
    axes.set_xlim(right=max(right, 1.05 * budget))
    axes.set_title(f"dashed: budget {budget:,}", **above)


def _describe(found: Statistics) -> str:
    spreads = "; ".join(
        f"{name.replace('_', ' ')}: median {each.median:,}, most {each.most:,}"
        for name, each in found.spreads.items()
    )
    mix = ", ".join(f"{name} {count:,}" for name, count in found.later_actions.items())
    return f"Actions after the first: {mix or 'none'}. {spreads}."
