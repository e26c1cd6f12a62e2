"""The reward over training, part by part."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from matplotlib.ticker import MaxNLocator

from shop_r1.errors import DataError
from shop_r1.evaluation.plots.style import COLOURS, drawing, to_svg
from shop_r1.runs import read_metrics


@dataclass(frozen=True)
class RewardCurve:
    """One part of the reward over training."""

    part: str
    """`total`, `format`, `type`, `attribute`, `value` or `rationale`."""
    steps: tuple[int, ...]
    means: tuple[float, ...]
    """Mean over the step's completions."""
    spreads: tuple[float, ...]
    """Standard deviation over the step's completions; as many as steps."""


def read_curves(folder: Path, points: int | None = None) -> list[RewardCurve]:
    """Return the reward curves of a folder that `grpo` wrote.

    Runs of steps are averaged so that about so many `points` are left; None: every logged step.

    Raises:
        DataError: its `metrics.jsonl` cannot be read, or holds no rewards.
    """
    path = folder / "metrics.jsonl"
    lines = list(read_metrics(path))
    logged = [key.removeprefix("reward/") for key in (lines[0] if lines else {}) if key.startswith("reward/")]
    parts = [part for part in logged if not part.endswith("_std")]
    if not parts:
        raise DataError.at(path, 1, "holds no rewards; expected the metrics of `shop-r1 grpo`")
    kept = [line for line in lines if all(f"reward/{part}" in line for part in parts)]
    width = 1 if points is None else max(1, len(kept) // points)
    groups = [kept[start : start + width] for start in range(0, len(kept), width)]

    def means(key: str) -> tuple[float, ...]:
        return tuple(sum(line.get(key, 0.0) for line in group) / len(group) for group in groups)

    steps = tuple(int(group[-1]["step"]) for group in groups)
    return [RewardCurve(part, steps, means(f"reward/{part}"), means(f"reward/{part}_std")) for part in parts]


def plot_reward(curve: RewardCurve, colour: str) -> str:
    """Return one part's mean over the steps, its spread as a band."""
    with drawing(2.7, 1.7) as figure:
        axes = figure.subplots()
        lows = [mean - spread for mean, spread in zip(curve.means, curve.spreads, strict=True)]
        highs = [mean + spread for mean, spread in zip(curve.means, curve.spreads, strict=True)]
        axes.fill_between(curve.steps, lows, highs, color=colour, alpha=0.2, linewidth=0)
        axes.plot(curve.steps, curve.means, color=colour)
        axes.set_title(curve.part, loc="left")
        axes.set_xlabel("training step")
        axes.xaxis.set_major_locator(MaxNLocator(4, integer=True, min_n_ticks=1))
        axes.yaxis.set_major_locator(MaxNLocator(4))
        axes.grid(axis="y")
        axes.margins(x=0.02)
        ends = f"{curve.part} from {curve.means[0]:.3g} to {curve.means[-1]:.3g}"
        told = f"Mean per step, band one standard deviation: {ends}."
        return to_svg(figure, "Reward over training", told)


def plot_rewards(curves: Sequence[RewardCurve]) -> list[str]:
    """Return one small plot for each part, so that they stand beside or under each other."""
    return [plot_reward(curve, COLOURS[place % len(COLOURS)]) for place, curve in enumerate(curves)]
