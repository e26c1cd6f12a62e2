"""`training.memory`'s estimate beside measured peaks of GRPO and SFT steps, each in a process of its own.

`python -m benchmarks.memory [--json FILE]`. What is measured is by how much the process's memory rises over
what it had once the libraries were warm.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.engine import make_sft_trainer
from benchmarks.grpo_step import COMPLETION, SHAPE, make_trainer, take_step, write_model
from benchmarks.machine import describe_machine, peak_bytes, reset_peak

from shop_r1.models.checkpoint import load_model
from shop_r1.models.prefix_tree import grow_tree
from shop_r1.models.shape import find_shape
from shop_r1.training.memory import Load, estimate_memory
from shop_r1.training.sft import TreeSftTrainer, tree_features

GROUP = 8
WIDE = SHAPE | {"hidden_size": 512, "intermediate_size": 2048, "num_attention_heads": 8, "vocab_size": 20_000}
CASES = [
    (kind, context, bf16, checkpointed)
    for kind in ("grpo", "sft")
    for context in (1024, 4096)
    for bf16 in (False, True)
    for checkpointed in (False, True)
]
RETURNED = {"MALLOC_MMAP_THRESHOLD_": str(1 << 20)}
"""Makes glibc give large blocks back when they are freed; else it keeps up to half as much again."""
Case = tuple[str, int, bool, bool]


def describe(case: Case) -> Load:
    """Return the case as the estimate takes it."""
    kind, context, bf16, checkpointed = case
    group = GROUP if kind == "grpo" else 1
    return Load(
        context=context + COMPLETION,
        group=group,
        completion=COMPLETION,
        sampled=1 if kind == "grpo" else 0,
        reference=kind == "grpo",
        bf16=bf16,
        checkpointed=checkpointed,
    )


def measure(case: Case, checkpoint: Path, out: Path) -> int:
    """Return by how many bytes two steps raise this process's memory, the model's own included."""
    step = prepare(("sft", 64, *case[2:]) if case[0] == "sft" else ("grpo", 64, *case[2:]), checkpoint, out)
    step()
    del step
    before = reset_peak()
    step = prepare(case, checkpoint, out)
    step()
    step()
    return peak_bytes() - before


def prepare(case: Case, checkpoint: Path, out: Path) -> Callable[[], object]:
    """Return a function that takes one step."""
    kind, context, bf16, checkpointed = case
    changes: dict[str, Any] = {"bf16": bf16, "gradient_checkpointing": checkpointed}
    if kind == "grpo":
        trainer = make_trainer("ours", checkpoint, context, GROUP, out, **changes)
        _start(trainer)
        return lambda: take_step(trainer)
    sft = make_sft_trainer(TreeSftTrainer, load_model(str(checkpoint)), out, **changes)
    sft.create_optimizer()
    _start(sft)
    ids = [300 + 7 * place % 1700 for place in range(context)]
    features = tree_features([grow_tree([ids], [[7] * COMPLETION])], 0, sys.maxsize)

    def step() -> None:
        sft.training_step(sft.model, dict(features), None)
        sft.optimizer.step()
        sft.optimizer.zero_grad()

    return step


def _start(trainer: Any) -> None:
    """Do what `Trainer.train` does before its first step."""
    if trainer.args.activation_checkpointing:
        trainer.model.activation_checkpointing_enable(trainer.args.activation_checkpointing_kwargs)
    trainer.model.train()


def main() -> None:
    """Print the figures, and write them to `--json FILE`."""
    parser = argparse.ArgumentParser(description="Estimated memory beside measured peaks.")
    parser.add_argument("--json", type=Path)
    parser.add_argument("--case", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        out = Path(folder)
        if options.case:
            print(measure(CASES[int(options.case[0])], Path(options.case[1]), out))
            return
        rows = _report(write_model(out / "model", WIDE))
    if options.json:
        options.json.parent.mkdir(parents=True, exist_ok=True)
        options.json.write_text(json.dumps({"machine": describe_machine(), "cases": rows}, indent=1) + "\n")


def _report(checkpoint: Path) -> list[dict[str, Any]]:
    (shape, _), rows = find_shape(str(checkpoint)), []
    for number, case in enumerate(CASES):
        command = [sys.executable, "-m", "benchmarks.memory", "--case", str(number), str(checkpoint)]
        done = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ | RETURNED)
        measured, estimate = int(done.stdout.split()[-1]) / 2**20, estimate_memory(shape, describe(case))
        kind, context, bf16, checkpointed = case
        rows.append(
            {
                "kind": kind,
                "context": context,
                "bf16": bf16,
                "checkpointed": checkpointed,
                "estimate_mib": estimate.total / 2**20,
                "measured_mib": measured,
                "ratio": estimate.total / 2**20 / measured,
            }
        )
        print(
            "  ".join(
                f"{name} {value:.4g}" if isinstance(value, float) else f"{name} {value}"
                for name, value in rows[-1].items()
            ),
            flush=True,
        )
    return rows


if __name__ == "__main__":
    main()
