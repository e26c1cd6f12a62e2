"""Short runs of SFT and GRPO for tests that kill them: each in a process of its own, imports done."""

import itertools
import json
import multiprocessing
import os
import re
import resource
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr
from multiprocessing import forkserver
from multiprocessing.context import ForkServerContext
from pathlib import Path
from typing import Any

import torch
from tests.tiny import AGAIN, BUY, LEAVE, LOOK, SEARCH, make_session, make_sessions, tiny_qwen2

from shop_r1.datasets.examples import list_examples
from shop_r1.errors import TrainingError
from shop_r1.records.sessions import Session
from shop_r1.training.checkpoints import CheckpointFolder, RunIdentity
from shop_r1.training.grpo.run import train_grpo
from shop_r1.training.settings import GrpoConfig, SftConfig, TrainConfig
from shop_r1.training.sft import train_sft

_TIMES = re.compile("seconds/|tokens_per_second")
SESSIONS = [*make_sessions(), make_session("looks-twice", SEARCH, LOOK, AGAIN, LOOK, BUY, LEAVE)]
STEPS = {"sft": 15, "grpo": 12}
"""Of a whole run. SFT: 5 epochs of 5 sessions, 2 a step, so that each epoch ends in a step of one. GRPO: 2
prompts a step of 5 examples, so a new order every 2 steps."""


def settings(kind: str, model: Path, **changes: Any) -> TrainConfig:
    common: dict[str, Any] = {
        "model": str(model),
        "learning_rate": 1e-2,
        "lr_scheduler_type": "cosine",
        "warmup_steps": 2,
        "bf16": False,
        "save_steps": 1,
    }
    if kind == "sft":
        return SftConfig(**common | {"num_train_epochs": 5, "gradient_accumulation_steps": 2} | changes)
    sampling = {
        "max_steps": STEPS["grpo"],
        "generation_batch_size": 8,
        "num_generations": 4,
        "max_completion_length": 12,
        "temperature": 0.7,
    }
    return GrpoConfig(**common | sampling | {"beta": 0.1} | changes)


def train(
    kind: str, config: TrainConfig, out: Path, resume: bool, sessions: Sequence[Session] = SESSIONS
) -> None:
    if isinstance(config, SftConfig):
        train_sft(sessions, config, out, resume)
    elif isinstance(config, GrpoConfig):
        train_grpo(list_examples(sessions)[:5], config, out, resume=resume)


def save_start(folder: Path, tokenizer: Any) -> Path:
    """Write a model with dropout, so that weights also depend on torch's random state at every step."""
    model = tiny_qwen2(eos_token_id=tokenizer.eos_token_id, attention_dropout=0.1)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def work(kind: str, config: TrainConfig, out: Path, log: Path, largest_file: int | None = None) -> None:
    """Be a process that trains, from the last checkpoint if there is one.

    With `largest_file`, in bytes, the system refuses to write larger ones, as it does on a full disk.
    """
    torch.set_num_threads(1)
    if largest_file is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    with log.open("a") as stream, redirect_stderr(stream):
        try:
            train(kind, config, out, resume=True)
        except TrainingError as error:
            stream.write(f"{error}\n")
            sys.exit(2)


def work_on_folder(out: Path, kill_at: int) -> None:
    """Be a process that writes checkpoints of steps 1, 2, 3 and is killed at the given call to the disk."""
    writer = CheckpointFolder(out, identity(), keep=1)
    _arm(kill_at)
    for step in (1, 2, 3):
        write(writer, step)


def identity(**changes: Any) -> RunIdentity:
    return RunIdentity(settings={"seed": 0} | changes, data="d", processes=1)


def write(writer: CheckpointFolder, step: int) -> None:
    """Write a checkpoint of two files and a folder, its step in each."""
    with writer.writing(step, steps=3) as folder:
        (folder / "shard").mkdir()
        for name in ("a.bin", "b.bin", "shard/c.bin"):
            (folder / name).write_text(f"{name} of step {step}")


def _arm(kill_at: int) -> None:
    """Let this process be killed right before the given one (from 0) of its flushes, moves and removals."""
    calls = itertools.count()

    def counted(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            if next(calls) == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    for name in ("fsync", "rename", "unlink", "rmdir", "mkdir"):
        setattr(os, name, counted(getattr(os, name)))


def forked() -> ForkServerContext:
    """Return a context whose processes are forked from one that has imported all of this and nothing else."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.training.resumable"])
    root = Path(__file__).parents[2]
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(root / "src"), str(root), before]))
    forkserver.ensure_running()  # takes its path from the environment
    if before is None:
        del os.environ["PYTHONPATH"]
    else:
        os.environ["PYTHONPATH"] = before
    return context


def written(out: Path) -> dict[str, Any]:
    """Return what two runs that are the same have in common: weights, metrics but for times, rollouts."""
    lines = (out / "metrics.jsonl").read_text("utf-8").splitlines()
    metrics = [
        {name: value for name, value in json.loads(line).items() if not _TIMES.match(name)} for line in lines
    ]
    rollouts = out / "rollouts.jsonl"
    return {
        "weights": (out / "model.safetensors").read_bytes(),
        "metrics": metrics,
        "rollouts": rollouts.read_bytes() if rollouts.exists() else None,
    }
