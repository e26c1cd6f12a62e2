"""A model's answers, matched to the steps they are about, to sessions with rationales."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

from shop_r1.datasets.rationale_requests import FailedSession, Plan
from shop_r1.datasets.session_files import write_sessions
from shop_r1.endpoints.batch import Outcome
from shop_r1.errors import DataError
from shop_r1.jsonl import read_json, read_records, write_json, write_records
from shop_r1.prompts.rationales import RationaleFault, read_rationales
from shop_r1.records.sessions import Session
from shop_r1.runs import digest_file


@dataclass(frozen=True)
class Written:
    """What became of a file of sessions.

    Attributes:
        sessions: how many were written.
        rationales: how many rationales were added.
        failed: the sessions without, in order.
    """

    sessions: int
    rationales: int
    failed: list[FailedSession]

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many sessions failed for each reason, the most frequent first."""
        return dict(Counter(failure.reason for failure in self.failed).most_common())


def failed_path(out: Path) -> Path:
    """Return where the sessions without rationales are listed.

    >>> failed_path(Path("runs/with.jsonl.zst")).name
    'with.failed.jsonl'
    """
    return out.with_name(f"{_stem(out)}.failed.jsonl")


def answers_path(out: Path) -> Path:
    """Return where the answers of a run are kept, unless another place is given.

    >>> answers_path(Path("runs/with.jsonl")).name
    'with.answers.jsonl'
    """
    return out.with_name(f"{_stem(out)}.answers.jsonl")


def mark_written(out: Path) -> None:
    """Note beside the file that it is this command's work as it is now, so that a run may go on with it.

    Raises:
        DataError: it cannot be read, or the folder not be written.
    """
    write_json(_mark_path(out), {"command": "rationales", "sha256": digest_file(out)})


def is_written(out: Path) -> bool:
    """Return whether the file is what an earlier run wrote there, and nobody has changed it since."""
    try:
        mark = read_json(_mark_path(out))
        return isinstance(mark, dict) and mark.get("sha256") == digest_file(out)
    except DataError:
        return False


def _mark_path(out: Path) -> Path:
    return out.with_name(f"{_stem(out)}.written.json")


def is_list_of_failures(path: Path) -> bool:
    """Return whether the file is a list of sessions without rationales, as an earlier run leaves it."""
    try:
        return all(isinstance(each, FailedSession) for each in read_records(path, FailedSession))
    except DataError:
        return False


def _stem(out: Path) -> str:
    return out.name.removesuffix(".zst").removesuffix(".jsonl").removesuffix(".parquet")


def write_rationales(
    sessions: Iterable[Session],
    out: Path,
    plan: Plan,
    outcomes: Sequence[Outcome],
    keep_failed: bool = False,
) -> Written:
    """Write the sessions with the rationales that were found; the file appears whole or not at all.

    Args:
        sessions: the same that were planned for, read once more.
        out: where they go, in the same order.
        plan: what was asked.
        outcomes: of each question, in order.
        keep_failed: write a session that came to nothing as it was; else it is left out. Either way
            `failed_path` lists it; without one, an older list is removed.

    Raises:
        DataError: every session came to nothing (nothing is written but the list), the sessions are not
            those of the plan, or a file cannot be written.
    """
    found, failed = _match(plan, outcomes)
    failures = [failed[place] for place in sorted(failed)]
    listed = failed_path(out)
    if failures:
        write_records(listed, failures)
    if len(failures) == plan.sessions:
        reasons = ", ".join(f"{reason} {count}" for reason, count in Written(0, 0, failures).reasons.items())
        raise DataError.at(
            out,
            None,
            f"is not written: none of {plan.sessions} sessions got its rationales ({reasons}); {listed} says "
            f"why, the first: {failures[0].message}",
        )
    written = write_sessions(out, _fill(sessions, plan, found, failed, keep_failed))
    if not failures:
        listed.unlink(missing_ok=True)
    return Written(written, sum(map(len, found.values())), failures)


def _match(
    plan: Plan, outcomes: Sequence[Outcome]
) -> tuple[dict[int, dict[int, str]], dict[int, FailedSession]]:
    """Return, by the session's place, the rationales of its steps, or why there are none."""
    found: dict[int, dict[int, str]] = {}
    failed = dict(plan.failed)
    for asked, outcome in zip(plan.asked, outcomes, strict=True):
        read = None if outcome.answer is None else read_rationales(outcome.answer.text, asked.steps)
        if isinstance(read, dict):
            found[asked.place] = read
            continue
        fault = outcome.fault or "no answer"
        failed[asked.place] = FailedSession(
            session_id=asked.session_id, steps=asked.steps, reason=_reason(fault), message=fault
        )
    return found, failed


_ANSWER_REASONS = frozenset((*get_args(RationaleFault), "refused", "cut"))


def _reason(fault: str) -> str:
    if fault.startswith("cost cap"):
        return "cost_cap"
    word = fault.partition(":")[0]
    return word if word in _ANSWER_REASONS else "no_answer"


def _fill(
    sessions: Iterable[Session],
    plan: Plan,
    found: Mapping[int, Mapping[int, str]],
    failed: Mapping[int, FailedSession],
    keep_failed: bool,
) -> Iterator[Session]:
    """Yield the sessions with their rationales, in order."""
    names = {asked.place: asked.session_id for asked in plan.asked}
    place = -1
    for place, session in enumerate(sessions):
        if names.get(place, session.session_id) != session.session_id:
            break
        if place not in failed:
            yield _with_rationales(session, found.get(place, {}))
        elif keep_failed:
            yield session
    else:
        if place + 1 == plan.sessions:
            return
    raise DataError("the sessions changed while the model was asked; run the command again")


def _with_rationales(session: Session, rationales: Mapping[int, str]) -> Session:
    steps = tuple(
        step.model_copy(update={"rationale": rationales[number]}) if number in rationales else step
        for number, step in enumerate(session.steps, 1)
    )
    return session.model_copy(update={"steps": steps})
