"""`evaluate` on the command line."""

import json
from pathlib import Path

import pytest
from tests.shell import Shell


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


def test_neighbouring_papers_metrics_are_always_written_and_printed_when_asked_for(
    shell: Shell, predictions: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    code, text, _ = shell("evaluate", "--predictions", predictions, "--out", out)
    assert code == 0 and "neighbouring" not in text
    written = json.loads((out / "neighbours.json").read_text("utf-8"))
    assert written["session_exact"] == {"value": 0.5, "n": 1}
    code, text, _ = shell("evaluate", "--predictions", predictions, "--neighbours")
    assert code == 0 and "Metrics of neighbouring papers: predictions" in text
    assert max(map(len, text.splitlines())) <= 80
    code, text, _ = shell("evaluate", "--predictions", predictions, "--neighbours", "--json")
    assert code == 0 and json.loads(text)["neighbours"] == written
