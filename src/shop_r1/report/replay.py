"""What the session reader shows: pages, true actions, predictions and rewards, as plain JSON values."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shop_r1.records.actions import Action, exact_match
from shop_r1.records.results import Prediction, RewardBreakdown
from shop_r1.records.sessions import Session
from shop_r1.report.safe_page import clean_text, make_safe

REWARD_PARTS = tuple(name for name in RewardBreakdown.model_fields if name != "reasons")
SESSIONS_SHOWN = 20
"""Sessions that the reader shows at most."""
PAGE_LIMIT_CHARS = 60_000
"""Of a page's simplified HTML, what the reader shows at most."""
Predicted = Mapping[tuple[str, int], Sequence[tuple[str, Prediction]]]
"""For each (session, step): each setting's predictions, in the settings' order."""


@dataclass(frozen=True)
class SessionReplay:
    """The sessions that the reader shows, and what was left out of it."""

    data: dict[str, Any]
    """JSON values: `settings`, `pages` (url, safe, source, cut), `sessions`; steps point into `pages`."""
    shown: int
    available: int
    """Sessions that could have been shown."""
    cut_pages: int
    cut_at_chars: int
    unplaced: int
    """Predictions for sessions or steps that the recorded sessions do not have."""


def replay_sessions(
    sessions: Sequence[Session], predictions: Mapping[str, Sequence[Prediction]]
) -> SessionReplay:
    """Return the first sessions that have predictions (or, without any predictions, the first sessions).

    Several predictions for one step are all shown; pages are cut at the limit, which is counted.
    """
    predicted: dict[tuple[str, int], list[tuple[str, Prediction]]] = defaultdict(list)
    for setting, several in predictions.items():
        for each in several:
            predicted[each.session_id, each.step].append((setting, each))
    steps = {(session.session_id, step) for session in sessions for step in range(len(session.steps))}
    wanted = {session_id for session_id, _ in predicted}
    chosen = [session for session in sessions if not wanted or session.session_id in wanted]
    pages: dict[tuple[str, str], int] = {}  # Each page once, with its place.
    shown = [_session(session, predicted, pages) for session in chosen[:SESSIONS_SHOWN]]
    entries = [_page(url, html) for url, html in pages]
    return SessionReplay(
        data={"settings": list(predictions), "pages": entries, "sessions": shown},
        shown=len(shown),
        available=len(chosen),
        cut_pages=sum(1 for entry in entries if entry["cut"]),
        cut_at_chars=PAGE_LIMIT_CHARS,
        unplaced=sum(len(found) for place, found in predicted.items() if place not in steps),
    )


def _page(url: str, html: str) -> dict[str, Any]:
    source = html[:PAGE_LIMIT_CHARS]
    return {
        "url": clean_text(url),
        "safe": make_safe(source),
        "source": clean_text(source),
        "cut": len(html) - len(source),
    }


def _session(session: Session, predicted: Predicted, pages: dict[tuple[str, str], int]) -> dict[str, Any]:
    return {
        "id": clean_text(session.session_id),
        "source": clean_text(session.source),
        "outcome": session.outcome or "outcome unknown",
        "steps": [
            {
                "page": pages.setdefault((step.page.url, step.page.html), len(pages)),
                "action": _action(step.action),
                "rationale": _optional(step.rationale),
                "predictions": [
                    _prediction(setting, prediction, step.action)
                    for setting, prediction in predicted.get((session.session_id, place), ())
                ],
            }
            for place, step in enumerate(session.steps)
        ],
    }


def _action(action: Action) -> dict[str, str]:
    shown = action.to_completion() | ({"click_type": action.click_type} if action.click_type else {})
    return {key: clean_text(value) for key, value in shown.items()}


def _prediction(setting: str, prediction: Prediction, true: Action) -> dict[str, Any]:
    action = prediction.action
    if action is None:
        same = "unparsable"
    elif exact_match(action, true):
        same = "action"
    else:
        same = "type" if action.type == true.type else "none"
    return {
        "setting": setting,
        "same": same,
        "action": _action(action) if action is not None else None,
        "rationale": _optional(prediction.rationale),
        "failure": _optional(prediction.failure),
        "completion": _optional(prediction.completion) if action is None else None,
        "prompt_tokens": prediction.prompt_tokens,
        "pages_cut": prediction.pages_cut,
        "reward": _reward(prediction.reward) if prediction.reward is not None else None,
    }


def _reward(reward: RewardBreakdown) -> list[dict[str, str]]:
    reasons = {part: clean_text(reward.reasons.get(part, "")) for part in REWARD_PARTS}
    return [
        {"part": part, "earned": f"{getattr(reward, part):.6g}", "reason": reason}
        for part, reason in reasons.items()
    ]


def _optional(text: str | None) -> str | None:
    return clean_text(text) if text is not None else None
