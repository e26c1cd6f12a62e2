"""Three-valued verdicts on claims: "holds", "does not", "cannot be told".

A claim names the values that it asserts: those above a threshold, below one, or between two (an equivalence:
"costs little"). It holds where the whole interval lies among them, it does not where the whole interval lies
outside, and else it cannot be told. Who judges many claims will find some that hold by luck; so the intervals
of a family of claims are widened by Holm's procedure (S. Holm, A simple sequentially rejective multiple test
procedure, Scandinavian Journal of Statistics 6, 1979): the chance that any verdict of the family is wrong
stays below 5 %.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Literal

from pydantic import model_validator

from shop_r1.evaluation.seeds.estimates import Covers, Estimate
from shop_r1.evaluation.seeds.pooling import pool_seeds
from shop_r1.jsonl import Record
from shop_r1.records.results import Interval
from shop_r1.statistics.holm import LEVEL, adjust_p_values, holm_levels

Verdict = Literal["holds", "does not", "cannot be told"]


class Claim(Record):
    """The values that a claim asserts."""

    low: float | None = None
    """They are above this; None: no bound."""
    high: float | None = None
    """They are below this; None: no bound."""

    @model_validator(mode="after")
    def _bounds_are_in_order(self) -> "Claim":
        if self.low is None and self.high is None:
            raise ValueError("the claim has no bound; expected low, high or both")
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise ValueError(f"low {self.low:g} is not below high {self.high:g}")
        return self

    def describe(self, unit: str = "") -> str:
        """Return the claim in words, its bounds as numbers.

        >>> above(0.65).describe(), within(0.02).describe()
        ('above 0.65', 'between -0.02 and 0.02')
        """
        if self.low is not None and self.high is not None:
            return f"between {self.low:g}{unit} and {self.high:g}{unit}"
        return f"above {self.low:g}{unit}" if self.low is not None else f"below {self.high:g}{unit}"


def above(threshold: float) -> Claim:
    """Return the claim that a value is above the threshold."""
    return Claim(low=threshold)


def below(threshold: float) -> Claim:
    """Return the claim that a value is below the threshold."""
    return Claim(high=threshold)


def within(margin: float, around: float = 0.0) -> Claim:
    """Return the claim that a value is no further than the margin from `around`: 0 for a difference."""
    return Claim(low=around - margin, high=around + margin)


class Judgement(Record):
    """A claim, what was measured, and the verdict."""

    verdict: Verdict
    """By the adjusted interval."""
    alone: Verdict
    """By the claim's own 95 % interval, as if no other claim had been judged."""
    claim: Claim
    estimate: Interval | None
    """The value with its own 95 % interval; None where it is not defined, as a gain over nothing."""
    adjusted: Interval | None
    """The value with the interval that decides, of the level that Holm's procedure gives it."""
    level: float
    """Of that interval."""
    degrees: float | None = None
    """Degrees of freedom by which that interval knows how much seeds differ; None with one seed."""
    p_adjusted: float
    """The least chance of a wrong verdict in the family at which this one could be told."""
    covers: Covers | None
    """What the intervals cover."""


def judge(
    claims: Sequence[tuple[Claim, Estimate | None]], level: float = LEVEL, *, pooled: bool = False
) -> list[Judgement]:
    """Return the verdict on each claim of a family; one whose value is not defined cannot be told.

    `pooled` lets the adjusted intervals learn from the whole family how much seeds differ (`seeds.pooling`).

    >>> sure = Estimate(value=0.10, between=0.0004, within=0.0001, seeds=5)
    >>> [each.verdict for each in judge([(above(0.0), sure), (within(0.02), sure), (above(0.1), sure)])]
    ['holds', 'does not', 'cannot be told']
    """
    estimates = [found for _, found in claims]
    family = pool_seeds(estimates) if pooled else estimates
    p_values = [
        1.0 if found is None else _p_value(claim, found)
        for (claim, _), found in zip(claims, family, strict=True)
    ]
    adjusted, levels = adjust_p_values(p_values), holm_levels(p_values, level)
    judgements = []
    for (claim, found), member, p, decisive in zip(claims, family, adjusted, levels, strict=True):
        own = None if found is None else found.interval(level)
        wide = None if member is None else member.interval(decisive)
        judgement = Judgement(
            verdict=_decide(claim, wide),
            alone=_decide(claim, own),
            claim=claim,
            estimate=own,
            adjusted=wide,
            level=decisive,
            degrees=None if member is None or member.resamples is not None else member.freedom,
            p_adjusted=p,
            covers=None if found is None else found.covers,
        )
        judgements.append(judgement)
    return judgements


def combine(verdicts: Iterable[Verdict]) -> Verdict:
    """Return the verdict on a claim of several parts: it holds if all do, and does not if any does not."""
    found = set(verdicts)
    if "does not" in found:
        return "does not"
    return "holds" if found == {"holds"} else "cannot be told"


def _p_value(claim: Claim, found: Estimate) -> float:
    """Return the least alpha at which the two-sided interval of level 1 - alpha is wholly in or out."""
    low, high = claim.low, claim.high
    inside = max(
        found.p_above(low) if low is not None else 0.0, found.p_below(high) if high is not None else 0.0
    )
    outside = min(
        found.p_below(low) if low is not None else 1.0, found.p_above(high) if high is not None else 1.0
    )
    return min(1.0, 2 * min(inside, outside))


def _decide(claim: Claim, interval: Interval | None) -> Verdict:
    if interval is None:
        return "cannot be told"
    low = -math.inf if claim.low is None else claim.low
    high = math.inf if claim.high is None else claim.high
    if low < interval.low and interval.high < high:
        return "holds"
    # What lies on a threshold alone is not among the values that are claimed.
    return "does not" if interval.high <= low or high <= interval.low else "cannot be told"
