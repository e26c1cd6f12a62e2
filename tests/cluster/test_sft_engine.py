"""What verl's workers compute in SFT, beside TRL's figures of the same run and verl's own pass and loss."""

import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cluster import same_sft
from tests.cluster.sft_worker import SPREADS, run_worker
from verl.utils import tensordict_utils as tu
from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithLMHead
from verl.workers.utils.losses import sft_loss

from shop_r1.training.cluster.sft.batches import collate
from shop_r1.training.cluster.sft.engine import CpuSessionEngine, trees_of
from shop_r1.training.cluster.sft.trainer import step_data

pytestmark = pytest.mark.usefixtures("alone")
ROOT = Path(__file__).resolve().parents[2]
LIMIT_S = 300.0
PROCESS = """
import sys, types
sys.modules["tests"] = types.ModuleType("tests")  # verl's wheel has a package of this name
sys.modules["tests"].__path__ = ["tests"]
from pathlib import Path
from tests.cluster.sft_worker import main
main(Path(sys.argv[1]))
"""


def check(found: list[Any], run: str = "plain") -> None:
    """Make sure that these are the figures of TRL's path."""
    for step, (metrics, expected) in enumerate(zip(found, same_sft.expected(run), strict=True)):
        for name, value in expected.items():
            theirs = "lr" if name == "learning_rate" else name
            assert metrics[theirs] == pytest.approx(value, rel=1e-3), (step, name)


@pytest.mark.parametrize("run", same_sft.RUNS)
def test_a_run_of_verl_is_that_of_trl(run: str, tmp_path: Path) -> None:
    check(run_worker(same_sft.settings(**same_sft.RUNS[run]), tmp_path), run)


def test_two_processes_come_to_what_one_does(tmp_path: Path) -> None:
    ranks = [
        subprocess.Popen(
            [sys.executable, "-c", PROCESS, str(tmp_path)],
            cwd=ROOT,
            env=os.environ | {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": "2"},
        )
        for rank in "01"
    ]
    assert [each.wait(LIMIT_S) for each in ranks] == [0, 0]
    found = json.loads((tmp_path / "metrics.json").read_text("utf-8"))
    assert found.keys() == SPREADS.keys()
    for metrics in found.values():
        check(metrics)


def test_trees_and_our_loss_come_to_verls_own_pass_over_whole_sequences_and_its_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = same_sft.settings(max_steps=1, type_ratio=0)
    ours = run_worker(config, tmp_path)[0]
    monkeypatch.setattr(CpuSessionEngine, "forward_step", FSDPEngineWithLMHead.forward_step)

    def whole_sequences(data: Any) -> Any:
        """Return a row for each step, its prompt and completion, in place of a row for each session."""
        rows = []
        for tree in trees_of(data):
            for each in tree.branches:
                prompt = tree.trunk[: each.attach] + each.prompt
                ids = torch.tensor(prompt + each.completion)
                learnt = torch.tensor([0] * len(prompt) + [1] * len(each.completion))
                rows.append({"input_ids": ids, "loss_mask": learnt, "position_ids": torch.arange(len(ids))})
        found = step_data(collate(rows), config, pad_id=0)
        tu.assign_non_tensor(found, micro_batch_size_per_gpu=1, temperature=1.0)
        return found

    theirs = run_worker(config, tmp_path, partial(sft_loss, config=None), whole_sequences)[0]
    for name in ("loss", "grad_norm"):
        assert ours[name] == pytest.approx(theirs[name], rel=1e-4), name
