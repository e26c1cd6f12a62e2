"""What a row's RL did over its steps: a few metrics, averaged over runs of steps and over seeds."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from shop_r1.cli.reproduction.results.records import Curve
from shop_r1.runs import read_metrics

METRICS = (
    "policy/exact",
    "policy/frac_zero_variance",
    "policy/parsed",
    "policy/share_click",
    "policy/share_type_and_submit",
    "policy/share_terminate",
)
"""Those that are kept."""
POINTS = 25
"""Of a curve, about."""


def read_row_curves(folders: Sequence[Path]) -> tuple[Curve, ...]:
    """Return the curves of a row's trainings, one folder for each seed; none where they were not RL.

    Raises:
        DataError: a `metrics.jsonl` cannot be read.
    """
    runs = [list(read_metrics(folder / "metrics.jsonl")) for folder in folders]
    kept = [[line for line in lines if METRICS[0] in line] for lines in runs]
    if not kept or not all(kept):
        return ()
    return tuple(_read_curve(metric, kept) for metric in METRICS if all(metric in lines[0] for lines in kept))


def _read_curve(metric: str, runs: Sequence[Sequence[Mapping[str, float]]]) -> Curve:
    length = min(map(len, runs))
    width = max(1, length // POINTS)
    starts = range(0, length - width + 1, width)
    values = [
        [sum(line.get(metric, 0.0) for line in lines[start : start + width]) / width for lines in runs]
        for start in starts
    ]
    return Curve(
        metric=metric,
        steps=tuple(int(runs[0][start + width - 1]["step"]) for start in starts),
        means=tuple(sum(each) / len(each) for each in values),
        lows=tuple(map(min, values)),
        highs=tuple(map(max, values)),
    )
