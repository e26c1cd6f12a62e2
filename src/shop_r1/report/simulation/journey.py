"""One visit as its report tells it: what was seen, done and why, how far it came, and a summary."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from shop_r1.records.action_words import action_words
from shop_r1.records.actions import Action
from shop_r1.records.page_kinds import PageKind, Stage, adds_to_cart, page_kind, visit_stage
from shop_r1.records.sessions import Step
from shop_r1.report.safe_page import clean_text
from shop_r1.report.simulation.addresses import item_of, path_of, template_of
from shop_r1.report.simulation.page_texts import NamedElement, PageTexts, humanize, read_texts
from shop_r1.report.simulation.wording import (
    KIND_WORDS,
    OUTCOMES,
    count_of,
    say_event,
    say_page,
    say_timing,
)
from shop_r1.report.simulation_folder import FoundVisit

_ALTERNATIVES_SHOWN = 5
_NUMBERS = ("no", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")


@dataclass(frozen=True)
class ShownAlternative:
    """What a policy might have done."""

    words: str
    probability: float
    is_chosen: bool


@dataclass(frozen=True)
class ShownStep:
    """One step in words."""

    index: int
    """From 0."""
    step: Step
    kind: PageKind
    texts: PageTexts
    element: NamedElement | None
    """What was acted on; None where the action has no element, or the page does not have it."""

    @property
    def url(self) -> str:
        """The page's address."""
        return clean_text(self.step.page.url)

    @property
    def path(self) -> str:
        """The address without its host."""
        return path_of(self.step.page.url)

    @property
    def template(self) -> str:
        """The path, a star in place of what names one product or order."""
        return template_of(self.step.page.url, self.kind)

    @property
    def saw(self) -> str:
        """The kind of page and its heading."""
        return say_page(self.kind, self.texts)

    @property
    def did(self) -> str:
        """The action as a sentence without a full stop."""
        return self.say(self.step.action, was_done=self.step.error is None)

    def say(self, action: Action, was_done: bool = True) -> str:
        """Return an action on this page as a sentence without a full stop."""
        if was_done and action.type == "type_and_submit" and self._is_search_box(action.value("name")):
            return f"Searched for “{clean_text(action.value('text'))}”"
        return clean_text(action_words(action, self.step.page.html, was_done=was_done))

    @property
    def why(self) -> str | None:
        """The rationale."""
        return clean_text(self.step.rationale) if self.step.rationale is not None else None

    @property
    def label(self) -> str:
        """What the element is called that was acted on; empty for actions without one."""
        name = clean_text(self.step.action.value("name"))
        return self.element.label if self.element is not None else humanize(name.rpartition(".")[2])

    @property
    def is_search(self) -> bool:
        """Whether a query was sent."""
        action, was_done = self.step.action, self.step.error is None
        return was_done and action.type == "type_and_submit" and self._is_search_box(action.value("name"))

    def _is_search_box(self, name: str) -> bool:
        element = self.texts.find(name)
        return element.is_search if element is not None else "search" in name

    @property
    def adds(self) -> bool:
        """Whether it put something into the cart."""
        return self.step.error is None and adds_to_cart(self.step.action)

    @property
    def events_told(self) -> tuple[str, ...]:
        """What happened in the browser meanwhile; that a version's edits hold is no event of a step."""
        return tuple(say_event(each) for each in self.step.events or () if each.kind != "edited")

    @property
    def alternatives(self) -> tuple[ShownAlternative, ...]:
        """What the policy might have done, in words: the likeliest, and what it did."""
        html = self.step.page.html
        found = tuple(
            ShownAlternative(
                clean_text(action_words(each.action, html, was_done=False).removeprefix("Tried to ")),
                each.probability,
                each.action.to_completion() == self.step.action.to_completion(),
            )
            for each in self.step.alternatives or ()
        )
        return tuple(
            each for place, each in enumerate(found) if place < _ALTERNATIVES_SHOWN or each.is_chosen
        )

    @property
    def timing_told(self) -> str:
        """What took how long; empty where nothing says so."""
        return say_timing(self.step.timing) if self.step.timing is not None else ""


@dataclass(frozen=True)
class Journey:
    """One visit."""

    session_id: str
    number: int
    """Its place in the report, from 1."""
    outcome: str
    """A key of `wording.OUTCOMES`."""
    steps: tuple[ShownStep, ...]
    reason: str | None = None
    """What the outcome alone does not say."""
    user_id: str | None = None
    persona: str | None = None
    started: float | None = None
    """In seconds since 1970."""
    seconds: float | None = None
    cost_usd: float | None = None
    invalid: int = 0
    """Responses of the policy that were invalid."""
    recording: Path | None = None
    screenshots: Mapping[int, Path] = field(default_factory=dict)

    @property
    def outcome_words(self) -> str:
        """How it ended, in words."""
        return OUTCOMES[self.outcome]

    @property
    def file(self) -> str:
        """The file's name of its page."""
        return session_file(self.session_id, self.number)

    @cached_property
    def stage(self) -> Stage:
        """The last stage of the funnel that it reached; `home` is every visit's first."""
        return visit_stage([each.step for each in self.steps], self.outcome) or "home"

    @property
    def last(self) -> ShownStep | None:
        """The step on the last page that was seen."""
        return self.steps[-1] if self.steps else None

    @cached_property
    def queries(self) -> tuple[str, ...]:
        """What was searched for, in order."""
        return tuple(clean_text(each.step.action.value("text")) for each in self.steps if each.is_search)

    @property
    def action_types(self) -> tuple[str, ...]:
        """The types of its actions, each once."""
        return tuple(dict.fromkeys(each.step.action.type for each in self.steps))

    @property
    def templates(self) -> tuple[str, ...]:
        """The pages that it saw, each address or template once."""
        return tuple(dict.fromkeys(each.template for each in self.steps))

    @property
    def search_text(self) -> str:
        """What a search of the sessions looks through, in lower case."""
        parts = [self.session_id, self.user_id or "", self.summary]
        for each in self.steps:
            parts += [each.saw, each.did, each.why or "", each.path]
        return "\n".join(dict.fromkeys(parts)).lower()

    @cached_property
    def summary(self) -> str:
        """What happened, in one sentence made by rules."""
        parts = [*_searched(self.queries), *_opened(self.steps), *_added(self.steps), self._end()]
        sentence = ", ".join(parts)
        return sentence[0].upper() + sentence[1:] + "."

    def _end(self) -> str:
        if self.last is None:
            return OUTCOMES[self.outcome] + (
                f": {clean_text(self.reason).rstrip('.')}" if self.reason else ""
            )
        where = KIND_WORDS[self.last.kind]
        place = f"at {where}" if where == "checkout" else f"on {_article(where)} {where}"
        place = "on another page" if self.last.kind == "other" else place
        steps = count_of(len(self.steps), "step")
        if self.outcome == "purchase":
            return f"bought after {steps}"
        if self.outcome == "max_steps":
            return f"reached the limit of {steps} {place}"
        if self.outcome == "error":
            return f"ended in an error {place} after {steps}"
        if self.outcome == "terminate":
            return f"left {place} after {steps}"
        return f"{OUTCOMES[self.outcome]} {place} after {steps}"


def session_file(session_id: str, number: int) -> str:
    """Return the name of a visit's page; ids are hostile, so it does not come from the id alone.

    >>> session_file("store-1/../x", 7)
    '0007-store-1----x.html'
    """
    plain = "".join(each if each.isascii() and each.isalnum() else "-" for each in session_id)[:60]
    return f"{number:04d}-{plain}.html"


def make_journey(visit: FoundVisit, number: int) -> Journey:
    """Return a visit of the folder in words."""
    session, end = visit.session, visit.end
    times = [each.time for each in visit.steps if each.time is not None]
    return Journey(
        session_id=clean_text(visit.session_id),
        number=number,
        outcome=visit.outcome,
        steps=make_steps(visit.steps),
        reason=end.reason if end is not None else None,
        user_id=session.user_id if session is not None else end.user_id if end is not None else None,
        persona=session.persona if session is not None else None,
        started=end.started if end is not None else min(times, default=None),
        seconds=end.seconds if end is not None else None,
        cost_usd=end.cost_usd if end is not None else None,
        invalid=end.invalid if end is not None else 0,
        recording=visit.recording,
        screenshots=visit.screenshots,
    )


def make_steps(steps: Sequence[Step]) -> tuple[ShownStep, ...]:
    """Return the steps with what their pages say."""
    return tuple(_make_step(index, step) for index, step in enumerate(steps))


def _make_step(index: int, step: Step) -> ShownStep:
    texts = read_texts(step.page.html)
    element = texts.find(step.action.value("name")) if step.action.name else None
    return ShownStep(index, step, page_kind(step.page), texts, element)


def _article(words: str) -> str:
    return "the" if words in ("home page", "cart") else "an" if words[0] in "aeiou" else "a"


def _searched(queries: Sequence[str]) -> list[str]:
    if not queries:
        return []
    if len(queries) <= 2:
        return ["searched for " + ", then for ".join(f"“{each}”" for each in queries)]
    return [f"searched {_number(len(queries))} times, at last for “{queries[-1]}”"]


def _opened(steps: Sequence[ShownStep]) -> list[str]:
    products = {item_of(each.step.page.url, each.kind) for each in steps if each.kind == "product"}
    return [f"opened {_number(len(products))} product{'s' if len(products) > 1 else ''}"] if products else []


def _added(steps: Sequence[ShownStep]) -> list[str]:
    """Return what was put into the cart; what is bought at once is told by the outcome."""
    added = [each.step.action.value("name").rpartition(".")[2] for each in steps if each.adds]
    count = sum(1 for name in added if not name.startswith("buy"))
    return [f"put {_number(count)} into the cart"] if count else []


def _number(count: int) -> str:
    return _NUMBERS[count] if count < len(_NUMBERS) else str(count)
