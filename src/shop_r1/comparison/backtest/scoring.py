"""From past experiments and comparisons of the same versions to the results of a backtest."""

from collections import Counter
from collections.abc import Sequence
from statistics import fmean, median

from shop_r1.comparison.backtest import figures
from shop_r1.comparison.backtest.experiments import PastExperiment
from shop_r1.comparison.backtest.wording import CAUTION, few_sentence, verdict_sentences
from shop_r1.errors import DataError
from shop_r1.records.backtests import Backtest, ChangeKind, Errors, Held, Reliability, Unusable
from shop_r1.records.comparisons import Difference, VersionComparison
from shop_r1.records.results import Interval

_LEANING = 0.8
"""A prediction that is not sure leans to its direction from this confidence on. Ours."""
_SURE, _LEANS, _UNSURE = "sure", "leaning, 80 % or more", "below 80 %"


def hold(
    experiment: PastExperiment, comparison: VersionComparison, place: str, folder: str | None = None
) -> Held:
    """Return the experiment beside its comparison; `place` names that in errors.

    Raises:
        DataError: the comparison has not this metric or version, or another goal.
    """
    difference = _find_difference(experiment, comparison, place)
    plain = Held(
        name=experiment.name,
        change=experiment.change,
        metric=experiment.metric,
        unit=experiment.unit,
        measured=experiment.measured,
        predicted=None,
        value=None,
        shoppers=difference.pairs,
        folder=folder,
    )
    known = _in_unit(experiment, difference)
    if not comparison.balance.is_even:
        return plain.model_copy(update={"unusable": "not even"})
    if isinstance(known, str):
        return plain.model_copy(update={"unusable": known})
    value, predicted = known
    measured = experiment.measured
    return plain.model_copy(
        update={
            "value": value,
            "predicted": predicted,
            "error": value - measured.value,
            "direction": _direction(value, measured),
        }
        | ({} if predicted is None else _of_interval(predicted, measured))
    )


def _find_difference(experiment: PastExperiment, comparison: VersionComparison, place: str) -> Difference:
    versions = comparison.versions[1:]
    version = experiment.version or versions[0]
    if experiment.version is None and len(versions) > 1:
        raise DataError(f"{place}: compares {', '.join(versions)}; say which is meant with version = …")
    if experiment.metric in ("goal", "pages_to_goal") and comparison.goal != experiment.goal:
        raise DataError(
            f"{place}: its goal is {comparison.goal}, and that of {experiment.name} {experiment.goal}"
        )
    # A goal that is the purchase is not compared twice.
    is_purchase = experiment.metric == "goal" and experiment.goal == "purchase"
    metrics = {experiment.metric, *(("purchase",) if is_purchase else ())}
    for each in comparison.differences:
        if each.metric in metrics and each.version == version:
            return each
    known = ", ".join(dict.fromkeys(each.metric for each in comparison.differences))
    raise DataError(
        f"{place}: has no {experiment.metric} of {version}; it has {known} of {', '.join(versions)}"
    )


def _in_unit(experiment: PastExperiment, difference: Difference) -> tuple[float, Interval | None] | Unusable:
    """Return what was predicted in the experiment's unit, and its interval if it has ends."""
    if difference.of_baseline is None or difference.of_version is None:
        return "no pair"
    if experiment.unit == "percent":
        if difference.relative_interval is None:
            return "no relative change"
        return 100 * difference.relative_interval.value, _scaled(difference.relative_interval, 100)
    scale = 100 if experiment.unit == "points" else 1
    value = scale * (difference.of_version - difference.of_baseline)
    return value, None if difference.difference is None else _scaled(difference.difference, scale)


def _scaled(interval: Interval, scale: float) -> Interval:
    return Interval(*(scale * each for each in interval))


def _direction(value: float, measured: Interval) -> str:
    if measured.low <= 0 <= measured.high:
        return "not clear"
    return "right" if value * measured.value > 0 else "wrong"


def _of_interval(predicted: Interval, measured: Interval) -> dict[str, object]:
    combined = figures.combine(predicted, measured)
    return {
        "is_sure": not predicted.low <= 0 <= predicted.high,
        "confidence": figures.claimed_confidence(predicted),
        "combined": combined,
        "is_covered": predicted.low <= measured.value <= predicted.high,
        "agrees": combined.low <= 0 <= combined.high,
    }


def score(file: str, held: Sequence[Held]) -> Backtest:
    """Return the results; `file` is the name of the past experiments' file."""
    usable = [each for each in held if each.unusable is None]
    clear = [each for each in usable if each.direction != "not clear"]
    known = [(each.predicted, each.measured) for each in usable if each.predicted is not None]
    signs = Counter(each.measured.value > 0 for each in clear)
    is_up = signs[True] >= signs[False]
    direction = figures.count([each.direction == "right" for each in clear])
    agreement = figures.count([bool(each.agrees) for each in usable if each.agrees is not None])
    errors = _errors(usable)
    return Backtest(
        file=file,
        verdict=verdict_sentences(direction, agreement, errors),
        caution=CAUTION,
        few=few_sentence(direction, agreement),
        experiments=tuple(held),
        unusable=len(held) - len(usable),
        direction=direction,
        direction_unclear=figures.count(
            [(each.value or 0) * each.measured.value > 0 for each in usable if each.direction == "not clear"]
        ),
        always=figures.count([(each.measured.value > 0) == is_up for each in clear]),
        coverage=figures.count([bool(each.is_covered) for each in usable if each.is_covered is not None]),
        coverage_expected=fmean(figures.expected_coverage(*each) for each in known) if known else None,
        agreement=agreement,
        errors=errors,
        reliability=_reliability(usable),
        by_change=tuple(_by_change(usable)),
    )


def _errors(held: Sequence[Held]) -> tuple[Errors, ...]:
    """Return the errors by unit, of absolute differences by metric."""
    groups: dict[tuple[str, str | None], list[Held]] = {}
    for each in held:
        groups.setdefault((each.unit, each.metric if each.unit == "absolute" else None), []).append(each)
    return tuple(_errors_of(group, key[1]) for key, group in groups.items())


def _errors_of(held: Sequence[Held], metric: str | None) -> Errors:
    off = [abs(each.error) for each in held if each.error is not None]
    spreads = [figures.standard_error(each.combined) for each in held if each.combined is not None]
    widths = [(each.predicted.high - each.predicted.low) / 2 for each in held if each.predicted is not None]
    values = [each.value for each in held if each.value is not None]
    r, interval = figures.rank_correlation(values, [each.measured.value for each in held])
    perfect = figures.perfect_median(spreads) if len(spreads) == len(held) else None
    return Errors(
        unit=held[0].unit,
        metric=metric,
        experiments=len(held),
        median=figures.median_interval(off),
        value=median(off),
        perfect=None if perfect is None else perfect[0],
        perfect_most=None if perfect is None else perfect[1],
        half_width=median(widths) if widths else None,
        correlation=r,
        correlation_interval=interval,
    )


def _reliability(held: Sequence[Held]) -> tuple[Reliability, ...]:
    """Return the predictions by how sure they are; those without an interval claim nothing."""
    groups: dict[str, list[Held]] = {_SURE: [], _LEANS: [], _UNSURE: []}
    for each in held:
        if each.confidence is not None and each.direction != "not clear":
            leaning = _LEANS if each.confidence >= _LEANING else _UNSURE
            groups[_SURE if each.is_sure else leaning].append(each)
    return tuple(
        Reliability(
            label=label,
            claimed=fmean(each.confidence or 0.0 for each in group) if group else None,
            right=figures.count([each.direction == "right" for each in group]),
        )
        for label, group in groups.items()
    )


def _by_change(held: Sequence[Held]) -> list[ChangeKind]:
    found = []
    for change in sorted({each.change for each in held}):
        group = [each for each in held if each.change == change]
        clear = [each for each in group if each.direction != "not clear"]
        found.append(
            ChangeKind(
                change=change,
                experiments=len(group),
                direction=figures.count([each.direction == "right" for each in clear]),
                agreement=figures.count([bool(each.agrees) for each in group if each.agrees is not None]),
                errors=_errors(group),
            )
        )
    return found
