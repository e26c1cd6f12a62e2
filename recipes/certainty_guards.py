"""Which guard keeps self-certainty's use without the drift? The experiment behind docs/training.md.

`python recipes/certainty_guards.py DEMO OUT [steps] [seeds] [weight]`: from the SFT checkpoint of a finished
`shop-r1 demo` in DEMO, a GRPO run for each guard and seed, each then evaluated on DEMO's held-out sessions.
Runs that are done are not done again. 100 steps take about three minutes on two CPU cores.
"""

import json
import statistics
import sys
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

from shop_r1.cli.pipeline.config import DemoConfig
from shop_r1.datasets.examples import balance_examples, list_examples
from shop_r1.evaluation.metrics import evaluate_predictions
from shop_r1.evaluation.predict import PredictConfig, predict
from shop_r1.jsonl import read_records
from shop_r1.models.checkpoint import load_model
from shop_r1.models.sampling import Sampling
from shop_r1.records.actions import SHOP
from shop_r1.records.results import Prediction
from shop_r1.records.sessions import Session
from shop_r1.rewards.total import RewardConfig
from shop_r1.training.grpo.run import train_grpo
from shop_r1.training.settings import GrpoConfig

WEIGHT = RewardConfig().certainty_weight
VARIANTS = ("off", "paper", "skip", "floor", "centred")


def main(demo: Path, out: Path, steps: int = 120, seeds: int = 2, weight: float = 0.005) -> None:
    """Train and evaluate every variant; print a line for each run."""
    training = list(read_records(demo / "sessions.jsonl.zst", Session))
    held_out = list(read_records(demo / "held_out.jsonl.zst", Session))
    print_line("SFT", judge(demo / "sft", held_out, out / "sft.json"))
    for seed in range(seeds):
        for variant in VARIANTS:
            folder = out / f"{variant}-{seed}"
            if not (folder / "model.safetensors").exists():
                config = settings(demo, variant, steps, seed, weight)
                examples = balance_examples(list_examples(training), config.type_ratio, 0)
                train_grpo(examples, config, folder, title=f"{variant}-{seed}")
            print_line(f"{variant}-{seed}", judge(folder, held_out, folder / "judged.json") | course(folder))


def settings(demo: Path, variant: str, steps: int, seed: int, weight: float) -> GrpoConfig:
    """Return the demo's GRPO settings with one guard; `off` leaves self-certainty out of the reward."""
    base = DemoConfig().grpo
    reward = base.reward.model_copy(update={"certainty_weight": weight, "use_rationale": variant != "off"})
    guard = "skip" if variant == "off" else variant
    changes = {
        "model": str(demo / "sft"),
        "max_steps": steps,
        "seed": seed,
        "reward": reward,
        "certainty_guard": guard,
    }
    return base.model_copy(update=changes)


def judge(checkpoint: Path, sessions: Sequence[Session], file: Path) -> dict[str, float]:
    """Return the held-out figures of a checkpoint, from the file where it has them already."""
    if file.exists():
        found: dict[str, float] = json.loads(file.read_text("utf-8"))
        return found
    base = DemoConfig().grpo
    sampling = Sampling(temperature=base.temperature, max_new_tokens=base.max_completion_length)
    predictions = predict(
        load_model(str(checkpoint)),
        list_examples(sessions),
        PredictConfig(prompt=base.prompt, sampling=sampling),
    )
    metrics = evaluate_predictions(predictions, SHOP, seed=0)
    found = {
        "exact": 100 * metrics.exact,
        "type": 100 * metrics.type_accuracy,
        "macro_f1": 100 * metrics.type_f1_macro,
        **rationale_figures(predictions),
    }
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(found), "utf-8")
    return found


def rationale_figures(predictions: Sequence[Prediction]) -> dict[str, float]:
    """Return how sure, long, varied and repetitive the rationales are, and how many completions parse."""
    said = [p.rationale for p in predictions if p.rationale]
    sure = [p.reward.rationale / WEIGHT for p in predictions if p.reward is not None and p.rationale]
    words = [rationale.split() for rationale in said]
    pairs = [list(pairwise(line)) for line in words]
    return {
        "parsed": 100 * statistics.fmean(p.action is not None for p in predictions),
        "certainty": statistics.fmean(sure),
        "words": statistics.fmean(map(len, words)),
        "different": 100 * len(set(said)) / len(said),
        "repeated": 100 * statistics.fmean(1 - len(set(line)) / len(line) for line in pairs if line),
    }


def course(folder: Path) -> dict[str, float]:
    """Return the mean share of equal groups over a run's last 20 steps."""
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text("utf-8").splitlines()]
    return {"equal": 100 * statistics.fmean(line["policy/frac_zero_variance"] for line in lines[-20:])}


def print_line(name: str, figures: dict[str, float]) -> None:
    """Write one run's figures."""
    told = "  ".join(f"{key} {value:.2f}" for key, value in figures.items())
    sys.stdout.write(f"{name:10} {told}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    demo, out, *numbers = sys.argv[1:]
    steps, seeds, weight = (*numbers, *("120", "2", "0.005")[len(numbers) :])
    main(Path(demo), Path(out), int(steps), int(seeds), float(weight))
