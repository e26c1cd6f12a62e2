import asyncio
import json
import os
import random
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from tests.endpoints.serving import LASTING, PASSING, Faults, ModelServer, content_key

from shop_r1.config import load_config
from shop_r1.datasets.rationale_requests import RationaleConfig
from shop_r1.endpoints.batch import (
    Check,
    Estimate,
    Failure,
    Outcome,
    Progress,
    estimate,
    send_all,
)
from shop_r1.endpoints.budget import max_usage
from shop_r1.endpoints.failures import InvalidRequestError, TransientError
from shop_r1.endpoints.pricing import Price
from shop_r1.endpoints.protocol import Completion, Request, Usage
from shop_r1.endpoints.providers import open_endpoint
from shop_r1.endpoints.response_cache import ResponseCache, request_key
from shop_r1.endpoints.retry import RequestConfig
from shop_r1.errors import ConfigError, ModelError
from shop_r1.evaluation.remote import RemoteConfig

ROOT = Path(__file__).resolve().parents[2]
FAST = RequestConfig(concurrency=4, timeout_s=20, backoff_s=0.01)
CENT_A_TOKEN = Price(input_usd=1e4, output_usd=1e4)


def make_requests(count: int, size: int = 0) -> list[Request]:
    """Requests whose message is a number, filled up with zeros to `size` bytes."""
    return [
        Request(messages=({"role": "user", "content": f"{number:0{size}}"},), max_tokens=100)
        for number in range(count)
    ]


def send_to(
    server: ModelServer,
    requests: Sequence[Request],
    path: Path,
    config: RequestConfig = FAST,
    price: Price | None = None,
    check: Check = lambda index, completion: None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> list[Outcome]:
    async def run() -> list[Outcome]:
        endpoint = open_endpoint(server.name("openai"), config)
        try:
            with ResponseCache(path) as cache:
                return await send_all(endpoint, requests, config, cache, price, check, report)
        finally:
            await endpoint.close()

    return asyncio.run(run())


class Scripted:
    """An endpoint in this process: what it does is a function of the request and how often it came."""

    name = "scripted:m"

    def __init__(self, do: Callable[[Request, int], Awaitable[Completion]]) -> None:
        self.sent: list[Request] = []
        self._do = do

    async def send(self, request: Request) -> Completion:
        self.sent.append(request)
        return await self._do(request, self.sent.count(request))

    async def close(self) -> None:
        pass

    def complete(
        self, requests: Sequence[Request], path: Path, config: RequestConfig = FAST, **more: Any
    ) -> list[Outcome]:
        """Send it all in virtual time: a wait takes none."""
        with ResponseCache(path) as cache, asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            return runner.run(send_all(self, requests, config, cache, **more))


def make_completion(text: str, input_tokens: int = 1, output_tokens: int = 1) -> Completion:
    usage = Usage(input_tokens=input_tokens, output_tokens=output_tokens)
    return Completion(text=text, stop="end", usage=usage)


async def echo(request: Request, number: int) -> Completion:
    return make_completion(request.messages[0]["content"])


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An event loop whose clock, from 0, jumps to the next timer where others would wait."""

    def __init__(self) -> None:
        self._virtual_s = 0.0
        loop = self

        class Selector(selectors.DefaultSelector):
            def select(self, timeout: float | None = None) -> Any:
                loop._virtual_s += timeout or 0.0
                return super().select(None if timeout is None else 0)

        super().__init__(Selector())

    def time(self) -> float:
        return self._virtual_s


def now_s() -> float:
    return asyncio.get_running_loop().time()


def test_each_request_gets_its_completion_in_order_and_a_second_run_sends_nothing(tmp_path: Path) -> None:
    requests = make_requests(20)
    with ModelServer() as server:
        first = send_to(server, requests, tmp_path / "cache.jsonl")
        second = send_to(server, requests, tmp_path / "cache.jsonl")
    assert [outcome.completion and outcome.completion.text for outcome in first] == [
        f"you said {number}" for number in range(20)
    ]
    assert [outcome.completion for outcome in second] == [outcome.completion for outcome in first]
    assert {(outcome.failure, outcome.received) for outcome in first} == {(None, 1)}
    assert {(outcome.failure, outcome.received) for outcome in second} == {(None, 0)}
    assert len(server.tries) == 20


@pytest.mark.parametrize("fault", [*PASSING, "429 date"])
def test_a_transient_error_is_retried_and_nothing_is_paid_twice(fault: str, tmp_path: Path) -> None:
    config = FAST if fault != "slow" else FAST.model_copy(update={"timeout_s": 2.0})
    reports: list[Progress] = []
    with ModelServer(faults=Faults(rate=1.0, kinds=(fault,), at_most=1)) as server:
        outcomes = send_to(server, make_requests(4), tmp_path / "cache.jsonl", config, report=reports.append)
    assert [outcome.completion is not None for outcome in outcomes] == [True] * 4
    assert {outcome.received for outcome in outcomes} == {1}
    assert len(server.tries) == 8
    assert sorted(server.completed.values()) == [1, 1, 1, 1]
    assert reports[-1].retries == 4


def test_an_error_that_stays_is_the_outcome_after_all_attempts(tmp_path: Path) -> None:
    with ModelServer(faults=Faults(rate=1.0, kinds=("503",))) as server:
        config = FAST.model_copy(update={"max_attempts": 3})
        (outcome,) = send_to(server, make_requests(1), tmp_path / "cache.jsonl", config)
    assert outcome.completion is None and outcome.received == 0
    assert outcome.failure is not None and outcome.failure.reason == "no_completion"
    said = outcome.failure.message
    assert said.startswith("no completion in 3 attempts; the last error: openai:") and "HTTP 503" in said
    assert len(server.tries) == 3


@pytest.mark.parametrize("fault", [kind for kind in LASTING if kind != "400"])
def test_a_lasting_error_stops_the_run_with_one_error_and_keeps_what_came(fault: str, tmp_path: Path) -> None:
    path, requests = tmp_path / "cache.jsonl", make_requests(30)
    with ModelServer() as server:
        send_to(server, requests[:5], path)
        server.faults = Faults(rate=1.0, kinds=(fault,))
        with pytest.raises(ModelError, match=f"HTTP {429 if fault == 'quota' else fault}") as caught:
            send_to(server, requests, path)
    assert not isinstance(caught.value, TransientError)
    assert len(server.tries) <= 5 + FAST.concurrency
    with ResponseCache(path) as cache:
        assert len(cache) == 5


def test_an_invalid_request_fails_alone(tmp_path: Path) -> None:
    requests = make_requests(6)
    with ModelServer() as server:
        bad = content_key({"messages": list(requests[2].messages)})
        server.faults = OneBad(bad)
        outcomes = send_to(server, requests, tmp_path / "cache.jsonl")
    assert [outcome.completion is None for outcome in outcomes] == [False, False, True, False, False, False]
    assert outcomes[2].failure is not None and "HTTP 400" in outcomes[2].failure.message
    assert len(server.tries) == 6


class OneBad(Faults):
    """400 for one question, else no fault."""

    def __init__(self, key: str) -> None:
        super().__init__()
        object.__setattr__(self, "key", key)

    def choose(self, key: str, number: int) -> str | None:
        return "400" if key == vars(self)["key"] else None


@pytest.mark.parametrize(("fault", "kind"), [("503", "HTTP 503"), ("400", "HTTP 400")])
def test_a_server_without_any_completion_ends_the_run_long_before_all_is_sent(
    fault: str, kind: str, tmp_path: Path
) -> None:
    config = FAST.model_copy(update={"max_attempts": 2})
    with (
        ModelServer(faults=Faults(rate=1.0, kinds=(fault,))) as server,
        pytest.raises(ModelError, match=f"20 requests in a row got no completion; the last error: .*{kind}"),
    ):
        send_to(server, make_requests(500), tmp_path / "cache.jsonl", config)
    assert len(server.tries) <= 2 * (20 + config.concurrency)


def test_invalid_requests_in_a_row_do_not_end_a_run_that_had_completions(tmp_path: Path) -> None:
    async def refuse(request: Request, number: int) -> Completion:
        if request.messages[0]["content"] == "0":
            return make_completion("yes")
        raise InvalidRequestError("too long")

    outcomes = Scripted(refuse).complete(make_requests(40), tmp_path / "cache.jsonl")
    assert [outcome.failure for outcome in outcomes] == [None] + [Failure("no_completion", "too long")] * 39


def test_failures_that_are_not_in_a_row_do_not_end_a_run(tmp_path: Path) -> None:
    async def fail_every_second(request: Request, number: int) -> Completion:
        if int(request.messages[0]["content"]) % 2:
            raise TransientError("HTTP 503")
        return make_completion("yes")

    config = RequestConfig(concurrency=1, max_attempts=1)
    outcomes = Scripted(fail_every_second).complete(make_requests(50), tmp_path / "cache.jsonl", config)
    assert [outcome.completion is None for outcome in outcomes] == [False, True] * 25


def test_after_a_rejected_completion_the_request_is_sent_again_and_each_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "cache.jsonl"

    refused = Failure("refused", "it refused")

    def no_refusal(index: int, completion: Completion) -> Failure | None:
        return refused if completion.stop == "refused" else None

    with ModelServer(faults=Faults(rate=1.0, kinds=("refusal",), at_most=2)) as server:
        (outcome,) = send_to(server, make_requests(1), path, check=no_refusal)
        assert outcome.completion is not None and outcome.received == 3
        server.faults = Faults(rate=1.0, kinds=("refusal",))
        other = make_requests(2)[1:]
        assert send_to(server, other, path, check=no_refusal) == [Outcome(None, refused, 3)]
        assert send_to(server, other, path, check=no_refusal) == [Outcome(None, refused, 0)]
        more = FAST.model_copy(update={"max_completions": 5})
        assert send_to(server, other, path, more, check=no_refusal) == [Outcome(None, refused, 2)]
    with ResponseCache(path) as cache:
        assert len(cache) == 3 + 5
    assert len(server.tries) == 3 + 3 + 0 + 2


def test_the_check_gets_the_index_of_the_request(tmp_path: Path) -> None:
    checked: list[tuple[int, str]] = []

    def note(index: int, completion: Completion) -> None:
        checked.append((index, completion.text))

    Scripted(echo).complete(make_requests(3), tmp_path / "cache.jsonl", check=note)
    assert sorted(checked) == [(0, "0"), (1, "1"), (2, "2")]


def test_equal_requests_are_sent_once_even_at_the_same_time(tmp_path: Path) -> None:
    (request,) = make_requests(1)
    with ModelServer(delay_s=0.05) as server:
        outcomes = send_to(server, [request] * 4, tmp_path / "cache.jsonl")
    assert [outcome.completion and outcome.completion.text for outcome in outcomes] == ["you said 0"] * 4
    assert sorted(outcome.received for outcome in outcomes) == [0, 0, 0, 1]
    assert len(server.tries) == 1


def test_draws_of_one_request_are_sent_apart(tmp_path: Path) -> None:
    (request,) = make_requests(1)
    draws = [request.model_copy(update={"draw": draw}) for draw in range(3)]
    with ModelServer() as server:
        send_to(server, draws, tmp_path / "cache.jsonl")
    assert len(server.tries) == 3
    assert {json.dumps(each.body) for each in server.tries} == {json.dumps(server.tries[0].body)}


@pytest.mark.parametrize("concurrency", [1, 3])
def test_no_more_requests_are_in_flight_than_allowed(concurrency: int, tmp_path: Path) -> None:
    config = FAST.model_copy(update={"concurrency": concurrency})
    with ModelServer(delay_s=0.03) as server:
        send_to(server, make_requests(12), tmp_path / "cache.jsonl", config)
    assert server.most_at_once == concurrency


def test_there_is_a_task_for_each_place_in_flight_and_none_for_those_that_wait(tmp_path: Path) -> None:
    tasks: list[int] = []

    async def count(request: Request, number: int) -> Completion:
        tasks.append(len(asyncio.all_tasks()))
        return make_completion("x")

    Scripted(count).complete(make_requests(500), tmp_path / "cache.jsonl", RequestConfig(concurrency=5))
    assert max(tasks) <= 5 + 1  # and the one that waits for them


@pytest.mark.parametrize("concurrency", [1, 4])
def test_the_cap_is_held_to_the_call(concurrency: int, tmp_path: Path) -> None:
    # At worst, 36 bytes + 64 for the frame + 100 of the completion = 200 tokens = 2.00 USD. In truth the
    # server bills 1 + 3 words = 0.04. So the third is sent (0.08 + 2.00 <= 2.10), the fourth is not (2.12).
    config = RequestConfig(concurrency=concurrency, max_cost_usd=2.10)
    requests, path = make_requests(30, size=36), tmp_path / "cache.jsonl"
    assert max_usage(requests[0]) == Usage(input_tokens=100, output_tokens=100)
    reports: list[Progress] = []
    with ModelServer() as server:
        outcomes = send_to(server, requests, path, config, CENT_A_TOKEN, report=reports.append)
        again = send_to(server, requests, path, config, CENT_A_TOKEN)
    assert len(server.tries) == 3
    answered = [outcome.completion is not None for outcome in outcomes]
    assert sum(answered) == 3
    faults = {outcome.failure for outcome in outcomes if outcome.completion is None}
    assert faults == {Failure("cost_cap", "cost cap of 2.1 USD reached; not sent")}
    assert (reports[-1].done, reports[-1].failed) == (30, 27)
    assert reports[-1].cost_usd == pytest.approx(0.12)
    assert [outcome.completion is not None for outcome in again] == answered
    assert sum(outcome.received for outcome in again) == 0


async def lose(request: Request, number: int) -> Completion:
    raise TransientError("cut off", billed=True)


async def hang(request: Request, number: int) -> Completion:
    await asyncio.sleep(3600)
    return make_completion("late")


@pytest.mark.parametrize("end", [lose, hang])
def test_an_attempt_whose_completion_was_lost_counts_against_the_cap_in_full(
    end: Callable[[Request, int], Awaitable[Completion]], tmp_path: Path
) -> None:
    endpoint = Scripted(end)
    # 2.00 USD at worst each: after two the third does not fit in 5.
    config = RequestConfig(backoff_s=0, max_cost_usd=5.0)
    outcomes = endpoint.complete(
        make_requests(1, size=36), tmp_path / "cache.jsonl", config, price=CENT_A_TOKEN
    )
    assert len(endpoint.sent) == 2
    assert outcomes == [Outcome(None, Failure("cost_cap", "cost cap of 5 USD reached; not sent"), 0)]


def test_an_attempt_that_was_turned_away_counts_for_nothing(tmp_path: Path) -> None:
    async def turn_away(request: Request, number: int) -> Completion:
        if number < 5:
            raise TransientError("429")
        return make_completion("yes")

    config = RequestConfig(backoff_s=0, max_cost_usd=2.0)
    (outcome,) = Scripted(turn_away).complete(
        make_requests(1, size=36), tmp_path / "cache.jsonl", config, price=CENT_A_TOKEN
    )
    assert outcome.completion == make_completion("yes")


@pytest.mark.parametrize("seed", range(5))
def test_at_no_moment_could_what_is_in_flight_pass_the_cap(seed: int, tmp_path: Path) -> None:
    draw, cap = random.Random(seed), 40.0
    flying: list[Request] = []
    spent: list[Usage] = []

    async def serve(request: Request, number: int) -> Completion:
        flying.append(request)
        worst = [max_usage(each) for each in flying]
        assert sum(map(CENT_A_TOKEN.cost_usd, [*spent, *worst])) <= cap + 1e-9
        await asyncio.sleep(draw.random() / 1000)
        flying.remove(request)
        most = max_usage(request)
        answer = make_completion("x", draw.randint(1, most.input_tokens), draw.randint(0, most.output_tokens))
        spent.append(answer.usage)
        return answer

    requests = [
        request.model_copy(update={"max_tokens": draw.randint(1, 300)}) for request in make_requests(80, 30)
    ]
    config = RequestConfig(concurrency=8, max_cost_usd=cap)
    outcomes = Scripted(serve).complete(requests, tmp_path / "cache.jsonl", config, price=CENT_A_TOKEN)
    assert 0 < sum(outcome.completion is not None for outcome in outcomes) < 80
    assert sum(map(CENT_A_TOKEN.cost_usd, spent)) <= cap


def test_a_cap_without_a_price_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="max_cost_usd=1 needs the price of scripted:m"):
        Scripted(echo).complete(make_requests(1), tmp_path / "cache.jsonl", RequestConfig(max_cost_usd=1))


def test_requests_are_spaced_by_the_request_rate(tmp_path: Path) -> None:
    starts: list[float] = []

    async def note(request: Request, number: int) -> Completion:
        starts.append(now_s())
        return make_completion("x")

    config = RequestConfig(concurrency=1, requests_per_minute=40)  # one in 1.5 s
    Scripted(note).complete(make_requests(5), tmp_path / "cache.jsonl", config)
    assert starts == pytest.approx([0, 1.5, 3, 4.5, 6])


def test_requests_are_spaced_by_the_token_rate(tmp_path: Path) -> None:
    starts: list[float] = []

    async def note(request: Request, number: int) -> Completion:
        starts.append(now_s())
        return make_completion("x")

    # "0" is a token, its frame 8, the completion 100 at most: 109 of 1,090 in a minute are a tenth, 6 s.
    config = RequestConfig(concurrency=1, tokens_per_minute=1090)
    Scripted(note).complete(make_requests(3), tmp_path / "cache.jsonl", config)
    assert starts == pytest.approx([0, 6, 12])


def test_a_wait_that_the_endpoint_asks_for_pauses_all(tmp_path: Path) -> None:
    starts: list[tuple[str, float]] = []

    async def limit(request: Request, number: int) -> Completion:
        text = request.messages[0]["content"]
        starts.append((text, now_s()))
        if (text, number) == ("0", 1):
            raise TransientError("429", retry_after_s=30)
        return make_completion("x")

    config = RequestConfig(concurrency=2, backoff_s=1)
    Scripted(limit).complete(make_requests(4), tmp_path / "cache.jsonl", config)
    assert starts[0] == ("0", 0)
    assert sorted(text for text, _ in starts[1:]) == ["0", "1", "2", "3"]
    assert min(at for _, at in starts[1:]) >= 30


def test_the_backoff_grows_from_error_to_error_within_its_range(tmp_path: Path) -> None:
    spans: list[list[float]] = []
    starts: list[float] = []

    async def fail(request: Request, number: int) -> Completion:
        starts.append(now_s())
        raise TransientError("503")

    for seed in range(40):
        random.seed(seed)  # tenacity draws from the one generator of the module
        starts.clear()
        config = RequestConfig(concurrency=1, backoff_s=2, max_attempts=8)
        Scripted(fail).complete(make_requests(1), tmp_path / f"{seed}.jsonl", config)
        spans.append([later - earlier for earlier, later in pairwise(starts)])
    most = [max(column) for column in zip(*spans, strict=True)]
    assert all(wait <= limit for wait, limit in zip(most, [2, 4, 8, 16, 32, 60, 60], strict=True))
    # Of 40 draws from 0 to x the largest is below x / 2 once in 2**40 times.
    assert all(wait >= limit / 2 for wait, limit in zip(most, [2, 4, 8, 16, 32, 60, 60], strict=True))
    assert min(min(column) for column in zip(*spans, strict=True)) < 1  # full jitter: from 0 on


def test_an_endpoint_that_asks_for_a_long_wait_ends_the_run(tmp_path: Path) -> None:
    async def limit(request: Request, number: int) -> Completion:
        raise TransientError("scripted:m: HTTP 429", retry_after_s=86400)

    with pytest.raises(ModelError, match="asks to wait for 86400 s: run again after that"):
        Scripted(limit).complete(make_requests(3), tmp_path / "cache.jsonl")


def test_an_interrupt_leaves_the_cache_whole(tmp_path: Path) -> None:
    path = tmp_path / "cache.jsonl"

    async def interrupt(request: Request, number: int) -> Completion:
        if request.messages[0]["content"] == "7":
            signal.raise_signal(signal.SIGINT)
        await asyncio.sleep(0)
        return make_completion("x")

    with pytest.raises(KeyboardInterrupt):
        Scripted(interrupt).complete(make_requests(50), path)
    with ResponseCache(path) as cache:
        assert 4 <= len(cache) < 50
        assert not cache.is_incomplete


def test_an_estimate_counts_what_is_to_be_sent(tmp_path: Path) -> None:
    requests = make_requests(4)
    with ResponseCache(tmp_path / "cache.jsonl") as cache:
        cache.add(request_key("m", requests[0]), "m", make_completion("x"))
        # Three to be sent, one listed twice: 1 token + 8 of its frame in, 100 out, each.
        found = estimate("m", [*requests, requests[3]], cache, Price(input_usd=1e6, output_usd=2e6))
        assert found == Estimate(5, 2, Usage(input_tokens=27, output_tokens=300), 627.0)
        assert estimate("m", requests, cache, None).cost_usd is None
        assert estimate("other", requests, cache, None).cached == 0


def test_progress_counts_up_to_the_end_and_says_what_is_left(tmp_path: Path) -> None:
    reports: list[Progress] = []

    async def take_two_seconds(request: Request, number: int) -> Completion:
        await asyncio.sleep(2)
        return make_completion("x", 10, 5)

    price = Price(input_usd=1e5, output_usd=2e5)
    Scripted(take_two_seconds).complete(
        make_requests(4),
        tmp_path / "cache.jsonl",
        RequestConfig(concurrency=1),
        report=reports.append,
        price=price,
    )
    assert [report.done for report in reports] == [1, 2, 3, 4]
    assert [report.left_s for report in reports] == pytest.approx([6, 4, 2, 0])
    # Each: 10 tokens at 0.1 and 5 at 0.2 USD.
    assert [report.cost_usd for report in reports] == pytest.approx([2, 4, 6, 8])
    assert reports[-1].usage == Usage(input_tokens=40, output_tokens=20)


@pytest.mark.parametrize(
    "setting", ["concurrency=0", "max_attempts=0", "max_completions=0", "timeout_s=0", "max_cost_usd=-1"]
)
def test_a_setting_out_of_range_is_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=setting.split("=")[0]):
        load_config(RequestConfig, overrides=[setting])


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("ask.concurrency=2", "ask: is now requests"),
        ("requests.tries=2", r"requests\.tries: is now max_attempts"),
        ("requests.answers=2", r"requests\.answers: is now max_completions"),
    ],
)
def test_a_former_name_of_a_setting_is_refused_with_the_new_one(setting: str, message: str) -> None:
    for schema in (RemoteConfig, RationaleConfig):
        with pytest.raises(ConfigError, match=message):
            load_config(schema, overrides=[setting])


def test_the_modules_need_no_torch_and_no_client_until_an_endpoint_is_opened() -> None:
    modules = ["response_cache", "batch", "providers", "pricing", "protocol", "failures", "secrets"]
    imports = "; ".join(f"import shop_r1.endpoints.{module}" for module in modules)
    code = f"import sys; {imports}; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PYTHONPATH": str(ROOT / "src")},
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert not {"torch", "openai", "anthropic", "tenacity", "genai_prices", "httpx", "httpx2"} & set(
        done.stdout.split()
    )


@pytest.mark.slow
def test_a_run_killed_in_the_middle_and_run_again_loses_no_completion_and_pays_none_twice(
    tmp_path: Path,
) -> None:
    """2,000 requests at 10 % faults.

    Those in flight at the kill can be sent twice: their completions had not arrived, and cannot be fetched.
    Slow completions are left out: on a busy machine no time limit tells them from good ones for sure.
    """
    kinds = tuple(kind for kind in PASSING if kind != "slow")
    count, concurrency, path = 2000, 16, tmp_path / "cache.jsonl"
    keys = [content_key({"messages": list(request.messages)}) for request in make_requests(count)]
    with ModelServer(faults=Faults(0.1, kinds, seed=5), delay_s=0.005) as server:
        command = [sys.executable, "-m", "tests.endpoints.batch_run", server.name("openai"), str(path)]
        command += [str(count), str(concurrency)]
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "src"), str(ROOT)])}
        first = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=subprocess.DEVNULL)
        wait_until(lambda: server.completed.total() >= 800, first)
        first.send_signal(signal.SIGKILL)
        assert first.wait(60) == -signal.SIGKILL
        kept = [json.loads(line)["key"] for line in path.read_bytes().split(b"\n")[:-1]]
        second = subprocess.run(
            command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=300
        )
    assert json.loads(second.stdout) == {"completed": count, "from_the_cache": len(kept)}
    twice = [key for key in keys if server.completed[key] == 2]
    assert all(server.completed[key] in (1, 2) for key in keys)
    assert len(twice) <= concurrency
    assert 800 - concurrency <= len(kept) == len(set(kept)) < count
    with ResponseCache(path) as cache:
        assert len(cache) == count  # one answer each, none of use to nobody
    faults = sum(each.fault is not None for each in server.tries)
    assert 0.07 < faults / len(server.tries) < 0.13


def wait_until(reached: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 120
    while not reached():
        assert process.poll() is None and time.monotonic() < end
        time.sleep(0.005)
