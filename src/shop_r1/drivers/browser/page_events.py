"""What happens in a browser besides the page that is seen, as events of the step in which it happened."""

from collections import Counter
from collections.abc import Callable

from shop_r1.records.sessions import EventKind, StepEvent

DETAIL_MAX = 200
"""Characters of a detail that are kept."""
_LOOKED_AT = 20 * DETAIL_MAX  # characters of a hostile detail
_KINDS_MAX = 50  # different events of one step that are told apart; the rest count without their detail


class StepEvents:
    """The events since the last step."""

    def __init__(self, conceal: Callable[[str], str] = str) -> None:
        """Keep details as `conceal` returns them: without secrets."""
        self._conceal = conceal
        self._counts: Counter[tuple[EventKind, str | None]] = Counter()

    def add(self, kind: EventKind, detail: str | None = None) -> None:
        """Count one more."""
        text = " ".join(self._conceal(detail[:_LOOKED_AT]).split())[:DETAIL_MAX] if detail else None
        key = (kind, text)
        self._counts[key if key in self._counts or len(self._counts) < _KINDS_MAX else (kind, None)] += 1

    def take(self) -> tuple[StepEvent, ...]:
        """Return them and begin anew."""
        counts, self._counts = self._counts, Counter()
        return tuple(StepEvent(kind=kind, detail=detail, count=n) for (kind, detail), n in counts.items())
