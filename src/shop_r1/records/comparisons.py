"""What a comparison of versions of a shop is made of and what came of it: `comparison.json`."""

from typing import Literal

from pydantic import Field

from shop_r1.jsonl import Record
from shop_r1.records.results import Interval

SHOPPERS_FILE, COMPARISON_FILE, COMPARISON_PAGE = "shoppers.jsonl", "comparison.json", "comparison.html"
"""Beside the files of a simulation: who met which version in which order; the results; the same as a page."""

MetricKind = Literal["share", "mean"]
"""Of yes or no, or of numbers."""
Finding = Literal["more", "less", "no difference found", "not known"]
"""What the deciding interval says of the second version; `not known`: it has no ends, or there is no pair."""


class ShopperPlan(Record):
    """One shopper of a comparison."""

    user_id: str = Field(min_length=1)
    """The same in all versions."""
    order: tuple[str, ...] = Field(min_length=2)
    """The names of the versions in the order in which the shopper meets them."""
    segment: str | None = None
    """Which shoppers it is counted among, such as those of one persona; None: none is known."""


class VisitMeasures(Record):
    """What is counted of one visit."""

    user_id: str
    version: str
    outcome: str
    """As `VisitEnd.outcome`; `error`, `no step` and `stopped` say that the visit did not end by itself."""
    goal: bool
    """Whether the comparison's goal was reached."""
    add_to_cart: bool
    """Whether something was put into the cart, or bought at once."""
    checkout: bool
    """Whether a checkout was seen, or something was bought at once."""
    purchase: bool
    steps: int
    searches: int
    refinements: int
    """Searches after the first."""
    filters: int
    """Clicks on filters and sorts."""
    pages_to_goal: int | None
    """Pages seen until the goal; None where it was not reached."""
    left_at: str
    """The kind of the page on which the visit ended (`page_kinds`); `purchase` where something was bought."""
    seconds_per_step: float | None
    """From one action to the next without the time to decide; None where it is not recorded."""
    revenue: float | None
    """What was paid, in the shop's currency; 0 without a purchase, None where the page says no price."""

    @property
    def is_counted(self) -> bool:
        """Whether the visit ended by itself."""
        return self.outcome in ("purchase", "terminate", "max_steps")


class Difference(Record):
    """One metric of a version less that of the first version, shopper by shopper."""

    metric: str
    label: str
    """In words."""
    kind: MetricKind
    """Of a `share` all numbers are shares in [0, 1]."""
    baseline: str
    """The first version's name."""
    version: str
    is_primary: bool
    pairs: int
    """Shoppers whose visits to both versions count and have the metric."""
    of_baseline: float | None
    """The mean over these shoppers in the first version; None without a pair."""
    of_version: float | None
    difference: Interval | None
    """With its own 95 % interval; None where it has no ends."""
    decisive: Interval | None
    """With the interval that decides, of the level that Holm's procedure gives it."""
    level: float
    """Of that interval."""
    p_value: float
    """Two-sided, of "there is no difference"."""
    p_adjusted: float
    """The same by Holm's procedure over the family."""
    relative: float | None
    """The difference divided by the first version's mean; None where that is 0."""
    relative_interval: Interval | None = None
    """The same with its own 95 % interval; None where a mean is 0, too few shoppers differ in a number, or
    the comparison may stop early."""
    effect: float | None
    """The difference in standard deviations of the shoppers' differences; None where they do not vary."""
    smallest_found: float | None
    """The least true difference that so many shoppers find with 80 % power, at 5 % and for this metric
    alone; None without a pair."""
    finding: Finding


class Balance(Record):
    """Whether the visits that count are as many in each version as they should be (sample ratio)."""

    planned: int
    """Shoppers who were begun with."""
    counted: dict[str, int]
    """By version, visits that ended by themselves."""
    lost: dict[str, dict[str, int]]
    """By version, visits that do not count, by their outcome."""
    first: dict[str, int]
    """By version, shoppers who met it first."""
    p_value: float
    """The least over the versions after the first, times their number, of "as many visits are lost in both"
    (exact, of the shoppers who lost one alone)."""
    is_even: bool
    """Whether that is 1 % or more."""


class Segment(Record):
    """The primary metric among the shoppers of one segment."""

    name: str
    shoppers: int
    is_too_small: bool
    """Whether it has too few shoppers to be judged; then there are no differences."""
    differences: tuple[Difference, ...]
    """Of the versions after the first."""


class Exits(Record):
    """Where the visits of a version ended."""

    version: str
    visits: int
    counts: dict[str, int]
    """By kind of page, the most frequent first."""


class Stopping(Record):
    """How a comparison that may be stopped early went."""

    look_every: int
    """Shoppers between two looks."""
    is_certain: bool
    """Whether every version's interval of the primary metric left 0 out."""
    shoppers: int
    """Shoppers that were complete, in the order of the plan, when it was looked at last."""
    planned: int


class EditUse(Record):
    """How often one edit of a version's pages held."""

    version: str
    edit: str
    """Its number in the version's file, what it does and to what."""
    pages: int
    """Of those that shoppers saw, on how many it held; a request that it changed counts for the next page."""
    undone: int
    """On how many the page took it back until it was left alone."""
    pages_seen: int
    """By all shoppers in that version."""


class VersionComparison(Record):
    """The results: `comparison.json`."""

    versions: tuple[str, ...]
    """The first is what the others are compared with."""
    descriptions: dict[str, str]
    """By version, what it is in words."""
    goal: str
    primary: str
    """The name of the primary metric."""
    shoppers: int
    """Who met every version to an end that counts."""
    verdict: tuple[str, ...]
    """One sentence for each version after the first."""
    caution: str
    """What always stands with the verdict."""
    warnings: tuple[str, ...]
    differences: tuple[Difference, ...]
    """The primary metric's first, by version."""
    unknown: tuple[str, ...]
    """Declared metrics that no shopper has in both versions, such as seconds where no times are recorded."""
    exits: tuple[Exits, ...]
    segments: tuple[Segment, ...]
    balance: Balance
    stopping: Stopping | None = None
    """None where the number of shoppers was fixed."""
    intervals: str
    """What the intervals are, in words."""
    edits: tuple[EditUse, ...] = ()
    """Of versions that are made of page edits."""
