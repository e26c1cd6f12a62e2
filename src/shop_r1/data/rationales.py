"""Why was each action taken? Sessions to questions to a model, its answers to sessions with rationales.

The paper has Claude 3.5 Sonnet write them, without any profile of the user, for SFT alone (section 3,
Appendix D). A session that comes to nothing is listed with the reason; none gets a made-up rationale.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, get_args

from pydantic import Field

from shop_r1.config import Config
from shop_r1.errors import ConfigError, DataError
from shop_r1.jsonl import Record, write_records
from shop_r1.llm.asking import AskConfig, Outcome
from shop_r1.llm.protocol import Answer, Price, Request
from shop_r1.llm.spool import SpooledRequests
from shop_r1.pages.tokens import CountTokens
from shop_r1.prompts.rationales import (
    RATIONALES_SCHEMA,
    RationaleFailure,
    RationaleFault,
    read_rationales,
    render_rationales,
    steps_to_ask,
)
from shop_r1.sessions import Session

ENVELOPE_TOKENS = 40
"""Kept free in a reply beside its rationales: the brackets, and a code fence. Ours."""


class PriceConfig(Config):
    """What a model's tokens cost, in US dollars for a million."""

    input_usd: float = Field(ge=0)
    """Of the prompt's tokens."""
    output_usd: float = Field(ge=0)
    """Of the reply's tokens."""


class RationaleConfig(Config):
    """How rationales are asked for."""

    max_tokens: int = Field(default=32768, gt=0)
    """Longest prompt and reply together, in tokens as `estimate_tokens` counts them (a checkpoint here: as its
    tokenizer does). Over it the oldest pages' bodies go first. Ours: what SFT can show of a session (paper
    4.1)."""
    rationale_tokens: int = Field(default=100, ge=1)
    """Room in the reply for each rationale, in tokens; one sentence takes some 30. Ours."""
    reply_tokens: int = Field(default=4096, ge=1)
    """Longest reply, in tokens, however many rationales are asked for. Ours: endpoints refuse more than their
    model can write, 8,192 for Claude 3.5 Sonnet."""
    temperature: float | None = Field(default=None, ge=0)
    """Of sampling; not set, it is left to the endpoint (a checkpoint here: 0.6)."""
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
    count = lru_cache(maxsize=10_000)(count_tokens)
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
    reply = min(config.reply_tokens, ENVELOPE_TOKENS + config.rationale_tokens * len(steps))
    try:
        prompt = render_rationales(session, steps, config.max_tokens, reply, count)
    except ConfigError as error:
        return FailedSession(
            session_id=session.session_id, steps=steps, reason="over_budget", message=str(error)
        )
    plan.pages_cut += prompt.pages_cut
    plan.pages_shortened += prompt.page_truncated
    return Request(
        messages=prompt.messages,
        max_tokens=reply,
        temperature=config.temperature,
        json_schema=RATIONALES_SCHEMA,
    )


def acceptance(plan: Plan) -> Callable[[int, Answer], str | None]:
    """Return the function that says why an answer to a question (by its place) will not do, if it will not."""

    def accept(place: int, answer: Answer) -> str | None:
        if answer.stop == "refused":
            return "refused: the model, or a filter before it, would not answer"
        read = read_rationales(answer.text, plan.asked[place].steps)
        if not isinstance(read, RationaleFailure):
            return None
        if answer.stop == "length":
            return f"cut: the reply ended at its limit of {plan.requests[place].max_tokens} tokens"
        return f"{read.reason}: {read.message}"

    return accept


@dataclass(frozen=True)
class Written:
    """What became of a file of sessions.

    Attributes:
        sessions: how many were written.
        rationales: how many rationales were added.
        failed: the sessions without, in order.
    """

    sessions: int
    rationales: int
    failed: list[FailedSession]

    @property
    def reasons(self) -> Mapping[str, int]:
        """How many sessions failed for each reason, the most frequent first."""
        return dict(Counter(failure.reason for failure in self.failed).most_common())


def failed_path(out: Path) -> Path:
    """Return where the sessions without rationales are listed.

    >>> failed_path(Path("runs/with.jsonl.zst")).name
    'with.failed.jsonl'
    """
    return out.with_name(f"{_stem(out)}.failed.jsonl")


def answers_path(out: Path) -> Path:
    """Return where the answers of a run are kept, unless another place is given.

    >>> answers_path(Path("runs/with.jsonl")).name
    'with.answers.jsonl'
    """
    return out.with_name(f"{_stem(out)}.answers.jsonl")


def _stem(out: Path) -> str:
    return out.name.removesuffix(".zst").removesuffix(".jsonl")


def write_rationales(
    sessions: Iterable[Session],
    out: Path,
    plan: Plan,
    outcomes: Sequence[Outcome],
    keep_failed: bool = False,
) -> Written:
    """Write the sessions with the rationales that were found; the file appears whole or not at all.

    Args:
        sessions: the same that were planned for, read once more.
        out: where they go, in the same order.
        plan: what was asked.
        outcomes: of each question, in order.
        keep_failed: write a session that came to nothing as it was; else it is left out. Either way
            `failed_path` lists it; without one, an older list is removed.

    Raises:
        DataError: every session came to nothing (nothing is written but the list), the sessions are not
            those of the plan, or a file cannot be written.
    """
    found, failed = _match(plan, outcomes)
    failures = [failed[place] for place in sorted(failed)]
    listed = failed_path(out)
    if failures:
        write_records(listed, failures)
    if len(failures) == plan.sessions:
        reasons = ", ".join(f"{reason} {count}" for reason, count in Written(0, 0, failures).reasons.items())
        raise DataError.at(
            out,
            None,
            f"is not written: none of {plan.sessions} sessions got its rationales ({reasons}); {listed} says "
            f"why, the first: {failures[0].message}",
        )
    written = write_records(out, _fill(sessions, plan, found, failed, keep_failed))
    if not failures:
        listed.unlink(missing_ok=True)
    return Written(written, sum(map(len, found.values())), failures)


def _match(
    plan: Plan, outcomes: Sequence[Outcome]
) -> tuple[dict[int, dict[int, str]], dict[int, FailedSession]]:
    """Return, by the session's place, the rationales of its steps, or why there are none."""
    found: dict[int, dict[int, str]] = {}
    failed = dict(plan.failed)
    for asked, outcome in zip(plan.asked, outcomes, strict=True):
        read = None if outcome.answer is None else read_rationales(outcome.answer.text, asked.steps)
        if isinstance(read, dict):
            found[asked.place] = read
            continue
        fault = outcome.fault or "no answer"
        failed[asked.place] = FailedSession(
            session_id=asked.session_id, steps=asked.steps, reason=_reason(fault), message=fault
        )
    return found, failed


_ANSWER_REASONS = frozenset((*get_args(RationaleFault), "refused", "cut"))


def _reason(fault: str) -> str:
    if fault.startswith("cost cap"):
        return "cost_cap"
    word = fault.partition(":")[0]
    return word if word in _ANSWER_REASONS else "no_answer"


def _fill(
    sessions: Iterable[Session],
    plan: Plan,
    found: Mapping[int, Mapping[int, str]],
    failed: Mapping[int, FailedSession],
    keep_failed: bool,
) -> Iterator[Session]:
    """Yield the sessions with their rationales, in order."""
    names = {asked.place: asked.session_id for asked in plan.asked}
    place = -1
    for place, session in enumerate(sessions):
        if names.get(place, session.session_id) != session.session_id:
            break
        if place not in failed:
            yield _with_rationales(session, found.get(place, {}))
        elif keep_failed:
            yield session
    else:
        if place + 1 == plan.sessions:
            return
    raise DataError("the sessions changed while the model was asked; run the command again")


def _with_rationales(session: Session, rationales: Mapping[int, str]) -> Session:
    steps = tuple(
        step.model_copy(update={"rationale": rationales[number]}) if number in rationales else step
        for number, step in enumerate(session.steps, 1)
    )
    return session.model_copy(update={"steps": steps})


def price_of(config: RationaleConfig, known: Price | None) -> Price | None:
    """Return the price to reckon with: the configured one, else the known one.

    Raises:
        ConfigError: there is a cap on the cost and no price to hold it by.
    """
    price = known if config.price is None else Price(config.price.input_usd, config.price.output_usd)
    if price is None and config.ask.max_cost_usd is not None:
        raise ConfigError(
            "a cap on the cost needs a price, and none is known for this model; give price.input_usd and "
            "price.output_usd, US dollars for a million tokens"
        )
    return price
