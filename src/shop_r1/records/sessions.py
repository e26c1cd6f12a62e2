"""Sessions: what a shopper saw and did, recorded or simulated, in one schema."""

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import Field, model_validator

from shop_r1.jsonl import Record
from shop_r1.records.actions import SPACES, Action

MILLISECONDS_FROM = 1e11
"""A number of seconds since 1970 from here on would lie after the year 5138; as milliseconds it begins in
1973. So a `time` in seconds is below it, and an import takes a larger one as milliseconds. Ours."""
Outcome = Literal["purchase", "terminate", "max_steps", "error"]
"""How a visit ended: something was bought, the shopper left, the step limit came, or an error ended it."""


EventKind = Literal[
    "dialog",
    "new_tab",
    "closed_tab",
    "download",
    "file_chooser",
    "http_authentication",
    "crash",
    "no_answer",
    "blocked",
    "purchase_held",
    "not_settled",
    "named_again",
    "covered",
    "enter_ignored",
    "cut",
    "page_error",
    "edited",
    "edit_undone",
]
"""What a browser can meet during a step: a dialog that was answered, a new tab that took the shopper along
or one that closed, a download, a file chooser or a login of HTTP that was refused, a renderer that crashed, a
page that did not come or did not answer, a request that the bounds refused, a purchase that was held back, a
page that was still changing at the ceiling, an element that was drawn anew and found by its name again, one
that something else covered, an Enter that did nothing, a page that was too large to be read whole, an error
that no script of the page caught. Of a version's edits, each in words: one that holds on the page, and one
that the page takes back repeatedly."""


class StepEvent(Record):
    """Something that happened in the browser while an action was carried out."""

    kind: EventKind
    detail: str | None = None
    """What is known of it, such as a dialog's text; page content, so hostile."""
    count: int = Field(default=1, ge=1, lt=2**31)
    """How often it happened during the step."""


class Timing(Record):
    """How long the parts of a step took, in seconds; None where a part was not measured."""

    decide: float | None = None
    """The policy."""
    act: float | None = None
    """The action itself."""
    settle: float | None = None
    """Waiting until the page stopped changing."""
    observe: float | None = None
    """Reading and simplifying the page that came of it."""


class Page(Record):
    """One page as the shopper met it, already simplified (`pages.simplify_page`)."""

    url: str = ""
    """Its address, in full where it is known."""
    html: str
    """Simplified HTML in which every element that can be acted on has a unique `name`."""
    status: int | None = Field(default=None, ge=0, lt=2**31)
    """Of HTTP; None where it is not known."""


class Alternative(Record):
    """One thing that a policy might have done at a step."""

    action: Action
    probability: float = Field(ge=0, le=1)


class Step(Record):
    """One observation and what the shopper did next."""

    page: Page
    action: Action
    rationale: str | None = None
    """Why, in the first person; None where it was not recorded."""
    time: float | None = Field(default=None, ge=0, lt=MILLISECONDS_FROM, strict=True, allow_inf_nan=False)
    """When the shopper acted, in seconds since 1970-01-01T00:00:00Z; None where it was not recorded. No
    prompt shows it."""
    error: str | None = None
    """Why the action could not be carried out; None where it was, and where nothing says so. No prompt shows
    it."""
    events: tuple[StepEvent, ...] | None = None
    """What happened in the browser meanwhile; None where nothing did or none was watched."""
    timing: Timing | None = None
    alternatives: tuple[Alternative, ...] | None = None
    """What the policy might have done, the likeliest first; None where it does not say."""


class ExampleRef(Record):
    """One step of one session, by name: a line of a file that says what RL is to learn from."""

    session_id: str = Field(min_length=1)
    step: int = Field(ge=0)
    """From 0."""


def is_event(values: Mapping[str, Any]) -> bool:
    """Return whether an object has the fields of rrweb's events."""
    return values.keys() >= {"type", "data", "timestamp"}


def is_log(values: Mapping[str, Any]) -> bool:
    """Return whether an object has the fields of a plain log: targets, or pages in files."""
    steps = values.get("steps")
    shown = [step for step in steps if isinstance(step, dict)] if isinstance(steps, list) else []
    return any(
        isinstance(step.get(part), dict) and field in step[part]
        for step in shown
        for part, field in (("action", "target"), ("page", "file"))
    )


class Session(Record):
    """One visit: steps in order of time.

    >>> from shop_r1 import Action, Page, Session, Step
    >>> first = Step(page=Page(html="<page>"), action=Action(type="click", name="results.red_mug"))
    >>> last = Step(page=Page(html="<page>"), action=Action(type="terminate"), rationale="None is red.")
    >>> Session(session_id="visit-1", steps=(first, last), outcome="terminate").steps[-1].rationale
    'None is red.'
    """

    session_id: str = Field(min_length=1)
    user_id: str | None = None
    persona: str | None = None
    """Who the shopper is, in plain text; a prompt shows it where `prompt.persona` is on."""
    source: str = "log"
    """Where it comes from: `store`, `live`, `pages`, `opera`, `log`."""
    space: str = "shop"
    """The action space of its actions (`actions.SPACES`)."""
    outcome: Outcome | None = None
    """None where the record does not say how the visit ended."""
    steps: tuple[Step, ...] = Field(min_length=1)

    @classmethod
    def other_form(cls, values: Mapping[str, Any]) -> str | None:
        """Return which of the records that people have instead it is, and what makes sessions of it."""
        if is_log(values):
            return "looks like a plain log; first import it: shop-r1 data import log FILE --out NEW.jsonl"
        if is_event(values):
            return (
                "looks like an event of rrweb; first make sessions of the recordings: "
                "shop-r1 data import rrweb FILE --out NEW.jsonl"
            )
        if "session_id" in values and ("target" in values or "gold" in values):
            return "is a prediction, as evaluate writes it; expected the sessions that it was made on"
        if values.keys() == ExampleRef.model_fields.keys():
            return "is one example by name, as data balance writes it; expected the sessions themselves"
        if "messages" in values or "prompt" in values:
            return (
                "holds a finished prompt; expected a session, of which prompts are made here (docs/data.md)"
            )
        return None

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
