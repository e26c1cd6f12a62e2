import json
from pathlib import Path

import pytest
from tests.cli.cases import PAGE
from tests.shell import Shell

from shop_r1.jsonl import read_records
from shop_r1.records.results import Prediction


@pytest.fixture
def predictions(tmp_path: Path) -> Path:
    target = {"type": "click", "name": "a"}
    rows = [target, {"type": "click", "name": "b"}, None, {"type": "input", "name": "a", "text": "x"}]
    lines = [
        json.dumps({"session_id": f"s{i % 2}", "step_idx": i, "gold": target, "pred": pred})
        for i, pred in enumerate(rows)
    ]
    path = tmp_path / "predictions.jsonl"
    path.write_text("\n".join(lines), "utf-8")
    return path


def test_evaluate_scores_a_file_of_predictions(shell: Shell, predictions: Path) -> None:
    code, out, _ = shell("evaluate", "--predictions", predictions, "--space", "opera", "--json")
    found = json.loads(out)
    assert code == 0
    assert (found["n"], found["exact"], found["type_accuracy"], found["unparsable"]) == (4, 0.25, 0.5, 1)
    assert found["type_f1_macro"] == pytest.approx(2 * 1 * 0.5 / 1.5)  # precision 1, recall 0.5
    assert found["per_type"]["click"]["n"] == 4


def test_evaluate_prints_and_writes_the_table(shell: Shell, predictions: Path, tmp_path: Path) -> None:
    out = tmp_path / "run"
    code, text, _ = shell(
        "evaluate", "--predictions", predictions, "--space", "opera", "--out", out, "--setting", "sft"
    )
    assert code == 0
    assert "25.0 [" in text and "16.76" in text  # the paper's SFT row beside it
    assert len(list(read_records(out / "predictions.jsonl", Prediction))) == 4
    assert json.loads((out / "table.json").read_text("utf-8"))[0]["exact"][1] == 0.25
    code, text, _ = shell("report", out)
    assert code == 0
    assert Path(text.strip()).read_text("utf-8").startswith("<!doctype html>")


def test_saved_pages_go_through_to_the_report(shell: Shell, tiny: Path, tmp_path: Path) -> None:
    pages = tmp_path / "pages"
    pages.mkdir()
    long = PAGE.replace("<h1>", "<p>much to read</p>" * 3000 + "<h1>")
    for name, text in (("short.html", PAGE), ("long.html", long)):
        (pages / name).write_text(text, "utf-8")
    moves = [{"site": "x", "from_file": f"{n}.html", "href": "/red", "text": ""} for n in ("short", "long")]
    (pages / "links.json").write_text(json.dumps([*moves, {"from_file": "none.html", "href": "/"}]), "utf-8")

    data, out = tmp_path / "moves.jsonl", tmp_path / "run"
    code, text, _ = shell("data", "import", "pages", pages, "--out", data)
    assert code == 0
    assert "left out: links.json, entry 2 (none.html): cannot be read" in text
    assert "2 of 3 moves" in text

    words = ("evaluate", "--model", tiny, "--data", data, "--out", out)
    code, _, err = shell(*words)
    assert code == 2 and "--first-step 0" in err
    code, text, err = shell(
        *words,
        "--first-step",
        0,
        "--temperature",
        0,
        "sampling.max_new_tokens=4",
        "prompt.max_completion_length=8",
    )
    assert code == 0
    told = " ".join(err.split())
    assert "Prompt budget: 3000 tokens" in told
    assert "part of the current page in 1 prompts" in told
    found = list(read_records(out / "predictions.jsonl", Prediction))
    assert [prediction.page_truncated for prediction in found] == [False, True]
    assert all(prediction.prompt_tokens and prediction.prompt_tokens <= 3000 for prediction in found)
    budget = json.loads((out / "context.json").read_text("utf-8"))
    assert (budget["prompts"], budget["prompts_truncated"]) == (2, 1)
    assert {page["url"] for page in budget["pages"]} == {"short.html", "long.html"}
    assert json.loads((out / "settings.json").read_text("utf-8"))["settings"]["prompt"]["max_tokens"] == 3000

    code, text, _ = shell("report", out)
    assert code == 0
    assert "long.html" in Path(text.strip()).read_text("utf-8")


def test_a_sweep_writes_one_folder_for_each_way_of_asking(
    shell: Shell, tiny: Path, sessions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "sweep"
    options = (
        "--temperature",
        0,
        "--temperature",
        0.7,
        "--context",
        "whole-session",
        "--context",
        "latest-step",
    )
    code, text, _ = shell(
        *("evaluate", "--model", tiny, "--data", sessions, "--out", out, *options, "--json"),
        "sampling.max_new_tokens=4",
    )
    assert code == 0
    labels = {
        f"{context}-{how}" for context in ("whole-session", "latest-step") for how in ("greedy", "t0.7")
    }
    assert {path.parent.name for path in out.glob("*/predictions.jsonl")} == labels
    assert [(row["context"], row["temperature"]) for row in json.loads(text)] == [
        *(("whole-session", 0.0), ("whole-session", 0.7), ("latest-step", 0.0), ("latest-step", 0.7)),
    ]
    code, text, _ = shell("report", out, "--data", sessions)
    assert code == 0
