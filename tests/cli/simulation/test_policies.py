"""Policies as the command opens them: what they are told, what they cost, how a run goes on."""

import json
from pathlib import Path

import pytest
from tests.endpoints.serving import ModelServer
from tests.shell import Shell

from shop_r1.jsonl import read_records
from shop_r1.prompts.render import render_completion
from shop_r1.records.actions import terminate, type_and_submit
from shop_r1.records.sessions import Session
from shop_r1.records.visits import SESSIONS_FILE, VISITS_FILE, VisitEnd

KEY = "sk-secret-key-of-a-test-0123456789"
SEARCH = render_completion("I need a mug.", type_and_submit("search_input", "mug"))
LEAVE = render_completion("Nothing for me.", terminate())
PRICE = ("price.input_usd=1", "price.output_usd=1")


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


def all_text(folder: Path) -> str:
    return "".join(path.read_text("utf-8") for path in folder.rglob("*") if path.is_file())


def test_a_model_over_a_network_stops_at_its_budget_and_goes_on_with_a_larger_one(
    shell: Shell, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    with ModelServer(
        completion=lambda body: LEAVE if "Page 3:" in str(body["messages"]) else SEARCH
    ) as server:
        words = (
            "simulate",
            "--policy",
            server.name("openai"),
            "--shoppers",
            6,
            "--concurrency",
            1,
            "--out",
            out,
        )
        told = ("--persona", "A student.", "--intent", "A gift.", "--query", "red mug")
        code, text, err = shell(*words, *told, *PRICE, "--max-cost", 0.012)
        assert code == 0, err
        plain = " ".join(text.split())
        assert "at most 0.012 USD" in plain and "stopped" in plain
        assert "the budget of 0.012 USD is spent" in " ".join(err.split())
        ends = list(read_records(out / VISITS_FILE, VisitEnd))
        finished = [end for end in ends if end.outcome == "terminate"]
        assert 0 < len(finished) < 6
        assert sum(end.cost_usd or 0 for end in ends) <= 0.012
        before = (out / SESSIONS_FILE).read_bytes().splitlines()[: len(finished)]
        sent = len(server.tries)
        code, text, err = shell(*words, *told, *PRICE, "--max-cost", 5, "--resume")
        assert code == 0, err
    assert f"{len(finished)} of 6 visits are finished" in " ".join(err.split())
    sessions = list(read_records(out / SESSIONS_FILE, Session))
    assert [each.outcome for each in sessions] == ["terminate"] * 6
    assert (out / SESSIONS_FILE).read_bytes().splitlines()[: len(finished)] == before
    # Three steps each, and none is paid for twice.
    assert len(server.tries) == 18 and sent < 18
    persona = "A student.\nWhat you came for: A gift.\nThe first thing that you search for: red mug"
    assert {each.persona for each in sessions} == {persona}
    assert persona in server.tries[0].body["messages"][0]["content"]
    assert KEY not in all_text(out) + text + err


def test_a_wrong_key_ends_the_run_at_once(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "run"

    def refuse(*_: object) -> tuple[int, dict[str, object], dict[str, str]]:
        return (
            401,
            {"error": {"message": f"Incorrect API key provided: {KEY}", "code": "invalid_api_key"}},
            {},
        )

    with ModelServer(script=refuse) as server:
        code, text, err = shell("simulate", "--policy", server.name("openai"), "--shoppers", 20, "--out", out)
    assert code == 2
    assert len(server.tries) <= 8
    assert KEY not in all_text(out) + text + err
    assert "401" in err or "key" in err


def test_a_cap_needs_a_price_and_completions_need_a_folder(shell: Shell, tmp_path: Path) -> None:
    name = "openai:tiny@http://127.0.0.1:9/v1"
    code, _, err = shell("simulate", "--policy", name, "--max-cost", 1, "--out", tmp_path / "run")
    assert code == 2 and "price.input_usd" in err
    code, _, err = shell("simulate", "--policy", name, "--out", tmp_path / "x.jsonl")
    assert code == 2 and "give --out a folder" in err
    assert [path.name for path in tmp_path.iterdir()] == []


def test_a_checkpoint_decides_for_all_shoppers(shell: Shell, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    words = ("sampling.max_new_tokens=2", "prompt.max_completion_length=8", "bf16=false")
    code, text, err = shell("simulate", "--policy", tiny, "--shoppers", 3, "--out", out, *words)
    assert code == 2  # random weights write no valid response
    assert "every response of the model was invalid" in " ".join(err.split())
    assert "the shop space: click, type_and_submit, terminate" in " ".join(text.split())
    ends = list(read_records(out / VISITS_FILE, VisitEnd))
    assert {(end.outcome, end.invalid) for end in ends} == {("no step", 2)}
    settings = json.loads((out / "settings.json").read_text("utf-8"))
    assert settings["settings"]["model"]["sampling"]["max_new_tokens"] == 2
    assert settings["inputs"].keys() == {str(tiny)}
