"""Two processes on this machine give what one gives."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.training.resumable import save_start

ROOT = Path(__file__).parents[2]
FIGURES = (
    "type_mix/kl",
    "policy/frac_refilled",
    "policy/prompts_drawn",
    "loss",
    "grad_norm",
    "kl",
    "entropy",
    "reward/total",
    "policy/parsed",
    "mean_token_accuracy",
)


def launch(processes: int, *module: str) -> str:
    """Run a module on this many processes; return what it wrote to stderr."""
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc_per_node", str(processes)]
    command = [sys.executable, *(torchrun if processes > 1 else []), "-m", *module]
    paths = os.pathsep.join((str(ROOT / "src"), str(ROOT)))
    done = subprocess.run(
        command, cwd=ROOT, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sft", "passes", "grpo", "left-out", "type-mix", "dynamic"])
def test_two_processes_learn_what_one_learns(kind: str, tiny_checkpoint: Path, tmp_path: Path) -> None:
    run = ("tests.training.distributed", kind, str(tiny_checkpoint))
    told = launch(2, *run, str(tmp_path / "two"), "1")
    alone = launch(1, *run, str(tmp_path / "one"), "2")
    assert told.count("2 processes on cpu, data parallel (DDP)") == 1
    assert alone.count("1 process on cpu, one device") == 1
    start, one, two = (
        load_file(folder / "model.safetensors")
        for folder in (tiny_checkpoint, tmp_path / "one", tmp_path / "two")
    )
    assert max((one[name] - start[name]).abs().max().item() for name in one) > 1e-3
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, atol=1e-5, rtol=0)
    logs = [
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("one", "two")
    ]
    assert len(logs[0]) == len(logs[1]) > 0
    # TRL takes the mean over micro-batches, of which four groups make others on two processes than on one.
    apart = () if kind in ("sft", "grpo") else ("entropy",)
    names = [name for name in FIGURES if name in logs[0][0] and name not in apart]
    for first, second in zip(*logs, strict=True):
        assert {name: second[name] for name in names} == {
            name: pytest.approx(first[name], abs=1e-5) for name in names
        }
    # Each process runs as many groups as the one with the most that teach.
    scored = {"left-out": [0.25, 0.5], "type-mix": [1.0, 1.0], "dynamic": [0.75, 1.0]}
    if kind in scored:
        assert [log[0]["policy/frac_scored"] for log in logs] == scored[kind]
    assert_resumes(tmp_path, *run)


def assert_resumes(folder: Path, *run: str) -> None:
    """Both processes go on from their checkpoint of step 2, bit for bit."""
    shutil.copytree(folder / "two/checkpoints/step-000002", folder / "again/checkpoints/step-000002")
    shutil.copy(folder / "two/metrics.jsonl", folder / "again")
    told = launch(2, *run, str(folder / "again"), "1")
    assert told.count("step 2 of 3") == 1
    weights = [(folder / name / "model.safetensors").read_bytes() for name in ("two", "again")]
    assert weights[0] == weights[1]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("kind", "calls", "kept"),
    [
        ("sft", "4", "step-000002"),  # An epoch of five sessions: a step of two micro-batches, one of one.
        ("grpo", "3", "step-000001"),
    ],
)
def test_two_processes_stop_at_the_same_micro_batch_and_go_on(
    kind: str, calls: str, kept: str, tiny_tokenizer: Any, tmp_path: Path
) -> None:
    start = save_start(tmp_path / "start", tiny_tokenizer)  # with dropout: random states count
    run = ("tests.training.distributed", f"stop-{kind}", str(start))
    launch(2, *run, str(tmp_path / "whole"), "0")
    told = launch(2, *run, str(tmp_path / "run"), calls)
    assert "SIGTERM: stopping after this micro-batch" in told
    assert [path.name for path in (tmp_path / "run/checkpoints").iterdir()] == [kept]
    launch(2, *run, str(tmp_path / "run"), "0")
    weights = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "run")]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_a_sharded_model_scores_and_samples_as_the_whole_one() -> None:
    launch(2, "tests.training.sharded")
