"""Small training runs for `torchrun`, one after another; each goes on where one was cut off.

`-m tests.training.distributed CHECKPOINT OUT KIND=NUMBER ...` trains in `OUT/KIND`. The kinds `sft`,
`passes`, `grpo`, `left-out`, `type-mix` and `dynamic` take the batch on a device; `stop-sft` and `stop-grpo`
take after how many of its micro-batches the second process gets SIGTERM (0: never), and both must stop at the
same.
"""

import itertools
import os
import signal
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from tests.tiny import make_long_session, make_sessions
from tests.training.resumable import settings as resumable_settings
from tests.training.resumable import train
from tests.training.scripted import (
    GROUP,
    RIGHT,
    SCRIPT,
    DrawnTrainer,
    ScriptedTrainer,
    make_clicks,
    make_mixed,
    settings,
)

from shop_r1.errors import RunStopped
from shop_r1.prompts.render import PromptConfig
from shop_r1.training.grpo import run as grpo_run
from shop_r1.training.resume import ResumableTrainer
from shop_r1.training.settings import SftConfig
from shop_r1.training.sft import train_sft

STEPS = 3


def run(kind: str, checkpoint: Path, out: Path, on_device: int) -> None:
    """Train on two prompts or two sessions a step, however many processes share them."""
    torch.set_num_threads(1)
    if kind in ("sft", "passes"):
        # With `passes` the sessions that two processes have take different numbers of passes.
        prompt = PromptConfig(max_tokens=1200 if kind == "passes" else 4096, max_completion_length=64)
        longs = [make_long_session(f"long-{steps}", steps) for steps in (9, 4, 2, 6)]
        config = SftConfig(
            model=str(checkpoint),
            prompt=prompt,
            max_steps=STEPS,
            learning_rate=1e-2,
            per_device_train_batch_size=on_device,
            gradient_accumulation_steps=1,
            bf16=False,
            save_steps=2,
        )
        train_sft(longs if kind == "passes" else make_sessions(), config, out, resume=True)
    else:
        # The tiny model's own completions earn nothing. With `left-out` one group of four teaches.
        plain: dict[str, Any] = {} if kind == "grpo" else {"generation_batch_size": 4 * GROUP, "beta": 0.0}
        changes: dict[str, dict[str, Any]] = {
            "type-mix": {"type_mix_weight": 0.5, "advantage_balance": "target_type"},
            "dynamic": {"dynamic_sampling": 2},
        }
        ScriptedTrainer.script = SCRIPT if kind == "grpo" else SCRIPT + 3 * RIGHT
        # The third group varies when it is drawn again, the fourth in the round after; the second never.
        DrawnTrainer.scripts = SCRIPT + 3 * RIGHT, 2 * RIGHT + SCRIPT + RIGHT, 3 * RIGHT + SCRIPT
        trainer = DrawnTrainer if kind == "dynamic" else ScriptedTrainer
        setattr(grpo_run, "ShopR1Trainer", trainer)  # noqa: B010
        grpo_run.train_grpo(
            make_mixed() if kind == "dynamic" else make_clicks() * 2,
            settings(
                checkpoint,
                max_steps=STEPS,
                per_device_train_batch_size=GROUP * on_device,
                learning_rate=1e-3,
                save_steps=2,
                **plain | changes.get(kind, {}),
            ),
            out,
            resume=True,
        )


def run_and_stop(kind: str, checkpoint: Path, out: Path, calls: int) -> None:
    """Train with two micro-batches a step on each process; with `calls`, the second one is told to stop."""
    torch.set_num_threads(1)
    computed, compute = itertools.count(1), ResumableTrainer.training_step

    def step(trainer: ResumableTrainer, *args: Any) -> Any:
        found = compute(trainer, *args)
        if next(computed) == calls and os.environ["RANK"] == "1":
            signal.raise_signal(signal.SIGTERM)
        return found

    changes = {"max_steps": STEPS} if kind == "sft" else {"max_steps": STEPS, "generation_batch_size": 16}
    config = resumable_settings(kind, checkpoint, save_steps=0, **changes)
    try:
        with replaced(ResumableTrainer, "training_step", step):
            train(kind, config, out, resume=True)
    except RunStopped as stopped:
        assert (calls, stopped.exit_code) == (calls or None, 143), stopped
    else:
        assert calls == 0


@contextmanager
def replaced(owner: type, name: str, other: Any) -> Iterator[None]:
    """Give a class another method for a while."""
    before = getattr(owner, name)
    setattr(owner, name, other)
    try:
        yield
    finally:
        setattr(owner, name, before)


def run_all(checkpoint: Path, out: Path, runs: Sequence[tuple[str, int]]) -> None:
    """Do the runs in these processes; only the last one leaves their group, which is joined once."""
    for place, (kind, number) in enumerate(runs):
        last = place == len(runs) - 1
        with nullcontext() if last else replaced(Accelerator, "end_training", lambda self: None):
            if kind.startswith("stop-"):
                run_and_stop(kind.removeprefix("stop-"), checkpoint, out / kind, number)
            else:
                run(kind, checkpoint, out / kind, number)


if __name__ == "__main__":
    given, place, *words = sys.argv[1:]
    pairs = [word.split("=") for word in words]
    run_all(Path(given), Path(place), [(kind, int(number)) for kind, number in pairs])
    # A thread of theirs that frees a tensor while Python shuts down can abort the process.
    threads = [path.read_text().strip() for path in Path("/proc/self/task").glob("*/comm")]
    assert not [name for name in threads if "gloo" in name], threads
