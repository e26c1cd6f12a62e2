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


def take_step(trainer: ShopR1Trainer, rows: list[dict[str, Any]]) -> float:
    """Sample, score and compute the gradients of a step; return the seconds that it took."""
    wait_for_device()
    started = time.perf_counter()
    trainer.training_step(trainer.model, rows, None)
    wait_for_device()
    elapsed = time.perf_counter() - started
    trainer.model.zero_grad()
    trainer.state.global_step += 1  # of which the completions' seeds are made
    return elapsed


@flush_subnormals()
def compare(config: GrpoConfig, examples: Sequence[Example], steps: int, out: Path) -> dict[str, Any]:
    """Return both sides' median seconds of a step and of its update, and how many groups cannot teach."""
    trainers = {side: kind(load_model(config.model), examples, config, out) for side, kind in SIDES.items()}
    draw = random.Random(0)
    times: dict[str, list[float]] = {side: [] for side in SIDES}
    updates: dict[str, list[float]] = {side: [] for side in SIDES}
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
                updates[side].append(seconds - trainer.prelude_s)
        zero.append(trainers["whole"]._metrics["train"]["policy/frac_zero_variance"][-1])
    whole, left = (statistics.median(times[side]) for side in ("whole", "left_out"))
    return {
        "zero_variance": statistics.fmean(zero[1:]),
        "whole_s": whole,
        "left_out_s": left,
        "whole_update_s": statistics.median(updates["whole"]),
        "left_out_update_s": statistics.median(updates["left_out"]),
        "faster": whole / left,
        "steps": steps,
    }


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
    report: dict[str, Any] = {"machine": describe_machine() | {"load_before": round(os.getloadavg()[0], 1)}}
    for name, folder in CHECKPOINTS.items():
        config = base.model_copy(update={"model": str(options.demo / folder)})
        with TemporaryDirectory() as out:
            found = compare(config, examples, options.steps, Path(out))
        print(
            f"{name:5}  {found['zero_variance']:4.0%} zero variance  whole {60 / found['whole_s']:5.1f}  "
            f"left out {60 / found['left_out_s']:5.1f} steps a minute  {found['faster']:.2f} times",
            flush=True,
        )
        report[name] = found
    if options.json:
        options.json.write_text(json.dumps(report, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
