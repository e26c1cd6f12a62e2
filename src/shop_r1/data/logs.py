"""Plain session logs: pages as they were seen, and what was done to which element, turned into sessions."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from pydantic import Field, ValidationError, model_validator

from shop_r1.actions import Action
from shop_r1.config import describe_validation
from shop_r1.data.sources import read_within
from shop_r1.data.targets import Target, TargetPage
from shop_r1.errors import DataError, PageError
from shop_r1.jsonl import Moved, Record, parse_record, read_lines
from shop_r1.pages.recipes import Recipe
from shop_r1.sessions import Outcome, Page, Session, Step

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
            fields = self.named(_ANY_NAME if self.target is not None else None).to_reply()
        except ValidationError as error:
            raise ValueError(describe_validation(error)) from None
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


class LogSession(Record):
    """One visit, as a log has it: steps in order of time."""

    session_id: str = Field(min_length=1)
    user_id: str | None = None
    persona: str | None = None
    source: str = "log"
    space: str = "shop"
    outcome: Outcome = "unfinished"
    steps: tuple[LogStep, ...] = Field(min_length=1)

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
            raise ValueError(describe_validation(error)) from None
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


@dataclass
class LogTally:
    """What `import_log` made of a log.

    Attributes:
        sessions: how many it yielded.
        steps: how many steps these have.
        chosen_by: how many elements each way of finding them settled.
        recipes: how many pages each recipe was used for, by what kind of page it is for.
        left_out: for each session that was left out, where it stands and why.
    """

    sessions: int = 0
    steps: int = 0
    chosen_by: Counter[str] = field(default_factory=Counter)
    recipes: Counter[str] = field(default_factory=Counter)
    left_out: list[str] = field(default_factory=list)


def import_log(
    path: Path, tally: LogTally, recipes: Sequence[Recipe] = (), moved: Moved | None = None
) -> Iterator[Session]:
    """Yield the log's sessions, pages simplified and elements by their names.

    A session of which one page cannot be read or one element cannot be told is left out whole, as what
    follows a step says little without it.

    Args:
        path: one `LogSession` a line.
        tally: counts what is made; complete when all is yielded.
        recipes: each page is simplified with the first that fits it.
        moved: called after each line.

    Raises:
        DataError: a line is no such record, a session_id comes twice, or no session is left.
    """
    seen: dict[str, int] = {}
    for number, line in read_lines(path, moved):
        log = parse_record(line, LogSession, path, number)
        first = seen.setdefault(log.session_id, number)
        if first != number:
            raise DataError.at(path, number, f"session_id {log.session_id!r} also stands in line {first}")
        session = _Resolver(path.parent, recipes).resolve(log)
        if isinstance(session, str):
            tally.left_out.append(f"{path.name}:{number}: session {log.session_id!r}, {session}")
            continue
        made, ways, kinds = session
        tally.sessions += 1
        tally.steps += len(made.steps)
        tally.chosen_by += ways
        tally.recipes += kinds
        yield made
    if not seen:
        raise DataError.at(path, None, "holds no sessions; expected one as JSON on each line (docs/data.md)")
    if not tally.sessions:
        raise DataError.at(
            path, None, f"none of its {len(seen)} sessions could be resolved; first: {tally.left_out[0]}"
        )


class _Resolver:
    """One session's pages and elements; what it counts holds only when all of them are found."""

    def __init__(self, folder: Path, recipes: Sequence[Recipe]):
        self._folder = folder
        self._recipes = recipes
        self._ways: Counter[str] = Counter()
        self._kinds: Counter[str] = Counter()

    def resolve(self, log: LogSession) -> tuple[Session, Counter[str], Counter[str]] | str:
        """Return the session with the counts, or at which step it fails and why."""
        steps: list[Step] = []
        for index, step in enumerate(log.steps):
            try:
                made = self._step(step)
            except PageError as error:
                made = f"the page {(step.page.file or step.page.url)!r}: {error}"
            if isinstance(made, str):
                return f"step {index} ({step.action.type}): {made}"
            steps.append(made)
        return log.resolved(tuple(steps)), self._ways, self._kinds

    def _step(self, step: LogStep) -> Step | str:
        page = TargetPage(self._read(step.page), self._recipes)
        name = None
        if step.action.target is not None:
            found = page.find(step.action.target, typed=step.action.text is not None, base=step.page.url)
            if isinstance(found, str):
                return found
            name = found.element.name
            self._ways[found.way] += 1
        if page.recipe is not None:
            self._kinds[page.recipe.page] += 1
        return Step(
            page=Page(url=step.page.url or page.simplified.url, html=page.simplified.html),
            action=step.action.named(name),
            rationale=step.rationale,
        )

    def _read(self, page: LogPage) -> str | bytes:
        return page.html if page.html is not None else read_within(self._folder, page.file or "")
