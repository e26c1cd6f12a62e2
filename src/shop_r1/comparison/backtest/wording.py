"""A backtest in plain sentences and tables, never without what so few experiments can tell."""

from collections.abc import Iterator, Sequence

from shop_r1.records.backtests import Backtest, ChangeKind, Count, Errors, Held, Unit
from shop_r1.records.results import Grid, Interval, percent

CAUTION = (
    "A backtest says how these shoppers did on these past experiments, which were chosen by people who knew "
    "how they ended. It is no promise for the next one, and simulated shoppers replace no experiment on "
    "people."
)
NOTHING = "–"
_UNITS: dict[Unit, str] = {"points": "points", "percent": "per cent", "absolute": ""}
_UNUSABLE = {
    "no pair": "no pair of visits",
    "not even": "visits lost unevenly",
    "no relative change": "no relative change",
}


def verdict_sentences(direction: Count, agreement: Count, errors: Sequence[Errors]) -> tuple[str, ...]:
    """Return what the backtest says: of directions first, then of errors and agreement."""
    parts = []
    if direction.share is None:
        parts.append("No past experiment is clear enough to say whether a direction was right.")
    else:
        parts.append(
            f"The direction was right in {direction.count} of {direction.of} clear past experiments, "
            f"{share_words(direction)}."
        )
    for each in errors:
        unit = unit_words(each)
        perfect = ""
        if each.perfect is not None:
            perfect = f"; by chance alone {each.perfect:.2g}, at most {each.perfect_most:.2g}"
        parts.append(f"The median absolute error is {each.value:.2g}{unit}{perfect}.")
    if agreement.of:
        parts.append(
            f"{agreement.count} of {agreement.of} agree within both intervals, where 95 % is perfect."
        )
    return tuple(parts)


def few_sentence(direction: Count, agreement: Count) -> str:
    """Return what so few experiments can tell."""
    if direction.share is None:
        return "Nothing can be said of directions: no past experiment has an interval that leaves 0 out."
    low, high = (100 * end for end in (direction.share.low, direction.share.high))
    guessing = " A coin could have done as well." if direction.share.low <= 0.5 else ""
    plural = "" if direction.of == 1 else "s"
    return (
        f"{direction.of} clear experiment{plural} tell{'s' if direction.of == 1 else ''} little: among all "
        f"experiments of this kind the right directions may be anywhere from {low:.0f} to {high:.0f} "
        f"%.{guessing}"
    )


def unit_words(errors: Errors) -> str:
    """Return a unit as it follows a number, with the metric of absolute differences."""
    if errors.metric is not None:
        return f" ({errors.metric})"
    return " points" if errors.unit == "points" else " %"


def share_words(count: Count) -> str:
    """Return a share with its interval.

    >>> share_words(Count(count=3, of=4, share=Interval(0.194, 0.75, 0.994)))
    '75 % [19, 99]'
    """
    if count.share is None:
        return NOTHING
    low, value, high = (f"{100 * each:.0f}" for each in count.share)
    return f"{value} % [{low}, {high}]"


def list_grids(found: Backtest) -> list[Grid]:
    """Return the tables: experiments by unit, figures, how reliable sure predictions are, kinds of change."""
    groups = dict.fromkeys(_group(each) for each in found.experiments)
    return [
        *(experiment_grid(found, *group) for group in groups),
        figure_grid(found),
        reliability_grid(found),
        change_grid(found),
    ]


def _group(each: Held) -> tuple[Unit, str | None]:
    return each.unit, each.metric if each.unit == "absolute" else None


def experiment_grid(found: Backtest, unit: Unit, metric: str | None = None) -> Grid:
    """Return the experiments of a unit, and of one metric where differences are absolute."""
    held = [each for each in found.experiments if _group(each) == (unit, metric)]
    notes = ["Lifts of the second version with 95 % intervals."]
    if any(each.direction == "not clear" for each in held):
        notes.append("A dash: the measured interval has 0 in it, so that no direction is right or wrong.")
    if unusable := sum(each.unusable is not None for each in held):
        notes.append(f"{unusable} of {len(held)} count in no figure.")
    return Grid(
        title=f"Past experiments, {_UNITS[unit] or metric}",
        header=("experiment", "measured", "predicted", "direction", "agrees"),
        rows=tuple(_experiment_row(each) for each in held),
        note=" ".join(notes),
    )


def _experiment_row(each: Held) -> tuple[str, ...]:
    measured = interval_words(each.measured)
    if each.unusable is not None:
        return each.name, measured, _UNUSABLE[each.unusable], NOTHING, NOTHING
    predicted = interval_words(each.predicted) if each.predicted else f"{each.value or 0.0:+.1f} [–]"
    direction = NOTHING if each.direction in (None, "not clear") else str(each.direction)
    agrees = NOTHING if each.agrees is None else "yes" if each.agrees else "no"
    return each.name, measured, predicted, direction, agrees


def interval_words(interval: Interval) -> str:
    """Return a lift with its sign and its interval.

    >>> interval_words(Interval(-0.26, 1.0, 2.26))
    '+1.0 [-0.3, +2.3]'
    """
    low, value, high = (f"{each:+.1f}" for each in interval)
    return f"{value} [{low}, {high}]"


def figure_grid(found: Backtest) -> Grid:
    """Return the figures, each beside what a perfect crowd would have."""
    return Grid(
        title="How often and how far",
        header=("figure", "of", "found", "by chance alone"),
        rows=tuple(_figure_rows(found)),
        note="Clear: the measured interval leaves 0 out. By chance alone: of a crowd that differs from "
        "people by the two sampling errors only; of errors, the median and the 95th percentile. Agrees: the "
        "interval of predicted less measured, made of both intervals, holds 0. In brackets: 95 %, exact for "
        "shares, by ranks for medians.",
    )


def _figure_rows(found: Backtest) -> Iterator[tuple[str, ...]]:
    yield "direction right, clear ones", str(found.direction.of), share_words(found.direction), NOTHING
    yield "  always the same direction", str(found.always.of), share_words(found.always), NOTHING
    unclear = found.direction_unclear
    yield "  same sign, the others", str(unclear.of), share_words(unclear), NOTHING
    for each in found.errors:
        yield from _error_rows(each)
    yield "agrees within both intervals", str(found.agreement.of), share_words(found.agreement), "95 %"
    expected = NOTHING if found.coverage_expected is None else f"{percent(found.coverage_expected, 0)} %"
    yield "measured within ours alone", str(found.coverage.of), share_words(found.coverage), expected


def _error_rows(each: Errors) -> Iterator[tuple[str, ...]]:
    unit, count = unit_words(each), str(each.experiments)
    value = f"{each.value:.1f}"
    if each.median is not None:
        value = f"{value} [{each.median.low:.1f}, {each.median.high:.1f}]"
    perfect = NOTHING
    if each.perfect is not None and each.perfect_most is not None:
        perfect = f"{each.perfect:.1f} to {each.perfect_most:.1f}"
    yield f"median absolute error,{unit}", count, value, perfect
    if each.half_width is not None:
        yield "  half width of our intervals", count, f"{each.half_width:.1f}", NOTHING
    r = NOTHING if each.correlation is None else f"{each.correlation:.2f}"
    if (known := each.correlation_interval) is not None:
        r = f"{r} [{known.low:.2f}, {known.high:.2f}]"
    yield f"rank correlation,{unit}", count, r, NOTHING


def reliability_grid(found: Backtest) -> Grid:
    """Return how often predictions of a like confidence were right."""
    return Grid(
        title="How reliable a sure prediction is",
        header=("prediction", "clear", "claimed", "right"),
        rows=tuple(
            (
                each.label,
                str(each.right.of),
                NOTHING if each.claimed is None else f"{percent(each.claimed, 0)} %",
                share_words(each.right),
            )
            for each in found.reliability
        ),
        note="Sure: its interval leaves 0 out. Claimed: the mean chance of its own direction that the "
        "prediction's interval says.",
    )


def change_grid(found: Backtest) -> Grid:
    """Return the same by kind of change."""
    return Grid(
        title="By kind of change",
        header=("change", "all", "clear", "direction right", "agrees", "median error"),
        rows=tuple(_change_row(each) for each in found.by_change),
    )


def _change_row(each: ChangeKind) -> tuple[str, ...]:
    errors = ", ".join(f"{own.value:.1f}{unit_words(own)}" for own in each.errors)
    clear = str(each.direction.of)
    direction = share_words(each.direction)
    return each.change, str(each.experiments), clear, direction, share_words(each.agreement), errors
