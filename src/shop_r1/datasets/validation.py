"""What is wrong in a file of sessions, line by line: errors of the schema, and what no schema can see."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from typing import NamedTuple

from pydantic import ValidationError
from rapidfuzz import process

from shop_r1.datasets.duplicates import hash_id
from shop_r1.importers.masking import is_masked
from shop_r1.jsonl import Record, tell_form
from shop_r1.pages.elements import element_names
from shop_r1.records.actions import find_space
from shop_r1.records.sessions import Session, Step
from shop_r1.validation_messages import WHOLE, list_problems, show

ERRORS: Mapping[str, str] = {
    "no-sessions": "the file has no line",
    "not-json": "the line is not JSON",
    "other-form": "the line is of another form: a JSON array, a plain log, CSV",
    "missing": "a field is missing",
    "unknown-field": "a field that the record does not have",
    "value": "a value of the wrong type, or one that is refused",
    "same-id": "a session_id that an earlier line of the file has",
    "empty-page": "a page without html",
    "same-name": "two elements of a page have one name",
    "no-target": "a click or typing without the name of an element",
    "not-on-page": "a click or typing whose name does not stand on its page",
    "no-text": "typing without a text",
    "masked-text": "a text that a recorder masked (***), so that nobody knows what was typed",
    "time-order": "a step with an earlier time than a step before it",
    "blank-rationale": "a rationale of blanks; leave it out instead",
    "not-checked": "a line whose check raised an error, ended its process or took too long",
}
"""Kinds of error: such a session teaches or measures something wrong."""

WARNINGS: Mapping[str, str] = {
    "no-names": "a page on which no element has a name",
    "not-simplified": "a page that does not begin with <page>: a budget can only cut off its end",
    "outcome": "the outcome and the last action contradict each other",
    "some-rationales": "some steps have a rationale, others none: SFT needs one at each",
}
"""Kinds of warning: possible, and worth a look."""

_NAMES_SHOWN = 3

_Problem = tuple[str, str, str]
"""The `field`, `kind` and `problem` of a `Finding`."""


class Finding(Record):
    """One thing that is wrong, or worth a look, in one line of a file."""

    line: int
    """From 1."""
    field: str
    """Where in the record, for instance `steps.2.action.name`; `record` for the whole of it."""
    kind: str
    """One of `ERRORS` or `WARNINGS`."""
    problem: str
    """What was found, and what was expected."""

    @property
    def is_error(self) -> bool:
        """Whether it is an error rather than a warning."""
        return self.kind in ERRORS


class CheckedLine(NamedTuple):
    """What one line is found to be by itself."""

    number: int
    """From 1."""
    problems: tuple[_Problem, ...]
    id: bytes | None = None
    """`hash_id` of the session_id; None where the line is no session."""
    shown_id: str = ""
    """The session_id as a message shows it."""
    steps: int = 0


def check_line(number: int, text: str) -> CheckedLine:
    """Return all that is found in a line by itself, errors of the schema alone where there are any."""
    try:
        session = Session.model_validate_json(text.strip())
    except ValidationError as error:
        return CheckedLine(number, tuple(_schema_errors(text, error)))
    found, name = tuple(_check_session(session)), session.session_id
    return CheckedLine(number, found, hash_id(name), _show(name), len(session.steps))


@dataclass
class Checker:
    """Checks the lines of one file; of each session it remembers 16 bytes and a line number.

    `sessions` and `steps` count those that fit the schema, `kinds` how often each kind was found.
    """

    lines: int = 0
    sessions: int = 0
    steps: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    lines_with_errors: int = 0
    _first: dict[bytes, int] = field(default_factory=dict)

    def check(self, number: int, text: str) -> list[Finding]:
        """Return all that is found in the line."""
        return self.add(check_line(number, text))

    def add(self, line: CheckedLine) -> list[Finding]:
        """Return all that is found in a line that was checked by itself; call it in order of the lines."""
        self.lines += 1
        self.sessions += line.id is not None
        self.steps += line.steps
        found = self._count(line.number, chain(self._check_id(line), line.problems))
        self.lines_with_errors += any(each.is_error for each in found)
        return found

    def finish(self) -> list[Finding]:
        """Return what is wrong with the file as a whole; call it after the last line."""
        problem = ("file", "no-sessions", "holds no sessions; expected one as JSON on each line")
        return self._count(1, [] if self.lines else [problem])

    def _count(self, number: int, problems: Iterable[_Problem]) -> list[Finding]:
        found = [Finding(line=number, field=at, kind=kind, problem=text) for at, kind, text in problems]
        self.kinds.update(each.kind for each in found)
        return found

    @property
    def errors(self) -> int:
        """How many errors were found."""
        return sum(count for kind, count in self.kinds.items() if kind in ERRORS)

    @property
    def warnings(self) -> int:
        """How many warnings there are."""
        return self.kinds.total() - self.errors

    def _check_id(self, line: CheckedLine) -> Iterator[_Problem]:
        first = line.number if line.id is None else self._first.setdefault(line.id, line.number)
        if first != line.number:
            found = f"{line.shown_id} also stands in line {first}"
            yield "session_id", "same-id", f"{found}; expected one session of an id"


def _check_session(session: Session) -> Iterator[_Problem]:
    """Yield what is wrong in a session that fits the schema."""
    for index, step in enumerate(session.steps):
        names = element_names(step.page.html)
        for place, kind, problem in (*_check_page(step, names), *_check_action(session.space, step, names)):
            yield f"steps.{index}.{place}", kind, problem
    yield from _check_times(session)
    told = [step.rationale is not None for step in session.steps]
    if any(told) and not all(told):
        count, first = told.count(False), told.index(False)
        problem = f"{count} of {len(told)} steps have no rationale, the first is {first}"
        yield "steps", "some-rationales", problem
    last = session.steps[-1].action.type
    if (last == "terminate") != (session.outcome == "terminate"):
        yield "outcome", "outcome", f"{session.outcome or 'unknown'}, and the last action is {last}"


def _check_page(step: Step, names: Sequence[str]) -> Iterator[_Problem]:
    html = step.page.html
    if not html.strip():
        yield "page.html", "empty-page", "is empty; expected the page that the shopper saw, simplified"
        return
    if not html.lstrip().startswith("<page>"):
        yield "page.html", "not-simplified", f"begins with {_show(html)}; expected <page>"
    for name, count in Counter(names).items():
        if count > 1:
            problem = f"{count} elements are named {_show(name)}; expected a name for each"
            yield "page.html", "same-name", problem
    if not names:
        yield "page.html", "no-names", "no element has a name; expected one for all that can be acted on"


def _check_action(space: str, step: Step, names: Sequence[str]) -> Iterator[_Problem]:
    action, kind = step.action, find_space(space).kind(step.action.type)
    fields = kind.fields if kind is not None else ()
    if "name" in fields:
        if not action.value("name").strip():
            problem = f"is {_show(action.name)}; {action.type} needs an element's name"
            yield "action.name", "no-target", problem
        elif action.value("name") not in names:
            yield "action.name", "not-on-page", _tell_missing(action.value("name"), names)
    if is_masked(action.value("text")):
        problem = f"is {_show(action.text)}, a recorder's mask; expected what was typed"
        yield "action.text", "masked-text", problem
    if "text" in fields and not action.value("text").strip():
        yield "action.text", "no-text", f"is {_show(action.text)}; {action.type} needs what was typed"
    if step.rationale is not None and not step.rationale.strip():
        problem = f"is {_show(step.rationale)}; expected a reason, or no rationale"
        yield "rationale", "blank-rationale", problem


def _check_times(session: Session) -> Iterator[_Problem]:
    """Yield each step that has an earlier time than the last one before it that has any."""
    before: tuple[int, float] | None = None
    for index, step in enumerate(session.steps):
        if step.time is None:
            continue
        if before is not None and step.time < before[1]:
            found = f"is {step.time}, and steps.{before[0]} has {before[1]}"
            expected = "expected steps in order of time, in seconds since 1970"
            yield f"steps.{index}.time", "time-order", f"{found}; {expected}"
        before = index, step.time


def _tell_missing(name: str, names: Sequence[str]) -> str:
    close = [match[0] for match in process.extract(name[:120], names, limit=_NAMES_SHOWN)]
    there = f"the closest of {len(names)}: {', '.join(map(_show, close))}" if close else "it has none"
    return f"{_show(name)} does not stand on the page; expected one of its names ({there})"


def _schema_errors(text: str, error: ValidationError) -> Iterator[_Problem]:
    """Yield all that the schema has against a line, or of which other form the line is."""
    if form := tell_form(text, Session):
        yield WHOLE, "other-form", form
        return
    for each in list_problems(error, Session):
        yield each.place, each.kind, each.message


def _show(value: object) -> str:
    """Return the value as `problems.show` does; `missing` where there is none."""
    return "missing" if value is None else show(value)
