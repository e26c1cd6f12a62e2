"""A visit as the journey report takes it."""

from collections.abc import Sequence
from dataclasses import dataclass

from shop_r1.records.sessions import Step

COUNTED = ("purchase", "terminate", "max_steps", "error")
"""Outcomes of visits that came to an end. An `error` counts here, since a shop that breaks ends visits so."""


@dataclass(frozen=True)
class RecordedVisit:
    """One visit of a simulation's folder."""

    session_id: str
    user_id: str | None
    outcome: str
    """As `VisitEnd.outcome`, or `unfinished`."""
    steps: tuple[Step, ...]
    places: Sequence[str]
    """Of each step's page: its address without the host, `*` for what names one product or order."""
    replay: str
    """Its page in the report of the simulation, relative to the run's folder."""

    @property
    def is_counted(self) -> bool:
        """Whether it took a step and came to an end."""
        return self.outcome in COUNTED and bool(self.steps)

    @property
    def is_purchase(self) -> bool:
        """Whether something was bought."""
        return self.outcome == "purchase"
