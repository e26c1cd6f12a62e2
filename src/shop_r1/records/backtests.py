"""What came of a backtest: `backtest.json`."""

from typing import Literal

from pydantic import Field

from shop_r1.jsonl import Record
from shop_r1.records.results import Interval

BACKTEST_FILE = "backtest.json"
Unit = Literal["points", "percent", "absolute"]
"""Percentage points of a share, per cent of the first version's mean, or a difference of numbers."""
Verdict = Literal["right", "wrong", "not clear"]
"""Of a direction: `not clear` where the interval that was measured on people has 0 in it."""
Unusable = Literal["no pair", "not even", "no relative change"]
"""Why a comparison cannot be held against its experiment: no shopper met both versions to an end, one version
lost more visits than the other, or a relative lift is asked for and has no interval."""


class Count(Record):
    """So many of so many, as a share with its exact 95 % interval (Clopper and Pearson)."""

    count: int = Field(ge=0)
    of: int = Field(ge=0)
    share: Interval | None
    """None of none."""


class Held(Record):
    """One past experiment beside what simulated shoppers did."""

    name: str
    change: str
    metric: str
    unit: Unit
    measured: Interval
    """On people, 95 %, in the unit."""
    predicted: Interval | None
    """By simulated shoppers, 95 %; None where it cannot be used, or its interval has no ends."""
    value: float | None
    """What was predicted; None where it cannot be used."""
    shoppers: int
    """Pairs behind the prediction."""
    unusable: Unusable | None = None
    direction: Verdict | None = None
    is_sure: bool = False
    """Whether the prediction's interval leaves 0 out."""
    confidence: float | None = None
    """The chance of its own direction that the prediction claims, in [0.5, 1]."""
    error: float | None = None
    """Predicted less measured, in the unit."""
    combined: Interval | None = None
    """The error with the interval that both intervals give it."""
    is_covered: bool | None = None
    """Whether the prediction's interval alone holds the measured lift."""
    agrees: bool | None = None
    """Whether the combined interval holds 0."""
    folder: str | None = None
    """Where its comparison is."""


class Errors(Record):
    """How far off the predictions of one unit are; of absolute differences, of one metric."""

    unit: Unit
    metric: str | None
    """None: all metrics with this unit."""
    experiments: int
    median: Interval | None
    """The median absolute error; its interval goes by ranks and is None below six experiments."""
    value: float
    """The median absolute error without an interval."""
    perfect: float | None
    """What it would be in the median for a crowd that differs from people by chance alone; None where a
    prediction has no interval."""
    perfect_most: float | None
    """The same, the 95th percentile."""
    half_width: float | None
    """The median half width of the predictions' intervals."""
    correlation: float | None
    """Spearman's rank correlation of predicted and measured lifts; None below three experiments, or where
    one of the two does not vary."""
    correlation_interval: Interval | None
    """By Bonett and Wright (2000); None below five experiments, or where all ranks agree."""


class Reliability(Record):
    """Predictions of a like confidence: what they claim, and what came true among clear experiments."""

    label: str
    claimed: float | None
    """The mean chance of their direction that they claim; None where there is none."""
    right: Count


class ChangeKind(Record):
    """The experiments of one kind of change."""

    change: str
    experiments: int
    direction: Count
    agreement: Count
    errors: tuple[Errors, ...]


class Backtest(Record):
    """The results: `backtest.json`."""

    file: str
    verdict: tuple[str, ...]
    """Sentences: of directions first, then of errors and agreement."""
    caution: str
    few: str
    """What so few experiments can and cannot tell."""
    experiments: tuple[Held, ...]
    unusable: int
    """Experiments that count in no figure."""
    direction: Count
    """Right directions among experiments whose own interval leaves 0 out."""
    direction_unclear: Count
    """The same sign among the other experiments, which says little."""
    always: Count
    """Clear experiments that one and the same direction, the better one of the two, would have been right
    in."""
    coverage: Count
    """Measured lifts within the prediction's interval alone."""
    coverage_expected: float | None
    """The share of a crowd that differs from people by chance alone."""
    agreement: Count
    """Experiments whose combined interval holds 0: 95 % of a crowd that differs by chance alone."""
    errors: tuple[Errors, ...]
    reliability: tuple[Reliability, ...]
    by_change: tuple[ChangeKind, ...]
