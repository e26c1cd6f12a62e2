"""The loop in which a policy acts through a driver until the visit ends, and the sessions that it makes."""

import random
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Protocol

from shop_r1.drivers.in_process import InProcessDriver, Observation
from shop_r1.errors import ModelError, PageError
from shop_r1.prompts.parse import ParseFailure
from shop_r1.records.actions import Action
from shop_r1.records.sessions import Outcome, Page, Session, Step

MAX_STEPS = 20
MAX_ERRORS = 3
"""A visit ends after so many invalid responses or impossible actions in a row."""
_PURCHASES = frozenset({"buy now", "place order"})

Progress = Callable[[int, int], None]
"""Called with how many sessions are done and how many there will be."""


class NoStepError(ModelError):
    """A visit in which every response was invalid; counted as the outcome "no step"."""


class Policy(Protocol):
    """Decides what to do next."""

    def act(self, history: Sequence[Step], page: Page, rng: random.Random) -> Step | ParseFailure:
        """Return the next step, on this page, or why the policy's response is invalid.

        `rng` is the session's only source of randomness.
        """
        ...


@dataclass
class Tally:
    """Counts over many sessions: outcomes, steps, and responses or actions that failed, by reason."""

    steps: int = 0
    outcomes: Counter[str] = field(default_factory=Counter)
    errors: Counter[str] = field(default_factory=Counter)


def run_sessions(
    policy_of: Callable[[str], Policy],
    driver: InProcessDriver,
    count: int,
    seed: int,
    *,
    names: tuple[str, str],
    max_steps: int = MAX_STEPS,
    progress: Progress | None = None,
    tally: Tally | None = None,
) -> Iterator[Session]:
    """Yield sessions; session `k` depends on the seed and `k` alone, so a larger count only adds sessions.

    A visit in which every response was invalid is left out and counted in `tally.outcomes["no step"]`.

    `policy_of` returns the policy of a session by its key (`seed-index`). `names` are what the ids of
    sessions and of users begin with.
    """
    for index in range(count):
        key = f"{seed}-{index:05d}"
        with suppress(NoStepError):
            yield run_session(policy_of(key), driver, key, max_steps, names=names, tally=tally)
        if progress is not None:
            progress(index + 1, count)


def run_session(
    policy: Policy,
    driver: InProcessDriver,
    seed: int | str,
    max_steps: int = MAX_STEPS,
    *,
    names: tuple[str, str] = ("store", "shopper"),
    tally: Tally | None = None,
) -> Session:
    """Return one visit as a session, the same for the same seed, policy and store; `names` as `run_sessions`.

    An action that the page does not offer is recorded, changes nothing and is counted in `tally.errors`; an
    invalid response is counted there too and leaves no step. The outcome is `terminate` or `purchase` (buy
    now, place order), else `error` after `MAX_ERRORS` of these in a row, else `max_steps`.

    Raises:
        PageError: the start page cannot be opened.
        NoStepError: every response was invalid.
    """
    rng = random.Random(f"shop-r1 session {seed}")
    tally = tally or Tally()
    steps, errors, seen = list[Step](), 0, driver.open("/")
    outcome: Outcome | None = None
    while outcome is None and errors < MAX_ERRORS and len(steps) < max_steps:
        step = policy.act(steps, seen.page, rng)
        if isinstance(step, ParseFailure):
            tally.errors[f"invalid response: {step.reason}"] += 1
            errors += 1
            continue
        steps.append(step)
        try:
            after = driver.act(step.action)
        except PageError as error:
            tally.errors[str(error)[:200]] += 1
            errors += 1
            continue
        errors = 0
        outcome, seen = _outcome(step.action, seen), after
    outcome = outcome or ("error" if errors == MAX_ERRORS else "max_steps")
    tally.steps += len(steps)
    tally.outcomes[outcome if steps else "no step"] += 1
    if not steps:
        raise NoStepError(f"visit {names[0]}-{seed}: its first {errors} responses were invalid")
    return Session(
        session_id=f"{names[0]}-{seed}",
        user_id=f"{names[1]}-{seed}",
        source="store",
        outcome=outcome,
        steps=tuple(steps),
    )


def _outcome(action: Action, seen: Observation) -> Outcome | None:
    """Return the outcome that an action on a page is; None where the visit goes on."""
    if action.type == "terminate":
        return "terminate"
    element = seen.simplified.by_name.get(action.value("name"))
    if action.type == "click" and element is not None and element.label.lower() in _PURCHASES:
        return "purchase"
    return None
