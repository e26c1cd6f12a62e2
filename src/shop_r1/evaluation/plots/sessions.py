"""What is in a file of sessions, drawn: one SVG with the mix of actions and how lengths are spread."""

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.ticker import MaxNLocator

from shop_r1.datasets.statistics import Statistics, Tally
from shop_r1.evaluation.plots.style import BLUE, GREEN, GREY, ORANGE, PINK, SKY, drawing, to_svg

_BINS = 40
_NAME_CHARS = 60


def plot_statistics(tally: Tally, found: Statistics) -> str:
    """Return the actions, the steps of sessions, the tokens of pages and of last prompts, and the budget."""
    file = "".join(each if each.isprintable() else "\ufffd" for each in found.file)
    with drawing(7.2, 5.4) as figure, warnings.catch_warnings():
        # The reader's font draws the text; that ours lacks a letter of a file's name is no matter.
        warnings.filterwarnings("ignore", "Glyph .* missing from font", UserWarning)
        (mix, steps), (pages, prompts) = figure.subplots(2, 2)
        for axes in (mix, steps, pages, prompts):
            axes.set_axisbelow(True)
        _draw_mix(mix, found)
        most = max(tally.steps)
        width = -(-most // _BINS)  # whole steps, so that all bars hold equally many numbers of steps
        steps.hist(tally.steps, np.arange(0.5, most + width + 0.5, width), color=PINK, rwidth=0.9)
        steps.set_ylabel("sessions")
        steps.grid(axis="y")
        _draw_tokens(pages, tally.page_tokens, "pages", GREEN)
        _draw_tokens(prompts, tally.prompt_tokens, "sessions", SKY)
        _draw_budget(prompts, found.budget.max_tokens - found.budget.max_completion_length)
        steps.set_xlabel("steps of a session")
        pages.set_xlabel("tokens of a page")
        prompts.set_xlabel("tokens of a session's last prompt")
        name = file if len(file) <= _NAME_CHARS else f"…{file[1 - _NAME_CHARS :]}"
        title = f"{name}: {found.sessions:,} sessions, {found.steps:,} steps; tokens: {found.tokenizer}"
        figure.suptitle(title, fontsize=9, parse_math=False)
        return to_svg(figure, f"What is in {file}", _describe(found))


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
    axes.legend(loc="lower right", fontsize=8)


def _draw_tokens(axes: Any, tokens: Sequence[int], what: str, colour: str) -> None:
    axes.hist(tokens, _BINS, color=colour)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:,.0f}")
    axes.xaxis.set_major_locator(MaxNLocator(5))
    axes.set_ylabel(what)
    axes.grid(axis="y")


def _draw_budget(axes: Any, budget: int) -> None:
    """Mark where the budget ends, if any prompt comes near; else say that none does."""
    right = axes.get_xlim()[1]
    corner = {"ha": "right", "va": "top", "fontsize": 8}
    if budget > 2 * right:
        text = f"budget: {budget:,}, far to the right"
        axes.text(0.98, 0.95, text, transform=axes.transAxes, color=GREY, **corner)
        return
    axes.axvline(budget, color=ORANGE, linestyle="--")
    axes.set_xlim(right=max(right, 1.05 * budget))
    axes.text(budget, 0.98, f"budget {budget:,} ", transform=axes.get_xaxis_transform(), **corner)


def _describe(found: Statistics) -> str:
    spreads = "; ".join(
        f"{name.replace('_', ' ')}: median {each.median:,}, most {each.most:,}"
        for name, each in found.spreads.items()
    )
    mix = ", ".join(f"{name} {count:,}" for name, count in found.later_actions.items())
    return f"Actions after the first: {mix or 'none'}. {spreads}."
