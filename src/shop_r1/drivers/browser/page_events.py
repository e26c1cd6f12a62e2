"""What happens in a browser besides the page that is seen, as events of the step in which it happened."""

from collections import Counter

from shop_r1.records.sessions import EventKind, StepEvent

DETAIL_MAX = 200
"""Characters of a detail that are kept."""
_KINDS_MAX = 50  # different events of one step that are told apart; the rest count without their detail


class StepEvents:
    """The events since the last step."""

    def __init__(self) -> None:
        self._counts: Counter[tuple[EventKind, str | None]] = Counter()

    def add(self, kind: EventKind, detail: str | None = None) -> None:
        """Count one more."""
        text = " ".join(detail.split())[:DETAIL_MAX] if detail else None
        key = (kind, text)
        self._counts[key if key in self._counts or len(self._counts) < _KINDS_MAX else (kind, None)] += 1

    def take(self) -> tuple[StepEvent, ...]:
        """Return them and begin anew."""
        counts, self._counts = self._counts, Counter()
        return tuple(StepEvent(kind=kind, detail=detail, count=n) for (kind, detail), n in counts.items())
