import json
from pathlib import Path
from typing import Any

import pytest

from shop_r1.errors import DataError
from shop_r1.records.results import TableRow
from shop_r1.report.card import render_card, write_card
from shop_r1.runs import RunFolder, digest_file, make_record

RECORD: dict[str, Any] = {
    "command": "grpo",
    "settings": {"model": "Qwen/Qwen2.5-3B-Instruct", "steps": 500},
    "inputs": {"train.jsonl": "ab12"},
    "versions": {"torch": "2.13.0"},
    "revision": "c0ffee",
}
ROW = {
    "setting": "shop-r1",
    "exact": [0.25, 0.277, 0.301],
    "type_accuracy": [0.3, 0.364, 0.4],
    "type_f1_macro": [0.3, 0.3128, 0.33],
    "n": 816,
}


def test_the_card_tells_what_the_model_is_from_and_how_good() -> None:
    card = render_card(RECORD, {"step": 500, "reward/total": 351.25}, [TableRow.model_validate(ROW)])
    front, rest = card.split("---\n")[1:]
    assert front.splitlines() == [
        "library_name: transformers",
        "pipeline_tag: text-generation",
        "tags:",
        "- shop-r1",
        "- grpo",
        "base_model: Qwen/Qwen2.5-3B-Instruct",
    ]
    assert "| shop-r1 | 27.7 [25.0, 30.1] | 36.4 [30.0, 40.0] | 31.3 [30.0, 33.0] | 816 |" in rest
    assert "- Started from `Qwen/Qwen2.5-3B-Instruct`." in rest
    assert "- Learnt from `train.jsonl` (SHA-256 `ab12`)." in rest
    assert "- Last logged step of training: step 500, reward/total 351.2." in rest
    assert "- With torch 2.13.0; revision `c0ffee`." in rest
    assert '     "steps": 500\n' in rest and "`vllm serve FOLDER`" in rest


def test_a_local_model_is_no_base_of_the_hub() -> None:
    inputs = RECORD["inputs"] | {"runs/sft": "cd34"}
    card = render_card(RECORD | {"settings": {"model": "runs/sft"}, "inputs": inputs}, {}, [])
    assert "base_model" not in card
    assert "- Started from `runs/sft` (SHA-256 `cd34`)." in card
    assert card.count("Learnt from") == 1
    assert "Not measured yet" in card


def test_names_from_files_are_text() -> None:
    row = TableRow.model_validate(ROW | {"setting": "a|b\n<img src=x> [c](d)"})
    inputs = {"x` <b>|`` \n# y.jsonl": "ab"}
    card = render_card(RECORD | {"inputs": inputs}, {}, [row])
    assert "| a\\|b \\<img src=x\\> \\[c\\](d) | 27.7" in card
    assert "- Learnt from ``` x` <b>|`` # y.jsonl ``` (SHA-256" in card


@pytest.fixture
def model(tmp_path: Path) -> Path:
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "metrics.jsonl").write_text('{"step": 1}\n{"step": 2, "loss": 0.5}\n')
    RunFolder(folder).write_settings(make_record({"model": "base"}, command="sft"))
    return folder


@pytest.fixture
def evaluation(model: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "evaluation"
    RunFolder(folder).write_settings(make_record({}, [model], command="evaluate"))
    (folder / "table.json").write_text(json.dumps([ROW]))
    return folder


def test_a_card_takes_evaluations_of_its_own_model(model: Path, evaluation: Path) -> None:
    digest = digest_file(model)
    card = write_card(model)
    assert "step 2, loss 0.5" in card.read_text() and "Not measured yet" in card.read_text()
    assert "| shop-r1 | 27.7" in write_card(model, [evaluation]).read_text()
    assert digest_file(model) == digest  # the card is no part of the model

    (model / "model.safetensors").write_bytes(b"other weights")
    before = card.read_bytes()
    with pytest.raises(DataError, match=r"is not an evaluation of the model in .*model as it is now"):
        write_card(model, [evaluation])
    assert card.read_bytes() == before


def test_a_folder_without_a_run_has_no_card(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"settings\.json"):
        write_card(tmp_path)
