"""Results: how one completion was scored, what one model predicted, and one row of the tables."""

from collections.abc import Mapping
from typing import Literal

from shop_r1.jsonl import Record
from shop_r1.records.actions import Action


class RewardBreakdown(Record):
    """One completion's reward, part by part (paper, Table 1)."""

    format: float
    type: float
    attribute: float
    value: float
    rationale: float
    total: float
    reasons: Mapping[str, str] = {}
    """For each part, one sentence that says why it is what it is."""


class Prediction(Record):
    """What a model answered at one step, beside what the shopper did."""

    session_id: str
    step: int
    """The step's index in its session, from 0."""
    target: Action
    target_rationale: str | None = None
    """Why, as the shopper or whoever wrote the session's rationales said; None where nobody did."""
    response: str | None = None
    """The raw completion; None where the file records actions only."""
    action: Action | None = None
    """The parsed action; None when the completion could not be parsed."""
    rationale: str | None = None
    failure: str | None = None
    """Why the completion could not be parsed."""
    parse: Literal["lenient"] | None = None
    """`lenient` where a think part and a code fence were taken away before parsing, if there were any; None
    is strict, as in training."""
    unwrapped: tuple[Literal["think", "fence"], ...] | None = None
    """What lenient parsing took away from this completion; None where it took nothing."""
    prompt_tokens: int | None = None
    pages_cut: int | None = None
    """How many of the prompt's pages lost their body to the token budget."""
    page_truncated: bool | None = None
    """Whether the current page was shortened to fit the token budget."""
    target_cut: bool | None = None
    """Whether that took the element away that the shopper acted on; None where there is no such element."""
    reward: RewardBreakdown | None = None


class Interval(Record):
    """A value with its 95 % interval, each in [0, 1] for shares."""

    low: float
    value: float
    high: float
