"""Completions, matched to the sessions that they are about, to sessions with rationales."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shop_r1.datasets.rationale_requests import FailedSession, Plan
from shop_r1.datasets.session_files import write_sessions
from shop_r1.endpoints.batch import Outcome
from shop_r1.errors import DataError
from shop_r1.jsonl import read_json, read_records, write_json, write_records
from shop_r1.prompts.rationales import parse_rationales
from shop_r1.records.sessions import Session
from shop_r1.runs import digest_file
from shop_r1.validation_messages import list_counts


@dataclass(frozen=True)
class Written:
    """How many sessions were written and rationales added, and the sessions without, in order."""

    sessions: int
    rationales: int
    failed: list[FailedSession]


def count_reasons(failed: Iterable[FailedSession]) -> str:
    """Return how many sessions failed for each reason, the most frequent first: `refused 2, cut 1`."""
    return list_counts(Counter(failure.reason for failure in failed))


def beside(out: Path, ending: str) -> Path:
    """Return the path of a file that goes with the output.

    >>> beside(Path("runs/with.jsonl.zst"), "failed.jsonl").name
    'with.failed.jsonl'
    """
    stem = out.name.removesuffix(".zst").removesuffix(".jsonl").removesuffix(".parquet")
    return out.with_name(f"{stem}.{ending}")


def failed_path(out: Path) -> Path:
    """Return where the sessions without rationales are listed."""
    return beside(out, "failed.jsonl")


def mark_written(out: Path) -> None:
    """Record the file's digest beside it, so that a later run knows it as its own.

    Raises:
        DataError: it cannot be read, or the folder not be written.
    """
    write_json(beside(out, "written.json"), {"command": "rationales", "sha256": digest_file(out)})


def is_written(out: Path) -> bool:
    """Return whether an earlier run wrote the file, and nobody has changed it since."""
    try:
        mark = read_json(beside(out, "written.json"))
        return isinstance(mark, dict) and mark.get("sha256") == digest_file(out)
    except DataError:
        return False


def is_list_of_failures(path: Path) -> bool:
    """Return whether the file is a list of sessions without rationales, as an earlier run leaves it."""
    try:
        return all(isinstance(each, FailedSession) for each in read_records(path, FailedSession))
    except DataError:
        return False


def write_rationales(
    sessions: Iterable[Session],
    out: Path,
    plan: Plan,
    outcomes: Sequence[Outcome],
    keep_failed: bool = False,
) -> Written:
    """Write the sessions with their new rationales; the file appears whole or not at all.

    `sessions` are the same that were planned for, read once more; `outcomes` are in order of the requests.
    Sessions without rationales are left out, or with `keep_failed` written as they were. Either way
    `failed_path` lists them; without any, an older list is removed.

    Raises:
        DataError: no session got its rationales (nothing is written but the list), the sessions are not
            those of the plan, or a file cannot be written.
    """
    found, failed = _match(plan, outcomes)
    failures = [failed[index] for index in sorted(failed)]
    listed = failed_path(out)
    if failures:
        write_records(listed, failures)
    if len(failures) == plan.sessions:
        raise DataError.at(
            out,
            None,
            f"is not written: none of {plan.sessions} sessions got its rationales "
            f"({count_reasons(failures)}); {listed} says why, the first: {failures[0].message}",
        )
    written = write_sessions(out, _fill(sessions, plan, found, failed, keep_failed))
    if not failures:
        listed.unlink(missing_ok=True)
    return Written(written, sum(map(len, found.values())), failures)


def _match(
    plan: Plan, outcomes: Sequence[Outcome]
) -> tuple[dict[int, dict[int, str]], dict[int, FailedSession]]:
    """Return, by the session's index, the rationales of its steps, or why there are none."""
    found: dict[int, dict[int, str]] = {}
    failed = dict(plan.failed)
    for planned, outcome in zip(plan.planned, outcomes, strict=True):
        if outcome.completion is not None:
            found[planned.index] = parse_rationales(outcome.completion.text, planned.steps)
        elif outcome.failure is not None:
            failed[planned.index] = planned.fail(outcome.failure.reason, outcome.failure.message)
    return found, failed


def _fill(
    sessions: Iterable[Session],
    plan: Plan,
    found: Mapping[int, Mapping[int, str]],
    failed: Mapping[int, FailedSession],
    keep_failed: bool,
) -> Iterator[Session]:
    """Yield the sessions with their rationales, in order."""
    names = {planned.index: planned.session_id for planned in plan.planned}
    index = -1
    for index, session in enumerate(sessions):
        if names.get(index, session.session_id) != session.session_id:
            break
        if index not in failed:
            yield _add_rationales(session, found.get(index, {}))
        elif keep_failed:
            yield session
    else:
        if index + 1 == plan.sessions:
            return
    raise DataError("the sessions changed while the requests were sent; run the command again")


def _add_rationales(session: Session, rationales: Mapping[int, str]) -> Session:
    steps = tuple(
        step.model_copy(update={"rationale": rationales[number]}) if number in rationales else step
        for number, step in enumerate(session.steps, 1)
    )
    return session.model_copy(update={"steps": steps})
