"""Runs that are cut off in every way, and what a resumed run has in common with one that never was."""

import errno
import json
import multiprocessing
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import pytest
import torch
from tests.tiny import with_rationale
from tests.training.resumable import (
    SESSIONS,
    STEPS,
    forked,
    identity,
    save_start,
    settings,
    work,
    work_on_folder,
    write,
    written,
)
from tests.training.resumable import train as train_kind

from shop_r1.errors import RunStopped, TrainingError
from shop_r1.jsonl import write_records
from shop_r1.training import checkpoints
from shop_r1.training.checkpoints import (
    MANIFEST,
    CheckpointFolder,
    cut_logs,
    digest_data,
    find_checkpoint,
    list_checkpoints,
    read_checkpoint,
    refuse_earlier_run,
)
from shop_r1.training.monitor import CollapseAlarm
from shop_r1.training.resume import stop_signals
from shop_r1.training.settings import SftConfig
from shop_r1.training.sft import TreeSftTrainer, train_sft

KINDS = ("sft", "grpo")
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def start(tiny_tokenizer: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_start(tmp_path_factory.mktemp("start"), tiny_tokenizer)


@pytest.fixture(scope="module")
def processes() -> ForkServerContext:
    return forked()


def names(out: Path) -> list[str]:
    """Return everything in the checkpoints' folder, hidden or not."""
    folder = out / "checkpoints"
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


# -- SIGKILL --------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_ten_kills_at_random_moments_change_no_bit(
    kind: str, start: Path, tmp_path: Path, processes: ForkServerContext
) -> None:
    config, log = settings(kind, start), tmp_path / "log"

    def begin(out: Path) -> Any:
        process = processes.Process(target=work, args=(kind, config, out, True, log))
        process.start()
        return process

    begin(tmp_path / "warm").join()
    began = time.monotonic()
    begin(tmp_path / "whole").join()
    duration = time.monotonic() - began
    expected = written(tmp_path / "whole")
    assert expected == written(tmp_path / "warm")
    assert [line["step"] for line in expected["metrics"]] == [1, 10, *range(2, 13)][
        : 2 if kind == "sft" else 0
    ] or [line["step"] for line in expected["metrics"]] == list(range(1, STEPS[kind] + 1))

    moments, kills, runs = random.Random(0), 0, 0
    while kills < 10:
        process = begin(tmp_path / f"run-{runs}")
        process.join(moments.uniform(0, duration))
        process.kill()
        process.join()
        if process.exitcode == -signal.SIGKILL:
            kills += 1
        else:
            assert process.exitcode == 0, log.read_text()
            runs += 1
    last = begin(tmp_path / f"run-{runs}")
    last.join()
    assert last.exitcode == 0, log.read_text()
    for run in range(runs + 1):
        assert written(tmp_path / f"run-{run}") == expected


def test_a_kill_at_any_call_to_the_disk_leaves_a_checkpoint_to_go_on_from(
    tmp_path: Path, processes: ForkServerContext
) -> None:
    steps = []
    for kill_at in range(1000):
        out = tmp_path / f"{kill_at}"
        out.mkdir()
        process = processes.Process(target=work_on_folder, args=(out, kill_at))
        process.start()
        process.join()
        found = find_checkpoint(out)
        steps.append(0 if found is None else found.manifest.step)
        if found is not None:
            cut_logs(out, found.manifest.logs)
            lines = [json.loads(line)["step"] for line in (out / "metrics.jsonl").read_text().splitlines()]
            assert lines == list(range(1, steps[-1] + 1))
            assert (found.path / "shard/c.bin").read_text() == f"shard/c.bin of step {steps[-1]}"
        write(CheckpointFolder(out, identity(), keep=1), out, steps[-1] + 1)
        assert names(out) == [f"step-{steps[-1] + 1:06d}"]  # nothing is left of what was killed
        if process.exitcode == 0:
            break
        assert process.exitcode == -signal.SIGKILL
    assert steps == sorted(steps) and set(steps) == {0, 1, 2, 3}
