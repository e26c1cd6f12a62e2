"""When what happened in a visit: pages loaded, pages seen, actions begun; from its recording or its steps."""

from collections.abc import Sequence
from dataclasses import dataclass

from shop_r1.records.recordings import PageSeen, Recording, StepDone, Target
from shop_r1.report.simulation.addresses import path_of
from shop_r1.report.simulation.journey import ShownStep

_META = 4
_BEFORE_FIRST_MS = 1.0
"""rrweb's player takes a time of 0 for none."""


@dataclass(frozen=True)
class Load:
    """A page that loaded."""

    at: float
    """Milliseconds since the visit's first page."""
    path: str


@dataclass(frozen=True)
class Moment:
    """One step on the timeline, in milliseconds since the visit's first page."""

    begin: float
    """The step before was over, or the visit began."""
    seen: float
    """The shopper was shown the page, and began to decide."""
    at: float
    """The action began."""
    until: float
    """The next page was shown, or the visit ended."""
    loads: tuple[Load, ...] = ()
    target: Target | None = None

    def share(self, time: float) -> float:
        """Return where in this step a time lies, in [0, 1]."""
        length = self.until - self.begin
        return min(1.0, max(0.0, (time - self.begin) / length)) if length > 0 else 0.0


@dataclass(frozen=True)
class Timeline:
    """All steps in time."""

    begin: float
    """Of the visit's first page, in milliseconds since 1970; 0 where it is not known."""
    moments: tuple[Moment, ...]
    is_timed: bool
    """False where nothing says when; every step is then one second long."""


def timeline_of_recording(recording: Recording, steps: Sequence[ShownStep]) -> Timeline | None:
    """Return the timeline that the recording's marks give; None where it lacks a mark of a step.

    Raises:
        DataError: an event with our tag is none of ours.
    """
    seen: list[float] = []
    done: dict[int, tuple[float, Target | None]] = {}
    for time, mark in recording.marks():
        if isinstance(mark, PageSeen):
            seen.append(time)
        elif isinstance(mark, StepDone):
            done.setdefault(mark.index, (time, mark.target))
    if not steps or not all(step.index in done for step in steps):
        return None
    times = [float(event["timestamp"]) for event in recording.events]
    loads = _loads(recording)
    begin = min([each.at for each in loads] or times) - _BEFORE_FIRST_MS
    acted = [done[step.index][0] - begin for step in steps]
    shown = _shown([each - begin for each in seen], acted)
    starts, ends = [0.0, *shown[1:]], [*shown[1:], max(max(times) - begin, acted[-1])]
    moments = list[Moment]()
    for step, start, page, at, end in zip(steps, starts, shown, acted, ends, strict=True):
        found = _within(loads, begin, start, end, is_first=not moments)
        moments.append(Moment(start, page, at, end, found, done[step.index][1]))
    return Timeline(begin, tuple(moments), is_timed=True)


def timeline_of_steps(steps: Sequence[ShownStep], started: float | None) -> Timeline:
    """Return the timeline that the steps' own times give; one second a step where they have none."""
    ends = [each.step.time for each in steps]
    acted = [_acted(each) for each in steps]
    if not steps or any(time is None for time in acted):
        seconds = [1e3 * place for place in range(len(steps))]
        return Timeline(0.0, tuple(Moment(each, each, each, each + 1e3) for each in seconds), is_timed=False)
    known = [time for time in acted if time is not None]
    begin = min([known[0], *([started] if started is not None else [])])
    starts = [0.0, *(1e3 * (time - begin) for time in ends[:-1] if time is not None)]
    last = 1e3 * ((ends[-1] or known[-1]) - begin)
    moments = list[Moment]()
    for step, start, time, end in zip(steps, starts, known, [*starts[1:], last], strict=True):
        at = max(start, 1e3 * (time - begin))
        decide = step.step.timing.decide if step.step.timing is not None else None
        seen = start if moments or decide is None else max(start, at - 1e3 * decide)
        moments.append(Moment(start, seen, at, max(start, end)))
    return Timeline(1e3 * begin, tuple(moments), is_timed=True)


def _acted(step: ShownStep) -> float | None:
    """Return when the action began, in seconds since 1970: steps say when they were done."""
    timing = step.step.timing
    if step.step.time is None or timing is None:
        return step.step.time
    return step.step.time - sum(part or 0.0 for part in (timing.act, timing.settle, timing.observe))


def _loads(recording: Recording) -> list[Load]:
    """Return the pages that loaded, at times since 1970; the empty page of a new window is none."""
    loads = []
    for event in recording.events:
        href = event["data"].get("href") if event["type"] == _META else None
        if isinstance(href, str) and not href.startswith("about:"):
            loads.append(Load(float(event["timestamp"]), path_of(href)))
    return loads


def _shown(seen: Sequence[float], acted: Sequence[float]) -> list[float]:
    """Return when the page of each action was shown: the last time between the action before and it."""
    shown, before = [], 0.0
    for at in acted:
        shown.append(max([before, *(time for time in seen if time <= at)]))
        before = at
    return shown


def _within(
    loads: Sequence[Load], begin: float, start: float, end: float, *, is_first: bool
) -> tuple[Load, ...]:
    """Return the pages that loaded in this step; the first page is the first step's."""
    shifted = [Load(each.at - begin, each.path) for each in loads]
    return tuple(each for each in shifted if start < each.at <= end or (is_first and each.at <= start))
