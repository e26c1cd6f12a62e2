"""Plain session logs: pages as they were seen, and what was done to which element, turned into sessions."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

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
            self.resolved([Step(page=blank, action=action) for action in actions])
        except ValidationError as error:
            raise ValueError(describe_problems(error, whole="")) from None
        return self

    def resolved(self, steps: Sequence[Step]) -> Session:
        """Return the session with these steps."""
        return Session.model_validate(self.model_dump(exclude={"steps"}) | {"steps": tuple(steps)})


@dataclass(frozen=True)
class LogProblem:
    """A reason for which a session is left out, or ends early."""

    reason: str
    """Under which it is counted."""
    message: str
    step: int | None = None
    """From 0; None where it is not one step's."""


@dataclass
class LogTally:
    """Counts of `import_log`.

    Attributes:
        lines: how many lines of the log are not blank.
        shortened: how many of the sessions end before their first problem.
        chosen_by: how many elements each way of finding them settled.
        recipes: how many pages were simplified with a recipe, by the kind of page that it is for.
    """

    sessions: int = 0
    steps: int = 0
    rationales: int = 0
    lines: int = 0
    shortened: int = 0
    chosen_by: Counter[str] = field(default_factory=Counter)
    recipes: Counter[str] = field(default_factory=Counter)
    problems: Counter[str] = field(default_factory=Counter)
    messages: list[str] = field(default_factory=list)

    @property
    def left_out(self) -> int:
        """How many sessions, or invalid lines, were left out."""
        return self.lines - self.sessions


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
        reader = _Reader(path.parent, recipes, keep_until_error)
        session, problems = reader.read(line, seen, number)
        tally.problems.update(problem.reason for problem in problems)
        tally.messages += [f"{path.name}:{number}: {problem.message}" for problem in problems]
        if session is None:
            continue
        tally.sessions += 1
        tally.steps += len(session.steps)
        tally.rationales += sum(step.rationale is not None for step in session.steps)
        tally.shortened += bool(problems)
        tally.chosen_by += reader.chosen_by
        tally.recipes += reader.used_recipes
        yield session
    if not tally.lines:
        raise DataError.at(path, None, "holds no sessions; expected one as JSON on each line (docs/data.md)")
    if not tally.sessions:
        problem = f"none of its {tally.lines} sessions can be used ({list_counts(tally.problems)})"
        raise DataError.at(path, None, f"{problem}; first: {tally.messages[0]}")


class _Reader:
    """Reads one line; what it counts is of the steps that are kept."""

    def __init__(self, folder: Path, recipes: Sequence[Recipe], keep_until_error: bool):
        self._folder = folder
        self._recipes = recipes
        self._keep = keep_until_error
        self.chosen_by: Counter[str] = Counter()
        self.used_recipes: Counter[str] = Counter()

    def read(self, line: str, seen: dict[str, int], number: int) -> tuple[Session | None, list[LogProblem]]:
        """Return the session, if one is left, and all problems of the line."""
        log, problems = _read_record(line)
        if log is None:
            return None, problems
        name = f"session {log.session_id!r}"
        first = seen.setdefault(log.session_id, number)
        if first != number:
            return None, [*problems, LogProblem("same session_id", f"{name} also stands in line {first}")]
        steps: list[Step] = []
        is_kept = True
        for index, step in enumerate(log.steps):
            try:
                steps.append(self._step(step, counted=is_kept))
            except PageError as error:
                is_kept = False
                reason = error.reason if isinstance(error, TargetError) else "page not read"
                message = f"{name}, step {index} ({step.action.type}): {error}"
                problems.append(LogProblem(reason, message, index))
        if not problems:
            return log.resolved(steps), []
        kept = _first_step(problems)
        if not self._keep or kept == 0:
            return None, problems
        return log.model_copy(update={"outcome": None}).resolved(steps[:kept]), problems

    def _step(self, step: LogStep, *, counted: bool) -> Step:
        """Return the step with its page simplified and its element by name.

        Raises:
            TargetError: the element cannot be found.
            PageError: the page cannot be read.
        """
        source = step.page
        try:
            html = source.html if source.html is not None else read_within(self._folder, source.file or "")
            page = TargetPage(html, self._recipes)
        except PageError as error:
            raise PageError(f"the page {(source.file or source.url)!r}: {error}") from None
        name = None
        if step.action.target is not None:
            found = page.find(step.action.target, typed=step.action.text is not None, base=source.url)
            name = found.element.name
            self.chosen_by[found.way] += counted
        if page.recipe is not None:
            self.used_recipes[page.recipe.page] += counted
        return Step(
            page=Page(url=source.url or page.simplified.url, html=page.simplified.html),
            action=step.action.named(name),
            rationale=step.rationale,
            time=step.time,
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
