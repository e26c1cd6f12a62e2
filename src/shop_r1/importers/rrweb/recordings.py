"""Files of recordings to sessions."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shop_r1.errors import DataError
from shop_r1.importers.rrweb.events import Event, order_events, split_tabs
from shop_r1.importers.rrweb.exports import EventReader
from shop_r1.importers.rrweb.files import list_recordings, read_values, recording_name
from shop_r1.importers.rrweb.own_recordings import is_own, read_own
from shop_r1.importers.rrweb.visit import RecordingOptions, Visit
from shop_r1.records.sessions import Session
from shop_r1.validation_messages import list_counts


@dataclass
class RecordingTally:
    """What `import_recordings` made."""

    recordings: int = 0  # how many it made sessions of
    sessions: int = 0
    steps: int = 0
    counts: Counter[str] = field(default_factory=Counter)  # what was ignored in these, in words
    remarks: Counter[str] = field(default_factory=Counter)  # what may deserve a look at them, in words
    left_out: list[str] = field(default_factory=list)  # each recording that was left out, and why


def import_recordings(
    paths: Sequence[Path],
    tally: RecordingTally,
    options: RecordingOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Session]:
    """Yield a session for each recording, or for each browser tab of it.

    A session's id is the file's name without the ending; of several tabs `-tab1`, `-tab2`, … stand behind it,
    in the order of their first events. A recording of a simulation's (`own_recordings`) says its session's id
    itself, and of the options only the recipes count for it.

    `paths` are of recordings, or of folders of them (`files.list_recordings`). The tally is complete when all
    is yielded. `progress` is called before each recording and in the end with how many are done and how many
    there are.

    Raises:
        DataError: a folder is empty, two recordings have one name, or no recording gives a session.
    """
    files = list_recordings(paths)
    names = Counter(recording_name(file) for file in files)
    name, times = names.most_common(1)[0]
    if times > 1:
        raise DataError(
            f"{times} recordings are named {name!r}; their names become session ids, so rename all but one"
        )
    ids: set[str] = set()
    for done, file in enumerate(files):
        if progress is not None:
            progress(done, len(files))
        try:
            sessions = _read_recording(file, tally, options or RecordingOptions())
            if taken := ids & {session.session_id for session in sessions}:
                raise DataError.at(file, None, f"is of session {min(taken)!r}, as another recording is")
            ids.update(session.session_id for session in sessions)
        except DataError as error:
            tally.left_out.append(str(error))
            continue
        tally.recordings += 1
        tally.sessions += len(sessions)
        tally.steps += sum(len(session.steps) for session in sessions)
        yield from sessions
    if progress is not None:
        progress(len(files), len(files))
    if not tally.sessions:
        raise DataError(f"none of {len(files)} recordings gives a session; first: {tally.left_out[0]}")


def _read_recording(path: Path, tally: RecordingTally, options: RecordingOptions) -> list[Session]:
    """Return one recording as a session for each tab in which something was done.

    Raises:
        DataError: the file cannot be read, holds no page, or no action on one; nothing of it is tallied.
    """
    passed: Counter[str] = Counter()
    reader = EventReader(passed)
    values = list(read_values(path, passed))
    if len(values) == 1 and is_own(values[0]):
        session = read_own(path, values[0], options.recipes, tally.counts, tally.remarks)
        return [session]
    tabs = split_tabs(list(reader.read(values)))
    visits = [_follow(events, options) for events in tabs.values()]
    if not any(visit.has_page for visit in visits):
        raise DataError.at(path, None, _describe_no_page(reader, tabs))
    ended = _finish(visits, tabs, leave=options.leaves and not any(visit.has_bought for visit in visits))
    for visit in visits:
        passed += visit.counts
    done = [visit for visit in visits if visit.steps]
    if not done:
        problem = f"holds no action on a page; passed over: {list_counts(passed) or 'nothing'}"
        raise DataError.at(path, None, problem)
    passed["tabs in which nothing was done"] += len(visits) - len(done)
    tally.counts += passed
    for visit in visits:
        tally.remarks += visit.remarks
    name = recording_name(path)
    return [
        Session(
            session_id=name if len(visits) == 1 else f"{name}-tab{visits.index(visit) + 1}",
            source="rrweb",
            space=options.space,
            outcome="purchase" if visit.has_bought else "terminate" if visit is ended else None,
            steps=tuple(visit.steps),
        )
        for visit in done
    ]


def _follow(events: Sequence[Event], options: RecordingOptions) -> Visit:
    visit = Visit(options)
    for event in order_events(events, visit.counts, visit.remarks):
        visit.follow(event)
    return visit


def _finish(visits: Sequence[Visit], tabs: Mapping[str, Sequence[Event]], *, leave: bool) -> Visit | None:
    """End the visits; return the one that ended with leaving the shop: where the last event was, if any."""
    latest = [max((event.time or 0.0 for event in events), default=0.0) for events in tabs.values()]
    last = latest.index(max(latest))
    ended = [visit.finish(leave=leave and place == last) for place, visit in enumerate(visits)]
    return visits[last] if ended[last] else None


def _describe_no_page(reader: EventReader, tabs: Mapping[str, Sequence[Event]]) -> str:
    """Return why a recording without a page has none, and what was expected."""
    if reader.formats:
        return (
            f"is {' and '.join(sorted(reader.formats))}, which is not rrweb's; expected rrweb's events "
            "(docs/data.md names what exports them)"
        )
    kinds = Counter(event.type for events in tabs.values() for event in events)
    there = ", ".join(f"{count} of type {kind}" for kind, count in sorted(kinds.items())) or "none"
    return (
        f"holds no full snapshot that can be read (an event of type 2); its events: {there}; expected "
        "rrweb's events from a visit's beginning"
    )
