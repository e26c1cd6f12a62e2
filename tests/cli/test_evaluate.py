"""`evaluate` on the command line."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from tests.shell import Shell
from tests.tiny import make_sessions

from shop_r1.jsonl import write_records
from shop_r1.records.results import Prediction


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    """One session: a click foreseen, then leaving, which was not."""
    rows = [("click", {"type": "click", "name": "cart"}), ("terminate", None)]
    golds = {"click": {"type": "click", "name": "cart"}, "terminate": {"type": "terminate"}}
    lines = [
        json.dumps({"session_id": "s", "step_idx": step, "gold": golds[kind], "pred": pred})
        for step, (kind, pred) in enumerate(rows)
    ]
    path = tmp_path / "predictions.jsonl"
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_related_work_metrics_are_always_written_and_printed_when_asked_for(
    shell: Shell, predictions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    code, text, _ = shell("evaluate", "--predictions", predictions, "--out", out)
    assert code == 0 and "Related-work" not in text
    written = json.loads((out / "related_metrics.json").read_text("utf-8"))
    assert written["session_exact"] == {"value": 0.5, "n": 1}
    code, text, _ = shell("evaluate", "--predictions", predictions, "--related-metrics")
    assert code == 0 and "Related-work metrics: predictions" in text
    assert max(map(len, text.splitlines())) <= 80
    code, text, _ = shell("evaluate", "--predictions", predictions, "--related-metrics", "--json")
    assert code == 0 and json.loads(text)["related_metrics"] == written


def test_similar_meaning_is_a_table_of_its_own(shell: Shell, tmp_path: Path, tiny_checkpoint: Path) -> None:
    target = {"type": "type_and_submit", "name": "search_input", "text": "red mug for tea"}
    texts = ("red mug for tea", "Tea mugs, red", "red mug tea", "blue pot")
    lines = [
        json.dumps(
            {"session_id": f"s{step}", "step_idx": 0, "gold": target, "pred": {**target, "text": text}}
        )
        for step, text in enumerate(texts)
    ]
    path = tmp_path / "queries.jsonl"
    path.write_text("\n".join(lines), "utf-8")
    command = ("evaluate", "--predictions", path, "--out", tmp_path / "run")
    code, text, _ = shell(*command)
    assert code == 0 and max(map(len, text.splitlines())) <= 80
    assert re.search(r"^queries +to the letter +25\.0 ", text, re.MULTILINE)
    assert re.search(r"^ +same words +75\.0 ", text, re.MULTILINE)
    assert re.search(r"^ +ROUGE-L > 0\.75 +50\.0 ", text, re.MULTILINE)  # 6/7 of "red mug tea"
    written = json.loads((tmp_path / "run" / "metrics.json").read_text("utf-8"))
    assert written["exact"] == 0.25 and written["similar"]["rouge_l"]["threshold"] == 0.75
    # Other rules need no new predictions; a decoder is an encoder too, if a poor one.
    more = ("--similarity-threshold", "0.9", "--embedding", tiny_checkpoint, "--embedding-threshold", "-0.9")
    code, text, _ = shell(*command, *more)
    assert code == 0 and re.search(r"^ +ROUGE-L > 0\.9 +25\.0 ", text, re.MULTILINE)
    assert "embedding > -0.9" in text


def test_an_embeddings_threshold_needs_an_embedding(shell: Shell, predictions: Path) -> None:
    code, _, err = shell("evaluate", "--predictions", predictions, "--embedding-threshold", "0.8")
    assert code != 0 and "is for --embedding FOLDER" in err


# -- a checkpoint here: kills, and what is there already ---------------------------------------------------

QUICK = ("bf16=false", "batch_tokens=1", "prompt.max_completion_length=8", "sampling.max_new_tokens=8")
"""Each session is a batch of its own, so there are many of them."""


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Four visits, of which eight steps are predicted."""
    write_records(tmp_path / "test.jsonl", make_sessions())
    return tmp_path / "test.jsonl"


@pytest.fixture
def more_data(tmp_path: Path) -> Path:
    """Twenty visits, of which forty steps are predicted."""
    sessions = [
        session.model_copy(update={"session_id": f"{session.session_id}-{turn}"})
        for turn in range(5)
        for session in make_sessions()
    ]
    write_records(tmp_path / "more.jsonl", sessions)
    return tmp_path / "more.jsonl"


@pytest.fixture
def predicted(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """What is computed in this process: session and step, in order."""
    from shop_r1.evaluation import predict as predict_module

    steps: list[tuple[str, int]] = []
    compute = predict_module._predict_batch

    def answer(model: Any, sessions: Any, config: Any) -> list[Prediction]:
        steps.extend((each.session.session_id, each.step) for rows in sessions for each, _ in rows)
        return compute(model, sessions, config)

    monkeypatch.setattr(predict_module, "_predict_batch", answer)
    return steps


def results(out: Path) -> dict[str, bytes]:
    """Return the contents of what an evaluation wrote, but for its settings."""
    files = (path for path in out.rglob("*") if path.is_file() and path.name != "settings.json")
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def words_for(model: Path, data: Path, out: Path, *more: object) -> list[str]:
    words = ["evaluate", "--model", model, "--data", data, "--out", out, "--temperature", 1, *QUICK, *more]
    return [str(word) for word in words]


def kill_when(words: Sequence[str], is_due: Callable[[], bool]) -> None:
    """Start the command in a process of its own, and kill it as soon as it is due."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-m", "shop_r1", *words]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        while not is_due():
            assert process.poll() is None, process.communicate()[1].decode()
            time.sleep(0.002)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def count_lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.slow
def test_an_evaluation_that_is_killed_goes_on_predicts_nothing_twice_and_ends_with_the_same_bytes(
    shell: Shell, tiny_checkpoint: Path, more_data: Path, tmp_path: Path, predicted: list[tuple[str, int]]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    assert shell(*words_for(tiny_checkpoint, more_data, whole))[0] == 0
    every = [*predicted]
    assert len(every) == len(set(every)) == 40
    partial = parts / "predictions.partial.jsonl"
    words = words_for(tiny_checkpoint, more_data, parts)
    kill_when(words, lambda: count_lines(partial) > 12)
    assert not (parts / "metrics.json").exists()
    kept = count_lines(partial) - 1  # without the head
    predicted.clear()
    code, _, err = shell(*words)
    assert code == 0
    assert f"going on after {kept} of 40 predictions" in " ".join(err.split())
    assert predicted == every[kept:]
    assert results(parts) == results(whole)
    assert not partial.exists()

    predicted.clear()
    code, _, err = shell(*words)
    assert (code, predicted) == (0, [])
    assert "all 40 predictions were made in an earlier run" in " ".join(err.split())
    assert results(parts) == results(whole)


@pytest.mark.slow
def test_a_sweep_that_is_killed_makes_no_finished_setting_again(
    shell: Shell, tiny_checkpoint: Path, more_data: Path, tmp_path: Path, predicted: list[tuple[str, int]]
) -> None:
    whole, parts = tmp_path / "whole", tmp_path / "parts"
    sweep = ("--temperature", 0)
    assert shell(*words_for(tiny_checkpoint, more_data, whole, *sweep))[0] == 0
    every = [*predicted]
    words = words_for(tiny_checkpoint, more_data, parts, *sweep)
    second = parts / "whole-session-greedy" / "predictions.partial.jsonl"
    kill_when(words, lambda: count_lines(second) > 10)
    kept = count_lines(second) - 1
    predicted.clear()
    assert shell(*words)[0] == 0
    assert predicted == every[40 + kept :]
    assert results(parts) == results(whole)


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (("seed=3",), "seed (0 there, 3 now)"),
        (("--temperature", "0.5"), "runs "),
        (("sampling.top_k=2",), "sampling.top_k (0 there, 2 now)"),
        (("--first-step", "2"), "first_step (1 there, 2 now)"),
    ],
)
def test_another_runs_results_are_refused_with_what_differs_and_replaced_with_force(
    change: tuple[str, ...],
    named: str,
    shell: Shell,
    tiny_checkpoint: Path,
    data: Path,
    tmp_path: Path,
    predicted: list[tuple[str, int]],
) -> None:
    out = tmp_path / "run"
    assert shell(*words_for(tiny_checkpoint, data, out))[0] == 0
    before = results(out) | {"settings.json": (out / "settings.json").read_bytes()}
    predicted.clear()
    code, _, err = shell(*words_for(tiny_checkpoint, data, out, *change))
    assert (code, predicted) == (2, [])
    assert f"{out}: holds another run's results: " in err and named in err
    assert "give another --out, or --force to replace them" in err
    assert results(out) | {"settings.json": (out / "settings.json").read_bytes()} == before
    assert shell(*words_for(tiny_checkpoint, data, out, *change, "--force"))[0] == 0
    assert predicted
    fresh = tmp_path / "fresh"
    assert shell(*words_for(tiny_checkpoint, data, fresh, *change))[0] == 0
    assert results(out) == results(fresh)  # nothing of the other run is left among it


def test_other_data_another_model_and_another_version_are_another_run(
    shell: Shell, tiny_checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    model, out = tmp_path / "model", tmp_path / "run"
    shutil.copytree(tiny_checkpoint, model)
    moved = tmp_path / "moved.jsonl"
    assert shell(*words_for(model, data, out))[0] == 0
    shutil.move(data, moved)
    assert shell(*words_for(model, moved, out))[0] == 0  # the same contents, from another place
    moved.write_text(moved.read_text("utf-8") + moved.read_text("utf-8").splitlines()[0], "utf-8")
    assert f"the contents of {moved}" in shell(*words_for(model, moved, out))[2]
    settings = json.loads((out / "settings.json").read_text("utf-8"))
    (model / "notes.txt").write_text("other")
    assert f"the contents of {model}" in shell(*words_for(model, moved, out))[2]
    settings["versions"]["torch"] = "1.0"
    (out / "settings.json").write_text(json.dumps(settings))
    assert "versions.torch (" in shell(*words_for(model, moved, out))[2]


def test_an_evaluation_is_not_written_among_other_files_nor_into_its_model(
    shell: Shell, tiny_checkpoint: Path, data: Path, tmp_path: Path
) -> None:
    other, model = tmp_path / "other", tmp_path / "model"
    other.mkdir()
    (other / "thesis.tex").write_text("precious")
    code, _, err = shell(*words_for(tiny_checkpoint, data, other))
    assert code == 2 and f"{other}: holds thesis.tex, which this run did not write" in err
    assert [path.name for path in other.iterdir()] == ["thesis.tex"]
    shutil.copytree(tiny_checkpoint, model)
    code, _, err = shell(*words_for(model, data, model / "evaluation"))
    assert code == 2 and f"lies in {model}, which this command reads" in err
    assert shell(*words_for(model, data, model, "--force"))[0] == 2
    assert not (model / "settings.json").exists()


def test_predictions_are_not_scored_onto_themselves(shell: Shell, predictions: Path, tmp_path: Path) -> None:
    before, out = predictions.read_bytes(), tmp_path / "run"
    code, _, err = shell("evaluate", "--predictions", predictions, "--out", tmp_path, "--force")
    assert code == 2 and "which this command reads" in err
    assert predictions.read_bytes() == before
    for _ in range(2):  # the same again goes on
        assert shell("evaluate", "--predictions", predictions, "--out", out)[0] == 0
    code, _, err = shell("evaluate", "--predictions", predictions, "--out", out, "--space", "opera")
    assert code == 2 and 'space ("shop" there, "opera" now)' in err
