"""What is known of sessions without their pages: enough to choose, count and check before training."""

import hashlib
from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from shop_r1.records.actions import SPACES, Action
from shop_r1.records.sessions import Session

DIGEST_BYTES = 8
"""Of a session's SHA-256; enough to notice that a session was changed by accident. Ours."""

ACTION_TYPES = {kind.name: kind for space in SPACES.values() for kind in space.types}
"""Every type of action, by name."""

Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SessionOutline:
    """A session without its pages, rationales and metadata."""

    session_id: str
    space: str
    actions: tuple[Action, ...]  # at each step, without `click_type`; missing fields are empty
    has_rationale: tuple[bool, ...]  # for each step
    html_characters: int  # length of all its pages together
    digest: bytes  # `digest_session`


@dataclass(frozen=True)
class SessionColumns:
    """The outlines of n sessions with s steps in all, as columns."""

    ids: list[str]
    spaces: list[str]
    counts: Numbers  # (n,) steps
    html_characters: Numbers  # (n,) of all pages
    digests: NDArray[np.uint8]  # (n, 8) bytes of `digest_session`
    types: list[str]  # s of them, as of `names`, `texts` and `has_rationale`
    names: list[str | None]  # None where the action has none
    texts: list[str | None]
    has_rationale: list[bool]

    @cached_property
    def firsts(self) -> Numbers:
        """(n,) where each session's steps begin in the columns of steps."""
        return np.cumsum(self.counts) - self.counts

    def action(self, row: int) -> Action:
        """Return the action in this row of the columns of steps."""
        return _make_action(self.types[row], self.names[row], self.texts[row])

    def outline(self, number: int) -> SessionOutline:
        """Return a session's outline."""
        first = int(self.firsts[number])
        end = first + int(self.counts[number])
        return SessionOutline(
            session_id=self.ids[number],
            space=self.spaces[number],
            actions=tuple(map(self.action, range(first, end))),
            has_rationale=tuple(self.has_rationale[first:end]),
            html_characters=int(self.html_characters[number]),
            digest=self.digests[number].tobytes(),
        )


def outline_session(session: Session) -> SessionOutline:
    """Return the session's outline."""
    actions = (step.action for step in session.steps)
    return SessionOutline(
        session_id=session.session_id,
        space=session.space,
        actions=tuple(_make_action(each.type, each.name, each.text) for each in actions),
        has_rationale=tuple(step.rationale is not None for step in session.steps),
        html_characters=count_html(session),
        digest=digest_session(session),
    )


def count_html(session: Session) -> int:
    """Return the length of all the session's pages, in characters."""
    return sum(len(step.page.html) for step in session.steps)


def digest_session(session: Session) -> bytes:
    """Return the first 8 bytes of the SHA-256 of the record as JSON; fields that are None do not count."""
    return hashlib.sha256(session.model_dump_json(exclude_none=True).encode()).digest()[:DIGEST_BYTES]


@lru_cache(maxsize=500_000)
def _make_action(kind: str, name: str | None, text: str | None) -> Action:
    """Return the action with every field that its type has; the same actions come again and again."""
    values = {"name": name or "", "text": text or ""}
    return Action(type=kind, **{field: values[field] for field in ACTION_TYPES[kind].fields})
