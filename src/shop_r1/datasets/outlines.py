"""What can be said of sessions without their pages: enough to choose, count and check before training."""

import hashlib
from dataclasses import dataclass

from shop_r1.records.actions import Action
from shop_r1.records.sessions import Session

DIGEST_BYTES = 8
"""Of a session's SHA-256; enough to tell by accident changed sessions apart. Ours."""


@dataclass(frozen=True, slots=True)
class SessionOutline:
    """A session without its pages, rationales and metadata.

    Attributes:
        session_id: as in the session.
        space: the name of its action space.
        actions: what was done at each step, without `click_type`; fields that are missing are empty.
        told: at which steps there is a rationale.
        html_characters: length of all its pages.
        digest: the first 8 bytes of the SHA-256 of the record as `jsonl.write_records` writes it.
    """

    session_id: str
    space: str
    actions: tuple[Action, ...]
    told: tuple[bool, ...]
    html_characters: int
    digest: bytes


def outline(session: Session) -> SessionOutline:
    """Return the session's outline."""
    return SessionOutline(
        session_id=session.session_id,
        space=session.space,
        actions=tuple(Action.model_validate(step.action.to_completion()) for step in session.steps),
        told=tuple(step.rationale is not None for step in session.steps),
        html_characters=sum(len(step.page.html) for step in session.steps),
        digest=digest_session(session),
    )


def digest_session(session: Session) -> bytes:
    """Return 8 bytes that tell the session from others; fields that are None do not count."""
    return hashlib.sha256(session.model_dump_json(exclude_none=True).encode()).digest()[:DIGEST_BYTES]
