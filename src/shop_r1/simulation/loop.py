"""The one loop that lets a shopper, whoever decides for it, act in a page driver until it stops."""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from shop_r1.drivers.in_process import Observation, PageDriver
from shop_r1.errors import ModelError, PageError
from shop_r1.records.actions import Action
from shop_r1.records.sessions import Outcome, Page, Session, Step

MAX_STEPS = 20
FAULTS_MAX = 3
"""A shopper that cannot do what it wants so many times in a row stops."""
_PURCHASES = frozenset({"buy now", "place order"})


class Decision(NamedTuple):
    """What a shopper says and does."""

    rationale: str | None
    action: Action


class NoStepError(ModelError):
    """A visit in which not one completion could be read; counted as the outcome "no step"."""


class Unreadable(NamedTuple):
    """What a shopper said that is no decision, and why."""

    reason: str


class Policy(Protocol):
    """Anyone who decides what to do next."""

    def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Decision | Unreadable:
        """Return the next decision, or why there is none; a completion that cannot be read is a fault.

        Args:
            history: the steps so far.
            page: what is seen now.
            rng: the session's only source of chance.
        """
        ...


@dataclass
class Tally:
    """What happened over many sessions: outcomes, steps, and actions that could not be done, by reason."""

    sessions: int = 0
    steps: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)


def run_session(
    policy: Policy,
    driver: PageDriver,
    seed: int | str,
    max_steps: int = MAX_STEPS,
    *,
    session_id: str = "",
    user_id: str | None = None,
    start: str = "/",
    source: str = "store",
    tally: Tally | None = None,
) -> Session:
    """Return one visit as a session, the same for the same seed, policy and store.

    An action that the page cannot take is recorded, changes nothing and is counted in `tally.faults`; so is
    a completion that cannot be read, which leaves no step. The visit ends when the shopper terminates, buys
    now or places the order, after `max_steps` steps or after `FAULTS_MAX` such faults in a row.

    Raises:
        PageError: the start page cannot be opened.
        NoStepError: not one completion could be read.
    """
    rng = random.Random(f"shop-r1 session {seed}")
    tally = tally if tally is not None else Tally()
    steps: list[Step] = []
    seen = driver.open(start)
    outcome: Outcome | None = None
    faults = 0
    while len(steps) < max_steps and faults < FAULTS_MAX and outcome is None:
        decision = policy.act(steps, seen.page, rng)
        if isinstance(decision, Unreadable):
            tally.faults[decision.reason[:200]] += 1
            faults += 1
            continue
        steps.append(Step(page=seen.page, action=decision.action, rationale=decision.rationale))
        try:
            after = driver.act(decision.action)
        except PageError as error:
            tally.faults[str(error)[:200]] += 1
            faults += 1
            continue
        faults = 0
        outcome = _outcome(decision.action, seen)
        seen = after
    if outcome is None:
        outcome = "max_steps" if len(steps) >= max_steps else "error"
    tally.sessions += 1
    tally.steps += len(steps)
    tally.outcomes[outcome if steps else "no step"] += 1
    if not steps:
        raise NoStepError(f"visit {session_id or seed}: none of its first {faults} completions could be read")
    return Session(
        session_id=session_id or f"{source}-{seed}",
        user_id=user_id,
        source=source,
        outcome=outcome,
        steps=tuple(steps),
    )


def _outcome(action: Action, seen: Observation) -> Outcome | None:
    if action.type == "terminate":
        return "terminate"
    element = seen.simplified.by_name.get(action.value("name"))
    if action.type == "click" and element is not None and element.label.lower() in _PURCHASES:
        return "purchase"
    return None
