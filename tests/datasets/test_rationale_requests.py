import asyncio
import json
import re
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any

import pytest
from tests.tiny import BUY, LEAVE, LOOK, SEARCH, make_session, with_rationale

from shop_r1.datasets.rationale_requests import (
    ENVELOPE_TOKENS,
    FailedSession,
    Plan,
    RationaleConfig,
    check_completions,
    plan_requests,
)
from shop_r1.datasets.with_rationales import Written, count_reasons, failed_path, write_rationales
from shop_r1.endpoints.batch import Failure, Outcome, send_all
from shop_r1.endpoints.pricing import Price
from shop_r1.endpoints.protocol import Completion, Request, Usage
from shop_r1.endpoints.response_cache import ResponseCache
from shop_r1.endpoints.retry import RequestConfig
from shop_r1.errors import DataError
from shop_r1.jsonl import read_records
from shop_r1.records.sessions import Page, Session, Step

USAGE = Usage(input_tokens=100, output_tokens=10)


def silent(name: str, *steps: Step) -> Session:
    return make_session(name, *(step.model_copy(update={"rationale": None}) for step in steps))


SESSIONS = [
    silent("buys", SEARCH, LOOK, BUY),
    make_session("told", SEARCH, LEAVE),
    silent("leaves", SEARCH, LEAVE),
]


def requested_steps(request: Request) -> list[int]:
    """Return what a question asks for, as its last line has it."""
    return [int(digits) for digits in re.findall(r"\d+", request.messages[-1]["content"].splitlines()[-1])]


def obedient(request: Request, attempt: int) -> Completion:
    entries = [{"step": step, "rationale": f"Because of {step}."} for step in requested_steps(request)]
    return Completion(text=json.dumps({"rationales": entries}), stop="end", usage=USAGE)


class Scripted:
    """An endpoint whose answers a function gives: of the request, and of how often it was sent before."""

    name = "scripted"

    def __init__(self, completion: Callable[[Request, int], Completion] = obedient) -> None:
        self.sent: list[Request] = []
        self._completion = completion

    async def send(self, request: Request) -> Completion:
        self.sent.append(request)
        return self._completion(request, self.sent.count(request))

    async def close(self) -> None:
        pass


@pytest.fixture
def spool() -> Iterator[IO[bytes]]:
    with tempfile.TemporaryFile() as stream:
        yield stream


def send(
    plan: Plan, folder: Path, endpoint: Scripted, price: Price | None = None, **settings: Any
) -> list[Outcome]:
    config = RequestConfig(concurrency=2, backoff_s=0, **settings)
    with ResponseCache(folder / "cache.jsonl") as cache:
        return asyncio.run(send_all(endpoint, plan.requests, config, cache, price, check_completions(plan)))


def write(
    sessions: Sequence[Session],
    spool: IO[bytes],
    folder: Path,
    endpoint: Scripted,
    config: RationaleConfig | None = None,
    keep_failed: bool = False,
) -> tuple[Written, list[Session]]:
    plan = plan_requests(sessions, config or RationaleConfig(), len, spool)
    outcomes = send(plan, folder, endpoint)
    out = folder / "with.jsonl"
    written = write_rationales(sessions, out, plan, outcomes, keep_failed)
    return written, list(read_records(out, Session))


def told(session: Session) -> list[str | None]:
    return [step.rationale for step in session.steps]


def test_each_session_is_one_request_and_gets_its_own_rationales(spool: IO[bytes], tmp_path: Path) -> None:
    endpoint = Scripted()
    written, found = write(SESSIONS, spool, tmp_path, endpoint)
    assert [session.session_id for session in found] == ["buys", "told", "leaves"]
    assert told(found[0]) == ["Because of 1.", "Because of 2.", "Because of 3."]
    assert told(found[2]) == ["Because of 1.", "Because of 2."]
    assert found[1] == SESSIONS[1]
    assert (written.sessions, written.rationales, written.failed) == (3, 5, [])
    assert len(endpoint.sent) == 2  # None about the session that has all of its own.
    assert not failed_path(tmp_path / "with.jsonl").exists()


def test_everything_but_the_rationales_stays_as_it_was(spool: IO[bytes], tmp_path: Path) -> None:
    session = SESSIONS[0].model_copy(update={"user_id": "u", "source": "pages", "outcome": "purchase"})
    (found,) = write([session], spool, tmp_path, Scripted())[1]
    for number, step in enumerate(session.steps):
        session = with_rationale(session, number, f"Because of {number + 1}.")
        assert step.page == found.steps[number].page
    assert found == session


def test_a_customers_own_rationales_are_kept(spool: IO[bytes], tmp_path: Path) -> None:
    session = with_rationale(SESSIONS[0], 1, "It is cheap.")
    endpoint = Scripted()
    (found,) = write([session], spool, tmp_path, endpoint)[1]
    assert told(found) == ["Because of 1.", "It is cheap.", "Because of 3."]
    assert requested_steps(endpoint.sent[0]) == [1, 3]


def test_replacing_writes_a_customers_own_anew(spool: IO[bytes], tmp_path: Path) -> None:
    (found,) = write([SESSIONS[1]], spool, tmp_path, Scripted(), RationaleConfig(replace=True))[1]
    assert told(found) == ["Because of 1.", "Because of 2."]


def test_a_request_leaves_room_for_each_rationale_and_is_never_longer_than_allowed(spool: IO[bytes]) -> None:
    config = RationaleConfig(
        rationale_tokens=50, max_completion_length=150 + ENVELOPE_TOKENS, temperature=0.3
    )
    steps = [SEARCH.model_copy(update={"rationale": None})] * 4
    plan = plan_requests([SESSIONS[2], make_session("long", *steps)], config, len, spool)
    assert [request.max_tokens for request in plan.requests] == [
        2 * 50 + ENVELOPE_TOKENS,
        150 + ENVELOPE_TOKENS,  # not 4 x 50
    ]
    assert {request.temperature for request in plan.requests} == {0.3}
    assert plan.requests[0].json_schema is not None


def test_the_plan_counts_what_is_requested_kept_and_cut(spool: IO[bytes]) -> None:
    long = Page(html="words " * 2_000)
    session = silent("long", SEARCH.model_copy(update={"page": long}), LEAVE)
    read: list[int] = []
    plan = plan_requests([*SESSIONS, session], RationaleConfig(max_tokens=8_000), len, spool, read.append)
    assert (plan.sessions, plan.requested, plan.existing) == (4, 7, 2)
    assert [planned.index for planned in plan.planned] == [0, 2, 3]
    assert (plan.pages_cut, plan.pages_shortened) == (1, 0)
    assert read == [1, 2, 3, 4]


def test_after_a_rejected_completion_the_request_is_sent_again(spool: IO[bytes], tmp_path: Path) -> None:
    def completion(request: Request, attempt: int) -> Completion:
        good = obedient(request, attempt)
        return good if attempt == 3 else good.model_copy(update={"text": f"Sure! {good.text}"})

    endpoint = Scripted(completion)
    written, found = write([SESSIONS[0]], spool, tmp_path, endpoint)
    assert len(endpoint.sent) == 3
    assert (written.failed, told(found[0])[0]) == ([], "Because of 1.")


REJECTED: dict[str, Completion] = {
    "refused": Completion(text="", stop="refused", usage=USAGE),
    "cut": Completion(text='{"rationales": [{"step": 1, "rati', stop="length", usage=USAGE),
    "missing_step": Completion(text='{"rationales": []}', stop="end", usage=USAGE),
    "extra_text": Completion(text="I cannot say.", stop="end", usage=USAGE),
}


@pytest.mark.parametrize("reason", REJECTED)
@pytest.mark.parametrize("keep", [False, True])
def test_a_session_that_comes_to_nothing_is_left_out_or_kept_and_listed_with_the_reason(
    reason: str, keep: bool, spool: IO[bytes], tmp_path: Path
) -> None:
    def completion(request: Request, attempt: int) -> Completion:
        return REJECTED[reason] if len(requested_steps(request)) == 2 else obedient(request, attempt)

    written, found = write(SESSIONS, spool, tmp_path, Scripted(completion), keep_failed=keep)
    assert count_reasons(written.failed) == f"{reason} 1"
    assert [session.session_id for session in found] == ["buys", "told"] + ["leaves"] * keep
    assert found[2:] == SESSIONS[2:] * keep  # as it was
    (listed,) = read_records(failed_path(tmp_path / "with.jsonl"), FailedSession)
    assert (listed.session_id, listed.steps, listed.reason) == ("leaves", (1, 2), reason)
    assert listed.message.startswith(f"{reason}: ")


def test_a_session_whose_actions_are_over_the_budget_is_listed_and_not_sent(
    spool: IO[bytes], tmp_path: Path
) -> None:
    long = silent("long", *([SEARCH] * 200), LEAVE)
    endpoint = Scripted()
    written, _ = write([SESSIONS[0], long], spool, tmp_path, endpoint, RationaleConfig(max_tokens=8_000))
    assert count_reasons(written.failed) == "over_budget 1"
    assert "raise max_tokens" in written.failed[0].message
    assert len(endpoint.sent) == 1


def test_what_the_cost_cap_stopped_is_listed(spool: IO[bytes], tmp_path: Path) -> None:
    plan = plan_requests(SESSIONS, RationaleConfig(), len, spool)
    endpoint = Scripted()
    # A million dollars for a million tokens: an answer costs 110 dollars, and could cost thousands.
    outcomes = send(plan, tmp_path, endpoint, Price(input_usd=1e6, output_usd=1e6), max_cost_usd=1.0)
    written = write_rationales(SESSIONS, tmp_path / "with.jsonl", plan, outcomes)
    assert endpoint.sent == []
    assert (count_reasons(written.failed), written.sessions) == ("cost_cap 2", 1)


def test_each_failure_is_listed_with_its_reason(spool: IO[bytes], tmp_path: Path) -> None:
    plan = plan_requests([*SESSIONS], RationaleConfig(), len, spool)
    failures = [Failure("no_completion", "no completion in 6 attempts; busy"), Failure("refused", "filtered")]
    outcomes = [Outcome(None, failure, 0) for failure in failures]
    written = write_rationales(SESSIONS, tmp_path / "with.jsonl", plan, outcomes)
    assert count_reasons(written.failed) == "no_completion 1, refused 1"
    assert [each.message for each in written.failed] == [each.message for each in failures]


def test_when_all_came_to_nothing_an_older_file_stays(spool: IO[bytes], tmp_path: Path) -> None:
    out = tmp_path / "with.jsonl"
    out.write_text("older", "utf-8")
    with pytest.raises(DataError, match=r"none of 1 sessions got its rationales \(extra_text 1\)") as caught:
        write([SESSIONS[0]], spool, tmp_path, Scripted(lambda *_: REJECTED["extra_text"]), keep_failed=True)
    assert "with.failed.jsonl says why, the first: extra_text: the completion begins with" in str(
        caught.value
    )
    assert out.read_text("utf-8") == "older"
    assert len(list(read_records(failed_path(out), FailedSession))) == 1


def test_a_list_of_earlier_failures_is_removed_once_there_are_none(spool: IO[bytes], tmp_path: Path) -> None:
    listed = failed_path(tmp_path / "with.jsonl")
    listed.write_text("{}", "utf-8")
    write(SESSIONS, spool, tmp_path, Scripted())
    assert not listed.exists()


@pytest.mark.parametrize(
    "changed", [SESSIONS[1:], SESSIONS[:2], [*SESSIONS, SESSIONS[0]], [SESSIONS[2], *SESSIONS[1:]]]
)
def test_sessions_that_changed_meanwhile_are_refused(
    changed: list[Session], spool: IO[bytes], tmp_path: Path
) -> None:
    plan = plan_requests(SESSIONS, RationaleConfig(), len, spool)
    outcomes = send(plan, tmp_path, Scripted())
    with pytest.raises(DataError, match="changed while the requests were sent"):
        write_rationales(changed, tmp_path / "with.jsonl", plan, outcomes)
    assert not (tmp_path / "with.jsonl").exists()


def test_equal_sessions_are_one_request_and_both_get_its_rationales(spool: IO[bytes], tmp_path: Path) -> None:
    twin = SESSIONS[0].model_copy(update={"session_id": "twin"})
    endpoint = Scripted()
    found = write([SESSIONS[0], twin], spool, tmp_path, endpoint)[1]
    assert len(endpoint.sent) == 1
    assert told(found[0]) == told(found[1])


def test_a_second_run_sends_nothing(spool: IO[bytes], tmp_path: Path) -> None:
    write(SESSIONS, spool, tmp_path, Scripted())
    with tempfile.TemporaryFile() as another:
        endpoint = Scripted()
        written, _ = write(SESSIONS, another, tmp_path, endpoint)
    assert (endpoint.sent, written.sessions) == ([], 3)


def test_what_the_paper_s_sessions_would_cost_is_the_arithmetic_in_the_documents() -> None:
    text = (Path(__file__).parents[2] / "docs" / "data.md").read_text("utf-8")
    sessions, examples = 52_137, 64_578 + 68_000 + 44_371 + 690 + 677 + 512  # Paper 4.1, Appendix C
    steps = examples + sessions
    instructions, written = sessions * 700, steps * 45 + sessions * 10
    rows = [f"| instructions, 52,137 × 700 | {instructions / 1e6:,.1f} M | {instructions / 1e6:,.1f} M |"]
    pages = [steps * (page + 30) for page in (2_000, 7_500)]
    rows.append(
        "| pages and actions, 230,965 × (page + 30) | " + " | ".join(f"{n / 1e6:,.1f} M" for n in pages)
    )
    read_usd = [(instructions + each) * 3 / 1e6 for each in pages]
    rows.append("| read, at 3 USD a million | " + " | ".join(f"{usd:,.0f} USD" for usd in read_usd))
    written_usd = written * 15 / 1e6
    rows.append(f"45 + 52,137 × 10 = {written / 1e6:.1f} M, at 15 USD | {written_usd:.0f} USD |")
    rows.append("| together | " + " | ".join(f"{usd + written_usd:,.0f} USD" for usd in read_usd))
    rows.append(f"{(steps * 100 + sessions * ENVELOPE_TOKENS) * 15 / 1e6:.0f} USD instead of")
    config = RationaleConfig()
    assert (config.rationale_tokens, steps) == (100, 230_965)
    assert [row for row in rows if row not in text] == []
