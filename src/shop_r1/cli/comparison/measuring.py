"""What is counted of the visits of a comparison, as they end and of those that ended before."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from shop_r1.comparison.measures import measure_visit
from shop_r1.jsonl import read_records
from shop_r1.records.comparisons import VisitMeasures
from shop_r1.records.sessions import Page, Session, Step
from shop_r1.records.visits import SESSIONS_FILE, VISITS_FILE, VisitEnd
from shop_r1.simulation.loop import Visit


class Measuring:
    """An observer that counts; what it has counted is `visits`, by user id and version."""

    def __init__(self, goal: str) -> None:
        self._goal = goal
        self._steps: dict[str, list[Step]] = {}
        self.visits: dict[tuple[str, str], VisitMeasures] = {}

    def read(self, folder: Path, finished: Sequence[Visit]) -> None:
        """Count the visits that an earlier run finished.

        Raises:
            DataError: the folder cannot be read.
        """
        if not finished:
            return
        by_id: Mapping[str, Visit] = {visit.session_id: visit for visit in finished}
        outcomes = {end.session_id: end.outcome for end in read_records(folder / VISITS_FILE, VisitEnd)}
        for session in read_records(folder / SESSIONS_FILE, Session):
            if session.session_id in by_id:
                outcome = outcomes[session.session_id]
                self._count(by_id[session.session_id], session.steps, outcome)

    def _count(self, visit: Visit, steps: Sequence[Step], outcome: str) -> None:
        user, version = visit.user_id or visit.key, visit.version or ""
        self.visits[user, version] = measure_visit(user, version, steps, outcome, self._goal)

    # As an observer

    async def begin(self, visit: Visit) -> None:
        """Take a visit that begins."""
        self._steps[visit.session_id] = []

    async def before_step(self, visit: Visit, page: Page) -> bool:
        """Let it go on."""
        return True

    async def after_step(self, visit: Visit, step: Step) -> None:
        """Take a step."""
        self._steps[visit.session_id].append(step)

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        """Count the visit."""
        self._count(visit, self._steps.pop(visit.session_id, []), end.outcome)
