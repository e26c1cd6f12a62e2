"""The runs of `same_sft` by TRL, from which `same_sft.json` was written; verl is held to the file."""

import json
from pathlib import Path

import pytest
from tests.cluster import same_sft

from shop_r1.training import trl_arguments
from shop_r1.training.sft import train_sft


@pytest.mark.parametrize("run", same_sft.RUNS)
def test_trl_comes_to_what_the_file_says(run: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trl_arguments, "LOGGING_STEPS", 1)
    train_sft(same_sft.sessions(), same_sft.settings(**same_sft.RUNS[run]), tmp_path)
    found = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text("utf-8").splitlines()]
    for step, expected in zip(found, same_sft.expected(run), strict=True):
        for name, value in expected.items():
            assert step[name] == pytest.approx(value, rel=1e-3), (step["step"], name)
