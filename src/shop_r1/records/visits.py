"""How visits ended, and what the folder of a simulation holds."""

from typing import Literal

from pydantic import Field

from shop_r1.jsonl import Record
from shop_r1.records.sessions import MILLISECONDS_FROM, Outcome, Step

SESSIONS_FILE, STEPS_FILE, VISITS_FILE = "sessions.jsonl", "steps.jsonl", "visits.jsonl"
"""Finished sessions; every step as soon as it was done (`VisitStep`); how each visit ended (`VisitEnd`)."""
RECORDINGS_FOLDER, SCREENSHOTS_FOLDER, TRACES_FOLDER = "recordings", "screenshots", "traces"
"""Of visits in a browser: what rrweb recorded, pictures, and traces of Playwright's, by session."""


class VisitStep(Record):
    """One step of a visit under way."""

    session_id: str = Field(min_length=1)
    index: int = Field(ge=0)
    """From 0."""
    step: Step


class VisitEnd(Record):
    """How one visit ended; there is one for each visit that was begun, with or without a session."""

    session_id: str = Field(min_length=1)
    user_id: str | None = None
    outcome: Outcome | Literal["no step", "stopped"]
    """`no step`: every response was invalid, or the start page did not open. `stopped`: by a person, with
    the run, or since the budget is spent; such a visit is unfinished."""
    reason: str | None = None
    """What the outcome alone does not say, such as an error's message."""
    steps: int = Field(ge=0)
    invalid: int = Field(default=0, ge=0)
    """Invalid responses, retried ones too."""
    started: float = Field(ge=0, lt=MILLISECONDS_FROM)
    """In seconds since 1970-01-01T00:00:00Z."""
    seconds: float = Field(ge=0)
    cost_usd: float | None = Field(default=None, ge=0)
    """What an endpoint's requests cost; None where the policy is none, or its prices are unknown."""
