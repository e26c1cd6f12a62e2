"""`shop-r1 sft --engine verl` as a user runs it: Ray and FSDP2, on this machine's cores."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
import torch
from tests.cluster import same_sft
from tests.cluster.sft_worker import run_worker

from shop_r1.datasets.session_files import write_sessions
from shop_r1.models.checkpoint import load_model
from shop_r1.training.settings import LOGGING_STEPS

STEPS = LOGGING_STEPS
LIMIT_S = 400.0
ENVIRONMENT = dict(os.environ)
"""Before the test makes it that of a worker."""


def command(data: Path, out: Path, *more: str) -> list[str]:
    plain = same_sft.settings().model_dump(mode="json")
    names = set(plain) - {"prompt", "cluster", "model", "max_steps", "save_steps"}
    words = [f"{name}={json.dumps(plain[name])}" for name in sorted(names)]
    words += [f"max_steps={STEPS}", "save_steps=3", f"prompt.max_tokens={plain['prompt']['max_tokens']}"]
    sft = [sys.executable, "-m", "shop_r1", "sft", "--engine", "verl", "--data", str(data), "--out", str(out)]
    return [*sft, *words, *more]


def wait_for_step(out: Path, step: int) -> None:
    tracker = out / "checkpoints" / "latest_checkpointed_iteration.txt"
    ends = time.monotonic() + LIMIT_S
    while not (tracker.exists() and int(tracker.read_text() or 0) >= step):
        assert time.monotonic() < ends, "too slow"
        time.sleep(0.1)


def workers(of: int) -> list[psutil.Process]:
    """Return the processes that train, among all that a command has started."""
    below = psutil.Process(of).children(recursive=True)
    return [each for each in below if any("SessionWorker" in word for word in each.cmdline())]


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text("utf-8").splitlines()]


@pytest.mark.usefixtures("alone")
def test_a_run_whose_worker_was_killed_goes_on_to_what_one_worker_alone_comes_to(tmp_path: Path) -> None:
    data, out = tmp_path / "sessions.jsonl", tmp_path / "sft"
    write_sessions(data, same_sft.sessions())
    with subprocess.Popen(command(data, out), stderr=subprocess.PIPE, text=True, env=ENVIRONMENT) as run:
        wait_for_step(out, 3)
        workers(run.pid)[0].kill()
        errors = run.communicate(timeout=LIMIT_S)[1]
    assert run.returncode == 2 and "go on with --resume" in errors
    again = subprocess.run(
        command(data, out, "--resume"), capture_output=True, text=True, timeout=LIMIT_S, env=ENVIRONMENT
    )
    assert again.returncode == 0, again.stderr
    first, last = lines(out / "metrics.jsonl")
    assert (first["step"], last["step"]) == (1, STEPS)
    by_one = run_worker(same_sft.settings(max_steps=STEPS), tmp_path)
    assert first["loss"] == pytest.approx(by_one[0]["loss"], rel=1e-4)
    assert last["loss"] == pytest.approx(sum(step["loss"] for step in by_one[1:]) / (STEPS - 1), rel=1e-3)
    trained, base = (load_model(name).model.state_dict() for name in (str(out), "base"))
    assert trained.keys() == base.keys()
    assert any(not torch.equal(trained[name], base[name]) for name in base)
    assert all(weight.dtype == torch.float32 for weight in trained.values())
