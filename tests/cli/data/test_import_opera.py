import json
from pathlib import Path

import pytest
from tests.importers.opera.make_opera import click, row, session_id, survey, typed, users, write_opera
from tests.shell import Shell

from shop_r1.jsonl import read_records
from shop_r1.records.results import Prediction
from shop_r1.records.sessions import Session

ANN, BOB = "324934a2-5d58", "7f0c8207-6a6f"
A, B = session_id(ANN, 1), session_id(BOB, 20)
ROWS = [
    typed(A, 60, "Bike bott"),
    click(A, 61, "nav_bar.suggested_terms.bike_bottle_holder", "suggested_term", rationale="that one"),
    click(A, 62, "buybox.purchase_form.add_to_cart", "purchase"),
    click(B, 1260, "nav_bar.search_input", "search"),
    click(B, 1261, "gone", "other", simplified_html="<html></html>"),
    row(B, 1262, "click", None),
    row(B, 1263, "terminate"),
]


@pytest.fixture
def opera(tmp_path: Path) -> Path:
    return write_opera(tmp_path / "opera", ROWS, users((ANN, survey()), (BOB, "")))


def test_an_import_says_what_it_kept_and_left_out(shell: Shell, opera: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "train.jsonl.zst"
    words = ("data", "import", "opera", "--config", "filtered", "--split", "train", "--path", opera)
    code, text, err = shell(*words, "--out", out)
    assert code == 0
    assert f"{out}: 2 sessions of 2 users, 6 steps" in text
    told = " ".join(text.split())
    assert "rows read 7 " in told
    assert "actions input 1, click 4, terminate 1" in told
    assert "outcomes purchase 1, terminate 1" in told
    assert "personas of 1 sessions; users: no survey 1" in told
    assert "left out click without a name 1" in told
    assert "off the page 1 targets" in told
    assert "first click without a name: train-00001-of-00002.parquet, row 2: ''" in told
    assert "CC-BY-4.0" in err
    assert all(len(line) <= 80 for line in text.splitlines() if str(tmp_path) not in line)
    assert len(list(read_records(out, Session))) == 2
    assert [path.name for path in out.parent.iterdir()] == ["train.jsonl.zst"]

    code, text, _ = shell(*words, "--out", out, "--force", "--require-targets")
    assert (code, "2 sessions of 2 users, 5 steps" in text) == (0, True)
    assert "target not on its page 1" in text


def test_a_failed_import_leaves_what_was_there(shell: Shell, opera: Path, tmp_path: Path) -> None:
    out = tmp_path / "s.jsonl"
    out.write_text("precious", "utf-8")
    words = ("data", "import", "opera", "--path", opera, "--out", out, "--force", "--split", "train")
    code, _, err = shell(*words, "--config", "full")
    assert (code, "no actions of the split train" in err) == (2, True)
    write_opera(opera, [row(A, 60, "navigation")], variant="full")
    code, _, err = shell(*words, "--config", "full")
    assert (code, "none of 1 rows of full actions gives a step" in err) == (2, True)
    assert [out.read_text("utf-8"), len(list(tmp_path.iterdir()))] == ["precious", 2]
    assert shell(*words, "--config", "half")[0] == 2


def test_imported_sessions_are_valid_counted_and_predicted(
    shell: Shell, opera: Path, tiny_checkpoint: Path, tmp_path: Path
) -> None:
    data, out = tmp_path / "train.jsonl", tmp_path / "run"
    words = ("--config", "filtered", "--split", "train", "--path", opera, "--out", data)
    assert shell("data", "import", "opera", *words)[0] == 0
    code, text, _ = shell("data", "validate", data)
    # What the recorder named twice, and the target off its page, which the import counts and keeps.
    assert (code, "2 sessions, 6 steps; 3 errors" in text) == (1, True)
    assert "same-name              2" in text and "not-on-page            1" in text
    code, text, _ = shell("data", "stats", data)
    assert (code, "opera 2 (100.0 %)" in text) == (0, True)
    code, text, _ = shell(
        *("evaluate", "--model", tiny_checkpoint, "--data", data, "--out", out, "--temperature", 0),
        *("bf16=false", "prompt.persona=true", "prompt.max_completion_length=8", "sampling.max_new_tokens=4"),
    )
    assert code == 0
    found = list(read_records(out / "predictions.jsonl", Prediction))
    assert [(each.session_id, each.step, each.target.type) for each in found] == [
        (A, 1, "click"),
        (A, 2, "click"),
        (B, 1, "click"),
        (B, 2, "terminate"),
    ]
    assert found[0].target.click_type == "suggested_term"
    settings = json.loads((out / "settings.json").read_text("utf-8"))["settings"]
    assert settings["prompt"]["persona"] is True
    without = tmp_path / "without"
    code, _, _ = shell(
        *("evaluate", "--model", tiny_checkpoint, "--data", data, "--out", without, "--temperature", 0),
        *("bf16=false", "prompt.max_completion_length=8", "sampling.max_new_tokens=4"),
    )
    lengths = [each.prompt_tokens or 0 for each in read_records(without / "predictions.jsonl", Prediction)]
    longer = [(each.prompt_tokens or 0) - length for each, length in zip(found, lengths, strict=True)]
    assert code == 0 and min(longer[:2]) > 50 and longer[2:] == [0, 0]  # only Ann has a persona
