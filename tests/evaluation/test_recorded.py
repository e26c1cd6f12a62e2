import json
from pathlib import Path

import pytest

from shop_r1.errors import DataError
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.recorded import read_action_predictions
from shop_r1.jsonl import write_records
from shop_r1.records.actions import OPERA, SHOP, click
from shop_r1.records.results import Prediction

SHARED = Path(__file__).resolve().parents[2].parent / "shared"


def line(pred: object, step: int = 0, **more: object) -> str:
    gold = {"type": "click", "click_type": "purchase", "name": "buy"}
    values = {
        "user_id": "u",
        "session_id": "s",
        "step_idx": step,
        "session_complete": True,
        "gold": gold,
        "pred": pred,
    }
    return json.dumps(values | more)


def write(folder: Path, *lines: str) -> Path:
    path = folder / "actions.jsonl"
    path.write_text("\n".join(lines) + "\n", "utf-8")
    return path


def test_actions_beside_actions_become_predictions(tmp_path: Path) -> None:
    path = write(tmp_path, line({"type": "click", "name": "buy"}, 4, human_rationale="I need it"))
    (prediction,) = read_action_predictions(path, OPERA)
    assert (prediction.session_id, prediction.step, prediction.action) == ("s", 4, click("buy"))
    assert prediction.target.click_type == "purchase"


@pytest.mark.parametrize(
    ("pred", "reason"),
    [
        (None, "no prediction"),
        ({"type": "hover", "name": "buy"}, "hover"),
        ({"type": "type_and_submit", "name": "buy", "text": "x"}, "not in the space opera"),
        ({"type": "click", "name": "buy", "why": "!"}, "why"),
        ({"type": "click", "name": "buy", "text": "x"}, "takes no text"),
        ({"type": "click", "name": 3}, "name"),
        ({"name": "buy"}, "type"),
        ("click buy", "not an action"),
        ([], "not an action"),
        (7, "not an action"),
    ],
)
def test_what_is_no_action_of_the_space_is_kept_and_counts_as_unparsable(
    tmp_path: Path, pred: object, reason: str
) -> None:
    predictions = read_action_predictions(write(tmp_path, line(pred)), OPERA)
    assert predictions[0].action is None
    assert reason in (predictions[0].failure or "")
    metrics = evaluate_predictions(predictions, OPERA, bootstrap=5)
    assert (metrics.n, metrics.unparsable, metrics.exact) == (1, 1, 0.0)


def test_our_own_predictions_are_read_too(tmp_path: Path) -> None:
    path = tmp_path / "predictions.jsonl.zst"
    ours = [
        Prediction(session_id="a", step=1, target=click("x"), action=click("x"), completion="{}"),
        Prediction(session_id="a", step=2, target=click("x"), failure="not JSON"),
    ]
    write_records(path, ours)
    assert read_action_predictions(path, SHOP) == ours


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        ('{"session_id": "s", "step_idx": 1, "gold": {"type": "cl', "actions.jsonl:2: record: is not JSON"),
        ("[1, 2]", "actions.jsonl:2: is a JSON array"),
        ('{"session_id": "s", "step_idx": 1, "pred": null}', "actions.jsonl:2: gold"),
        ('{"session_id": "s", "step_idx": 1, "gold": {"type": "click"}}', "actions.jsonl:2: pred"),
        ('{"session_id": "s", "step_idx": "x", "gold": {"type": "click"}, "pred": null}', "step_idx"),
        ('{"session_id": "s", "step_idx": 1, "gold": {"type": "fly"}, "pred": null}', "gold: .*fly"),
        (
            '{"session_id": "s", "step_idx": 1, "gold": {"type": "type_and_submit"}, "pred": null}',
            "recorded action has type",
        ),
        ('{"session_id": "s", "step": 1}', "actions.jsonl:2: target"),
        ("[" * 100_000, "actions.jsonl:2: is a JSON array"),
    ],
)
def test_a_bad_line_is_named_with_file_line_and_field(tmp_path: Path, bad: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read_action_predictions(write(tmp_path, line(None), bad), OPERA)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="holds no predictions"):
        read_action_predictions(write(tmp_path, ""), OPERA)


@pytest.mark.skipif(not SHARED.is_dir(), reason="the shared data are not beside this clone")
def test_operas_real_actions_agree_with_a_plain_count() -> None:
    path = SHARED / "data" / "opera" / "test_actions.jsonl"
    metrics = evaluate_predictions(read_action_predictions(path, OPERA), OPERA, bootstrap=50)
    rows = [json.loads(text) for text in path.read_text("utf-8").splitlines()]
    pairs = [({k: v for k, v in row["gold"].items() if k != "click_type"}, row["pred"]) for row in rows]
    assert metrics.n == len(rows) == 77
    assert metrics.unparsable == sum(pred is None for _, pred in pairs) == 41
    assert metrics.exact == pytest.approx(sum(gold == pred for gold, pred in pairs) / 77)
    assert metrics.type_accuracy == pytest.approx(
        sum(pred is not None and gold["type"] == pred["type"] for gold, pred in pairs) / 77
    )
