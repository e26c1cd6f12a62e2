import json
import re
from collections import Counter
from pathlib import Path

from tests.shell import Shell

GOLDS = ({"type": "click", "name": "a"}, {"type": "type_and_submit", "name": "q", "text": "mug"})
LEAVING = {"type": "terminate"}


def test_a_report_shows_each_table_and_each_alarm_once(shell: Shell, tmp_path: Path) -> None:
    recorded, out = tmp_path / "predictions.jsonl", tmp_path / "results"
    lines = [
        {"session_id": f"s{number}", "step_idx": place, "gold": gold, "pred": LEAVING}
        for number in range(10)
        for place, gold in enumerate(GOLDS)
    ]
    recorded.write_text("\n".join(map(json.dumps, lines)), "utf-8")
    code, text, _ = shell("evaluate", "--predictions", recorded, "--out", out)
    assert (code, text.count("of the predictions are terminate")) == (0, 1)
    assert shell("report", out)[0] == 0
    html = (out / "report" / "index.html").read_text("utf-8")
    assert html.count("of the predictions are terminate") == 1
    titles = Counter(re.findall(r'<table aria-label="([^"]*)"', html))
    assert titles == Counter(["Results by setting", "Per type of action", "Mix of predicted types, %"])
