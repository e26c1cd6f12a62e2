"""A comparison as tables and sentences, for the terminal and the report."""

from collections.abc import Iterator, Sequence

from shop_r1.fidelity.results import Calibration, Classified, DistanceFigure, Fidelity, Floor, MixRow
from shop_r1.records.results import Grid, Interval, percent

_TITLES = {
    "types": "Types of action",
    "actions": "Actions",
    "first_action": "First actions",
    "outcomes": "Outcomes",
    "funnel": "Furthest stage of the funnel",
    "repetition": "Queries after the first",
    "places": "Places of opened products",
}
_ROWS_SHOWN = 12
NOTHING = "–"


def say_verdict(found: Fidelity) -> str:
    """Return in a sentence how human the crowd is."""
    return " ".join(_say_classifier(found.classifier))


def say_details(found: Fidelity) -> str:
    """Return how many distances are beyond chance, and what betrays the crowd first."""
    parts = [_say_distances(found)]
    if found.classifier is not None and found.classifier.tells and _is_told(found.classifier):
        tell = found.classifier.tells[0]
        parts.append(f"What betrays it first: {tell.feature} ({_means(tell.real, tell.simulated)}).")
    return " ".join(parts)


def _say_classifier(found: Classified | None) -> Iterator[str]:
    if found is None:
        yield "No classifier was fitted, since one of the logs has too few shoppers."
        return
    floor = f"; parts of the real log: {_say_floor(found.floor)}" if found.floor is not None else ""
    verb = "tells" if _is_told(found) else "does not tell"
    yield (
        f"A classifier {verb} simulated from real sessions: AUC {say_interval(found.auc, 2)}, where 0.5 is "
        f"perfect{floor}."
    )


def _is_told(found: Classified) -> bool:
    """Return whether the AUC is above what chance makes."""
    return found.auc.low > 0.5 and (found.floor is None or found.auc.value > found.floor.most)


def _say_distances(found: Fidelity) -> str:
    known = [each for each in found.distances if each.is_beyond is not None]
    chance = round(len(known) / 20)
    return (
        f"{len(found.beyond)} of {len(known)} distances are larger than chance makes them between parts of "
        f"the real log; of a crowd as good as real {chance} would be, or fewer."
    )


def _means(real: float | None, simulated: float | None) -> str:
    return f"real {_number(real)}, simulated {_number(simulated)}"


def say_interval(interval: Interval | None, decimals: int = 3) -> str:
    """Return a value with its interval.

    >>> say_interval(Interval(0.1, 0.2, 0.3), 1)
    '0.2 [0.1, 0.3]'
    """
    if interval is None:
        return NOTHING
    low, value, high = (f"{each:.{decimals}f}" for each in interval)
    return f"{value} [{low}, {high}]"


def _say_floor(floor: Floor | None, decimals: int = 2) -> str:
    if floor is None:
        return NOTHING
    return f"{floor.median + 0.0:.{decimals}f} to {floor.most:.{decimals}f}"


def list_grids(found: Fidelity) -> list[Grid]:
    """Return the tables of the terminal: distances, levels, what betrays the crowd, calibration."""
    grids = [distance_grid(found), level_grid(found)]
    if found.classifier is not None and found.classifier.tells:
        grids.append(tell_grid(found.classifier))
    if found.calibration is not None:
        grids += [margin_grid(found.calibration), check_grid(found.calibration)]
    return grids


def distance_grid(found: Fidelity) -> Grid:
    """Return all distances, and beside each what parts of the real log are apart."""
    rows = [
        (each.title, say_interval(each.distance), _say_floor(each.floor, 3), _say_beyond(each))
        for each in found.distances
    ]
    return Grid(
        title="How far the simulated crowd is from the real one",
        header=("distance", "simulated to real", "real to real", ""),
        rows=tuple(rows),
        note="In brackets: 95 % interval, bootstrap over shoppers. Real to real: median and 95th percentile "
        f"of {found.splits} splits of the real log. TV: total variation, in [0, 1]. KL: in nats. W1: "
        "Wasserstein distance, in its unit. A dash: the logs do not carry it.",
    )


def _say_beyond(figure: DistanceFigure) -> str:
    if figure.is_beyond is None:
        return NOTHING
    return "differs" if figure.is_beyond else "as real"


def level_grid(found: Fidelity) -> Grid:
    """Return figures of both crowds side by side."""
    rows = []
    for each in found.levels:
        scale = 100 if each.is_share else 1
        decimals = 1 if each.is_share else 2
        real, simulated = (
            NOTHING if value is None else f"{scale * value:.{decimals}f}"
            for value in (each.real, each.simulated)
        )
        shown = None if each.difference is None else Interval(*(scale * end for end in each.difference))
        rows.append((each.title, real, simulated, say_interval(shown, decimals)))
    return Grid(
        title="What each crowd does",
        header=("figure", "real", "simulated", "difference"),
        rows=tuple(rows),
        note="Unlikeness: mean share of the actions by which sessions of two shoppers differ, 0 where all do "
        "the same.",
    )


def tell_grid(found: Classified) -> Grid:
    """Return the features that betray the crowd."""
    rows = [
        (each.feature, _number(each.real), _number(each.simulated), f"{each.alone:.2f}", f"{each.drop:.3f}")
        for each in found.tells
    ]
    note = (
        "Alone: AUC of the feature itself, above 0.5 where simulated sessions have more of it. Needed: how "
        "much the classifier's AUC falls when the feature is shuffled."
    )
    if not _is_told(found):
        note += " The classifier tells the crowds apart no better than chance, so these features are noise."
    return Grid(
        title="What betrays the simulated crowd",
        header=("feature of a session", "real", "simulated", "alone", "needed"),
        rows=tuple(rows),
        note=note,
    )


def mix_grids(found: Fidelity) -> list[Grid]:
    """Return the tables of shares."""
    return [_mix_grid(_TITLES[name], rows) for name, rows in found.mixes.items()]


def _mix_grid(title: str, rows: Sequence[MixRow]) -> Grid:
    shown = [
        (
            row.label,
            percent(row.real),
            percent(row.simulated),
            NOTHING if row.difference is None else str(row.difference),
        )
        for row in rows[:_ROWS_SHOWN]
    ]
    left = len(rows) - len(shown)
    note = f"Per cent. {left} rarer ones are not shown." if left > 0 else "Per cent."
    return Grid(title=title, header=("", "real %", "simulated %", "difference"), rows=tuple(shown), note=note)


def margin_grid(found: Calibration) -> Grid:
    """Return the margins before and after calibration."""
    rows = [
        (f"{name}: {each.label}", *map(percent, (each.target, each.before, each.after)))
        for name, classes in found.margins.items()
        for each in classes
    ]
    return Grid(
        title="Calibration: the margins that the weights were fitted to",
        header=("margin", "real %", "unweighted %", "weighted %"),
        rows=tuple(rows),
        note=f"Fitted to {found.fitted_to} real sessions. {len(found.weights)} weighted sessions tell as "
        f"much as {found.effective_sessions:.0f}; the largest weight is {found.largest_weight:.1f}, the "
        "mean 1.",
    )


def check_grid(found: Calibration) -> Grid:
    """Return the distances to the held-out half before and after calibration."""
    rows = [
        (
            f"{each.title}{' *' if each.is_fitted else ''}",
            f"{each.before:.3f}",
            f"{each.after:.3f}",
            f"{each.fitted_part:.3f}",
            each.change,
        )
        for each in found.checks
    ]
    return Grid(
        title=f"Calibration: distances to the {found.held_out} real sessions held out",
        header=("distance", "unweighted", "weighted", "real half", ""),
        rows=tuple(rows),
        note="Real half: the half that the weights were fitted to, which is as near as they can be expected "
        "to bring the crowd. *: about a fitted margin. Nearer, further: by the 95 % interval of the change.",
    )


def _number(value: float | None) -> str:
    """Return a figure with about three digits.

    >>> _number(0.1234), _number(12.34), _number(None)
    ('0.12', '12.3', '–')
    """
    if value is None:
        return NOTHING
    return f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
