"""What all visits come to: a verdict, the funnel, clicks, exits, searches, events and errors."""

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any, TypeVar

from shop_r1.records.page_kinds import STAGES, PageKind, Stage
from shop_r1.records.sessions import Page
from shop_r1.report.safe_page import clean_text
from shop_r1.report.session_view import show_page
from shop_r1.report.simulation.journey import Journey, ShownStep
from shop_r1.report.simulation.page_texts import PageTexts
from shop_r1.report.simulation.wording import EVENTS, OUTCOMES, count_of, join_words

Key = TypeVar("Key", bound=Hashable)
Thing = TypeVar("Thing")

STAGE_WORDS: dict[Stage, str] = {
    "home": "Came in",
    "search": "Saw a list of products",
    "product": "Opened a product",
    "cart": "Used the cart",
    "purchase": "Bought",
}
_CLICKS_SHOWN = 8
_LISTED_FROM, _ALWAYS_LISTED_FROM = 4, 20
"""A part of a page in which so many different elements were acted on is shown by their places in it: from the
second number on, or where most actions were on another one. Filters are few, and their names say more."""


@dataclass(frozen=True)
class FunnelStage:
    """One stage of the funnel."""

    stage: Stage
    words: str
    reached: tuple[Journey, ...]
    """Visits that came as far as this, or further."""
    ended: tuple[Journey, ...]
    """Of these, the ones that came no further and bought nothing."""

    @property
    def went_on(self) -> tuple[Journey, ...]:
        """Of these, the others."""
        numbers = {each.number for each in self.ended}
        return tuple(each for each in self.reached if each.number not in numbers)


@dataclass(frozen=True)
class Count:
    """How often something was, and in which visits."""

    label: str
    times: int
    journeys: tuple[Journey, ...]
    detail: str = ""


@dataclass(frozen=True)
class ClickedPage:
    """What was acted on at the pages of one address or template."""

    template: str
    kind: PageKind
    steps: int
    """How often a shopper decided there."""
    elements: tuple[Count, ...]
    """The most often acted on first; the label is the element, the detail the part of the page."""
    left_out: int
    """Actions on the elements that are not listed."""
    page: Page
    """The page of this address that was acted on most often."""
    marks: tuple[tuple[str, int], ...]
    """Its elements by name, and how often they, or those in their place on such pages, were acted on."""

    @property
    def acted(self) -> int:
        """Steps whose action was on an element."""
        return sum(each.times for each in self.elements) + self.left_out

    def map_data(self) -> dict[str, Any]:
        """Return what the click map is given, as JSON values."""
        marks = [{"name": clean_text(name), "times": times} for name, times in self.marks]
        page = show_page(self.page.url, self.page.html).model_dump(mode="json")
        return {"template": self.template, "page": page, "marks": marks}


@dataclass(frozen=True)
class Overview:
    """What all visits come to."""

    journeys: tuple[Journey, ...]
    verdict: str
    funnel: tuple[FunnelStage, ...]
    clicks: tuple[ClickedPage, ...]
    exits: tuple[Count, ...]
    """Pages on which visits ended without a purchase."""
    queries: tuple[Count, ...]
    after_search: tuple[Count, ...]
    """What was done next after a query."""
    events: tuple[Count, ...]
    errors: tuple[Count, ...]
    outcomes: tuple[tuple[str, tuple[Journey, ...]], ...]
    """Outcome and visits, in the order of `wording.OUTCOMES`."""


def make_overview(journeys: Sequence[Journey]) -> Overview:
    """Return what the visits come to."""
    steps = [(each, step) for each in journeys for step in each.steps]
    gone = [each for each in journeys if each.outcome != "purchase" and each.last is not None]
    return Overview(
        journeys=tuple(journeys),
        verdict=_verdict(journeys),
        funnel=_funnel(journeys),
        clicks=_clicked_pages(steps),
        exits=_counts((_place(each.last), each) for each in gone if each.last is not None),
        queries=_counts((query, each) for each in journeys for query in each.queries),
        after_search=_counts((_next(each, step), each) for each, step in steps if step.is_search),
        events=_events(steps),
        errors=_counts((clean_text(step.step.error), each) for each, step in steps if step.step.error),
        outcomes=tuple(
            (outcome, found)
            for outcome in OUTCOMES
            if (found := tuple(each for each in journeys if each.outcome == outcome))
        ),
    )


def _verdict(journeys: Sequence[Journey]) -> str:
    """Return one sentence: how many did what, and where those that left did so."""
    counts = Counter(each.outcome for each in journeys)
    parts = [f"{counts[outcome]:,} {words}" for outcome, words in OUTCOMES.items() if counts[outcome]]
    return f"{count_of(len(journeys), 'shopper')}: {join_words(parts)}{_where_left(journeys)}."


def _where_left(journeys: Sequence[Journey]) -> str:
    left = [each.last for each in journeys if each.outcome == "terminate" and each.last is not None]
    if len(left) < 2:
        return ""
    (place, times), *others = Counter(map(_place, left)).most_common()
    if times == len(left):
        return f"; all who left did so from {place}"
    if 2 * times > len(left):
        return f"; most left from {place}"
    is_first = times > 1 and (not others or others[0][1] < times)
    return (
        f"; of those who left, {times} did so from {place}, more than from any other page" if is_first else ""
    )


def _next(journey: Journey, search: ShownStep) -> str:
    """Return what came after a search: another, a product, leaving, or something else."""
    later = journey.steps[search.index + 1 :]
    if not later:
        return "the visit ended"
    if later[0].is_search:
        return "searched again"
    if later[0].step.action.type == "terminate":
        return "left"
    opened = later[0].kind == "product" or (len(later) > 1 and later[1].kind == "product")
    return "opened a product" if opened else "used the list in another way"


def _place(step: ShownStep | None) -> str:
    return step.template if step is not None else ""


def _funnel(journeys: Sequence[Journey]) -> tuple[FunnelStage, ...]:
    began = [each for each in journeys if each.steps]
    stages = []
    for place, stage in enumerate(STAGES):
        reached = tuple(each for each in began if STAGES.index(each.stage) >= place)
        ended = tuple(each for each in reached if each.stage == stage and stage != "purchase")
        stages.append(FunnelStage(stage, STAGE_WORDS[stage], reached, ended))
    return tuple(stages)


def _counts(found: Iterable[tuple[str, Journey]]) -> tuple[Count, ...]:
    """Return each label's number and visits, the most frequent first."""
    groups = _grouped(found, lambda each: each[0])
    counts = [
        Count(label, len(entries), _unique(journey for _, journey in entries))
        for label, entries in groups.items()
    ]
    return tuple(sorted(counts, key=lambda each: -each.times))


def _events(steps: Sequence[tuple[Journey, ShownStep]]) -> tuple[Count, ...]:
    groups = _grouped(
        ((event, journey) for journey, step in steps for event in step.step.events or ()),
        lambda each: each[0].kind,
    )
    counts = []
    for kind, entries in groups.items():
        details = Counter(clean_text(event.detail) for event, _ in entries if event.detail)
        detail = ", ".join(text[:60] for text, _ in details.most_common(3))
        times = sum(event.count for event, _ in entries)
        counts.append(
            Count(
                EVENTS[kind][0].upper() + EVENTS[kind][1:],
                times,
                _unique(journey for _, journey in entries),
                detail,
            )
        )
    return tuple(sorted(counts, key=lambda each: -each.times))


def _clicked_pages(steps: Sequence[tuple[Journey, ShownStep]]) -> tuple[ClickedPage, ...]:
    pages = _grouped(steps, lambda each: (each[1].template, each[1].kind))
    shown = [_clicked_page(template, kind, found) for (template, kind), found in pages.items()]
    return tuple(sorted((each for each in shown if each.elements), key=lambda each: -each.steps))


def _clicked_page(template: str, kind: PageKind, steps: Sequence[tuple[Journey, ShownStep]]) -> ClickedPage:
    acted = [(journey, step) for journey, step in steps if step.step.action.name]
    names: dict[str, set[str]] = defaultdict(set)
    for _, step in acted:
        names[_section(step)].add(step.step.action.value("name"))
    times = Counter(_section(step) for _, step in acted)
    lists = {name for name, found in names.items() if _is_list(len(found), times[name])}
    groups = _grouped(acted, lambda each: _element(each[1], _section(each[1]) in lists))
    counts = [
        Count(label, len(found), _unique(journey for journey, _ in found), section)
        for (label, section), found in groups.items()
    ]
    counts.sort(key=lambda each: -each.times)
    left_out = sum(each.times for each in counts[_CLICKS_SHOWN:])
    shown = _typical([step for _, step in acted or steps])
    marks = [(_counterpart(found[0][1], shown.texts, lists), len(found)) for found in groups.values()]
    found_marks = sorted(((name, times) for name, times in marks if name), key=lambda each: -each[1])
    page, elements = shown.step.page, tuple(counts[:_CLICKS_SHOWN])
    return ClickedPage(template, kind, len(steps), elements, left_out, page, tuple(found_marks))


def _typical(steps: Sequence[ShownStep]) -> ShownStep:
    """Return a step on the page that the most of them were on."""
    ((html, _),) = Counter(each.step.page.html for each in steps).most_common(1)
    return next(each for each in steps if each.step.page.html == html)


def _counterpart(step: ShownStep, texts: PageTexts, lists: Set[str]) -> str:
    """Return what an element is called on another page: in a list the one in its place; empty if none."""
    name, section = step.step.action.value("name"), _section(step)
    place = step.texts.place(name) if section in lists else None
    if place is None:
        return name if texts.find(name) is not None else ""
    names = [each.name for each in texts.elements if each.name.rpartition(".")[0] == section]
    return names[place[0] - 1] if place[0] <= len(names) else ""


def _is_list(elements: int, times: int) -> bool:
    return elements >= _ALWAYS_LISTED_FROM or (elements >= _LISTED_FROM and 2 * elements > times)


def _section(step: ShownStep) -> str:
    return step.step.action.value("name").rpartition(".")[0]


def _element(step: ShownStep, is_list: bool) -> tuple[str, str]:
    """Return what the element is called and the part of the page that it is in."""
    place = step.texts.place(step.step.action.value("name"))
    section = step.element.section if step.element is not None else ""
    if is_list and place is not None and section:
        return f"no. {place[0]}", section
    is_search = step.element is not None and step.element.is_search
    return ("search box" if is_search else step.label), section


def _grouped(things: Iterable[Thing], key: Callable[[Thing], Key]) -> dict[Key, list[Thing]]:
    groups: dict[Key, list[Thing]] = defaultdict(list)
    for thing in things:
        groups[key(thing)].append(thing)
    return groups


def _unique(journeys: Iterable[Journey]) -> tuple[Journey, ...]:
    return tuple({each.number: each for each in journeys}.values())
