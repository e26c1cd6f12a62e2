"""Sessions: what a shopper saw and did, recorded or simulated, in one schema."""

from typing import Literal

from pydantic import Field, model_validator

from shop_r1.actions import SPACES, Action
from shop_r1.jsonl import Record

MILLISECONDS_FROM = 1e11
"""A number of seconds since 1970 from here on would lie after the year 5138; as milliseconds it begins in
1973. So a `time` in seconds is below it, and an import takes a larger one as milliseconds. Ours."""
Outcome = Literal["purchase", "terminate", "unfinished"]


class Page(Record):
    """One page as the shopper met it, already simplified (`pages.simplify_page`)."""

    url: str = ""
    html: str
    """Simplified HTML in which every element that can be acted on has a unique `name`."""


class Step(Record):
    """One observation and what the shopper did next."""

    page: Page
    action: Action
    rationale: str | None = None
    """Why, in the first person; None where nobody said."""
    time: float | None = Field(default=None, ge=0, lt=MILLISECONDS_FROM, strict=True, allow_inf_nan=False)
    """When the shopper acted, in seconds since 1970-01-01T00:00:00Z; None where it was not recorded. No
    prompt shows it."""


class ExampleRef(Record):
    """One step of one session, by name: a line of a file that says what RL is to learn from."""

    session_id: str = Field(min_length=1)
    step: int = Field(ge=0)
    """From 0."""


class Session(Record):
    """One visit: steps in order of time."""

    session_id: str = Field(min_length=1)
    user_id: str | None = None
    persona: str | None = None
    """Who the shopper is, in plain text; a prompt shows it where `prompt.persona` is on."""
    source: str = "log"
    """Where it comes from: `store`, `pages`, `opera`, `log`."""
    space: str = "shop"
    """The action space of its actions (`actions.SPACES`)."""
    outcome: Outcome = "unfinished"
    steps: tuple[Step, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _actions_are_in_the_space(self) -> "Session":
        if self.space not in SPACES:
            raise ValueError(f"space {self.space!r} is unknown; expected one of {', '.join(SPACES)}")
        for index, step in enumerate(self.steps):
            if SPACES[self.space].kind(step.action.type) is None:
                raise ValueError(
                    f"steps.{index} is a {step.action.type}, which the {self.space} space does not have"
                )
        return self

    @model_validator(mode="after")
    def _terminate_is_last(self) -> "Session":
        for index, step in enumerate(self.steps[:-1]):
            if step.action.type == "terminate":
                raise ValueError(
                    f"steps.{index} terminates, but {len(self.steps) - index - 1} steps follow it"
                )
        return self
