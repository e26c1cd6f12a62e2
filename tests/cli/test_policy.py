"""`evaluate --model` against a model server on loopback that misbehaves as real ones do."""

import asyncio
import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from tests.endpoints.serving import Faults, ModelServer, content_key
from tests.shell import Shell
from tests.tiny import BUY, LEAVE, LOOK, SEARCH, make_session

from shop_r1.datasets.examples import list_examples
from shop_r1.endpoints.protocol import NO_USAGE, Completion, Request
from shop_r1.endpoints.response_cache import ResponseCache
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.remote import REFUSED, RemoteConfig, make_requests, predict
from shop_r1.jsonl import read_records, write_records
from shop_r1.prompts.render import render_completion
from shop_r1.records.actions import click, terminate
from shop_r1.records.results import Prediction
from shop_r1.records.sessions import Session

SOURCE = {"PYTHONPATH": str(Path(__file__).parents[2] / "src")}
KEY = "sk-a-secret-of-this-test"
KINDS = ("openai", "anthropic", "bedrock")
COMPLETIONS = (
    render_completion("It is red.", click("results.red_mug")),
    render_completion("Too dear.", terminate()),
    render_completion("This one.", click("add_to_cart")),
    "I would buy it.",
)
QUICK = ("requests.backoff_s=0.001", "requests.max_attempts=20", "requests.timeout_s=60")
STEPS = 24


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, KEY)
    for name in ("AWS_SESSION_TOKEN", "AWS_BEARER_TOKEN_BEDROCK"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Twelve visits of three steps, two of them predicted, no prompt like another."""
    visits = []
    for number in range(STEPS // 2):
        page = SEARCH.page.model_copy(update={"html": f"{SEARCH.page.html}\nVisit {number}"})
        first = SEARCH.model_copy(update={"page": page})
        visits.append(make_session(f"visit-{number}", first, LOOK, BUY if number % 2 else LEAVE))
    path = tmp_path / "sessions.jsonl"
    write_records(path, visits)
    return path


def completion(body: dict[str, Any]) -> str:
    """Return one of the completions, always the same to the same prompt."""
    return COMPLETIONS[int(content_key(body)[:8], 16) % len(COMPLETIONS)]


def expected(data: Path) -> list[Prediction]:
    """Return the predictions of an endpoint that never fails."""
    steps = make_requests(list_examples(list(read_records(data, Session))), RemoteConfig())
    with TemporaryDirectory() as folder, ResponseCache(Path(folder) / "cache.jsonl") as cache:
        found = asyncio.run(predict(Reliable(), steps, RemoteConfig(), cache))
    return [prediction for prediction, _ in found]


class Reliable:
    """The same completions as the server's, without a network."""

    name = "reliable"

    async def send(self, request: Request) -> Completion:
        text = completion({"messages": list(request.messages)})
        return Completion(text=text, stop="end", usage=NO_USAGE)

    async def close(self) -> None:
        pass


def predictions(out: Path) -> list[Prediction]:
    return list(read_records(out / "predictions.jsonl", Prediction))


def written(folder: Path) -> str:
    return "\n".join(path.read_text("utf-8") for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("kind", KINDS)
def test_a_policy_over_a_network_is_scored_as_any_other(
    shell: Shell, data: Path, tmp_path: Path, kind: str
) -> None:
    out = tmp_path / "run"
    kinds = ("429", "429 after", "500", "cut", "wrong json", "reset")
    with ModelServer(completion, Faults(rate=0.4, kinds=kinds, at_most=8)) as server:
        policy = server.name(kind)
        words = ("evaluate", "--model", policy, "--data", data, "--out", out)
        code, text, err = shell(*words, "--concurrency", 3, "--setting", "zero-shot", *QUICK)
        assert code == 0, err
        assert len(server.tries) > STEPS == server.completed.total()
        assert server.most_at_once <= 3
    assert predictions(out) == expected(data)
    metrics = evaluate_predictions(expected(data), list_examples(list(read_records(data, Session)))[0].space)
    assert json.loads((out / "metrics.json").read_text("utf-8")) == metrics.model_dump(mode="json")
    assert "zero-shot" in text and "16.15" in text  # the paper's row beside it
    told = " ".join(err.split())
    assert f"{STEPS} steps, 0 of them completed" in told and "input tokens (estimated)" in told
    assert f"{STEPS} completions, 0 refused" in told
    settings = json.loads((out / "settings.json").read_text("utf-8"))["settings"]
    assert settings["model"] == policy
    assert KEY not in written(out) + text + err
    assert json.loads((out / "context.json").read_text("utf-8"))["tokens_estimated"] is True


def test_run_again_it_sends_nothing_and_gives_the_same(shell: Shell, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with ModelServer(completion) as server:
        words = ("evaluate", "--model", server.name("openai"), "--data", data, "--out", out)
        assert shell(*words)[0] == 0
        before = (out / "metrics.json").read_bytes()
        code, _, err = shell(*words)
        assert code == 0 and f"{STEPS} of them completed" in " ".join(err.split())
        assert len(server.tries) == STEPS
    assert (out / "metrics.json").read_bytes() == before


def test_it_needs_no_torch(data: Path, tmp_path: Path) -> None:
    code = (
        "import sys; from shop_r1.cli.main import run; sys.exit(run(sys.argv[1:]) or 'torch' in sys.modules)"
    )
    with ModelServer(completion) as server:
        words = ["evaluate", "--model", server.name("openai"), "--data", str(data)]
        words += ["--out", str(tmp_path / "run")]
        subprocess.run([sys.executable, "-c", code, *words], env=os.environ | SOURCE, check=True)
    assert predictions(tmp_path / "run") == expected(data)


def test_refusals_are_unparsable_and_counted_apart(shell: Shell, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with ModelServer(completion, Faults(rate=0.5, kinds=("refusal",))) as server:
        code, _, err = shell("evaluate", "--model", server.name("openai"), "--data", data, "--out", out)
        refused = sum(each.fault == "refusal" for each in server.tries)
        assert len(server.tries) == STEPS  # a refusal is not asked again
    assert code == 0 and 0 < refused < STEPS
    assert f"{refused} refused" in " ".join(err.split())
    assert json.loads((out / "requests.json").read_text("utf-8"))["refused"] == refused
    assert sum(each.failure == REFUSED for each in predictions(out)) == refused


def test_the_cap_holds_and_what_is_missing_is_sent_later(shell: Shell, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    price = ("price.input_usd=1000", "price.output_usd=1000")  # a token for a tenth of a cent
    with ModelServer(completion) as server:
        words = ("evaluate", "--model", server.name("openai"), "--data", data, "--out", out, *price)
        code, _, err = shell(*words, "--max-cost", 4)
        told = " ".join(err.split())
        assert code == 2 and "stopping at 4 USD" in told
        answered = server.completed.total()
        assert 0 < answered < STEPS
        assert f"{STEPS - answered} of {STEPS} steps have no completion (cost cap of 4 USD" in told
        assert not (out / "metrics.json").exists() and not (out / "predictions.jsonl").exists()
        kept = [
            json.loads(line)["completion"]["usage"]
            for line in (out / "completions.jsonl").read_bytes().splitlines()
        ]
        assert sum(usage["input_tokens"] + usage["output_tokens"] for usage in kept) / 1000 <= 4
        code, _, _ = shell(*words)
        assert code == 0 and max(server.completed.values()) == 1
    assert predictions(out) == expected(data)


def test_a_step_that_fails_for_good_leaves_earlier_results_as_they_were(
    shell: Shell, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with ModelServer(completion, Faults(rate=0.2, kinds=("400",))) as server:
        words = ("evaluate", "--model", server.name("anthropic"), "--data", data, "--out", out)
        assert shell(*words)[0] == 2
        (out / "metrics.json").write_text("good", "utf-8")
        code, _, err = shell(*words)
        failed = STEPS - server.completed.total()
    assert code == 2 and failed > 0
    assert f"{failed} of {STEPS} steps have no completion" in err and "HTTP 400" in err
    assert "run again" in err and "completions.jsonl" in err
    assert KEY not in written(out) + err
    assert (out / "metrics.json").read_text("utf-8") == "good"


def test_killed_and_run_again_it_sends_only_what_was_in_flight(
    shell: Shell, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    gate = threading.Event()

    def stalling(body: dict[str, Any]) -> str:
        """After five answers, let all that come wait until the run is killed."""
        if server.completed.total() >= 5:
            gate.wait(60)
        return completion(body)

    with ModelServer(stalling) as server:
        words = ["evaluate", "--model", server.name("openai"), "--data", str(data), "--out", str(out)]
        words += ["--concurrency", "2"]
        process = subprocess.Popen(
            [sys.executable, "-m", "shop_r1", *words],
            env=os.environ | SOURCE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        while server.completed.total() < 5 and process.poll() is None:
            time.sleep(0.01)
        process.kill()
        process.wait()
        gate.set()
        kept = len((out / "completions.jsonl").read_bytes().splitlines())
        assert 3 <= kept < STEPS
        assert not (out / "metrics.json").exists()
        code, _, err = shell(*words)
        assert code == 0, err
        assert STEPS <= server.completed.total() <= STEPS + 2
        assert len(server.tries) <= STEPS + 2
    assert predictions(out) == expected(data)


def test_a_sweep_is_sent_at_once_and_written_apart(shell: Shell, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    temperatures = ("--temperature", 0, "--temperature", 0.7)
    with ModelServer(completion) as server:
        words = ("evaluate", "--model", server.name("openai"), "--data", data, "--out", out)
        code, text, _ = shell(*words, *temperatures, "--json")
        assert code == 0
        sent = [each.body["temperature"] for each in server.tries]
    assert sorted(sent) == [0.0] * STEPS + [0.7] * STEPS
    assert [row["temperature"] for row in json.loads(text)] == [0.0, 0.7]
    for label in ("greedy", "t0.7"):
        asked = json.loads((out / f"whole-session-{label}" / "requests.json").read_text("utf-8"))
        assert asked["steps"] == STEPS


def test_an_endpoint_can_be_left_its_own_temperature(shell: Shell, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    with ModelServer(completion) as server:
        unsent = "sampling.send_temperature=false"
        words = ("evaluate", unsent, "--model", server.name("openai"), "--data", data, "--out", out)
        code, _, err = shell(*words, "--temperature", 0)
        assert code == 2 and "contradicts" in err
        assert shell(*words)[0] == 0
        assert all("temperature" not in each.body for each in server.tries)
    assert "temperature" not in json.loads((out / "table.json").read_text("utf-8"))[0]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--model", "openai:x@http://127.0.0.1:9/v1", "--max-cost", "1"), "(--max-cost) needs a price"),
        (("--model", "openai:x@ftp://127.0.0.1", "seed=1"), "a URL begins with http"),
        (("--model", "openai:x@http://u:pw@127.0.0.1"), "must have no user, password"),
        (("--model", "openai:x@http://127.0.0.1:9/v1", "bf16=false"), "bf16"),
        (("--model", "base", "--max-cost", "1"), "--max-cost is for a model over a network"),
        (("--model", "base", "--concurrency", "2"), "--concurrency is for a model over a network"),
    ],
)
def test_what_cannot_be_is_one_sentence_and_touches_nothing(
    shell: Shell, data: Path, tmp_path: Path, words: tuple[str, ...], message: str
) -> None:
    code, _, err = shell("evaluate", *words, "--data", data, "--out", tmp_path / "run")
    assert code == 2 and message in err and len(err.splitlines()) == 1
    assert "pw" not in err
    assert not (tmp_path / "run").exists()


def test_lenient_parsing_sends_nothing_again_and_is_marked_in_every_file(
    shell: Shell, data: Path, tmp_path: Path
) -> None:
    out, good = tmp_path / "run", render_completion("Too dear.", terminate())

    def wrap(body: dict[str, Any]) -> str:
        is_fence = int(content_key(body)[:8], 16) % 2
        return f"```json\n{good}\n```" if is_fence else f"<think>Hm.</think>\n{good}"

    with ModelServer(wrap) as server:
        words = ("evaluate", "--model", server.name("openai"), "--data", data, "--out", out)
        code, text, err = shell(*words)
        told = " ".join(err.split())
        assert code == 0 and "NO completion is a valid response" in told
        assert f"{STEPS} of {STEPS} invalid" in told and "in a code fence" in told and "parse=lenient" in told
        assert "No setting has collapsed" not in text and "nothing is measured" in " ".join(text.split())
        code, text, err = shell(*words, "--force", "parse=lenient")
        assert code == 0 and len(server.tries) == STEPS
    assert "(parse=lenient)" in text and "NO completion" not in err
    metrics = json.loads((out / "metrics.json").read_text("utf-8"))
    assert (metrics["parse"], metrics["unwrapped"], metrics["unparsable"]) == ("lenient", STEPS, 0)
    assert json.loads((out / "table.json").read_text("utf-8"))[0]["parse"] == "lenient"
    assert {each.parse for each in predictions(out)} == {"lenient"}
    assert "(parse=lenient)" in (out / "table.md").read_text("utf-8")
    assert shell("report", out)[0] == 0
    assert "(parse=lenient)" in (out / "report" / "index.html").read_text("utf-8")
    again = tmp_path / "again"
    code, text, _ = shell("evaluate", "--predictions", out / "predictions.jsonl", "--out", again)
    assert code == 0 and "(parse=lenient)" in text  # The mark stays with the predictions.


def test_what_a_server_rejects_and_does_not_report_is_shown_and_written(
    shell: Shell, data: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"

    def script(body: dict[str, Any], _: Any) -> tuple[int, Any, dict[str, str]]:
        if "max_tokens" in body:
            return 400, {"error": {"message": "max_tokens is unsupported, use max_completion_tokens"}}, {}
        return 200, {"choices": [{"message": {"content": COMPLETIONS[0]}}], "usage": {"prompt_tokens": 3}}, {}

    with ModelServer(script=script) as server:
        code, _, err = shell("evaluate", "--model", server.name("openai"), "--data", data, "--out", out)
    assert code == 0
    told = " ".join(err.split())
    assert told.count("the server rejects max_tokens") == 1
    assert f"for {STEPS} completions the server reported no full usage" in told
    asked = json.loads((out / "requests.json").read_text("utf-8"))
    assert asked["usage_unknown"] == STEPS and "max_completion_tokens" in asked["notes"][0]
    assert asked["output_tokens"] == 128 * STEPS  # the most that each can be


@pytest.mark.parametrize("words", [("evaluate", "--model"), ("rationales", "--model")])
def test_a_key_that_cannot_be_sent_or_stands_in_the_name_or_a_setting_is_shown_nowhere(
    shell: Shell, data: Path, tmp_path: Path, words: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    out = tmp_path / "new" / "out.jsonl"
    base = (words[0], data) if words[0] == "rationales" else (words[0], "--data", data)
    with ModelServer(completion) as server:
        url = server.name("openai")
        asked = [
            (url, "api_key=hunter2-hunter2"),
            (url.replace("//", "//me:hunter2@"),),
            (f"{url}?key=hunter2",),
        ]
        for name, *settings in asked:
            code, text, err = shell(*base, words[1], name, "--out", out, *settings)
            assert code == 2 and "hunter2" not in text + err
        monkeypatch.setenv("OPENAI_API_KEY", "sk-hunter2\u201dhunter2-hunter2")
        code, text, err = shell(*base, words[1], url, "--out", out)
        assert code == 2 and "OPENAI_API_KEY holds a character outside ASCII" in err
        assert "hunter2" not in text + err and server.tries == []
    assert "hunter2" not in (written(out.parent) if out.parent.exists() else "")
