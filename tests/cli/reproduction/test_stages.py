"""What single stages leave in the folder."""

from pathlib import Path

import pytest

from shop_r1.cli.reproduction import stages, test_set
from shop_r1.cli.reproduction.config import ReproductionConfig
from shop_r1.cli.reproduction.folder import ReproductionFolder, StageLog
from shop_r1.cli.reproduction.plan import Reachable, Visits
from shop_r1.jsonl import read_records
from shop_r1.records.results import Prediction


def test_the_best_predictor_knows_in_which_mix_the_test_steps_were_drawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mix = {"click": 1, "type_and_submit": 1, "terminate": 8}  # The crowd leaves in one step of four.
    for module in (test_set, stages):
        monkeypatch.setattr(module, "PAPER_TEST_MIX", mix)
    held_out = Visits(0, 4, "held-out")
    reachable = Reachable(held_out)
    with StageLog(tmp_path / "stages.jsonl") as log:
        config = ReproductionConfig(held_out_sessions=60)
        folder = ReproductionFolder(tmp_path, config, log, [held_out, reachable])
        for stage in folder.plan:
            stages.run_stage(folder, stage)
        assert folder.is_done(reachable)
        paths = folder.path(reachable), folder.beside(reachable, stages.BEST_OF_TEST)
    own, best = (list(read_records(path, Prediction)) for path in paths)
    assert [(each.session_id, each.step) for each in own] == [(each.session_id, each.step) for each in best]
    right = [sum(each.action == each.target for each in found) for found in (own, best)]
    assert right[1] > 1.1 * right[0]
    left = [
        sum(each.action is not None and each.action.type == "terminate" for each in found)
        for found in (own, best)
    ]
    assert left[1] > left[0]
