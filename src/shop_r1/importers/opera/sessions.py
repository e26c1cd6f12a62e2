"""OPeRA (NEU-HAI/OPeRA on the Hugging Face hub): real people's shopping sessions as ours.

The recorded pages and names are used as they are. What is kept, merged and left out: docs/data.md.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from shop_r1.errors import DataError
from shop_r1.importers.opera.personas import read_personas
from shop_r1.importers.opera.rows import (
    COLUMNS,
    NOT_ACTIONS,
    PURCHASE,
    RowError,
    is_named,
    read_action,
    time_of,
    user_of,
)
from shop_r1.importers.opera.tables import OperaTables, PageShelf, Row, count_rows, read_rows
from shop_r1.records.actions import CLICK, SCROLL, TERMINATE, Action
from shop_r1.records.sessions import Page, Session, Step

Progress = Callable[[int, int], None]
"""Called with how many rows are read and how many there are."""

OFF_PAGE = "target not on its page"
"""The reason for a click or an input whose target is no name on the recorded page."""


@dataclass
class OperaTally:
    """What an import found, kept and left out, counted while it goes on."""

    rows: int = 0
    steps: Counter[str] = field(default_factory=Counter)  # kept, by type of action
    outcomes: Counter[str] = field(default_factory=Counter)
    users: set[str | None] = field(default_factory=set)
    users_by_id: int = 0  # sessions whose user only their id names, since the session table lacks them
    rationales: int = 0
    personas: int = 0
    persona_problems: Counter[str] = field(default_factory=Counter)
    """Rows of the user table that gave no persona, or part of one, by reason."""
    nothings: Counter[str] = field(default_factory=Counter)
    """Values that are a word for nothing ("None", "nan"), by column; they count as missing."""
    not_actions: Counter[str] = field(default_factory=Counter)  # rows that the paper leaves out, by type
    scrolls_merged: int = 0  # scrolls that are one with the scroll before them
    left_out: Counter[str] = field(default_factory=Counter)  # rows that could not be used, by reason
    examples: dict[str, str] = field(default_factory=dict)
    """Where the first row of each such reason stands, and what it has."""
    off_page: int = 0  # steps kept whose target is no name on their page
    click_types: dict[str, set[str]] = field(default_factory=dict)  # of each name that was clicked
    empty_sessions: int = 0  # sessions of which no step is left

    def leave_out(self, error: RowError, where: str) -> None:
        """Count a row that cannot be used."""
        self.left_out[error.reason] += 1
        self.examples.setdefault(error.reason, f"{where}: {error.found}" if error.found else where)

    def keep(self, session: Session) -> None:
        """Count a session."""
        self.outcomes[session.outcome or "unknown"] += 1
        self.users.add(session.user_id)
        self.personas += session.persona is not None
        for step in session.steps:
            self.steps[step.action.type] += 1
            self.rationales += step.rationale is not None
            if step.action.click_type is not None:
                self.click_types.setdefault(step.action.value("name"), set()).add(step.action.click_type)


def import_opera(
    tables: OperaTables,
    scratch: Path,
    tally: OperaTally,
    *,
    require_targets: bool = False,
    progress: Progress | None = None,
) -> Iterator[Session]:
    """Yield the sessions in order of their first row's time.

    The pages are kept meanwhile in the folder `scratch`, compressed, in a file without a name.
    `require_targets` leaves out clicks and inputs whose target is no name on their page.

    Raises:
        DataError: a file cannot be read, or no row gives a step.
    """
    owners = {
        row["session_id"]: row["user_id"] for _, row in read_rows(tables.sessions, ("session_id", "user_id"))
    }
    personas = read_personas(tables.users, tally.persona_problems)
    with PageShelf(scratch) as shelf:
        reader = _Reader(tables, shelf, tally, require_targets)
        visits = reader.read_visits(progress)
        begun = {name: min(event.when for event in events) for name, events in visits.items()}
        for name in sorted(visits, key=begun.__getitem__):
            steps = _make_steps(visits[name], shelf, tally)
            if not steps:
                continue
            owner = owners.get(name)
            tally.users_by_id += owner is None
            user = owner or user_of(name)
            leaves = steps[-1].action.type == TERMINATE.name
            session = Session(
                session_id=name,
                user_id=user,
                persona=personas.get(user or ""),
                source="opera",
                space="opera",
                outcome="purchase" if name in reader.bought else "terminate" if leaves else None,
                steps=steps,
            )
            tally.keep(session)
            yield session
        tally.empty_sessions = len(reader.seen) - tally.outcomes.total()
    if not tally.steps:
        problem = f"none of {tally.rows} rows of {tables.variant} actions gives a step"
        for reason, count in tally.left_out.most_common(3):
            problem += f"; {reason} {count}, the first in {tally.examples[reason]}"
        raise DataError.at(tables.actions[0], None, problem)


@dataclass(frozen=True)
class _Event:
    """A usable row until its session is put together; `action` is None for what is no action."""

    when: float
    where: str
    action: Action | None = None
    url: str = ""
    page: bytes = b""
    rationale: str | None = None


@dataclass
class _Reader:
    """Reads the action tables row by row; pages go to the shelf."""

    tables: OperaTables
    shelf: PageShelf
    tally: OperaTally
    require_targets: bool
    seen: set[str] = field(default_factory=set)  # the ids of all sessions
    bought: set[str] = field(default_factory=set)  # of those with a click that buys, kept or not

    def read_visits(self, progress: Progress | None) -> dict[str, list[_Event]]:
        """Return each session's usable rows, in order of the files."""
        visits: dict[str, list[_Event]] = {}
        total = count_rows(self.tables.actions)
        for where, row in read_rows(self.tables.actions, COLUMNS, self.tally.nothings):
            self.tally.rows += 1
            if progress is not None:
                progress(self.tally.rows, total)
            session_id = row["session_id"] or ""
            try:
                if not session_id.strip():
                    raise RowError("no session_id")
                self.seen.add(session_id)
                if row["action_type"] == CLICK.name and (row["click_type"] or "").strip() == PURCHASE:
                    self.bought.add(session_id)
                event = self._read_event(row, where)
            except RowError as error:
                self.tally.leave_out(error, where)
            else:
                visits.setdefault(session_id, []).append(event)
        return visits

    def _read_event(self, row: Row, where: str) -> _Event:
        when = time_of(row)
        kind = row["action_type"] or ""
        if kind in NOT_ACTIONS:
            self.tally.not_actions[NOT_ACTIONS[kind]] += 1
            return _Event(when, where)
        action = read_action(row, self.tables.variant)
        html = row["simplified_html"] or ""
        if not html.strip():
            raise RowError("no page")
        if action.name is not None and not is_named(html, action.name):
            off_page = RowError(OFF_PAGE, repr(action.name[:80]))
            if self.require_targets:
                raise off_page
            self.tally.off_page += 1
            self.tally.examples.setdefault(OFF_PAGE, f"{where}: {off_page.found}")
        rationale = (row["rationale"] or "").strip() or None
        return _Event(when, where, action, row["url"] or "", self.shelf.put(html), rationale)


def _make_steps(events: Sequence[_Event], shelf: PageShelf, tally: OperaTally) -> tuple[Step, ...]:
    """Return the rows as steps in order of time; of equal times the file's order stands."""
    taken = _merge_scrolls(sorted(events, key=lambda event: event.when), tally)
    pages = {event.page: shelf.get(event.page) for event in taken}
    steps = []
    for place, event in enumerate(taken):
        assert event.action is not None, "_merge_scrolls keeps actions only"
        if event.action.type == TERMINATE.name and place < len(taken) - 1:
            tally.leave_out(RowError("terminate that is not the last action"), event.where)
            continue
        page = Page(url=event.url, html=pages[event.page])
        steps.append(Step(page=page, action=event.action, rationale=event.rationale, time=event.when))
    return tuple(steps)


def _merge_scrolls(events: Sequence[_Event], tally: OperaTally) -> list[_Event]:
    """Return the actions, of each run of scrolls the first, with the run's first rationale.

    Anything else recorded in between ends a run, also a navigation or another tab: the page is another.
    """
    taken: list[_Event] = []
    scrolling = False
    for event in events:
        scrolls = event.action is not None and event.action.type == SCROLL.name
        if scrolls and scrolling:
            tally.scrolls_merged += 1
            if taken[-1].rationale is None and event.rationale is not None:
                taken[-1] = replace(taken[-1], rationale=event.rationale)
        elif event.action is not None:
            taken.append(event)
        scrolling = scrolls
    return taken
