"""From what was counted of each visit to the results of a comparison."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from shop_r1.comparison.balance import Visits, check_balance
from shop_r1.comparison.metrics import Metric, find_metrics
from shop_r1.comparison.wording import CAUTION, FIXED, SEQUENTIAL, verdict_sentence, warning_sentences
from shop_r1.records.comparisons import (
    Difference,
    Exits,
    Finding,
    Segment,
    ShopperPlan,
    Stopping,
    VersionComparison,
)
from shop_r1.records.results import Interval
from shop_r1.statistics.confidence_sequences import Sequential, follow
from shop_r1.statistics.holm import adjust_p_values, holm_levels
from shop_r1.statistics.paired import PairedDifference, pair_up
from shop_r1.statistics.ratios import relative_change

SEGMENT_MIN = 30
"""Shoppers of a segment that is judged. Ours."""


@dataclass(frozen=True)
class Question:
    """What a comparison asks."""

    versions: Mapping[str, str]
    """Names of the versions and what they are; the first is what the others are compared with."""
    primary: str = "purchase"
    metrics: tuple[str, ...] = ()
    """Names of the declared metrics; empty: all."""
    goal: str = "purchase"
    max_steps: int = 20
    """Of a visit: no count of a visit is larger."""
    seed: int = 0
    """Of the bootstrap."""
    stops_early: bool = False
    """Whether it may stop as soon as it is certain; then all intervals hold at every look."""
    planned: int = 0
    """Shoppers that there will be at most."""

    @property
    def chosen(self) -> tuple[Metric, ...]:
        """The metrics, the primary one first; a goal that is the purchase is not counted twice.

        Raises:
            ConfigError: a metric is unknown.
        """
        found = find_metrics(self.metrics, self.primary)
        is_twice = self.goal == "purchase" and not self.metrics and self.primary != "goal"
        return tuple(metric for metric in found if not (is_twice and metric.name == "goal"))


@dataclass(frozen=True)
class _Pair:
    """A metric of two versions: the values of the shoppers that have both, and what is known of them."""

    metric: Metric
    baseline: str
    version: str
    values: tuple[tuple[float, ...], tuple[float, ...]]
    known: PairedDifference | Sequential | None
    """None without a pair."""

    @property
    def p_value(self) -> float:
        return 1.0 if self.known is None else self.known.p_value


def compare_versions(
    plan: Sequence[ShopperPlan], visits: Visits, question: Question, stopping: Stopping | None = None
) -> VersionComparison:
    """Return the results; `visits` are those that have ended, by user id and version.

    Holm's procedure goes over the versions for the primary metric, and over versions and metrics for all
    others together.

    Raises:
        ConfigError: a metric is unknown.
    """
    names = tuple(question.versions)
    primary, *others = question.chosen
    users = [each.user_id for each in plan]
    differences = _family([_pair(primary, name, users, visits, question) for name in names[1:]], True)
    family = [_pair(metric, name, users, visits, question) for metric in others for name in names[1:]]
    has_values = {pair.metric.name for pair in family if pair.known is not None}
    differences += _family([pair for pair in family if pair.metric.name in has_values], False)
    balance = check_balance(plan, names, visits)
    whole = sum(all(_counts(visits, user, name) for name in names) for user in users)
    return VersionComparison(
        versions=names,
        descriptions=dict(question.versions),
        goal=question.goal,
        primary=primary.name,
        shoppers=whole,
        verdict=tuple(verdict_sentence(each, balance) for each in differences if each.is_primary),
        caution=CAUTION,
        warnings=tuple(warning_sentences(balance, differences, whole)),
        differences=tuple(differences),
        unknown=tuple(metric.name for metric in others if metric.name not in has_values),
        exits=tuple(_exits(name, users, visits) for name in names),
        segments=tuple(_segments(plan, visits, question, primary)),
        balance=balance,
        stopping=stopping,
        intervals=SEQUENTIAL if question.stops_early else FIXED,
    )


def _counts(visits: Visits, user: str, version: str) -> bool:
    found = visits.get((user, version))
    return found is not None and found.is_counted


def _pair(metric: Metric, version: str, users: Sequence[str], visits: Visits, question: Question) -> _Pair:
    baseline = next(iter(question.versions))
    found = []
    for user in users:
        if _counts(visits, user, baseline) and _counts(visits, user, version):
            first, second = (metric.value(visits[user, name]) for name in (baseline, version))
            if first is not None and second is not None:
                found.append((first, second))
    values = (tuple(each[0] for each in found), tuple(each[1] for each in found))
    return _Pair(metric, baseline, version, values, _known(metric, *values, question))


def _known(
    metric: Metric, first: Sequence[float], second: Sequence[float], question: Question
) -> PairedDifference | Sequential | None:
    if not first:
        return None
    if not question.stops_early:
        return pair_up(metric.kind, first, second, question.seed)
    bound = None if not metric.has_bound else 1.0 if metric.kind == "share" else float(question.max_steps)
    return follow(np.subtract(second, first), bound, max(question.planned, len(first)))


def _family(pairs: Sequence[_Pair], is_primary: bool) -> list[Difference]:
    """Return the differences of a family of hypotheses, in the order given."""
    p_values = [pair.p_value for pair in pairs]
    return [
        _difference(pair, is_primary, p_adjusted, level)
        for pair, p_adjusted, level in zip(
            pairs, adjust_p_values(p_values), holm_levels(p_values), strict=True
        )
    ]


def _difference(pair: _Pair, is_primary: bool, p_adjusted: float, level: float) -> Difference:
    metric, known = pair.metric, pair.known
    first, second = (float(np.mean(values)) if values else None for values in pair.values)
    own = None if known is None else _finite(known.interval())
    decisive = None if known is None else _finite(known.interval(level))
    fixed = None
    if known is not None and len(pair.values[0]) > 1:
        fixed = known if isinstance(known, PairedDifference) else _without_resamples(pair)
    value = 0.0 if first is None or second is None else second - first
    is_fixed = isinstance(known, PairedDifference)
    return Difference(
        metric=metric.name,
        label=metric.label,
        kind=metric.kind,
        baseline=pair.baseline,
        version=pair.version,
        is_primary=is_primary,
        pairs=len(pair.values[0]),
        of_baseline=first,
        of_version=second,
        difference=own,
        decisive=decisive,
        level=level,
        p_value=pair.p_value,
        p_adjusted=p_adjusted,
        relative=value / first if first else None,
        relative_interval=relative_change(metric.kind, *pair.values) if is_fixed else None,
        effect=fixed.effect if fixed is not None else None,
        smallest_found=fixed.smallest_found() if fixed is not None else None,
        finding=_finding(decisive, value, fixed),
    )


def _without_resamples(pair: _Pair) -> PairedDifference:
    return PairedDifference(pair.metric.kind, np.subtract(pair.values[1], pair.values[0]))


def _finite(interval: Interval) -> Interval | None:
    return interval if math.isfinite(interval.low) and math.isfinite(interval.high) else None


def _finding(interval: Interval | None, value: float, pairs: PairedDifference | None) -> Finding:
    if interval is None:
        return "no difference found" if pairs is not None and not pairs.differing else "not known"
    if interval.low <= 0 <= interval.high:
        return "no difference found"
    return "more" if value > 0 else "less"


def _exits(version: str, users: Sequence[str], visits: Visits) -> Exits:
    found = [visits[user, version] for user in users if _counts(visits, user, version)]
    counts = Counter(each.left_at for each in found)
    return Exits(version=version, visits=len(found), counts=dict(counts.most_common()))


def _segments(
    plan: Sequence[ShopperPlan], visits: Visits, question: Question, primary: Metric
) -> list[Segment]:
    """Return the primary metric by segment; Holm's procedure goes over all segments and versions."""
    names = tuple(question.versions)
    users: dict[str, list[str]] = {}
    for each in plan:
        if each.segment is not None and all(_counts(visits, each.user_id, name) for name in names):
            users.setdefault(each.segment, []).append(each.user_id)
    if len(users) < 2:
        return []
    large = [name for name, found in users.items() if len(found) >= SEGMENT_MIN]
    pairs = {
        (segment, version): _pair(primary, version, users[segment], visits, question)
        for segment in large
        for version in names[1:]
    }
    judged = dict(zip(pairs, _family(list(pairs.values()), True), strict=True))
    return [
        Segment(
            name=name,
            shoppers=len(users[name]),
            is_too_small=name not in large,
            differences=tuple(judged[name, version] for version in names[1:]) if name in large else (),
        )
        for name in sorted(users, key=lambda name: (-len(users[name]), name))
    ]
