"""What the reader of sessions shows: pages, what was seen, done and why at each step, and predictions.

`SessionsView` is the contract between Python and the scripts (`session_list.js`, `step_view.js`,
`page_view.js`, `predictions.js`): one record for each session, step and prediction, dumped as JSON. All text
in it is clean of what HTML cannot carry; the scripts show it as text.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Literal, NamedTuple

from shop_r1.jsonl import Record
from shop_r1.records.actions import Action, exact_match
from shop_r1.records.results import Prediction, RewardBreakdown
from shop_r1.records.sessions import Session
from shop_r1.report.safe_page import clean_text, make_safe
from shop_r1.report.simulation.journey import Journey, make_steps
from shop_r1.report.simulation.journey import ShownStep as ToldStep

REWARD_PARTS = tuple(name for name in RewardBreakdown.model_fields if name != "reasons")
SESSIONS_SHOWN = 100
"""Sessions that the reader shows at most."""
PAGES_CHARS = 8_000_000
"""Simplified HTML that it shows at most; after the session that reaches it, no further one is shown. Ours."""
PAGE_LIMIT_CHARS = 60_000
"""Of a page's simplified HTML, what the reader shows at most."""
_MARK_WORDS = {"click": "clicked", "select": "chosen", "hover": "pointed at"}
Predicted = Mapping[tuple[str, int], Sequence[tuple[str, Prediction]]]
"""For each (session, step): each setting's predictions, in the settings' order."""


class ShownPage(Record):
    """A page, once for all steps that show it."""

    url: str
    safe: str
    """Inert HTML (`make_safe`)."""
    source: str
    cut: int
    """Characters that are not shown."""


class RewardPart(Record):
    """One part of a reward."""

    part: str
    earned: str
    reason: str


class ShownPrediction(Record):
    """What one setting's model predicted at a step."""

    setting: str
    same: Literal["action", "type", "none", "unparsable"]
    """What it has in common with what the shopper did."""
    did: str | None
    """The action in words; None where there is none."""
    action: Mapping[str, str] | None
    rationale: str | None
    failure: str | None
    completion: str | None
    """The raw text, where no action could be read from it."""
    prompt_tokens: int | None
    pages_cut: int | None
    reward: tuple[RewardPart, ...] | None


class ShownStep(Record):
    """One step in three lines, and what was predicted for it."""

    page: int
    """Its place among the pages."""
    url: str
    kind: str
    """The kind of page, as `records.page_kinds` has it."""
    type: str
    """The action's type."""
    action: Mapping[str, str]
    saw: str
    did: str
    why: str | None
    error: str | None
    """Why the action could not be carried out."""
    events: tuple[str, ...] = ()
    """What happened in the browser meanwhile."""
    marked: str
    """What the mark on the page says of the element that was acted on."""
    predictions: tuple[ShownPrediction, ...] = ()


class ShownSession(Record):
    """One session."""

    id: str
    summary: str
    outcome: str
    outcome_words: str
    persona: str | None
    chips: tuple[str, ...]
    """Further facts, a few words each."""
    steps: tuple[ShownStep, ...]


class SessionsView(Record):
    """All that the reader shows."""

    settings: tuple[str, ...]
    """Whose predictions there are."""
    pages: tuple[ShownPage, ...]
    sessions: tuple[ShownSession, ...]


class Selection(NamedTuple):
    """The sessions that are shown, and what was left out."""

    view: SessionsView
    available: int
    """Sessions that could have been shown."""
    unplaced: int
    """Predictions for sessions or steps that the recorded sessions do not have."""
    cut_at_chars: int

    @property
    def shown(self) -> int:
        """How many sessions are shown."""
        return len(self.view.sessions)

    @property
    def cut_pages(self) -> int:
        """How many pages are cut at the limit."""
        return sum(1 for page in self.view.pages if page.cut)


def view_sessions(sessions: Sequence[Session], predictions: Mapping[str, Sequence[Prediction]]) -> Selection:
    """Return the first sessions that have predictions (or, without any predictions, the first sessions).

    Several predictions for one step are all shown; pages are cut at the limit, which is counted. Fewer
    sessions are shown where their pages are large.
    """
    predicted: dict[tuple[str, int], list[tuple[str, Prediction]]] = defaultdict(list)
    for setting, several in predictions.items():
        for each in several:
            predicted[each.session_id, each.step].append((setting, each))
    steps = {(session.session_id, step) for session in sessions for step in range(len(session.steps))}
    wanted = {session_id for session_id, _ in predicted}
    chosen = [session for session in sessions if not wanted or session.session_id in wanted]
    pages: dict[tuple[str, str], int] = {}  # Each page once, with its place.
    shown = list[ShownSession]()
    for session in chosen[:SESSIONS_SHOWN]:
        shown.append(_session(session, predicted, pages))
        if sum(min(len(html), PAGE_LIMIT_CHARS) for _, html in pages) >= PAGES_CHARS:
            break
    view = SessionsView(
        settings=tuple(map(clean_text, predictions)),
        pages=tuple(show_page(url, html) for url, html in pages),
        sessions=tuple(shown),
    )
    unplaced = sum(len(found) for place, found in predicted.items() if place not in steps)
    return Selection(view, len(chosen), unplaced, PAGE_LIMIT_CHARS)


def show_page(url: str, html: str) -> ShownPage:
    """Return a page as `page_view.js` shows it, cut at the limit."""
    source = html[:PAGE_LIMIT_CHARS]
    return ShownPage(
        url=clean_text(url), safe=make_safe(source), source=clean_text(source), cut=len(html) - len(source)
    )


def _session(session: Session, predicted: Predicted, pages: dict[tuple[str, str], int]) -> ShownSession:
    outcome = session.outcome or "unknown"
    told = Journey(session.session_id, 1, outcome, make_steps(session.steps))
    return ShownSession(
        id=clean_text(session.session_id),
        summary=told.summary,
        outcome=outcome,
        outcome_words=told.outcome_words,
        persona=_optional(session.persona),
        chips=(clean_text(session.source),),
        steps=tuple(
            _step(
                each,
                pages.setdefault((each.step.page.url, each.step.page.html), len(pages)),
                predicted.get((session.session_id, place), ()),
            )
            for place, each in enumerate(told.steps)
        ),
    )


def _step(told: ToldStep, page: int, predictions: Sequence[tuple[str, Prediction]]) -> ShownStep:
    action = told.step.action
    return ShownStep(
        page=page,
        url=told.url,
        kind=told.kind,
        type=action.type,
        action=_action(action),
        saw=told.saw,
        did=told.did,
        why=told.why,
        error=_optional(told.step.error),
        events=told.events_told,
        marked=_MARK_WORDS.get(action.type, "typed here"),
        predictions=tuple(_prediction(setting, prediction, told) for setting, prediction in predictions),
    )


def _action(action: Action) -> dict[str, str]:
    shown = action.to_completion() | ({"click_type": action.click_type} if action.click_type else {})
    return {key: clean_text(value) for key, value in shown.items()}


def _prediction(setting: str, prediction: Prediction, told: ToldStep) -> ShownPrediction:
    action, target = prediction.action, told.step.action
    same: Literal["action", "type", "none", "unparsable"]
    if action is None:
        same = "unparsable"
    elif exact_match(action, target):
        same = "action"
    else:
        same = "type" if action.type == target.type else "none"
    return ShownPrediction(
        setting=clean_text(setting),
        same=same,
        did=told.say(action) if action is not None else None,
        action=_action(action) if action is not None else None,
        rationale=_optional(prediction.rationale),
        failure=_optional(prediction.failure),
        completion=_optional(prediction.completion) if action is None else None,
        prompt_tokens=prediction.prompt_tokens,
        pages_cut=prediction.pages_cut,
        reward=_reward(prediction.reward) if prediction.reward is not None else None,
    )


def _reward(reward: RewardBreakdown) -> tuple[RewardPart, ...]:
    return tuple(
        RewardPart(
            part=part,
            earned=f"{getattr(reward, part):.3f}".rstrip("0").rstrip("."),
            reason=clean_text(reward.reasons.get(part, "")),
        )
        for part in REWARD_PARTS
    )


def _optional(text: str | None) -> str | None:
    return clean_text(text) if text is not None else None
