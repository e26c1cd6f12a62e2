"""Files of recordings to sessions."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from shop_r1.data.rrweb.events import list_recordings, read_events, recording_name
from shop_r1.data.rrweb.visit import Visit
from shop_r1.errors import DataError
from shop_r1.pages.recipes import Recipe
from shop_r1.sessions import Session


@dataclass(frozen=True)
class RecordingOptions:
    """How recordings are read.

    Attributes:
        space: `shop`, or `opera` to keep typing that is not submitted as `input`.
        leaves: whether a visit that ends without a purchase ends with the action `terminate`.
        bought: a part of the addresses that tell of a purchase, such as `/order/`; "" if none does.
        recipes: each page is simplified with the first that fits it.
    """

    space: str = "shop"
    leaves: bool = False
    bought: str = ""
    recipes: Sequence[Recipe] = ()


@dataclass
class RecordingTally:
    """What `import_recordings` made.

    Attributes:
        sessions: how many it yielded.
        steps: how many steps these have.
        counts: what was passed over in these, in words.
        left_out: for each recording that was left out, which and why.
    """

    sessions: int = 0
    steps: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    left_out: list[str] = field(default_factory=list)


def import_recordings(
    paths: Sequence[Path],
    tally: RecordingTally,
    options: RecordingOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Session]:
    """Yield a session for each recording; its session_id is the file's name without the ending.

    Args:
        paths: recordings, or folders of them (`events.list_recordings`).
        tally: counts what is made; complete when all is yielded.
        options: how they are read.
        progress: called before each recording and in the end with how many are done and how many there are.

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
    for done, file in enumerate(files):
        if progress is not None:
            progress(done, len(files))
        try:
            session = read_recording(file, tally.counts, options or RecordingOptions())
        except DataError as error:
            tally.left_out.append(str(error))
            continue
        tally.sessions += 1
        tally.steps += len(session.steps)
        yield session
    if progress is not None:
        progress(len(files), len(files))
    if not tally.sessions:
        raise DataError(f"none of {len(files)} recordings gives a session; first: {tally.left_out[0]}")


def read_recording(path: Path, counts: Counter[str], options: RecordingOptions) -> Session:
    """Return one recording as a session; what was passed over is added to `counts`.

    Raises:
        DataError: the file cannot be read, holds no page, or no action on one.
    """
    visit = Visit(options.space, options.recipes)
    for event in read_events(path, visit.counts):
        visit.follow(event)
    if not visit.has_page:
        raise DataError.at(
            path,
            None,
            "holds no full snapshot (an event of type 2); expected rrweb's events, unpacked, from a visit's "
            "beginning",
        )
    bought = bool(options.bought) and any(options.bought in url for url in visit.urls)
    visit.finish(leave=options.leaves and not bought)
    if not visit.steps:
        raise DataError.at(path, None, f"holds no action on a page; passed over: {describe(visit.counts)}")
    counts += visit.counts
    return Session(
        session_id=recording_name(path),
        source="rrweb",
        space=options.space,
        outcome="purchase" if bought else "terminate" if options.leaves else "unfinished",
        steps=tuple(visit.steps),
    )


def describe(counts: Counter[str]) -> str:
    """Return counts in words, the largest first."""
    return ", ".join(f"{what} {count}" for what, count in (+counts).most_common()) or "nothing"
