import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from tests.endpoints.serving import Completion, Faults, ModelServer, count_words
from tests.shell import Shell

from shop_r1.datasets.rationale_requests import FailedSession
from shop_r1.datasets.with_rationales import beside, failed_path
from shop_r1.jsonl import read_records, write_records
from shop_r1.records.actions import click, terminate, type_and_submit
from shop_r1.records.sessions import Page, Session, Step

KINDS = ("openai", "anthropic", "bedrock")
KEYS = {
    "OPENAI_API_KEY": "sk-very-secret-1",
    "ANTHROPIC_API_KEY": "sk-very-secret-2",
    "AWS_BEARER_TOKEN_BEDROCK": "sk-very-secret-3",
    "AWS_REGION": "us-east-1",
    "NO_PROXY": "127.0.0.1",
}
QUICK = Faults(0.3, ("429", "429 after", "500", "503", "cut", "wrong json", "no json", "reset"))
AGAIN = ("requests.max_attempts=30", "requests.backoff_s=0.01")


@pytest.fixture
def shell(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> Shell:
    """Run `rationales` here; return its exit code, stdout and stderr."""
    for name, value in KEYS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("COLUMNS", "80")
    return partial(shell, "rationales")


def make_session(number: int) -> Session:
    """Return a session of one to three steps without rationales, unlike any other number's."""
    search = Step(
        page=Page(html='<page>\n<input name="search_input" type="search">'),
        action=type_and_submit("search_input", f"mug {number}"),
    )
    look = Step(page=Page(html=f'<page>\n<a name="mug">Mug {number}</a>'), action=click("mug"))
    leave = Step(page=Page(html=f"<page>\nNot mug {number}"), action=terminate())
    steps = ((search,), (search, leave), (search, look, leave))[number % 3]
    return Session(session_id=f"visit-{number}", steps=steps)


def write_sessions(path: Path, count: int) -> list[Session]:
    sessions = [make_session(number) for number in range(count)]
    write_records(path, sessions)
    return sessions


def explain(body: dict[str, Any]) -> str:
    """Return a good answer, in which each rationale names its visit and its step."""
    message = body["messages"][-1]["content"]
    visit = re.search(r'"text": "mug (\d+)"', message)
    assert visit is not None
    asked = [int(digits) for digits in re.findall(r"\d+", message.splitlines()[-1])]
    return json.dumps({"rationales": [{"step": step, "rationale": f"{visit[1]}, {step}."} for step in asked]})


def check_explained(sessions: Sequence[Session], path: Path) -> None:
    """Each session is there, in order, as it was but for its own rationales."""
    found = list(read_records(path, Session))
    assert [session.session_id for session in found] == [session.session_id for session in sessions]
    for before, after in zip(sessions, found, strict=True):
        number = before.session_id.removeprefix("visit-")
        assert [step.rationale for step in after.steps] == [
            f"{number}, {step}." for step in range(1, len(before.steps) + 1)
        ]
        assert [(step.page, step.action) for step in after.steps] == [
            (step.page, step.action) for step in before.steps
        ]


def cache_path(out: Path) -> Path:
    return beside(out, "completions.jsonl")


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "sessions.jsonl"


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "with.jsonl"


# -- a run -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_every_session_gets_its_rationales_from_an_unreliable_server(
    kind: str, shell: Shell, data: Path, out: Path
) -> None:
    sessions = write_sessions(data, 24)
    with ModelServer(explain, QUICK) as server:
        code, shown, err = shell(data, "--model", server.name(kind), "--out", out, *AGAIN)
    assert code == 0, err
    check_explained(sessions, out)
    assert not failed_path(out).exists()
    assert max(server.completed.values()) == 1
    steps = sum(len(session.steps) for session in sessions)
    assert f"{out}: 24 of 24 sessions; {steps} rationales written, 0 kept" in shown
    assert f"Next: shop-r1 sft --data {out}" in shown
    assert "24/24" in err
    assert max(map(len, err.splitlines())) <= 80
    written = b"".join(path.read_bytes() for path in out.parent.iterdir())
    assert b"very-secret" not in written + (shown + err).encode()


def spoil(completion: Completion, spoilt: dict[str, Callable[[str], str]]) -> Completion:
    """Return a completion that is changed for some visits, by their number."""

    def answer(body: dict[str, Any]) -> str:
        visit = re.search(r'"text": "mug (\d+)"', body["messages"][-1]["content"])
        assert visit is not None
        return spoilt.get(visit[1], str)(completion(body))

    return answer


def test_rejected_completions_are_requested_three_times_then_listed_with_the_reason(
    shell: Shell, data: Path, out: Path
) -> None:
    sessions = write_sessions(data, 6)
    spoilt: dict[str, Callable[[str], str]] = {
        "1": lambda text: text[:-20],
        "2": lambda text: text.replace('"step": 2', '"step": 3'),
        "4": lambda text: "<script>alert(1)</script>" + text,
    }
    with ModelServer(spoil(explain, spoilt)) as server:
        model = server.name("anthropic")
        code, shown, err = shell(data, "--model", model, "--out", out)
        assert code == 0
        check_explained([sessions[number] for number in (0, 3, 5)], out)
        assert f"{out}: 3 of 6 sessions; 5 rationales written, 0 kept" in shown  # 1 + 1 + 3
        said = " ".join(err.split())
        assert "sessions without rationales: 3 (" in said and "left out and listed in" in said
        listed = list(read_records(failed_path(out), FailedSession))
        assert [(failure.session_id, failure.reason) for failure in listed] == [
            ("visit-1", "cut_off"),
            ("visit-2", "repeated_step"),
            ("visit-4", "extra_text"),
        ]
        assert server.completed.total() == 3 + 3 * 3
        code, shown, _ = shell(data, "--model", model, "--out", out, "--keep-failed")
        assert server.completed.total() == 3 + 3 * 3  # Three answers are enough, over all runs.
    kept = list(read_records(out, Session))
    assert (code, kept[1], kept[2], kept[4]) == (0, sessions[1], sessions[2], sessions[4])


def test_when_nothing_came_of_any_session_that_is_an_error(shell: Shell, data: Path, out: Path) -> None:
    write_sessions(data, 2)
    with ModelServer(explain, Faults(1.0, ("refusal",))) as server:
        code, _, err = shell(data, "--model", server.name("openai"), "--out", out)
    assert code == 2
    assert f"shop-r1: {out}: is not written: none of 2 sessions got its rationales (refused 2)" in err
    assert not out.exists() and failed_path(out).exists()


def test_no_request_is_sent_for_sessions_that_have_rationales(shell: Shell, data: Path, out: Path) -> None:
    told = [
        session.model_copy(
            update={"steps": tuple(step.model_copy(update={"rationale": "So."}) for step in session.steps)}
        )
        for session in map(make_session, range(2))
    ]
    write_records(data, told)
    code, shown, _ = shell(data, "--model", "anthropic:claude-3-5-sonnet-latest", "--out", out)
    assert (code, list(read_records(out, Session))) == (0, told)
    assert "0 rationales written, 3 kept" in shown


# -- what it costs -----------------------------------------------------------------------------------------


def test_an_estimate_sends_nothing_needs_no_key_and_leaves_nothing(
    shell: Shell, data: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    write_sessions(data, 6)
    model = "anthropic:claude-3-5-sonnet-20241022"
    code, shown, _ = shell(data, "--model", model, "--out", out, "--estimate")
    assert code == 0
    lines = dict(line.split(maxsplit=1) for line in shown.splitlines() if line[0] != " ")
    assert lines["sessions"] == "6: 6 without all rationales, 0 complete"
    assert lines["rationales"] == "12 to be written, 0 kept"  # 1 + 2 + 3, twice
    assert lines["requests"] == "6 to be sent, 0 in the cache"
    # 40 tokens for each of 6 completions and 100 for each of 12 rationales.
    assert lines["output"] == "1,440 tokens at most"
    tokens = int(lines["input"].split()[1].replace(",", ""))
    assert lines["cost"].startswith(f"{(3 * tokens + 15 * 1_440) / 1e6:.2f} USD at most")
    assert max(map(len, shown.splitlines())) <= 80
    assert [path.name for path in out.parent.iterdir()] == [data.name]


def test_a_price_can_be_given_and_a_cap_needs_one(shell: Shell, data: Path, out: Path) -> None:
    write_sessions(data, 1)
    words = (data, "--model", "openai:mine@http://127.0.0.1:9/v1", "--out", out, "--estimate")
    assert "no price known: give price.input_usd and price.output_usd" in " ".join(shell(*words)[1].split())
    assert "0.14 USD at most" in shell(*words, "price.input_usd=0", "price.output_usd=1000")[1]  # 140 tokens
    code, _, err = shell(*words, "--max-cost", 1)
    assert code == 2 and "give price.input_usd and price.output_usd" in err


def test_a_cap_is_never_passed_and_what_it_stopped_is_written_by_a_run_with_more(
    shell: Shell, data: Path, out: Path
) -> None:
    sessions = write_sessions(data, 30)
    # A thousandth of a dollar a token: an answer is billed some 0.4, and could cost about 4.
    price = ("price.input_usd=1000", "price.output_usd=1000")
    with ModelServer(explain) as server:
        words = (data, "--model", server.name("openai"), "--out", out, *price, *AGAIN)
        code, shown, err = shell(*words, "--max-cost", 12)
        assert code == 0
        assert "the cap of 12 USD may stop it before the end" in " ".join(shown.split())
        # What it bills only grows, so what it billed in the end is the most.
        assert 0 < billed_tokens(server) / 1000 <= 12
        stopped = len(list(read_records(failed_path(out), FailedSession)))
        assert 0 < stopped < 30
        assert f"sessions without rationales: {stopped} (cost_cap {stopped})" in " ".join(err.split())
        assert shell(*words, "--max-cost", 100)[0] == 0
        assert billed_tokens(server) / 1000 <= 100
    check_explained(sessions, out)
    assert set(server.completed.values()) == {1}


def billed_tokens(server: ModelServer) -> int:
    """Return what the server's answers are billed by: all of its tries were answered."""
    return sum(count_words(each.body) + len(explain(each.body).split()) for each in server.tries)


# -- invalid input ----------------------------------------------------------------------------------


def test_a_wrong_key_stops_the_run_at_once_and_says_how_to_go_on(shell: Shell, data: Path, out: Path) -> None:
    write_sessions(data, 30)
    with ModelServer(explain, Faults(1.0, ("401",))) as server:
        code, _, err = shell(data, "--model", server.name("anthropic"), "--out", out)
    assert code == 2
    assert len(server.tries) <= 8
    assert "give the same command again to go on" in " ".join(err.split())
    assert "very-secret" not in err and not out.exists()


def test_a_missing_key_is_told_before_anything_is_read(
    shell: Shell, data: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    code, _, err = shell(data, "--model", "anthropic:claude-3-5-sonnet-latest", "--out", out)
    assert (code, "Reading" in err) == (2, False)
    assert "set ANTHROPIC_API_KEY in the environment" in err


@pytest.mark.parametrize("last", [("--out", "{data}"), ("--out", "{out}", "--cache", "{out}")])
def test_no_file_is_written_over_that_is_read(
    last: tuple[str, ...], shell: Shell, data: Path, out: Path
) -> None:
    sessions = write_sessions(data, 1)
    code, _, err = shell(data, "--model", "openai:x", *(word.format(data=data, out=out) for word in last))
    assert code == 2 and "are to be three files" in err
    assert list(read_records(data, Session)) == sessions


def test_a_run_goes_on_with_its_own_output_but_not_over_anothers(shell: Shell, data: Path, out: Path) -> None:
    sessions = write_sessions(data, 6)
    with ModelServer(explain) as server:
        words = (data, "--model", server.name("anthropic"), "--out", out)
        out.write_text("precious", "utf-8")
        code, _, err = shell(*words)
        assert (code, out.read_text("utf-8")) == (2, "precious")
        assert f"{out}: is there already; add --force" in err and not cache_path(out).exists()
        out.unlink()
        for _ in range(2):
            assert shell(*words)[0] == 0
            check_explained(sessions, out)
        edited = out.read_text("utf-8").replace("0, 1.", "In my own words.")
        out.write_text(edited, "utf-8")
        assert (shell(*words)[0], out.read_text("utf-8")) == (2, edited)
        assert shell(*words, "--force")[0] == 0
    check_explained(sessions, out)
    assert max(server.completed.values()) == 1


def test_the_list_of_failures_is_never_written_over_the_sessions(shell: Shell, tmp_path: Path) -> None:
    data = tmp_path / "x.failed.jsonl"
    write_sessions(data, 1)
    before = data.read_bytes()
    for force in ((), ("--force",)):
        code, _, err = shell(data, "--model", "openai:x", "--out", tmp_path / "x.jsonl", *force)
        assert code == 2 and "is read by this very command" in err
    (tmp_path / "y.failed.jsonl").write_text("my notes")
    code, _, err = shell(data, "--model", "openai:x", "--out", tmp_path / "y.jsonl")
    assert code == 2 and "y.failed.jsonl: is there already" in err
    assert data.read_bytes() == before


# -- a checkpoint here -------------------------------------------------------------------------------------


def test_a_checkpoint_here_can_write_and_what_it_makes_of_it_is_counted(
    shell: Shell, data: Path, out: Path, tiny_checkpoint: Path
) -> None:
    write_sessions(data, 2)
    words = (
        data,
        "--model",
        tiny_checkpoint,
        "--out",
        out,
        "requests.max_completions=2",
        "rationale_tokens=5",
    )
    code, shown, err = shell(*words)
    assert code == 2  # A random model writes no JSON.
    assert "cost        none, the model runs here" in shown
    assert "none of 2 sessions got its rationales" in err
    listed = list(read_records(failed_path(out), FailedSession))
    assert [failure.session_id for failure in listed] == ["visit-0", "visit-1"]
    completions = cache_path(out).read_text("utf-8").splitlines()
    assert len({json.loads(line)["completion"]["text"] for line in completions}) == len(completions) == 4
    shell(*words)
    assert len(cache_path(out).read_text("utf-8").splitlines()) == 4


# -- a run that is killed ----------------------------------------------------------------------------------


def start(data: Path, out: Path, server: ModelServer) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "shop_r1", "rationales", str(data), "--model", server.name("openai")]
    environment = os.environ | KEYS | {"PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.Popen([*command, "--out", str(out), *AGAIN], env=environment, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_a_run_that_is_killed_goes_on_where_it_was(data: Path, out: Path) -> None:
    sessions = write_sessions(data, 2_000)
    with ModelServer(explain, Faults(0.1, QUICK.kinds)) as server:
        first = start(data, out, server)
        try:
            while server.completed.total() < 700:
                assert first.poll() is None, "it ended before it could be killed"
                time.sleep(0.01)
        finally:
            first.send_signal(signal.SIGKILL)
            first.wait()
        assert not out.exists()
        assert server.completed.total() < 2_000
        assert start(data, out, server).wait() == 0
    check_explained(sessions, out)
    assert not failed_path(out).exists()
    assert len(server.completed) == 2_000
    # Twice only what was in flight when it was killed: eight at once, as is the default.
    assert sum(server.completed.values()) <= 2_000 + 8
    assert max(server.completed.values()) <= 2
    assert [path.name for path in out.parent.iterdir() if path.name.startswith(".")] == []
