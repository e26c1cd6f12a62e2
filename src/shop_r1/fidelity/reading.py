"""Two files of sessions to two crowds, and what a reader of the figures has to know about them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from shop_r1.datasets.session_files import read_sessions
from shop_r1.fidelity.classifier.held_out import SHOPPERS_MIN
from shop_r1.fidelity.resampling import list_shoppers
from shop_r1.fidelity.results import Crowd
from shop_r1.fidelity.visits import Visit, has_recorded_labels, read_visit
from shop_r1.jsonl import Moved


def read_crowd(path: Path, moved: Moved | None = None) -> list[Visit]:
    """Return the visits of a file; pages are read and not kept.

    Raises:
        DataError: as for `read_sessions`.
    """
    return [read_visit(session) for session in read_sessions(path, moved)]


def describe_crowd(path: Path, visits: Sequence[Visit]) -> Crowd:
    """Return how much there is in the file."""
    return Crowd(
        file=str(path),
        sessions=len(visits),
        shoppers=list_shoppers(visits).count,
        steps=sum(len(visit.acts) for visit in visits),
    )


def list_warnings(simulated: Sequence[Visit], real: Sequence[Visit]) -> list[str]:
    """Return what could make the figures say something else than they seem to, a sentence each."""
    return [*_shared(simulated, real), *_few(simulated, real), *_unlike_logs(simulated, real)]


def _shared(simulated: Sequence[Visit], real: Sequence[Visit]) -> Iterator[str]:
    ids = {visit.session_id for visit in simulated} & {visit.session_id for visit in real}
    if ids:
        yield f"{_count(len(ids), 'session_id')} in both files; expected logs that share no session"
    shoppers = {visit.cluster for visit in simulated} & {visit.cluster for visit in real}
    if shoppers and not ids:
        yield (
            f"{_count(len(shoppers), 'shopper')} in both files; intervals take the two crowds as independent"
        )


def _few(simulated: Sequence[Visit], real: Sequence[Visit]) -> Iterator[str]:
    for name, visits in (("simulated", simulated), ("real", real)):
        count = list_shoppers(visits).count
        if count < SHOPPERS_MIN:
            yield (
                f"the {name} log has {_count(count, 'shopper')}; a classifier needs {SHOPPERS_MIN}, and "
                "intervals of so few say little"
            )


def _unlike_logs(simulated: Sequence[Visit], real: Sequence[Visit]) -> Iterator[str]:
    spaces = [sorted({visit.space for visit in visits}) for visits in (simulated, real)]
    if spaces[0] != spaces[1]:
        yield (
            f"the simulated sessions are of the action space {' and '.join(spaces[0])}, the real ones of "
            f"{' and '.join(spaces[1])}: types of action differ by that alone"
        )
    recorded = [has_recorded_labels(visits) for visits in (simulated, real)]
    if recorded[0] != recorded[1]:
        name = "simulated" if recorded[0] else "real"
        yield f"the {name} log alone gives clicks' subtypes; they are read from elements' names in both"
    for name, visits in (("simulated", simulated), ("real", real)):
        unknown = sum(visit.outcome == "unknown" for visit in visits)
        if unknown:
            yield f"how {_count(unknown, 'session')} of the {name} log ended is not known (outcome “unknown”)"


def _count(number: int, thing: str) -> str:
    return f"{number:,} {thing}{'' if number == 1 else 's'}"
