"""Why was each action taken? Sessions to the questions that a model is asked, and which answers will do.

The paper has Claude 3.5 Sonnet write them, without any profile of the user, for SFT alone (section 3,
Appendix D). A session that comes to nothing is listed with the reason; none gets a made-up rationale.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import IO

from pydantic import Field

from shop_r1.config import Config
from shop_r1.datasets.examples import remember_counts
from shop_r1.endpoints.batch import AskConfig
from shop_r1.endpoints.pricing import PriceConfig
from shop_r1.endpoints.protocol import Answer, Request
from shop_r1.endpoints.spool import SpooledRequests
from shop_r1.errors import ConfigError
from shop_r1.jsonl import Record
from shop_r1.models.precision import Bf16
from shop_r1.pages.tokens import CountTokens
from shop_r1.prompts.rationales import (
    RATIONALES_SCHEMA,
    RationaleFailure,
    read_rationales,
    render_rationales,
    steps_to_ask,
)
from shop_r1.records.sessions import Session

ENVELOPE_TOKENS = 40
"""Kept free in a completion beside its rationales: the brackets, and a code fence. Ours."""


class RationaleConfig(Config):
    """How rationales are asked for."""

    max_tokens: int = Field(default=32768, gt=0)
    """Longest prompt and completion together, in tokens by `estimate_tokens` (for a checkpoint here: by its
    own count). Over it the oldest pages' bodies go first. Ours: what SFT can show of a session (paper
    4.1)."""
    rationale_tokens: int = Field(default=100, ge=1)
    """Room in the completion for each rationale, in tokens; one sentence takes some 30. Ours."""
    max_completion_length: int = Field(default=4096, ge=1)
    """Longest completion, in tokens, however many rationales are asked for. Ours: endpoints refuse more than
    their model can write, 8,192 for Claude 3.5 Sonnet."""
    temperature: float | None = Field(default=None, ge=0)
    """Of sampling; not set, it is left to the endpoint (a checkpoint here: 0.6)."""
    bf16: Bf16 = "auto"
    """Of a checkpoint here: compute in bfloat16; `auto`: where that is faster on this machine."""
    replace: bool = False
    """Write anew the rationales that are there."""
    price: PriceConfig | None = None
    """Of the model, where it is not known; what is set here comes first."""
    ask: AskConfig = AskConfig()
    """How many questions at once, how fast, how often again."""


class FailedSession(Record):
    """A session whose rationales nobody wrote."""

    session_id: str
    steps: tuple[int, ...]
    """The steps without a rationale, from 1."""
    reason: str
    """One word for counting: `over_budget`, `cost_cap`, `no_answer`, `refused`, `cut`, or what was wrong with
    the last answer (`prompts.rationales.RationaleFault`)."""
    message: str
    """What happened last, in a sentence."""


@dataclass(frozen=True)
class Asked:
    """A session that is asked about.

    Attributes:
        place: in the file, from 0.
        session_id: to see that the file has not changed.
        steps: those whose rationale is asked for, from 1.
    """

    place: int
    session_id: str
    steps: tuple[int, ...]


@dataclass
class Plan:
    """What a file of sessions needs.

    Attributes:
        asked: the sessions to ask about, in order; `requests` has the question of each.
        requests: the questions.
        sessions: how many sessions the file has.
        kept_rationales: how many rationales stay as they are.
        asked_rationales: how many are asked for.
        failed: by place, the sessions that cannot be asked about.
        pages_cut: how many pages lost their body to the budget.
        pages_shortened: how many last pages were shortened.
    """

    asked: list[Asked]
    requests: Sequence[Request]
    sessions: int = 0
    kept_rationales: int = 0
    asked_rationales: int = 0
    failed: dict[int, FailedSession] = field(default_factory=dict)
    pages_cut: int = 0
    pages_shortened: int = 0


def plan_requests(
    sessions: Iterable[Session],
    config: RationaleConfig,
    count_tokens: CountTokens,
    spool: IO[bytes],
    progress: Callable[[int], None] | None = None,
) -> Plan:
    """Return a question for each session that lacks a rationale, in order.

    Args:
        sessions: read once, one at a time.
        config: the budget, and whether rationales that are there are replaced.
        count_tokens: counts, or estimates, as the model does.
        spool: an empty file in which the questions wait; keep it open as long as the plan is used.
        progress: told after each session how many were read.
    """
    count = remember_counts(count_tokens)
    requests = SpooledRequests(spool)
    plan = Plan([], requests)
    for place, session in enumerate(sessions):
        steps = steps_to_ask(session, config.replace)
        plan.sessions += 1
        plan.kept_rationales += len(session.steps) - len(steps)
        if steps:
            request = _render_request(session, steps, config, count, plan)
            if isinstance(request, FailedSession):
                plan.failed[place] = request
            else:
                requests.append(request)
                plan.asked.append(Asked(place, session.session_id, steps))
                plan.asked_rationales += len(steps)
        if progress is not None:
            progress(plan.sessions)
    return plan


def _render_request(
    session: Session, steps: tuple[int, ...], config: RationaleConfig, count: CountTokens, plan: Plan
) -> Request | FailedSession:
    """Return the question about a session; what its budget cost is added to the plan."""
    completion = min(config.max_completion_length, ENVELOPE_TOKENS + config.rationale_tokens * len(steps))
    try:
        prompt = render_rationales(session, steps, config.max_tokens, completion, count)
    except ConfigError as error:
        return FailedSession(
            session_id=session.session_id, steps=steps, reason="over_budget", message=str(error)
        )
    plan.pages_cut += prompt.pages_cut
    plan.pages_shortened += prompt.page_truncated
    return Request(
        messages=prompt.messages,
        max_tokens=completion,
        temperature=config.temperature,
        json_schema=RATIONALES_SCHEMA,
    )


def acceptance(plan: Plan) -> Callable[[int, Answer], str | None]:
    """Return the function that says why an answer to the question in a place will not do, or None."""

    def accept(place: int, answer: Answer) -> str | None:
        if answer.stop == "refused":
            return "refused: the model, or a filter before it, would not answer"
        read = read_rationales(answer.text, plan.asked[place].steps)
        if not isinstance(read, RationaleFailure):
            return None
        if answer.stop == "length":
            return f"cut: the completion ended at its limit of {plan.requests[place].max_tokens} tokens"
        return f"{read.reason}: {read.message}"

    return accept
