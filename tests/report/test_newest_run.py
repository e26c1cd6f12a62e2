import os
from pathlib import Path

import pytest

from shop_r1.errors import ConfigError
from shop_r1.report.newest_run import find_newest_run


def write(path: Path, time: float) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("", "utf-8")
    os.utime(path, (time, time))


def test_the_newest_run_is_found_and_told_what_it_is(tmp_path: Path) -> None:
    write(tmp_path / "evaluation" / "table.json", 100)
    write(tmp_path / "evaluation" / "predictions.jsonl", 900)
    assert find_newest_run(tmp_path) == (tmp_path / "evaluation", "evaluation")
    write(tmp_path / "simulation" / "visits.jsonl", 200)
    assert find_newest_run(tmp_path) == (tmp_path / "simulation", "simulation")
    write(tmp_path / "sweep" / "eval" / "table.json", 300)
    write(tmp_path / "sweep" / "eval" / "t0.6" / "predictions.jsonl", 1)
    assert find_newest_run(tmp_path) == (tmp_path / "sweep" / "eval", "evaluation")


def test_what_has_no_results_is_no_run_to_report(tmp_path: Path) -> None:
    write(tmp_path / "demo" / "table.json", 100)  # its predictions are elsewhere, and it has its report
    write(tmp_path / "unfinished" / "predictions.partial.jsonl", 100)
    write(tmp_path / "data" / "sessions.jsonl", 100)
    for root in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(ConfigError, match="no run was found"):
            find_newest_run(root)
