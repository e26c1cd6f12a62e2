"""`--persona FILE`, `--intent FILE` and `--query FILE`: a run's shoppers are drawn by weight, and told who
they are."""

import json
from collections import Counter
from pathlib import Path

import pytest
from tests.endpoints.serving import ModelServer
from tests.shell import Shell

from shop_r1.jsonl import read_records
from shop_r1.prompts.render import render_completion
from shop_r1.records.actions import terminate
from shop_r1.records.comparisons import SHOPPERS_FILE, ShopperPlan
from shop_r1.records.sessions import Session
from shop_r1.records.visits import SESSIONS_FILE

LEAVE = render_completion("Nothing for me.", terminate())
TEXT = """
[[persona]]
name = "student"
who = "A student."
budget = 25
weight = 3

[[persona]]
name = "teacher"
who = "A retired teacher."

[[intent]]
query = "red mug"

[[intent]]
query = "blue lamp"
"""


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret-key-of-a-test-0123456789")


@pytest.fixture
def who(tmp_path: Path) -> Path:
    path = tmp_path / "who.toml"
    path.write_text(TEXT, "utf-8")
    return path


def sessions(folder: Path) -> list[Session]:
    return list(read_records(folder / SESSIONS_FILE, Session))


def test_each_shopper_of_a_model_is_told_who_it_is(shell: Shell, tmp_path: Path, who: Path) -> None:
    out, asked = tmp_path / "run", []

    def leave(body: dict[str, object]) -> str:
        asked.append(str(body["messages"]))
        return LEAVE

    with ModelServer(completion=leave) as server:
        words = ("simulate", "--policy", server.name("openai"), "--shoppers", 8, "--out", out)
        told = ("--persona", who, "--intent", who)
        code, text, err = shell(*words, *told)
        assert code == 0, err
        assert "student 75%, teacher 25%" in text and "one of 2, by their weights" in text
        found = sessions(out)
        personas = Counter((each.persona or "").splitlines()[0] for each in found)
        assert personas["A student."] in (5, 6, 7) and personas.total() == 8
        queries = Counter((each.persona or "").splitlines()[-1] for each in found)
        assert set(queries.values()) <= {3, 4, 5} and len(queries) == 2
        for each in found:
            assert any(json.dumps(each.persona)[1:-1].split("\\n")[0] in prompt for prompt in asked)
        assert sum("You pay at most 25, in the shop" in prompt for prompt in asked) == personas["A student."]
        who.write_text(TEXT.replace("budget = 25", "budget = 26"), "utf-8")
        code, _, err = shell(*words, *told, "--resume")
        assert code == 2 and "of another run: the contents of" in " ".join(err.split())


def test_a_comparison_has_personas_for_segments(shell: Shell, tmp_path: Path, who: Path) -> None:
    variant, out = tmp_path / "no_ratings.toml", tmp_path / "out"
    variant.write_text("ratings = false\n", "utf-8")
    with ModelServer(completion=lambda _: LEAVE) as server:
        words = ("compare", "--variant", variant, "--policy", server.name("openai"), "--shoppers", 4)
        code, _, err = shell(*words, "--persona", who, "--out", out)
    assert code == 0, err
    plan = list(read_records(out / SHOPPERS_FILE, ShopperPlan))
    assert Counter(each.segment for each in plan) == {"student": 3, "teacher": 1}
    by_user: dict[str | None, set[str | None]] = {}
    for each in sessions(out):
        by_user.setdefault(each.user_id, set()).add(each.persona)
    assert [len(found) for found in by_user.values()] == [1] * 4  # the same in both versions


def test_random_shoppers_search_for_queries_of_a_file(shell: Shell, tmp_path: Path, who: Path) -> None:
    out = tmp_path / "run"
    code, text, err = shell(
        *("simulate", "--policy", "random", "--query", who, "--shoppers", 10, "--max-steps", 4, "--out", out)
    )
    assert code == 0, err
    assert "one of 2 queries of" in " ".join(text.split())
    typed = [step.action.text for each in sessions(out) for step in each.steps if step.action.text]
    assert set(typed) >= {"red mug", "blue lamp"}
    code, _, err = shell("simulate", "--policy", "random", "--persona", who, "--out", tmp_path / "other")
    assert code == 2 and "--persona and --intent are for models" in err


def test_a_file_that_is_none_is_refused_before_a_visit(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "run"
    for name, problem in (("none.toml", "cannot be read"), ("none.jsonl", "none.jsonl")):
        code, _, err = shell("simulate", "--policy", "base", "--persona", tmp_path / name, "--out", out)
        assert code == 2 and problem in err and not out.exists()
