import json
import re
import sys
from pathlib import Path

import pytest
from tests.shell import Shell

from shop_r1.jsonl import read_records
from shop_r1.records.sessions import Session
from shop_r1.records.visits import SESSIONS_FILE, STEPS_FILE, VISITS_FILE, VisitEnd, VisitStep


def names(path: Path) -> list[str]:
    return sorted(each.name for each in path.iterdir() if not each.name.startswith("."))


def test_simulated_sessions_are_counted_and_valid(shell: Shell, tmp_path: Path) -> None:
    out = tmp_path / "s.jsonl.zst"
    code, text, _ = shell("simulate", "--shoppers", 3, "--seed", 5, "--out", out)
    assert code == 0
    sessions = list(read_records(out, Session))
    assert len(sessions) == 3
    steps = sum(len(each.steps) for each in sessions)
    assert f"3 sessions, {steps} steps" in " ".join(text.split())
    assert names(tmp_path) == ["s.jsonl.zst"]
    assert shell("data", "validate", out)[0] == 0
    code, text, _ = shell("data", "stats", out)
    assert (code, text.splitlines()[0].split()) == (0, ["sessions", "3"])
    assert max(map(len, text.splitlines())) <= 80
    again = tmp_path / "again.jsonl"
    shell("simulate", "--shoppers", 3, "--seed", 5, "--concurrency", 1, "--out", again)
    assert list(read_records(again, Session)) == sessions


def test_a_good_file_stays_when_its_successor_fails(shell: Shell, tiny: Path, tmp_path: Path) -> None:
    out = tmp_path / "sessions.jsonl"
    out.write_text("good\n", "utf-8")
    code, _, err = shell(
        *("simulate", "--policy", tiny, "--shoppers", 1, "--out", out, "--force"),
        *("sampling.max_new_tokens=2", "prompt.max_completion_length=8"),
    )
    assert (code, out.read_text("utf-8")) == (2, "good\n")
    assert "every response of the model was invalid" in " ".join(err.split())
    assert list(tmp_path.iterdir()) == [out]


def test_a_folder_has_sessions_steps_and_ends_that_agree(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code, text, err = shell("simulate", "--shoppers", 4, "--policy", "random", "--query", "red mug")
    assert code == 0, err
    out = Path("runs/simulation")
    assert text.splitlines()[-1] == "Next: shop-r1 report runs/simulation"
    assert max(map(len, text.splitlines())) <= 80
    assert names(out) == sorted([SESSIONS_FILE, "settings.json", STEPS_FILE, VISITS_FILE])
    sessions = list(read_records(out / SESSIONS_FILE, Session))
    assert [each.session_id for each in sessions] == [f"random-0-{number:05d}" for number in range(4)]
    assert {each.steps[0].action.text for each in sessions} == {"red mug"}
    ends = {each.session_id: each for each in read_records(out / VISITS_FILE, VisitEnd)}
    steps: dict[str, list[VisitStep]] = {}
    for each in read_records(out / STEPS_FILE, VisitStep):
        steps.setdefault(each.session_id, []).append(each)
    for session in sessions:
        assert [each.step for each in steps[session.session_id]] == list(session.steps)
        assert [each.index for each in steps[session.session_id]] == list(range(len(session.steps)))
        end = ends[session.session_id]
        assert (end.outcome, end.steps) == (session.outcome, len(session.steps))
    settings = json.loads((out / "settings.json").read_text("utf-8"))
    assert (settings["command"], settings["seed"], settings["settings"]["query"]) == (
        "simulate",
        0,
        "red mug",
    )
    # What a random shopper might have done is recorded, with probabilities that sum to at most 1.
    later = sessions[0].steps[1]
    assert later.alternatives
    assert sum(each.probability for each in later.alternatives) <= 1.001
    assert later.alternatives[0].probability == max(each.probability for each in later.alternatives)


def test_the_next_run_has_a_folder_of_its_own_and_a_given_one_is_not_written_over(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        assert shell("simulate", "--shoppers", 1)[0] == 0
    assert names(Path("runs")) == ["simulation", "simulation-2"]
    code, _, err = shell("simulate", "--shoppers", 1, "--out", "runs/simulation")
    assert code == 2
    assert "--force" in err
    assert shell("simulate", "--shoppers", 2, "--out", "runs/simulation", "--force")[0] == 0
    assert len(list(read_records(Path("runs/simulation") / SESSIONS_FILE, Session))) == 2


def test_a_run_goes_on_where_it_was_and_keeps_what_is_finished(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shell("simulate", "--shoppers", 6)
    whole = (Path("runs/simulation") / SESSIONS_FILE).read_bytes()
    shell("simulate", "--shoppers", 3)
    second = Path("runs/simulation-2")
    with (second / VISITS_FILE).open("rb+") as visits:  # as if it had been killed while the third ended
        visits.truncate(len(b"".join(visits.readlines()[:2])) + 10)
    code, _, err = shell("simulate", "--shoppers", 6, "--resume")
    assert code == 0, err
    assert "2 of 6 visits are finished; 4 are left" in err
    assert (second / SESSIONS_FILE).read_bytes() == whole
    settings = json.loads((second / "settings.json").read_text("utf-8"))["settings"]
    assert not settings.keys() & {"out", "force", "resume", "watch", "watch_port"}  # how, not what
    code, text, _ = shell("simulate", "--shoppers", 6, "--resume", "--concurrency", 3)
    assert code == 0
    assert "all visits were finished before" in " ".join(text.split())
    assert (second / SESSIONS_FILE).read_bytes() == whole
    code, _, err = shell("simulate", "--shoppers", 6, "--resume", "--seed", 1)
    assert code == 2
    assert "of another run: seed" in err


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["--model", "base"], "--model is now --policy"),
        (["--count", "3"], "--count is now --shoppers"),
        (["--store", "builtn"], "did you mean builtin?"),
        (["https://my.shop", "--store", "builtin"], "leave out --store"),
        (["https://my.shop", "https://your.shop"], "one shop at a time"),
        (["https://my.shop", "--policy", "scripted"], "--policy random"),
        (["my.shop"], "https://… or key=value"),
        (["--allow-host", "cdn.example"], "add --browser"),
        (["--trace"], "add --browser"),
        (["--browser", "--allow-purchase"], "a shop at an address"),
        (["sampling.top_k=3"], "settings are for models"),
        (["--persona", "Ann"], "are for models"),
        (["--policy", "random", "--intent", "a mug"], "are for models"),
        (["--query", "mug"], "bring their own"),
        (["--policy", "base", "--max-cost", "3"], "models over a network"),
        (["--resume", "--force"], "give one of them"),
        (["--resume", "--out", "x.jsonl"], "needs a folder"),
        (["https://my.shop", "--catalogue-seed", "3"], "built-in store"),
        (["https://sam:hunter2@my.shop/"], "give the address without them"),
        (["--browser", "--max-bytes", "inf"], "--max-bytes is inf"),
        (["--browser", "--rate", "inf"], "--rate is inf"),
        (["--max-seconds", "inf"], "expected less than 1e+09"),
        (["--actors", "2"], "add --ray ADDRESS"),
        (["--policy", "base", "--replicas", "2"], "add --ray ADDRESS"),
        (["--ray", "local", "--replicas", "2"], "is for a checkpoint"),
        (["--ray", "local", "--watch"], "leave it out with --ray"),
        (["--ray", "http://head:6379"], "expected HOST:PORT of its head"),
    ],
)
def test_what_means_nothing_together_is_refused_with_what_to_do(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], problem: str
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = shell("simulate", *words)
    assert code == 2
    assert problem in err
    assert "hunter2" not in err
    assert len(err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_the_plan_is_said_before_and_fits_the_terminal(shell: Shell, tmp_path: Path) -> None:
    code, text, err = shell("simulate", "--shoppers", 2, "--out", tmp_path / "run")
    assert code == 0
    said = dict(re.findall(r"^(\w+)  +(.+)$", text, re.MULTILINE))
    assert said["shop"] == "the built-in store, in this process"
    assert said["shoppers"].startswith("2 scripted shoppers")
    assert said["visits"].startswith("2 at a time, each at most 20 steps")
    assert "2/2 visits" in err
    assert max(map(len, [*text.splitlines(), *err.splitlines()])) <= 110


def test_without_ray_a_cluster_is_refused_with_what_to_install(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    code, _, err = shell("simulate", "--ray", "local", "--out", tmp_path / "run")
    assert code == 2
    assert "pip install 'shop-r1[ray]'" in " ".join(err.split())
    assert not (tmp_path / "run").exists()
