"""What a person who watches is shown: one record for each shopper, and one for all of them."""

from typing import Literal

from shop_r1.jsonl import Record
from shop_r1.records.page_kinds import Stage

State = Literal["waiting", "opening", "shopping", "paused", "stopping", "done"]
"""Of a shopper: it has not begun, its first page opens, it is under way, it waits for a person to go on, it
ends before its next step, it has ended."""
RunState = Literal["running", "paused", "stopping", "finished"]
"""Of all shoppers."""


class ShopperView(Record):
    """One shopper as it is now. All its texts are page content or a model's, so hostile, and cut short."""

    number: int
    """Its place, from 1."""
    session_id: str
    persona: str | None = None
    state: State = "waiting"
    outcome: str | None = None
    """How its visit ended (`VisitEnd.outcome`); None where it has not."""
    reason: str | None = None
    """What the outcome alone does not say."""
    url: str = ""
    """Of the page that it was shown last."""
    title: str = ""
    """That page's heading."""
    status: int | None = None
    """Of HTTP."""
    stage: Stage | None = None
    """How far down the funnel it has come."""
    action: str | None = None
    """What it did last, in words."""
    rationale: str | None = None
    """Why."""
    error: str | None = None
    """Why the last action could not be carried out."""
    events: tuple[str, ...] = ()
    """What happened in the browser meanwhile, in words."""
    steps: int = 0
    errors: int = 0
    """Actions that could not be carried out."""
    invalid: int = 0
    """Invalid responses."""
    started: float | None = None
    """In seconds since 1970."""
    seconds: float | None = None
    """How long its visit took; None where it has not ended."""
    cost_usd: float | None = None
    """None where it is not known."""
    picture: int = 0
    """How many pictures of it were taken; the last one is kept."""


class StepView(Record):
    """One step of a shopper, its texts cut short as in `ShopperView`."""

    number: int
    """From 1."""
    url: str
    title: str
    action: str
    rationale: str | None = None
    error: str | None = None
    events: tuple[str, ...] = ()


class TrailView(Record):
    """One shopper and what it did."""

    shopper: ShopperView
    steps: tuple[StepView, ...]
    """The last ones, the oldest first."""


class StageView(Record):
    """One part of the funnel."""

    stage: Stage
    reached: int
    """Shoppers who came this far or further."""
    left: int
    """Shoppers whose visit ended here, the purchase apart."""


class TotalsView(Record):
    """All shoppers together."""

    state: RunState
    planned: int
    """How many shoppers there will be."""
    begun: int
    done: int
    outcomes: dict[str, int]
    steps: int
    steps_per_s: float | None
    """Over the last half minute; None before the first step."""
    errors: int
    invalid: int
    cost_usd: float | None
    budget_usd: float | None
    funnel: tuple[StageView, ...]
    elapsed_s: float
    left_s: float | None
    """A guess of how long the rest takes, from the steps of visits that have ended; None before the first."""
    has_pictures: bool
    """Whether there may be pictures of the shoppers' windows."""
    command: str | None
    """What to run next; None before the end."""


class BoardView(Record):
    """What has changed since an earlier view: totals, and the shoppers that are not as they were."""

    version: int
    """Grows with every change."""
    totals: TotalsView
    shoppers: tuple[ShopperView, ...]
    """By number."""
