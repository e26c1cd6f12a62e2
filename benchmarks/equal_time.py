"""Exact match after equal time: whole steps, groups left out, and dynamic sampling besides.

`python -m benchmarks.equal_time DEMO OUT [--minutes M] [--seeds N] [--rounds R] [--json FILE]`: from the SFT
checkpoint of a finished `shop-r1 demo` in DEMO, a GRPO run of M minutes for each way and seed with the demo's
settings, each then judged on DEMO's held-out sessions, as is the SFT checkpoint. Runs that are done are not
done again. Nothing else should run meanwhile: what a way reaches depends on the machine's speed.
"""

import argparse
import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from benchmarks.left_out import WholeTrainer
from benchmarks.machine import describe_machine

from shop_r1.cli.pipeline.config import TEMPERATURE, DemoConfig
from shop_r1.datasets.examples import balance_examples, list_examples
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.predict import PredictConfig, predict
from shop_r1.jsonl import read_records, write_json
from shop_r1.models.checkpoint import load_model
from shop_r1.models.precision import choose_precision
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
    """Train and judge each way with each seed; print a line for each run, and write them to `--json FILE`."""
    parser = argparse.ArgumentParser(description="Exact match after equal time.")
    parser.add_argument("demo", type=Path, help="folder of a finished demo")
    parser.add_argument("out", type=Path)
    parser.add_argument("--minutes", type=float, default=4.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--rounds", type=int, default=2, help="of dynamic sampling")
    parser.add_argument("--json", type=Path)
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
    bf16 = choose_precision("auto").bf16
    start = judge(options.demo / "sft", options.out / "sft", held_out, bf16)
    print(f"sft              {line(start)}", flush=True)
    runs: dict[str, list[dict[str, Any]]] = {name: [] for name in ways}
    for seed in range(options.seeds):
        for name, (kind, rounds) in ways.items():
            folder = options.out / f"{name}-{seed}"
            if not (folder / "model.safetensors").exists():
                changes = {"model": str(options.demo / "sft"), "seed": seed, "dynamic_sampling": rounds}
                config = DemoConfig().grpo.model_copy(update=changes | {"max_steps": MANY, "bf16": bf16})
                train(config, training, folder, kind)
            runs[name].append(judge(folder, folder, held_out, bf16))
            print(f"{name:8} seed {seed}  {line(runs[name][-1])}", flush=True)
    if options.json:
        report = {"machine": describe_machine(), "bf16": bf16, "minutes": options.minutes}
        write_json(options.json, report | {"rounds": options.rounds, "sft": start, "ways": runs})


def train(config: GrpoConfig, sessions: Sequence[Session], out: Path, kind: type[ShopR1Trainer]) -> None:
    """Train for the clock's time with this trainer."""
    examples = balance_examples(list_examples(sessions), config.type_ratio, 0)
    setattr(grpo_run, "ShopR1Trainer", kind)  # noqa: B010
    grpo_run.train_grpo(examples, config, out, title=out.name)


def judge(checkpoint: Path, out: Path, sessions: Sequence[Session], bf16: bool) -> dict[str, Any]:
    """Return a checkpoint's steps of GRPO and its held-out figures, shares in [0, 1]; `out` keeps them."""
    file = out / "judged.json"
    if not file.exists():
        base = DemoConfig().grpo
        sampling = Sampling(temperature=TEMPERATURE, max_new_tokens=base.max_completion_length)
        config = PredictConfig(prompt=base.prompt, sampling=sampling, bf16=bf16)
        predictions = predict(load_model(str(checkpoint)), list_examples(sessions), config)
        metrics = evaluate_predictions(predictions, SHOP, seed=0)
        log = out / "metrics.jsonl"  # SFT's is in the demo's folder, which is left as it is
        steps = len(log.read_text("utf-8").splitlines()) if log.exists() else 0
        figures = {name: getattr(metrics, name) for name in ("exact", "type_accuracy", "type_f1_macro")}
        out.mkdir(parents=True, exist_ok=True)
        write_json(file, {"steps": steps, **figures, "predicted_mix": dict(metrics.predicted_mix)})
    judged: dict[str, Any] = json.loads(file.read_text("utf-8"))
    return judged


def line(judged: dict[str, Any]) -> str:
    """Return a line of figures in per cent."""
    mix = ", ".join(f"{name} {share:.0%}" for name, share in judged["predicted_mix"].items())
    return (
        f"{judged['steps']} steps  exact {judged['exact']:.1%}  type {judged['type_accuracy']:.1%}  "
        f"F1 {judged['type_f1_macro']:.1%}  {mix}"
    )


if __name__ == "__main__":
    main()
