"""A gate for continuous integration: bounds on figures, and a baseline that must not be fallen below.

**Bounds** are on what was found, not on its interval: `purchase=0.3` fails at 29.9 %.

**A baseline** is an earlier report. The shares compared are the funnel's stages after the first, the goal
where it is none of them, and the visits that count among those begun. Two runs are independent samples: each
difference has Newcombe's interval, of the level that Holm's procedure over these shares gives it, and the
gate fails where one lies below 0. So, if nothing has changed, it fails in 2.5 % of runs at most, as far as
the intervals hold what they say. A report of other shoppers, another goal or another funnel is refused.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from shop_r1.config import suggest
from shop_r1.errors import ConfigError, DataError
from shop_r1.journey.wording import share_words
from shop_r1.jsonl import read_json
from shop_r1.records.journeys import Baseline, Change, Check, JourneyFigure, JourneyReport
from shop_r1.records.results import Interval, percent
from shop_r1.runs import describe_differences
from shop_r1.statistics.holm import adjust_p_values, holm_levels
from shop_r1.statistics.proportions import ShareDifference, wilson
from shop_r1.validation_messages import describe_problems

LOST_MAX = 0.1
"""Share of the visits begun that may be in no figure before a gate fails. Ours."""
COUNTED = "counted"
"""What the share of visits that count is called among the changes."""


@dataclass(frozen=True)
class Bound:
    """A figure and the least or the most that it may be."""

    name: str
    value: float
    is_least: bool


def parse_bounds(texts: Sequence[str], option: str, is_least: bool) -> list[Bound]:
    """Return the bounds that were given as NAME=NUMBER.

    Raises:
        ConfigError: one is none.
    """
    found = []
    for text in texts:
        name, _, number = text.partition("=")
        try:
            value = float(number)
        except ValueError:
            value = math.nan
        if not name or not math.isfinite(value):
            raise ConfigError(f"{option} {text!r}: expected NAME=NUMBER, such as purchase=0.3")
        found.append(Bound(name.strip(), value, is_least))
    return found


def check_bounds(report: JourneyReport, bounds: Sequence[Bound]) -> list[Check]:
    """Return a condition for each bound.

    Raises:
        ConfigError: no figure is called so, or a share's bound is outside [0, 1].
    """
    names = [figure.name for figure in report.figures]
    checks = []
    for bound in bounds:
        figure = report.figure(bound.name)
        option = "--fail-under" if bound.is_least else "--fail-over"
        if figure is None:
            raise ConfigError(f"{option} {bound.name!r} is no figure; {suggest(bound.name, names)}")
        if figure.kind == "share" and not 0 <= bound.value <= 1:
            raise ConfigError(
                f"{option} {bound.name}={bound.value:g}: a share is between 0 and 1, so 30 % is 0.3"
            )
        checks.append(_check_bound(figure, bound))
    return checks


def _check_bound(figure: JourneyFigure, bound: Bound) -> Check:
    limit = f"{100 * bound.value:g} %" if figure.kind == "share" else f"{bound.value:g}"
    expected = f"expected {'at least' if bound.is_least else 'at most'} {limit}"
    if figure.value is None:
        sentence = f"{figure.name}: no visit has it, {expected}"
        return Check(name=figure.name, is_passed=False, sentence=sentence)
    value = figure.value.value
    found = share_words(figure.value) if figure.kind == "share" else _mean_words(figure.value)
    return Check(
        name=figure.name,
        is_passed=value >= bound.value if bound.is_least else value <= bound.value,
        sentence=f"{figure.name} {found}, {expected}",
    )


def check_lost(report: JourneyReport) -> Check:
    """Return the condition that most visits came to an end: those in no figure could hide a break."""
    lost = report.begun - report.counted
    return Check(
        name=COUNTED,
        is_passed=lost <= LOST_MAX * report.begun,
        sentence=f"visits in no figure: {lost:,} of {report.begun:,}, expected at most {100 * LOST_MAX:g} %",
    )


def read_baseline(path: Path) -> JourneyReport:
    """Return an earlier report.

    Raises:
        DataError: the file cannot be read, or is none.
    """
    values = read_json(path)
    try:
        return JourneyReport.model_validate(values)
    except ValidationError as error:
        problem = f"is no journey.json of this version: {describe_problems(error, JourneyReport)}"
        raise DataError.at(path, None, problem) from None


def compare_with(report: JourneyReport, before: JourneyReport, path: Path) -> Baseline:
    """Return the shares beside those of an earlier report.

    Raises:
        DataError: the two are not comparable; the message names what differs.
    """
    _check_fit(report, before, path)
    pairs = [(name, label, *_counts(before, name), *_counts(report, name)) for name, label in _shares(report)]
    differences = [ShareDifference((a, n), (b, m)) for _, _, a, n, b, m in pairs]
    p_values = [each.p_value for each in differences]
    levels, adjusted = holm_levels(p_values), adjust_p_values(p_values)
    changes = []
    for pair, difference, level, p in zip(pairs, differences, levels, adjusted, strict=True):
        interval = difference.interval(level)
        changes.append(
            Change(
                name=pair[0],
                label=pair[1],
                before=wilson(*difference.first),
                now=wilson(*difference.second),
                difference=interval,
                level=level,
                p_adjusted=p,
                is_lower=interval.high < 0,
            )
        )
    goal = ShareDifference((before.reached_goal, before.counted), (report.reached_goal, report.counted))
    return Baseline(
        file=str(path),
        visits=before.counted,
        changes=tuple(changes),
        smallest_found=goal.smallest_found(),
    )


def check_changes(baseline: Baseline) -> list[Check]:
    """Return a condition for each share that was compared."""
    return [
        Check(
            name=change.name,
            is_passed=not change.is_lower,
            sentence=f"{change.name} {change_words(change.difference)} points from the baseline's "
            f"{percent(change.before.value)} %",
        )
        for change in baseline.changes
    ]


def _mean_words(value: Interval) -> str:
    return f"{value.value:.2f} [{value.low:.2f}, {value.high:.2f}]"


def change_words(difference: Interval) -> str:
    """Return a difference of shares in points with its interval.

    >>> change_words(Interval(low=-0.2, value=-0.1, high=0.004))
    '-10.0 [-20.0, +0.4]'
    """
    low, value, high = (f"{100 * each:+.1f}".replace("-0.0", "+0.0") for each in difference)
    return f"{value} [{low}, {high}]"


def _check_fit(report: JourneyReport, before: JourneyReport, path: Path) -> None:
    different = describe_differences(
        {"goal": before.goal, "funnel": before.funnel, **before.made_with},
        {"goal": report.goal, "funnel": report.funnel, **report.made_with},
    )
    if different:
        problem = f"is of other shoppers or asks another thing: {', '.join(different)}"
        raise DataError.at(path, None, f"{problem}; make a baseline with the same, or give none")


def _shares(report: JourneyReport) -> list[tuple[str, str]]:
    found = [(stage.name, stage.words) for stage in report.stages[1:]]
    if report.goal not in {name for name, _ in found}:
        found.append(("goal", "goal reached"))
    return [*found, (COUNTED, "visits that count")]


def _counts(report: JourneyReport, name: str) -> tuple[int, int]:
    """Return how many visits it is true of, and of how many."""
    if name == COUNTED:
        return report.counted, report.begun
    if name == "goal":
        return report.reached_goal, report.counted
    stage = next(each for each in report.stages if each.name == name)
    return stage.reached, report.counted


def smallest_words(baseline: Baseline) -> str:
    """Return how large a fall of the goal had to be to be found."""
    return f"A fall of the goal by less than {percent(baseline.smallest_found)} points can pass unseen."
