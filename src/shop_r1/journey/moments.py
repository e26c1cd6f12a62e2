"""What a visit met on its way: each moment is told by its kind, its place and what it was about."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from shop_r1.comparison.measures import is_search
from shop_r1.journey.circles import find_circles
from shop_r1.journey.funnel import contains, page_text
from shop_r1.journey.visits import RecordedVisit
from shop_r1.records.action_words import element_label
from shop_r1.records.click_types import derive_click_type
from shop_r1.records.journeys import FrictionKind
from shop_r1.records.sessions import EventKind, Step

_ENDS: dict[str, FrictionKind] = {"terminate": "left", "max_steps": "step_limit", "error": "error_end"}
_EFFECTS: frozenset[EventKind] = frozenset(
    {"dialog", "new_tab", "closed_tab", "download", "file_chooser", "http_authentication", "purchase_held"}
)
"""Events by which a click had an effect although the page stayed as it was."""
_BROKEN: frozenset[EventKind] = frozenset({"crash", "no_answer", "page_error"})
_UNREACHABLE = re.compile(r"is on the page, but it is (covered|not shown|disabled)")
"""What the browser's driver says of an element that the mouse does not reach (`drivers.browser.acting`)."""
_FIELD = re.compile(r"<(?:textarea|select|input(?![^<>]* type=\"(?:submit|button|image|checkbox|radio)\"))\b")
"""What a click only puts the cursor into, or opens."""
_NOTHING_FOUND = re.compile(
    r"(?<![\d.,])(?:no|0) (?:(?:matching|search) )?(?:results|matches|hits)\b"
    r"|(?<![\d.,])(?:no|0) (?:result|product|item)s? (?:(?:was|were|has been|have been) )?(?:found|match)"
    r"|\bno matching (?:products?|items?)\b|\bnothing (?:(?:was|has been) )?found|\bnothing match(?:es|ed)\b"
    r"|\bdid(?: not|n['’]t) match|\bcould(?: not|n['’]t) find"
    r"|\bkeine (?:ergebnisse|treffer|produkte gefunden)|\baucun (?:r[ée]sultat|produit trouvé)"
    r"|\bsin resultados|\bno se encontraron|\bnessun risultato|\bgeen resultaten|\bnenhum resultado"
)
"""Texts of a page that found nothing, in some languages; a funnel's file can have more."""
_DETAIL_MAX = 80


class Moment(NamedTuple):
    """Something that a visit met."""

    kind: FrictionKind
    place: str
    """The page, as `RecordedVisit.places` has it."""
    thing: str
    """What it was about; empty where the kind says all."""
    step: int
    """Where it is seen, from 0."""
    said: str | None
    """What the shopper said when it had met it; None where that is not recorded."""


def find_moments(visit: RecordedVisit, empty_search: Sequence[str] = ()) -> list[Moment]:
    """Return what a visit met, in order of steps; `empty_search` are further texts of pages without results.

    A visit that ended without a purchase has one moment for its end. A page that answers with an error counts
    once for each time it is arrived at. What came of the last step is not recorded, so a visit's last click
    is never one without effect.
    """
    found = [
        *_pages(visit),
        *_steps(visit, empty_search),
        *_circles(visit),
        *_end(visit),
    ]
    return sorted(found, key=lambda moment: moment.step)


def _end(visit: RecordedVisit) -> Iterator[Moment]:
    if visit.outcome in _ENDS:
        last = len(visit.steps) - 1
        yield _moment(visit, _ENDS[visit.outcome], last, last)


def _circles(visit: RecordedVisit) -> Iterator[Moment]:
    for circle in find_circles(visit.steps):
        thing = "between pages" if circle.way == "pages" else "the same query"
        yield _moment(visit, "circle", circle.step, circle.step, thing)


def _pages(visit: RecordedVisit) -> Iterator[Moment]:
    """Yield the pages that answered with an error."""
    before: Step | None = None
    for index, step in enumerate(visit.steps):
        status = step.page.status
        is_new = before is None or before.page != step.page or before.action.type == "type_and_submit"
        if status is not None and status >= 400 and is_new:
            yield _moment(visit, "http_error", index, index, str(status))
        before = step


def _steps(visit: RecordedVisit, empty_search: Sequence[str]) -> Iterator[Moment]:
    """Yield what came of each step."""
    for index, step in enumerate(visit.steps):
        following = visit.steps[index + 1] if index + 1 < len(visit.steps) else None
        after = index + 1 if following is not None else index
        for kind in dict.fromkeys(each.kind for each in step.events or () if each.kind in _BROKEN):
            detail = next((each.detail for each in step.events or () if each.kind == kind), None)
            thing = kind.replace("_", " ") + (f": {detail[:_DETAIL_MAX]}" if detail else "")
            yield _moment(visit, "page_error", index, after, thing)
        if step.error is not None:
            yield _refused(visit, index, after, step.error)
        elif following is not None and is_search(step, following.page):
            if _is_empty(following, empty_search):
                yield _moment(visit, "empty_search", after, after)
        elif following is not None and (kind_of_click := _click_in_vain(step, following)) is not None:
            yield _moment(visit, kind_of_click, index, after, _thing(step))


def _refused(visit: RecordedVisit, index: int, after: int, error: str) -> Moment:
    """Return an action that could not be done: on something out of reach, or for another reason."""
    found = _UNREACHABLE.search(error)
    if found is not None:
        return _moment(
            visit, "unreachable", index, after, f"{_thing(visit.steps[index])} ({found[1].casefold()})"
        )
    return _moment(visit, "failed_action", index, after, visit.steps[index].action.type.replace("_", " "))


def _is_empty(step: Step, texts: Sequence[str]) -> bool:
    is_error = step.page.status is not None and step.page.status >= 400
    if is_error:  # counted as such
        return False
    return _NOTHING_FOUND.search(page_text(step.page.html)) is not None or contains(step.page.html, texts)


def _click_in_vain(step: Step, following: Step) -> FrictionKind | None:
    """Return the kind of a click after which the page is the same; None for any other step."""
    is_same = (step.page.url, step.page.html) == (following.page.url, following.page.html)
    if step.action.type != "click" or not is_same or _is_field(step):
        return None
    kinds = {each.kind for each in step.events or ()}
    if kinds & (_EFFECTS | _BROKEN):
        return None
    return "blocked_click" if "blocked" in kinds else "dead_click"


def _is_field(step: Step) -> bool:
    at = step.page.html.find(f' name="{step.action.value("name")}"')
    tag = step.page.html.rfind("<", 0, at) if at >= 0 else -1
    end = step.page.html.find(">", at)
    return tag >= 0 and _FIELD.match(step.page.html[tag : end + 1]) is not None


def _thing(step: Step) -> str:
    """Return what the element is called; products of a list go by its part of the page alone."""
    name = step.action.value("name")
    if derive_click_type(name) == "product_link" and "." in name:
        return f"a product in {name.partition('.')[0].replace('_', ' ')}"
    return f"“{element_label(name, step.page.html)}”"


def _moment(visit: RecordedVisit, kind: FrictionKind, step: int, said: int, thing: str = "") -> Moment:
    return Moment(kind, visit.places[step], thing, step, visit.steps[said].rationale)
