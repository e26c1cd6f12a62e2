"""Two processes on this machine give what one gives."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from tests.training.resumable import save_start

ROOT = Path(__file__).parents[2]
KINDS = ("sft", "passes", "grpo", "left-out", "type-mix", "dynamic")
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


def train_kinds(checkpoint: Path, out: Path, processes: int, numbers: Mapping[str, int]) -> str:
    """Train each kind in `out/KIND`, all in one launch: to import everything takes longer than a run."""
    words = [f"{kind}={number}" for kind, number in numbers.items()]
    return launch(processes, "tests.training.distributed", str(checkpoint), str(out), *words)


@pytest.fixture(scope="module")
def runs(tiny_checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Every kind in one process, in two, and gone on with in two from their checkpoint of step 2."""
    folder = tmp_path_factory.mktemp("runs")
    told = train_kinds(tiny_checkpoint, folder / "two", 2, dict.fromkeys(KINDS, 1))
    alone = train_kinds(tiny_checkpoint, folder / "one", 1, dict.fromkeys(KINDS, 2))
    assert told.count("2 processes on cpu, data parallel (DDP)") == len(KINDS)
    assert alone.count("1 process on cpu, one device") == len(KINDS)
    for kind in KINDS:
        before, again = folder / "two" / kind, folder / "again" / kind
        shutil.copytree(before / "checkpoints/step-000002", again / "checkpoints/step-000002")
        shutil.copy(before / "metrics.jsonl", again)
    told = train_kinds(tiny_checkpoint, folder / "again", 2, dict.fromkeys(KINDS, 1))
    assert told.count("step 2 of 3") == len(KINDS)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_two_processes_learn_what_one_learns(kind: str, tiny_checkpoint: Path, runs: Path) -> None:
    folders = runs / "one" / kind, runs / "two" / kind
    start, one, two = (load_file(folder / "model.safetensors") for folder in (tiny_checkpoint, *folders))
    assert max((one[name] - start[name]).abs().max().item() for name in one) > 1e-3
    for name, weight in one.items():
        torch.testing.assert_close(two[name], weight, atol=1e-5, rtol=0)
    logs = [
        [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
        for folder in folders
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


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_both_processes_go_on_from_their_checkpoint_bit_for_bit(kind: str, runs: Path) -> None:
    weights = [(runs / name / kind / "model.safetensors").read_bytes() for name in ("two", "again")]
    assert weights[0] == weights[1]


@pytest.mark.slow
def test_two_processes_stop_at_the_same_micro_batch_and_go_on(tiny_tokenizer: Any, tmp_path: Path) -> None:
    start = save_start(tmp_path / "start", tiny_tokenizer)  # with dropout: random states count
    # An epoch of five sessions: a step of two micro-batches, one of one.
    calls, kept = {"stop-sft": 4, "stop-grpo": 3}, {"stop-sft": "step-000002", "stop-grpo": "step-000001"}
    never = dict.fromkeys(calls, 0)
    train_kinds(start, tmp_path / "whole", 2, never)
    told = train_kinds(start, tmp_path / "run", 2, calls)
    assert told.count("SIGTERM: stopping after this micro-batch") >= len(calls)
    for kind, name in kept.items():
        assert [path.name for path in (tmp_path / "run" / kind / "checkpoints").iterdir()] == [name]
    train_kinds(start, tmp_path / "run", 2, never)
    for kind in calls:
        weights = [(tmp_path / name / kind / "model.safetensors").read_bytes() for name in ("whole", "run")]
        assert weights[0] == weights[1]


@pytest.mark.slow
def test_a_sharded_model_scores_and_samples_as_the_whole_one() -> None:
    launch(2, "tests.training.sharded")
