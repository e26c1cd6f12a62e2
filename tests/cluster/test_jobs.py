"""Jobs on Ray Data, on one cluster of two workers: the same bytes as one process."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import threading
import time
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import psutil
import pytest
from tests.endpoints.serving import Faults, ModelServer
from tests.jobs.pages import page, write_folder, write_pages
from tests.jobs.poisoned_jobs import CRASHES, FAILURES, HANGS, INVALID, LIMITS, PoisonedCheck, PoisonedPages
from tests.jobs.slow_command import command
from tests.shell import Shell
from tests.tiny import make_long_session, make_sessions

from shop_r1.datasets.session_files import write_sessions
from shop_r1.datasets.validation import Checker
from shop_r1.endpoints.batch import Outcome, send_all
from shop_r1.endpoints.budget import max_usage
from shop_r1.endpoints.pricing import Price
from shop_r1.endpoints.protocol import Request
from shop_r1.endpoints.response_cache import ResponseCache
from shop_r1.endpoints.retry import RequestConfig
from shop_r1.errors import DataError
from shop_r1.jobs import blocks
from shop_r1.jobs.blocks import cut_pages, cut_sessions
from shop_r1.jobs.cluster import Cluster
from shop_r1.jobs.endpoint_pool import EndpointPool, endpoint_pool
from shop_r1.jobs.pages import PageFile
from shop_r1.jobs.run import BlockFunction, run_blocks
from shop_r1.jobs.sessions import CheckWork, SessionWork, map_sessions
from shop_r1.records.sessions import Session, Step


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "PAGES_PER_BLOCK", 4)
    monkeypatch.setattr(blocks, "SESSIONS_PER_BLOCK", 2)
    monkeypatch.setattr(blocks, "LINE_BYTES_PER_BLOCK", 3000)


def run(source: Path, work: PoisonedPages, cluster: Cluster | None) -> list[bytes]:
    numbered = dict(enumerate(cut_pages([source], "html", ()).blocks))
    function = BlockFunction(work, LIMITS, PageFile(".parquet").encode)
    return [data for _, data in sorted(run_blocks(numbered, function, cluster, ordered=False))]


def test_poisoned_pages_are_failures_in_the_same_bytes_as_of_one_process(
    cluster: Cluster, tmp_path: Path
) -> None:
    marks = ["", "", INVALID, "", "", CRASHES, "", "", "", "", HANGS, "", ""]
    source = write_folder(tmp_path / "pages", [page(number, mark) for number, mark in enumerate(marks)])
    found = run(source, PoisonedPages(), cluster)
    assert found == run(source, PoisonedPages(), None)
    failed = [mark for mark in FAILURES if any(FAILURES[mark].encode() in part for part in found)]
    assert failed == [INVALID, CRASHES, HANGS]


def workers() -> list[psutil.Process]:
    """Return Ray's processes that work on blocks."""
    tree = psutil.Process().children(recursive=True)
    return [each for each in tree if any("MapWorker" in word for word in each.cmdline())]


def test_a_killed_worker_costs_nothing(cluster: Cluster, tmp_path: Path) -> None:
    source = write_pages(tmp_path / "p.parquet", [page(number) for number in range(80)])
    killed = list[int]()

    def kill_one() -> None:
        ends = time.monotonic() + 60
        while not killed and time.monotonic() < ends:
            if len(found := [each for each in workers() if each.children()]) == 2:
                time.sleep(1.0)  # into its second block or so, of ten
                found[0].kill()
                killed.append(found[0].pid)
            time.sleep(0.05)

    killer = threading.Thread(target=kill_one)
    killer.start()
    found = run(source, PoisonedPages(pause_s=0.15), cluster)
    killer.join()
    assert killed
    assert found == run(source, PoisonedPages(), None)


def test_a_line_that_ends_its_process_is_a_finding(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    write_sessions(path, make_sessions())
    lines = path.read_text("utf-8").splitlines()
    path.write_text("\n".join([lines[0], f'{{"session_id": "{CRASHES}"}}', *lines[1:], lines[0]]), "utf-8")
    checker = Checker()
    results = [
        line
        for _, part in run_blocks(
            dict(enumerate(cut_sessions(path).blocks)), BlockFunction(PoisonedCheck(), LIMITS), cluster
        )
        for line in part
    ]
    found = [finding for line in results for finding in checker.add(line)]
    assert (checker.lines, checker.sessions) == (len(lines) + 2, len(lines) + 1)
    (poisoned,) = [each for each in found if each.kind == "not-checked"]
    assert (poisoned.line, poisoned.problem) == (2, FAILURES[CRASHES])
    (twice,) = [each for each in found if each.kind == "same-id"]
    assert twice.line == len(lines) + 2


def test_an_error_of_a_block_ends_the_job_with_its_message(cluster: Cluster, tmp_path: Path) -> None:
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'{"a": 1}\n\xff\xfe{"b": 2}\n')
    with pytest.raises(DataError, match=r"s\.jsonl:2: is not UTF-8 text"):
        list(map_sessions(path, CheckWork(), cluster))
    path.write_text('{"a": 1}\n', "utf-8")
    with pytest.raises(DataError, match=r"s\.jsonl:1: "):
        list(map_sessions(path, SessionWork(), cluster))


@pytest.fixture
def on_ray(cluster: Cluster, shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Run a command with `--ray`, on the cluster that is there already."""
    monkeypatch.setattr("shop_r1.jobs.cluster.joined_workers", lambda *_, **__: nullcontext(cluster))
    return lambda *words: shell(*words, "--ray", "auto")


def test_validate_and_stats_say_the_same_on_the_cluster(shell: Shell, on_ray: Shell, tmp_path: Path) -> None:
    good, bad = tmp_path / "good.parquet", tmp_path / "bad.jsonl"
    write_sessions(good, [*make_sessions(), *make_sessions()])
    write_sessions(bad, make_sessions())
    bad.write_text(bad.read_text("utf-8") + '{"session_id": 3}\nno json\n', "utf-8")
    words: tuple[object, ...] = ("data", "validate", good, bad, "--json")
    one, other = shell(*words), on_ray(*words)
    assert one[:2] == other[:2]
    assert one[0] == 1 and "not-json" in one[1] and "same-id" in one[1]
    words = ("data", "stats", good, "--against", good, "--json", "--max-tokens", 900)
    one, other = shell(*words), on_ray(*words)
    assert one[:2] == other[:2]
    assert one[0] == 0 and '"repeated_ids": 4' in one[1]


def test_simplify_writes_the_same_file_on_the_cluster(
    address: str, shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = write_pages(tmp_path / "p.parquet", [*(page(number) for number in range(300)), ""])
    outs = [tmp_path / "one.parquet", tmp_path / "ray.parquet"]
    words = ("simplify", source, "--keep", "address", "--out")
    monkeypatch.setattr(blocks, "PAGES_PER_BLOCK", 128)  # as in the other process
    assert shell(*words, outs[0])[0] == 0
    command = [sys.executable, "-m", "shop_r1", *map(str, words), str(outs[1]), "--ray", address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    assert outs[0].read_bytes() == outs[1].read_bytes()
    assert "301 pages, 1 failed (invalid 1)" in done.stdout
    assert f"Ray, {address}: " in done.stderr


def test_a_run_that_is_ended_by_sigterm_goes_on_without_ray(
    address: str, shell: Shell, tmp_path: Path
) -> None:
    source = write_pages(tmp_path / "p.parquet", [page(number) for number in range(40)])
    out, whole = tmp_path / "s.parquet", tmp_path / "w.parquet"
    parts, slow = tmp_path / "s.parts", command(source, out, "--ray", address)
    with subprocess.Popen(slow, stderr=subprocess.PIPE, text=True) as started:
        while len(list(parts.glob("*.part"))) < 3:
            assert started.poll() is None
            time.sleep(0.02)
        started.send_signal(signal.SIGTERM)
        errors = started.communicate(timeout=60)[1]
    assert started.returncode == 143, errors
    assert 3 <= len(list(parts.glob("*.part"))) < 10 and not out.exists()
    code, _, errors = shell("simplify", source, "--out", out)
    assert code == 0 and "s.parts: going on after" in " ".join(errors.split())
    assert shell("simplify", source, "--out", whole)[0] == 0
    assert out.read_bytes() == whole.read_bytes()


def test_evaluate_writes_the_same_predictions_on_the_cluster(
    shell: Shell, on_ray: Shell, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    data = tmp_path / "s.jsonl"
    long = [make_long_session(f"long-{number}", 5) for number in range(6)]
    write_sessions(data, [*make_sessions(), *long])
    settings = ("sampling.max_new_tokens=8", "bf16=false", "batch_tokens=4000")  # several batches
    words = ("evaluate", *settings, "--model", tiny_checkpoint, "--data", data, "--out")
    assert shell(*words, tmp_path / "one")[0] == 0
    code, _, errors = on_ray(*words, tmp_path / "ray")
    assert code == 0, errors
    for name in ("predictions.jsonl", "metrics.json", "table.json"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "ray" / name).read_bytes()


def requests_of(count: int) -> list[Request]:
    return [
        Request(messages=({"role": "user", "content": f"number {number}"},), max_tokens=50)
        for number in range(count)
    ]


def send(
    cluster: Cluster,
    server: ModelServer,
    path: Path,
    config: RequestConfig,
    price: Price | None = None,
    count: int = 24,
) -> list[Outcome]:
    async def run(endpoint: EndpointPool) -> list[Outcome]:
        with ResponseCache(path) as cache:
            return await send_all(endpoint, requests_of(count), config, cache, price)

    with endpoint_pool(cluster, server.name("openai"), config, lambda note: None) as pool:
        return asyncio.run(run(pool))


def test_an_unreliable_endpoint_gets_each_request_until_it_is_completed(
    cluster: Cluster, tmp_path: Path
) -> None:
    config = RequestConfig(concurrency=6, backoff_s=0.01, max_attempts=30, timeout_s=20)
    with ModelServer(faults=Faults(0.3, ("429", "500", "cut", "no json", "reset"))) as server:
        outcomes = send(cluster, server, tmp_path / "c.jsonl", config)
    assert [each.completion.text for each in outcomes if each.completion is not None] == [
        f"you said {number}" for number in range(24)
    ]
    assert max(server.completed.values()) == 1


def test_one_rate_limit_holds_for_all_workers(cluster: Cluster, tmp_path: Path) -> None:
    started: list[float] = []

    def note(body: dict[str, Any]) -> str:
        started.append(time.monotonic())
        return "ok"

    config = RequestConfig(concurrency=6, requests_per_minute=300, timeout_s=20)
    with ModelServer(note) as server:
        send(cluster, server, tmp_path / "c.jsonl", config, count=12)
    assert max(started) - min(started) >= 11 * 0.2 - 0.15  # 0.2 s between any two; one may be late


def test_one_budget_holds_for_all_workers(cluster: Cluster, tmp_path: Path) -> None:
    most = max_usage(requests_of(1)[0])
    price = Price(input_usd=1e4, output_usd=1e4)
    cap = 5.5 * price.cost_usd(most)
    config = RequestConfig(concurrency=6, max_cost_usd=cap, timeout_s=20)
    with ModelServer(lambda body: "word " * 50) as server:
        outcomes = send(cluster, server, tmp_path / "c.jsonl", config, price)
    failed = [each.failure.reason for each in outcomes if each.failure is not None]
    assert failed and set(failed) == {"cost_cap"}
    with ResponseCache(tmp_path / "c.jsonl") as cache:
        assert len(cache) == 24 - len(failed) == sum(server.completed.values())
        assert price.cost_usd(cache.usage()) <= cap


def test_a_sender_that_is_killed_costs_no_request(cluster: Cluster, tmp_path: Path) -> None:
    killed: list[int] = []

    def kill_one(body: dict[str, Any]) -> str:
        time.sleep(0.05)
        senders = [
            each
            for each in psutil.Process().children(recursive=True)
            if any("_Sender" in word for word in each.cmdline())
        ]
        if not killed and server.completed.total() > 4 and senders:
            killed.append(senders[0].pid)
            senders[0].kill()
        return "ok"

    config = RequestConfig(concurrency=4, backoff_s=0.1, max_attempts=30, timeout_s=30)
    with ModelServer(kill_one) as server:
        outcomes = send(cluster, server, tmp_path / "c.jsonl", config)
    assert killed
    assert [each.completion.text for each in outcomes if each.completion is not None] == ["ok"] * 24


def test_rationales_writes_the_same_sessions_on_the_cluster(
    shell: Shell, on_ray: Shell, tmp_path: Path
) -> None:
    data = tmp_path / "s.jsonl"
    sessions = [each.model_copy(update={"steps": bare(each)}) for each in make_sessions()]
    write_sessions(data, sessions)

    def explain(body: dict[str, Any]) -> str:
        asked = re.findall(r"\d+", body["messages"][-1]["content"].splitlines()[-1])
        return json.dumps(
            {"rationales": [{"step": int(step), "rationale": f"So, {step}."} for step in asked]}
        )

    with ModelServer(explain) as server:
        words = ("rationales", data, "--model", server.name("openai"), "--out")
        one = shell(*words, tmp_path / "one.jsonl")
        other = on_ray(*words, tmp_path / "ray.jsonl")
    assert one[0] == other[0] == 0, other[2]
    assert (tmp_path / "one.jsonl").read_bytes() == (tmp_path / "ray.jsonl").read_bytes()
    assert one[1].replace("one.", "ray.") == other[1]


def bare(session: Session) -> tuple[Step, ...]:
    return tuple(step.model_copy(update={"rationale": None}) for step in session.steps)
