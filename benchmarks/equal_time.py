"""Exact match after equal time: whole steps, groups left out, and dynamic sampling besides.

`python -m benchmarks.equal_time DEMO OUT [--minutes M] [--seeds N] [--rounds R]`: from the SFT checkpoint of
a finished `shop-r1 demo` in DEMO, a GRPO run of M minutes for each way and seed with the demo's settings,
each then judged on DEMO's held-out sessions. Runs that are done are not done again. Nothing else should run
meanwhile: what a way reaches depends on the machine's speed.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.left_out import WholeTrainer

from shop_r1.cli.pipeline.config import TEMPERATURE, DemoConfig
from shop_r1.datasets.examples import balance_examples, list_examples
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.predict import PredictConfig, predict
from shop_r1.jsonl import read_records, write_json
from shop_r1.models.checkpoint import load_model
from shop_r1.models.sampling import Sampling
from shop_r1.records.actions import SHOP
from shop_r1.records.sessions import Session
from shop_r1.training.grpo import run as grpo_run
from shop_r1.training.grpo.trainer import ShopR1Trainer
from shop_r1.training.settings import GrpoConfig

MANY = 100_000
"""More steps than any run takes."""


class TimedTrainer(ShopR1Trainer):
    """Ends its run with the first step that is done after so many seconds of steps."""

    seconds: ClassVar[float] = 0.0
    _until: float | None = None

    def training_step(self, *args: Any, **kwargs: Any) -> Any:
        """Compute a micro-batch's gradients; look at the clock."""
        self._until = self._until or time.monotonic() + self.seconds
        loss = super().training_step(*args, **kwargs)
        self.control.should_training_stop |= time.monotonic() >= self._until
        return loss


class TimedWholeTrainer(WholeTrainer, TimedTrainer):
    """The same, and leaves no group out."""


def main() -> None:
    """Train and judge each way with each seed; print a line for each run."""
    parser = argparse.ArgumentParser(description="Exact match after equal time.")
    parser.add_argument("demo", type=Path, help="folder of a finished demo")
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2, help="of dynamic sampling")
    options = parser.parse_args()
    TimedTrainer.seconds = 60 * options.minutes
    training, held_out = (
        list(read_records(options.demo / f"{name}.jsonl.zst", Session)) for name in ("sessions", "held_out")
    )
    ways: dict[str, tuple[type[ShopR1Trainer], int]] = {
        "whole": (TimedWholeTrainer, 0),
        "left-out": (TimedTrainer, 0),
        "dynamic": (TimedTrainer, options.rounds),
    }
    for seed in range(options.seeds):
        for name, (kind, rounds) in ways.items():
            folder = options.out / f"{name}-{seed}"
            if not (folder / "model.safetensors").exists():
                changes = {"model": str(options.demo / "sft"), "seed": seed, "dynamic_sampling": rounds}
                config = DemoConfig().grpo.model_copy(update=changes | {"max_steps": MANY})
                train(config, training, folder, kind)
            print(f"{name:8} seed {seed}  {judge(folder, held_out)}", flush=True)


def train(config: GrpoConfig, sessions: Sequence[Session], out: Path, kind: type[ShopR1Trainer]) -> None:
    """Train for the clock's time with this trainer."""
    examples = balance_examples(list_examples(sessions), config.type_ratio, 0)
    setattr(grpo_run, "ShopR1Trainer", kind)  # noqa: B010
    grpo_run.train_grpo(examples, config, out, title=out.name)


def judge(checkpoint: Path, sessions: Sequence[Session]) -> str:
    """Return a line of a run's steps and its held-out figures, in per cent; they are kept beside it."""
    file = checkpoint / "judged.json"
    if not file.exists():
        base = DemoConfig().grpo
        sampling = Sampling(temperature=TEMPERATURE, max_new_tokens=base.max_completion_length)
        config = PredictConfig(prompt=base.prompt, sampling=sampling)
        predictions = predict(load_model(str(checkpoint)), list_examples(sessions), config)
        metrics = evaluate_predictions(predictions, SHOP, seed=0)
        steps = len((checkpoint / "metrics.jsonl").read_text("utf-8").splitlines())
        write_json(
            file,
            {
                "steps": steps,
                "exact": 100 * metrics.exact,
                "type_accuracy": 100 * metrics.type_accuracy,
                "type_f1_macro": 100 * metrics.type_f1_macro,
                "predicted_mix": dict(metrics.predicted_mix),
            },
        )
    found = json.loads(file.read_text("utf-8"))
    mix = ", ".join(f"{name} {share:.0%}" for name, share in found["predicted_mix"].items())
    return (
        f"{found['steps']} steps  exact {found['exact']:.1f}  type {found['type_accuracy']:.1f}  "
        f"F1 {found['type_f1_macro']:.1f}  {mix}"
    )


if __name__ == "__main__":
    main()
