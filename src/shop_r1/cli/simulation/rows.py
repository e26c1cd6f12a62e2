"""What is shown of each shopper: a row with its last action, its page and its outcome."""

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from shop_r1.records.action_words import action_words
from shop_r1.records.sessions import Page, Step
from shop_r1.records.visits import VisitEnd
from shop_r1.simulation.loop import Visit
from shop_r1.validation_messages import harmless


@dataclass
class Row:
    """One shopper."""

    number: str
    step: int = 0
    did: str = "opening the shop"
    path: str = ""
    outcome: str = ""


class Rows:
    """An observer that keeps a row of each shopper."""

    def __init__(self) -> None:
        self.by_id: dict[str, Row] = {}
        """By session id, in the order in which they began."""
        self._changed: set[str] = set()

    def changed(self) -> Mapping[str, Row]:
        """Return the rows that have changed since the last call, and forget those of ended visits."""
        found = {id_: self.by_id[id_] for id_ in self._changed if id_ in self.by_id}
        self._changed.clear()
        for id_ in [id_ for id_, row in self.by_id.items() if row.outcome]:
            del self.by_id[id_]
        return found

    def take(self, changed: Mapping[str, Row]) -> None:
        """Take rows of another process; those of visits that have ended here stay as they are."""
        for id_, row in changed.items():
            if id_ in self.by_id and not self.by_id[id_].outcome:
                self.by_id[id_] = row

    async def begin(self, visit: Visit) -> None:
        """Add a row."""
        self.by_id[visit.session_id] = Row(visit.session_id.rpartition("-")[2].lstrip("0") or "0")

    async def before_step(self, visit: Visit, page: Page) -> bool:
        """Note the page's path."""
        row = self._row(visit)
        row.path = _path(page.url)
        row.did = row.did if row.step else "looking at the first page"
        return True

    async def after_step(self, visit: Visit, step: Step) -> None:
        """Note the action."""
        row = self._row(visit)
        row.step += 1
        row.did = harmless(action_words(step.action, step.page.html, was_done=step.error is None))

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        """Note the outcome."""
        row = self._row(visit)
        row.outcome = end.outcome
        if end.outcome in ("no step", "error") and end.reason:
            row.did = harmless(end.reason)

    def _row(self, visit: Visit) -> Row:
        self._changed.add(visit.session_id)
        return self.by_id[visit.session_id]


def _path(url: str) -> str:
    parts = urlsplit(url)
    return harmless(parts.path + (f"?{parts.query}" if parts.query else ""))
