"""A session as the comparison takes it: what was done, where on the page, when; no page is kept.

Only what a shopper did counts, never what the shop's pages say, so that logs of two shops can be compared.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from shop_r1.evaluation.related_metrics import find_outcome
from shop_r1.records.actions import CLICK, Action
from shop_r1.records.click_types import OTHER, derive_click_type
from shop_r1.records.page_kinds import PageKind, Stage, element_names, page_kind, visit_stage
from shop_r1.records.sessions import Session, Step

START, END = "<start>", "<end>"
SEARCH = "search"
_LISTS: tuple[PageKind, ...] = ("home", "search")
"""Kinds of pages from whose lists products are opened."""
_LIST_FROM = 3
"""So many entries make a list of which a place can be told. Ours."""


@dataclass(frozen=True, slots=True)
class Act:
    """One step."""

    type: str
    """Of the action, by its space."""
    derived: str
    """What was done: a click's subtype by its element's name, `search`, or the type of any other action."""
    recorded: str | None
    """The same with the subtype that the data give; None for a click without one."""
    page: PageKind
    place: int | None
    """Of the product that was opened in its list, from 1; None where no list's product was opened."""
    height: float | None
    """Share of the page's elements before the one that was clicked, in [0, 1]; None for other actions."""
    query: str | None
    """What was searched for; None unless it is a search."""
    time: float | None
    """In seconds since 1970; None where it was not recorded."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One session."""

    session_id: str
    cluster: str
    """The shopper; the session where it names none. Visits of one shopper are not independent."""
    persona: str | None
    space: str
    """Of its actions."""
    outcome: str
    """`unknown` where neither the record nor its last action says how it ended."""
    stage: Stage | None
    """The furthest of the funnel; None where no page is of the funnel."""
    acts: tuple[Act, ...]
    labels: tuple[str, ...]
    """What was done at each step: the acts' `derived` or `recorded`, the same choice in both logs."""

    @property
    def queries(self) -> tuple[str, ...]:
        """What was searched for, in order."""
        return tuple(act.query for act in self.acts if act.query is not None)

    @property
    def waits_s(self) -> list[float]:
        """Seconds between a step and the next, where both times are known; never below 0."""
        times = [act.time for act in self.acts]
        return [max(0.0, b - a) for a, b in pairwise(times) if a is not None and b is not None]


def read_visit(session: Session) -> Visit:
    """Return what the session's shopper did; its labels are the derived ones."""
    kinds = [page_kind(step.page) for step in session.steps]
    after = [*kinds[1:], None]
    acts = tuple(_read_act(*each) for each in zip(session.steps, kinds, after, strict=True))
    return Visit(
        session_id=session.session_id,
        cluster=f"session {session.session_id}" if session.user_id is None else f"user {session.user_id}",
        persona=session.persona,
        space=session.space,
        outcome=session.outcome or find_outcome(session.steps[-1].action) or "unknown",
        stage=visit_stage(session.steps, session.outcome),
        acts=acts,
        labels=tuple(act.derived for act in acts),
    )


def has_recorded_labels(visits: Iterable[Visit]) -> bool:
    """Return whether the data give each click's subtype."""
    return all(act.recorded is not None for visit in visits for act in visit.acts)


def _read_act(step: Step, kind: PageKind, after: PageKind | None) -> Act:
    action = step.action
    is_click, name, derived = action.type == CLICK.name, action.value("name"), _label(action, kind)
    names = element_names(step.page) if is_click else []
    is_opened = is_click and kind in _LISTS and after == "product"
    return Act(
        type=action.type,
        derived=derived,
        recorded=action.click_type if is_click else derived,
        page=kind,
        place=_place(name, names) if is_opened else None,
        height=names.index(name) / max(1, len(names) - 1) if name in names else None,
        query=action.text if derived == SEARCH and action.text is not None else None,
        time=step.time,
    )


def _label(action: Action, kind: PageKind) -> str:
    """Return what was done; a click whose name no rule knows is told by the kind of its page."""
    if action.type == CLICK.name:
        subtype = derive_click_type(action.value("name"))
        return f"other on {kind}" if subtype == OTHER else subtype
    if action.text is not None and "search" in action.value("name").lower():
        return SEARCH
    return action.type


def _place(name: str, names: Sequence[str]) -> int | None:
    """Return an entry's place in its list, from 1: entries share the list's name and add their own."""
    parts = name.split(".")
    if len(parts) < 2:
        return None
    entries = list(dict.fromkeys(each.split(".")[1] for each in names if each.startswith(f"{parts[0]}.")))
    return entries.index(parts[1]) + 1 if parts[1] in entries and len(entries) >= _LIST_FROM else None
