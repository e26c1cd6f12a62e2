"""`shop-r1 grpo --engine verl` as a user runs it: Ray, FSDP2 and vLLM, all on this machine's cores."""

import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch

from shop_r1.models.checkpoint import load_model

SETTINGS = (
    "generation_batch_size=8",
    "num_generations=4",
    "learning_rate=3e-4",
    "max_completion_length=64",
    "prompt.max_tokens=4096",
    "beta=0.01",
    "bf16=false",
    "save_steps=1",
)
LIMIT_S = 400.0


@pytest.fixture
def sessions(tmp_path: Path) -> Path:
    path = tmp_path / "sessions.jsonl"
    shop_r1("simulate", "--shoppers", "20", "--seed", "3", "--out", path)
    return path


def shop_r1(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*words), check=True, capture_output=True, text=True, timeout=LIMIT_S)


def command(*words: object) -> list[str]:
    return [sys.executable, "-m", "shop_r1", *map(str, words)]


def grpo(sessions: Path, out: Path, steps: int, *more: str) -> list[str]:
    settings = (f"max_steps={steps}", *SETTINGS)
    return command(
        "grpo", "--engine", "verl", "--data", sessions, "--model", "base", "--out", out, *settings, *more
    )


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()] if path.exists() else []


def wait_for(condition: Callable[[], object]) -> None:
    ends = time.monotonic() + LIMIT_S
    while not condition():
        assert time.monotonic() < ends, "too slow"
        time.sleep(0.2)


def workers(of: int) -> Sequence[psutil.Process]:
    """Return the processes that train, among all that a command has started."""
    found = []
    for each in psutil.Process(of).children(recursive=True):
        if any("WorkerDict" in word for word in each.cmdline()):
            found.append(each)
    return found


def test_a_run_goes_on_after_a_worker_was_killed(sessions: Path, tmp_path: Path) -> None:
    out = tmp_path / "grpo"
    with subprocess.Popen(grpo(sessions, out, 4), stderr=subprocess.PIPE, text=True) as run:
        wait_for(lambda: len(lines(out / "metrics.jsonl")) >= 2)
        workers(run.pid)[0].kill()
        errors = run.communicate(timeout=LIMIT_S)[1]
    assert run.returncode == 2 and "go on with --resume" in errors
    again = subprocess.run(
        grpo(sessions, out, 4, "--resume"), capture_output=True, text=True, timeout=LIMIT_S
    )
    assert again.returncode == 0, again.stderr
    metrics = lines(out / "metrics.jsonl")
    assert [line["step"] for line in metrics] == [1, 2, 3, 4]
    assert [line["step"] for line in lines(out / "rollouts.jsonl")] == [1, 2, 3, 4]
    assert all(0 <= line["sampling/trainer_mismatch"] < 0.01 for line in metrics)
    assert all(line["kl"] >= 0 for line in metrics)
    kept = sorted(path.name for path in (out / "checkpoints").glob("global_step_*"))
    assert kept == ["global_step_3", "global_step_4"]  # save_total_limit is 2
    trained, base = (load_model(name).model.state_dict() for name in (str(out), "base"))
    assert trained.keys() == base.keys()
    assert any(not torch.equal(trained[name], base[name]) for name in base)
    assert all(weight.dtype == torch.float32 for weight in trained.values())
