"""Steps of GRPO with the groups that cannot teach left out of the update, beside the same steps with them.

`python -m benchmarks.left_out DEMO [--steps N] [--json FILE]`: on the checkpoints of a finished
`shop-r1 demo` in DEMO, early (its SFT checkpoint) and late (after Shop-R1), with the demo's GRPO settings.
Both sides sample the same completions and take turns; medians count, after a step that warms up. The weights
are not changed, so that a checkpoint stays as early or as late as it is.
"""

import argparse
import json
import os
import random
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from benchmarks.machine import describe_machine, wait_for_device
from torch import Tensor

from shop_r1.cli.pipeline.config import DemoConfig
from shop_r1.datasets.examples import Example, balance_examples, list_examples
from shop_r1.jsonl import read_records
from shop_r1.models.checkpoint import load_model
from shop_r1.models.precision import choose_precision, flush_subnormals
from shop_r1.records.sessions import Session
from shop_r1.training.grpo.trainer import ShopR1Trainer
from shop_r1.training.settings import GrpoConfig

CHECKPOINTS = {"early": "sft", "late": "shop-r1"}
STEPS = 24


class WholeTrainer(ShopR1Trainer):
    """Leaves no group out."""

    def _choose_scored(self, advantages: Tensor) -> list[int]:
        return list(range(len(advantages) // self.num_generations))


SIDES: dict[str, type[ShopR1Trainer]] = {"left_out": ShopR1Trainer, "whole": WholeTrainer}


def take_step(trainer: ShopR1Trainer, rows: list[dict[str, Any]]) -> dict[str, float]:
    """Sample, score and compute the gradients of a step; return the seconds that it took.

    `update` are those after sampling and rewards; `processor` is the time of all this process's threads,
    which other programs on the machine change less.
    """
    wait_for_device()
    started, used = time.perf_counter(), time.process_time()
    trainer.training_step(trainer.model, rows, None)
    wait_for_device()
    elapsed = time.perf_counter() - started
    trainer.model.zero_grad()
    trainer.state.global_step += 1  # of which the completions' seeds are made
    return {
        "step": elapsed,
        "update": trainer.recorder.speed(elapsed, tokens_seen=0)["seconds/update"],
        "processor": time.process_time() - used,
    }


@flush_subnormals()
def compare(config: GrpoConfig, examples: Sequence[Example], steps: int, out: Path) -> dict[str, Any]:
    """Return both sides' median seconds of a step and of its update, and how many groups cannot teach."""
    trainers = {side: kind(load_model(config.model), examples, config, out) for side, kind in SIDES.items()}
    draw = random.Random(0)
    times: dict[str, list[dict[str, float]]] = {side: [] for side in SIDES}
    zero = []
    for step in range(steps + 1):
        prompts = draw.sample(range(len(examples)), config.prompts_per_step)
        rows = [{"example": number} for number in prompts for _ in range(config.num_generations)]
        for side, trainer in trainers.items():
            trainer.model.train()
            trainer.current_gradient_accumulation_steps = 1
            seconds = take_step(trainer, rows)
            if step:  # the first warms up
                times[side].append(seconds)
        zero.append(trainers["whole"]._metrics["train"]["policy/frac_zero_variance"][-1])
    medians = {
        side: {name: statistics.median(each[name] for each in found) for name in found[0]}
        for side, found in times.items()
    }
    faster = {name: seconds / medians["left_out"][name] for name, seconds in medians["whole"].items()}
    return medians | {"faster": faster, "zero_variance": statistics.fmean(zero[1:]), "steps": steps}


def main() -> None:
    """Print the figures, and write them to `--json FILE`."""
    parser = argparse.ArgumentParser(description="GRPO steps with and without groups that cannot teach.")
    parser.add_argument("demo", type=Path, help="folder of a finished demo")
    parser.add_argument("--steps", type=int, default=STEPS)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    base = DemoConfig().grpo.model_copy(update={"bf16": choose_precision("auto").bf16})
    sessions = list(read_records(options.demo / "sessions.jsonl.zst", Session))
    examples = balance_examples(list_examples(sessions), base.type_ratio, 0)
    machine = describe_machine() | {"load_before": round(os.getloadavg()[0], 1)}
    report: dict[str, Any] = {"machine": machine, "bf16": base.bf16}
    for name, folder in CHECKPOINTS.items():
        config = base.model_copy(update={"model": str(options.demo / folder)})
        with TemporaryDirectory() as out:
            found = compare(config, examples, options.steps, Path(out))
        whole, left_out = (60 / found[side]["step"] for side in ("whole", "left_out"))
        print(
            f"{name:5}  {found['zero_variance']:4.0%} zero variance  whole {whole:5.1f}  "
            f"left out {left_out:5.1f} steps a minute; faster: "
            + ", ".join(f"{part} {ratio:.2f}" for part, ratio in found["faster"].items()),
            flush=True,
        )
        report[name] = found
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
