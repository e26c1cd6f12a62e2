"""Sessions: what a shopper saw and did, recorded or simulated, in one schema."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from shop_r1.jsonl import Record, read_records, write_records
from shop_r1.records.actions import SPACES, Action

MILLISECONDS_FROM = 1e11
"""A number of seconds since 1970 from here on would lie after the year 5138; as milliseconds it begins in
1973. So a `time` in seconds is below it, and an import takes a larger one as milliseconds. Ours."""
Outcome = Literal["purchase", "terminate", "max_steps", "error"]
"""How a visit ended: something was bought, the shopper left, the step limit came, or an error ended it."""


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
    """Why, in the first person; None where it was not recorded."""
    time: float | None = Field(default=None, ge=0, lt=MILLISECONDS_FROM, strict=True, allow_inf_nan=False)
    """When the shopper acted, in seconds since 1970-01-01T00:00:00Z; None where it was not recorded. No
    prompt shows it."""


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
    """Where it comes from: `store`, `pages`, `opera`, `log`."""
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


def read_sessions(path: Path | str) -> Iterator[Session]:
    """Yield the sessions of a `.jsonl`, `.jsonl.zst` or `.jsonl.gz` file in order, one at a time.

    Raises:
        DataError: the file cannot be read, holds no session, or a line is not a session; the message names
            file, line and field.
    """
    return read_records(Path(path), Session)


def write_sessions(path: Path | str, sessions: Iterable[Session]) -> int:
    """Write the sessions and return how many; the file appears whole or not at all.

    >>> from tempfile import TemporaryDirectory
    >>> step = Step(page=Page(html="<page>"), action=Action(type="terminate"))
    >>> with TemporaryDirectory() as folder:
    ...     written = write_sessions(f"{folder}/one.jsonl", [Session(session_id="visit-1", steps=(step,))])
    ...     found = list(read_sessions(f"{folder}/one.jsonl"))
    >>> written, found[0].session_id, found[0].steps == (step,)
    (1, 'visit-1', True)

    A path that ends in `.jsonl.zst` is compressed.

    Raises:
        DataError: the disk is full or the folder cannot be written; an older file stays as it was.
    """
    return write_records(Path(path), sessions)
