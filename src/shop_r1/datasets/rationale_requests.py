"""Sessions to the requests for their rationales, and which completions are accepted.

The paper has Claude 3.5 Sonnet write them, without any profile of the user, for SFT alone (section 3,
Appendix D). A session without usable rationales is listed with the reason; none gets a made-up rationale.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO, ClassVar, NamedTuple

from pydantic import Field

from shop_r1.config import Config
from shop_r1.datasets.examples import remember_counts
from shop_r1.endpoints.batch import Check, Failure
from shop_r1.endpoints.pricing import Price
from shop_r1.endpoints.protocol import Completion, Request
from shop_r1.endpoints.retry import RequestConfig
from shop_r1.endpoints.spool import SpooledRequests
from shop_r1.errors import ConfigError
from shop_r1.jsonl import Record
from shop_r1.models.precision import Bf16
from shop_r1.pages.tokens import CountTokens
from shop_r1.prompts.rationales import (
    RATIONALES_SCHEMA,
    missing_rationales,
    parse_rationales,
    render_rationales,
)
from shop_r1.prompts.strict_json import OutOfFormatError
from shop_r1.records.sessions import Session

ENVELOPE_TOKENS = 40
"""Kept free in a completion beside its rationales: the brackets, and a code fence. Ours."""


class RationaleConfig(Config):
    """How rationales are requested."""

    RENAMED: ClassVar = {"ask": "requests", "reply_tokens": "max_completion_length"}
    max_tokens: int = Field(default=32768, gt=0)
    """Longest prompt and completion together, in tokens by `estimate_tokens` (for a checkpoint here: by its
    own count). Over it the oldest pages' bodies go first. Ours: what SFT can show of a session (paper
    4.1)."""
    rationale_tokens: int = Field(default=100, ge=1)
    """Room in the completion for each rationale, in tokens; one sentence takes about 30. Ours."""
    max_completion_length: int = Field(default=4096, ge=1)
    """Longest completion, in tokens, for any number of rationales. Ours: endpoints reject more than their
    model can write, 8,192 for Claude 3.5 Sonnet."""
    temperature: float | None = Field(default=None, ge=0)
    """Of sampling; not set, it is left to the endpoint (a checkpoint here: 0.6)."""
    bf16: Bf16 = "auto"
    """Of a checkpoint here: compute in bfloat16; `auto`: where that is faster on this machine."""
    replace: bool = False
    """Replace existing rationales."""
    price: Price | None = None
    """Of the model; comes before the published price."""
    requests: RequestConfig = RequestConfig()
    """How many at once, how fast, how often again, and for how much."""


class FailedSession(Record):
    """A session that got no rationales."""

    session_id: str
    steps: tuple[int, ...]
    """The steps without a rationale, from 1."""
    reason: str
    """One word for counting: `over_budget`, `cost_cap`, `no_completion`, `refused`, `cut`, or what was wrong
    with the last completion (`prompts.rationales.RationaleProblem`)."""
    message: str
    """What happened last, in a sentence."""


@dataclass(frozen=True)
class PlannedSession:
    """A session for which a request is sent."""

    index: int
    """In the file, from 0."""
    session_id: str
    """To detect a file that has changed."""
    steps: tuple[int, ...]
    """Those whose rationale is requested, from 1."""

    def fail(self, reason: str, message: str) -> FailedSession:
        """Return the record of its failure."""
        return FailedSession(session_id=self.session_id, steps=self.steps, reason=reason, message=message)


@dataclass
class Plan:
    """What a file of sessions needs: a request for each planned session."""

    requests: Sequence[Request]
    planned: list[PlannedSession] = field(default_factory=list)
    sessions: int = 0
    existing: int = 0  # rationales that stay as they are
    requested: int = 0
    failed: dict[int, FailedSession] = field(default_factory=dict)  # by index: what fits into no prompt
    pages_cut: int = 0  # pages that lost their body to the budget
    pages_shortened: int = 0  # last pages that were shortened


def plan_requests(
    sessions: Iterable[Session],
    config: RationaleConfig,
    count_tokens: CountTokens,
    spool: IO[bytes],
    progress: Callable[[int], None] | None = None,
) -> Plan:
    """Return a request for each session that lacks a rationale, in order.

    The sessions are read once, one at a time. `spool` is an empty file in which the requests wait; keep it
    open as long as the plan is used. `progress` is called after each session with how many were read.
    """
    count = remember_counts(count_tokens)
    return collect_plan((draft_request(session, config, count) for session in sessions), spool, progress)


class DraftRequest(NamedTuple):
    """What one session needs, whichever process found it."""

    session_id: str
    steps: tuple[int, ...]
    """Those whose rationale is requested, from 1; empty where none is missing."""
    existing: int
    """Its rationales that stay as they are."""
    request: Request | None = None
    """None where none is missing, or it fits into no prompt."""
    problem: str = ""
    """Why it fits into no prompt."""
    pages_cut: int = 0
    pages_shortened: int = 0


def draft_request(session: Session, config: RationaleConfig, count: CountTokens) -> DraftRequest:
    """Return what a session needs; the same for the same session in any process."""
    steps = missing_rationales(session, config.replace)
    found = DraftRequest(session.session_id, steps, len(session.steps) - len(steps))
    if not steps:
        return found
    try:
        return _render_request(found, session, config, count)
    except ConfigError as error:
        return found._replace(problem=str(error))


def collect_plan(
    drafts: Iterable[DraftRequest], spool: IO[bytes], progress: Callable[[int], None] | None = None
) -> Plan:
    """Return the plan of all sessions' drafts, in order; `spool` and `progress` as for `plan_requests`."""
    requests = SpooledRequests(spool)
    plan = Plan(requests)
    for index, draft in enumerate(drafts):
        plan.sessions += 1
        plan.existing += draft.existing
        plan.pages_cut += draft.pages_cut
        plan.pages_shortened += draft.pages_shortened
        planned = PlannedSession(index, draft.session_id, draft.steps)
        if draft.request is not None:
            requests.append(draft.request)
            plan.planned.append(planned)
            plan.requested += len(draft.steps)
        elif draft.steps:
            plan.failed[index] = planned.fail("over_budget", draft.problem)
        if progress is not None:
            progress(plan.sessions)
    return plan


def _render_request(
    draft: DraftRequest, session: Session, config: RationaleConfig, count: CountTokens
) -> DraftRequest:
    steps = draft.steps
    completion = min(config.max_completion_length, ENVELOPE_TOKENS + config.rationale_tokens * len(steps))
    prompt = render_rationales(session, steps, config.max_tokens, completion, count)
    request = Request(
        messages=prompt.messages,
        max_tokens=completion,
        temperature=config.temperature,
        json_schema=RATIONALES_SCHEMA,
    )
    return draft._replace(
        request=request, pages_cut=prompt.pages_cut, pages_shortened=int(prompt.page_truncated)
    )


def check_completions(plan: Plan) -> Check:
    """Return the function that rejects a completion without exactly the rationales of its request."""

    def check(index: int, completion: Completion) -> Failure | None:
        if completion.stop == "refused":
            return Failure("refused", "refused: the model, or a filter before it, declined")
        try:
            parse_rationales(completion.text, plan.planned[index].steps)
        except OutOfFormatError as error:
            if completion.stop == "length":
                limit = plan.requests[index].max_tokens
                return Failure("cut", f"cut: the completion ended at its limit of {limit} tokens")
            return Failure(error.reason, f"{error.reason}: {error}")
        return None

    return check
