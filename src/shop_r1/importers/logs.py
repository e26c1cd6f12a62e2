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
from shop_r1.importers.targets import Contradiction, Target, TargetPage
from shop_r1.importers.times import read_time
from shop_r1.jsonl import Moved, Record, read_lines, tell_form
from shop_r1.pages.sites.recipes import Recipe
from shop_r1.records.actions import Action
from shop_r1.records.sessions import Outcome, Page, Session, Step, is_event
from shop_r1.validation_messages import describe_problems, list_problems

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
        try:
            self.resolved(
                tuple(
                    Step(page=blank, action=step.action.named(name))
                    for step, name in zip(self.steps, names, strict=True)
                )
            )
        except ValidationError as error:
            raise ValueError(describe_problems(error, whole="")) from None
        return self

    def resolved(self, steps: tuple[Step, ...]) -> Session:
        """Return the session with these steps."""
        return Session(
            session_id=self.session_id,
            user_id=self.user_id,
            persona=self.persona,
            source=self.source,
            space=self.space,
            outcome=self.outcome,
            steps=steps,
        )


@dataclass(frozen=True)
class LogFault:
    """One thing for which a session is left out, or ends early.

    Attributes:
        reason: under which it is counted.
        told: where in the session it stands, what was found and what was expected.
        step: at which step, from 0; None where it is not one step's.
    """

    reason: str
    told: str
    step: int | None = None


@dataclass
class LogTally:
    """What `import_log` made of a log.

    Attributes:
        sessions: how many it yielded.
        steps: how many steps these have.
        lines: how many lines the log has that are not blank.
        shortened: how many of the sessions end before their first fault.
        chosen_by: how many elements each way of finding them settled.
        recipes: how many pages each recipe was used for, by what kind of page it is for.
        faults: how many there are, by reason.
        told: for each fault, where it stands and what it is.
    """

    sessions: int = 0
    steps: int = 0
    lines: int = 0
    shortened: int = 0
    chosen_by: Counter[str] = field(default_factory=Counter)
    recipes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    told: list[str] = field(default_factory=list)

    @property
    def left_out(self) -> int:
        """How many sessions, or lines that are none, were left out."""
        return self.lines - self.sessions


def import_log(
    path: Path,
    tally: LogTally,
    recipes: Sequence[Recipe] = (),
    moved: Moved | None = None,
    *,
    keep_before_fault: bool = False,
) -> Iterator[Session]:
    """Yield the log's sessions, pages simplified and elements by their names.

    A session with a fault is left out whole, as what follows a step says little without it: a line that is no
    such record, a `session_id` that an earlier line has, a page that cannot be read, an element that cannot
    be told. All faults of all sessions are counted and told.

    Args:
        path: one `LogSession` a line.
        tally: counts what is made; complete when all is yielded.
        recipes: each page is simplified with the first that fits it.
        moved: called after each line.
        keep_before_fault: keep the steps before a session's first fault, if there are any, as a shorter
            session without an outcome.

    Raises:
        DataError: the log cannot be read, has no line, or no session is left.
    """
    seen: dict[str, int] = {}
    for number, line in read_lines(path, moved):
        tally.lines += 1
        reader = _Reader(path.parent, recipes, keep_before_fault)
        session, faults = reader.read(line, seen, number)
        tally.faults.update(fault.reason for fault in faults)
        tally.told += [f"{path.name}:{number}: {fault.told}" for fault in faults]
        if session is None:
            continue
        tally.sessions += 1
        tally.steps += len(session.steps)
        tally.shortened += bool(faults)
        tally.chosen_by += reader.ways
        tally.recipes += reader.kinds
        yield session
    if not tally.lines:
        raise DataError.at(path, None, "holds no sessions; expected one as JSON on each line (docs/data.md)")
    if not tally.sessions:
        counts = ", ".join(f"{reason} {count}" for reason, count in tally.faults.most_common())
        raise DataError.at(
            path, None, f"none of its {tally.lines} sessions can be used ({counts}); first: {tally.told[0]}"
        )


class _Reader:
    """One line's session; what it counts is of the steps that are kept."""

    def __init__(self, folder: Path, recipes: Sequence[Recipe], keep_before_fault: bool):
        self._folder = folder
        self._recipes = recipes
        self._keep = keep_before_fault
        self.ways: Counter[str] = Counter()
        self.kinds: Counter[str] = Counter()

    def read(self, line: str, seen: dict[str, int], number: int) -> tuple[Session | None, list[LogFault]]:
        """Return the session, if one is left, and all faults of the line."""
        log, faults = _read_record(line)
        if log is None:
            return None, faults
        name = f"session {log.session_id!r}"
        first = seen.setdefault(log.session_id, number)
        if first != number:
            return None, [*faults, LogFault("same session_id", f"{name} also stands in line {first}")]
        steps: list[Step] = []
        before = len(faults)
        for index, step in enumerate(log.steps):
            made = self._step(step, counted=len(faults) == before)
            if isinstance(made, Step):
                steps.append(made)
                continue
            told = f"{name}, step {index} ({step.action.type}): {made.told}"
            faults.append(LogFault(made.reason, told, index))
        if not faults:
            return log.resolved(tuple(steps)), []
        places = [fault.step for fault in faults if fault.step is not None]
        kept = min(places) if len(places) == len(faults) else 0
        if not self._keep or kept == 0:
            return None, faults
        shorter = log.model_copy(update={"outcome": None})
        return shorter.resolved(tuple(steps[:kept])), faults

    def _step(self, step: LogStep, *, counted: bool) -> Step | LogFault:
        """Return the step with its page short and its element by name, or why there is none."""
        try:
            page = TargetPage(self._read(step.page), self._recipes)
        except PageError as error:
            return LogFault("page not read", f"the page {(step.page.file or step.page.url)!r}: {error}")
        name = None
        if step.action.target is not None:
            found = page.find(step.action.target, typed=step.action.text is not None, base=step.page.url)
            if isinstance(found, str):
                reason = "contradictory target" if isinstance(found, Contradiction) else "element not found"
                return LogFault(reason, found)
            name = found.element.name
            self.ways[found.way] += counted
        if page.recipe is not None:
            self.kinds[page.recipe.page] += counted
        return Step(
            page=Page(url=step.page.url or page.simplified.url, html=page.simplified.html),
            action=step.action.named(name),
            rationale=step.rationale,
            time=step.time,
        )

    def _read(self, page: LogPage) -> str | bytes:
        return page.html if page.html is not None else read_within(self._folder, page.file or "")


_AT_STEP = re.compile(r"steps\.(\d+)(?:\..*)?")


def _read_record(line: str) -> tuple[LogSession | None, list[LogFault]]:
    """Return the record, and all that its schema has against it.

    Where that is of single steps, the record ends before the first of them.
    """
    try:
        return LogSession.model_validate_json(line), []
    except ValidationError as error:
        if form := tell_form(line, LogSession):
            return None, [LogFault("other form", form)]
        problems = list_problems(error, LogSession)
    faults = [LogFault(each.kind, str(each), _step_of(each.place)) for each in problems]
    places = [fault.step for fault in faults if fault.step is not None]
    if len(places) < len(faults) or min(places) == 0:
        return None, faults
    values = json.loads(line)
    try:
        return LogSession.model_validate(values | {"steps": values["steps"][: min(places)]}), faults
    except ValidationError:  # what no step alone is at fault for
        return None, faults


def _step_of(place: str) -> int | None:
    match = _AT_STEP.fullmatch(place)
    return int(match[1]) if match else None
