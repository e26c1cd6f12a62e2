"""Plain session logs: pages as they were seen, and what was done to which element, turned into sessions."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Self

from pydantic import Field, ValidationError, field_validator, model_validator

from shop_r1.errors import DataError, PageError
from shop_r1.importers.saved_pages import read_within
from shop_r1.importers.targets import Target, TargetError, TargetPage
from shop_r1.importers.times import read_time
from shop_r1.jsonl import Moved, Record, read_lines, tell_form
from shop_r1.pages.sites.recipes import Recipe
from shop_r1.records.actions import Action
from shop_r1.records.sessions import Outcome, Page, Session, Step, is_event
from shop_r1.validation_messages import describe_problems, list_counts, list_problems

_ANY_NAME = "x"  # stands for a name that is not known yet, where only the record's form is checked


class LogPage(Record):
    """A page as the shopper met it, within the record or in a file beside the log."""

    url: str = ""
    html: str | None = None
    """The page itself, raw or already simplified."""
    file: str | None = None
    """Or a file that holds it, relative to the log's folder and within it."""

    @model_validator(mode="after")
    def _is_there_once(self) -> Self:
        if (self.html is None) == (self.file is None):
            raise ValueError("expected either html or file, one of them")
        return self


class LogAction(Record):
    """What the shopper did, and to which element."""

    type: str
    """`click`, `type_and_submit` or `terminate`; in the opera space also `input` and `scroll`."""
    target: Target | None = None
    """The element; none for `terminate` and `scroll`."""
    text: str | None = None
    """What was typed."""

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        try:
            fields = self.named(_ANY_NAME if self.target is not None else None).to_completion()
        except ValidationError as error:
            raise ValueError(describe_problems(error, whole="")) from None
        if "name" in fields and self.target is None:
            raise ValueError(f"{self.type} needs a target: name, css, href or label of its element")
        if "text" in fields and self.text is None:
            raise ValueError(f"{self.type} needs the text that was typed")
        return self

    def named(self, name: str | None) -> Action:
        """Return the action with the element's name."""
        return Action(type=self.type, name=name, text=self.text)


class LogStep(Record):
    """One page and what the shopper did on it."""

    page: LogPage
    action: LogAction
    rationale: str | None = None
    """Why, in the first person; None where nobody said."""
    time: float | None = None
    """When: seconds or milliseconds since 1970, or text in ISO 8601 (`times.read_time`); kept as seconds."""

    @field_validator("time", mode="before")
    @classmethod
    def _in_seconds(cls, value: object) -> float | None:
        return None if value is None else read_time(value)


class LogSession(Record):
    """One visit, as a log has it: steps in order of time."""

    session_id: str = Field(min_length=1)
    user_id: str | None = None
    persona: str | None = None
    source: str = "log"
    space: str = "shop"
    outcome: Outcome | None = None
    steps: tuple[LogStep, ...] = Field(min_length=1)

    @classmethod
    def other_form(cls, values: Mapping[str, Any]) -> str | None:
        """Return which of the records that people have instead it is, and what to do with it."""
        if is_event(values):
            return (
                "looks like an event of rrweb; expected a log: shop-r1 data import rrweb FILE --out NEW.jsonl"
            )
        try:
            session = Session.model_validate(values)
        except ValidationError:
            return None
        if all(step.action.name is None for step in session.steps):
            return None  # the targets are what is missing
        return "is a session already, as the imports write it; use the file as it is"

    @model_validator(mode="after")
    def _will_be_a_session(self) -> Self:
        blank = Page(html="")
        names = (_ANY_NAME if step.action.target is not None else None for step in self.steps)
        actions = [step.action.named(name) for step, name in zip(self.steps, names, strict=True)]
        try:
            self.resolved([Step(page=blank, action=action) for action in actions], self.outcome)
        except ValidationError as error:
            raise ValueError(describe_problems(error, whole="")) from None
        return self

    def resolved(self, steps: Sequence[Step], outcome: Outcome | None) -> Session:
        """Return the session with these steps."""
        values = self.model_dump(exclude={"steps", "outcome"})
        return Session(**values, steps=tuple(steps), outcome=outcome)


@dataclass(frozen=True)
class LogProblem:
    """A reason for which a session is left out, or ends early."""

    reason: str
    """Under which it is counted."""
    message: str
    step: int | None = None
    """From 0; None where it is not one step's."""


class _FoundStep(NamedTuple):
    """A step with its page simplified and its element by name."""

    step: Step
    way: str | None
    """How the element was found (`targets.Found`)."""
    recipe: str | None
    """The kind of page that the recipe is for with which it was simplified."""


@dataclass
class LogTally:
    """Counts of `import_log`."""

    sessions: int = 0
    steps: int = 0
    rationales: int = 0
    lines: int = 0
    """Of the log, blank ones left out."""
    shortened: int = 0
    """Sessions that end before their first problem."""
    chosen_by: Counter[str] = field(default_factory=Counter)
    """How many elements each way of finding them settled."""
    recipes: Counter[str] = field(default_factory=Counter)
    """How many pages were simplified with a recipe, by the kind of page that it is for."""
    problems: Counter[str] = field(default_factory=Counter)
    messages: list[str] = field(default_factory=list)

    @property
    def left_out(self) -> int:
        """How many sessions, or invalid lines, were left out."""
        return self.lines - self.sessions

    def keep(self, steps: Sequence[_FoundStep], *, is_short: bool) -> None:
        """Count a session of these steps."""
        self.sessions += 1
        self.steps += len(steps)
        self.rationales += sum(each.step.rationale is not None for each in steps)
        self.shortened += is_short
        self.chosen_by.update(each.way for each in steps if each.way is not None)
        self.recipes.update(each.recipe for each in steps if each.recipe is not None)


def import_log(
    path: Path,
    tally: LogTally,
    recipes: Sequence[Recipe] = (),
    moved: Moved | None = None,
    *,
    keep_until_error: bool = False,
) -> Iterator[Session]:
    """Yield the log's sessions, pages simplified and elements by their names.

    An invalid session is left out whole, since what follows a missing step says little without it: a line
    that is no such record, a `session_id` that an earlier line has, a page that cannot be read, a target
    that fits no element or several. All problems of all sessions are counted and described.

    The tally is complete when all is yielded. Each page is simplified with the first recipe that fits it.
    With `keep_until_error` the steps before a session's first problem, if there are any, stay as a shorter
    session without an outcome.

    Raises:
        DataError: the log cannot be read, has no line, or no session is left.
    """
    seen: dict[str, int] = {}
    for number, line in read_lines(path, moved):
        tally.lines += 1
        log, problems = _read_record(line)
        steps: list[_FoundStep] = []
        if log is not None and (first := seen.setdefault(log.session_id, number)) != number:
            message = f"session {log.session_id!r} also stands in line {first}"
            problems.append(LogProblem("same session_id", message))
        elif log is not None:
            steps = _read_steps(log, path.parent, recipes, problems)
        tally.problems.update(problem.reason for problem in problems)
        tally.messages += [f"{path.name}:{number}: {problem.message}" for problem in problems]
        if problems:
            steps = steps[: _first_step(problems)] if keep_until_error else []
        if log is not None and steps:
            tally.keep(steps, is_short=bool(problems))
            yield log.resolved([each.step for each in steps], None if problems else log.outcome)
    if not tally.lines:
        raise DataError.at(path, None, "holds no sessions; expected one as JSON on each line (docs/data.md)")
    if not tally.sessions:
        problem = f"none of its {tally.lines} sessions can be used ({list_counts(tally.problems)})"
        raise DataError.at(path, None, f"{problem}; first: {tally.messages[0]}")


def _read_steps(
    log: LogSession, folder: Path, recipes: Sequence[Recipe], problems: list[LogProblem]
) -> list[_FoundStep]:
    """Return the steps that can be read; what is wrong with the others is added to the problems."""
    steps: list[_FoundStep] = []
    for index, step in enumerate(log.steps):
        try:
            steps.append(_read_step(step, folder, recipes))
        except PageError as error:
            reason = error.reason if isinstance(error, TargetError) else "page not read"
            message = f"session {log.session_id!r}, step {index} ({step.action.type}): {error}"
            problems.append(LogProblem(reason, message, index))
    return steps


def _read_step(step: LogStep, folder: Path, recipes: Sequence[Recipe]) -> _FoundStep:
    """Return the step with its page simplified and its element by name.

    Raises:
        TargetError: the element cannot be found.
        PageError: the page cannot be read.
    """
    source, target = step.page, step.action.target
    try:
        html = source.html if source.html is not None else read_within(folder, source.file or "")
        page = TargetPage(html, recipes)
    except PageError as error:
        raise PageError(f"the page {(source.file or source.url)!r}: {error}") from None
    found = None
    if target is not None:
        found = page.find(target, typed=step.action.text is not None, base=source.url)
    return _FoundStep(
        Step(
            page=Page(url=source.url or page.simplified.url, html=page.simplified.html),
            action=step.action.named(None if found is None else found.element.name),
            rationale=step.rationale,
            time=step.time,
        ),
        None if found is None else found.way,
        None if page.recipe is None else page.recipe.page,
    )


_AT_STEP = re.compile(r"steps\.(\d+)(?:\..*)?")


def _read_record(line: str) -> tuple[LogSession | None, list[LogProblem]]:
    """Return the record, and all that its schema finds wrong with it.

    Where that is in single steps, the record ends before the first of them.
    """
    try:
        return LogSession.model_validate_json(line), []
    except ValidationError as error:
        if form := tell_form(line, LogSession):
            return None, [LogProblem("other form", form)]
        found = list_problems(error, LogSession)
    problems = [
        LogProblem(each.kind, str(each), int(match[1]) if (match := _AT_STEP.fullmatch(each.place)) else None)
        for each in found
    ]
    kept = _first_step(problems)
    if kept == 0:
        return None, problems
    values = json.loads(line)
    try:
        return LogSession.model_validate(values | {"steps": values["steps"][:kept]}), problems
    except ValidationError:  # invalid for more than single steps
        return None, problems


def _first_step(problems: Sequence[LogProblem]) -> int:
    """Return the first step with a problem; 0 where one is not a single step's."""
    return min(0 if problem.step is None else problem.step for problem in problems)
