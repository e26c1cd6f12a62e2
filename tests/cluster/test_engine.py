"""What verl's worker computes with our scoring pass, beside TRL's figures of the step and verl's own pass."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.cluster import same_step
from tests.cluster.verl_step import measure, pairs_of, step_of_verl, worker
from verl.workers.engine.fsdp.transformer_impl import FSDPEngineWithLMHead

from shop_r1.models.checkpoint import BASE_CHECKPOINT, load_model
from shop_r1.rewards.certainty import token_certainty

ROOT = Path(__file__).parents[2]


def check(found: Mapping[str, Any]) -> None:
    """Compare a step with what TRL comes to."""
    expected = same_step.expected()
    assert found["rewards"] == pytest.approx(expected["rewards"], abs=1e-3)
    assert found["advantages"] == pytest.approx(expected["advantages"], abs=1e-5)
    assert found["loss"] == pytest.approx(expected["loss"], abs=1e-3 * abs(expected["loss"]) + 1e-6)
    assert found["grad_norm"] == pytest.approx(expected["grad_norm"], rel=1e-3)


def test_a_step_of_verl_is_that_of_trl(tmp_path: Path) -> None:
    check(step_of_verl(same_step.settings(), tmp_path))


def test_two_devices_that_share_each_sequence_take_the_same_step(tmp_path: Path) -> None:
    launch = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    ours = (
        tmp_path / "tests" / "__init__.py"
    )  # verl installs a package of that name, which comes before a folder
    ours.parent.mkdir()
    ours.write_text(f"__path__ = [{str(ROOT / 'tests')!r}]\n")
    paths = os.pathsep.join((str(ROOT / "src"), str(tmp_path)))
    subprocess.run(
        [sys.executable, *launch, "-m", "tests.cluster.verl_step", str(tmp_path)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        check=True,
        timeout=300,
    )
    check(json.loads((tmp_path / "step.json").read_text("utf-8")))


def test_the_shared_prompt_gives_what_verls_own_pass_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = same_step.settings()
    local = load_model("base")
    pairs = pairs_of(local)
    with worker(config, BASE_CHECKPOINT, tmp_path) as made:
        shared = measure(made, pairs)
        monkeypatch.setattr(type(made.actor.engine), "forward_step", FSDPEngineWithLMHead.forward_step)
        stock = measure(made, pairs)
    for name, rows in stock.items():
        for ours, theirs in zip(shared[name], rows, strict=True):
            torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
    logits = [
        local.model(torch.tensor([[*prompt, *ids]])).logits[0, len(prompt) - 1 : -1] for prompt, ids in pairs
    ]
    for ours, each in zip(shared["certainty"], logits, strict=True):
        torch.testing.assert_close(ours, token_certainty(each.detach()), atol=1e-4, rtol=0)
