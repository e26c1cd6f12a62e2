"""A GRPO run from examples to a checkpoint (paper, section 3, Table 1, Eq. 4)."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from shop_r1.datasets.examples import Example
from shop_r1.models.checkpoint import load_model
from shop_r1.training.checkpoints import digest_examples
from shop_r1.training.grpo.examples_check import check_examples
from shop_r1.training.grpo.trainer import ShopR1Trainer
from shop_r1.training.progress.panel import grpo_body
from shop_r1.training.run import TrainingRun, settle_precision
from shop_r1.training.settings import GrpoConfig, check_reporter


def train_grpo(
    examples: Sequence[Example], config: GrpoConfig, out: Path, title: str = "GRPO", resume: bool = False
) -> Mapping[str, float]:
    """Train on the examples, write the checkpoint to `out`, and return the last logged metrics.

    Beside the checkpoint stand `metrics.jsonl` (one line a step), `rollouts.jsonl` (some of each step's
    groups: completions, rewards part by part, advantages) and, where there were any, `alerts.jsonl`. With
    `resume` the run goes on from its last good checkpoint in `out`, if it has any; the reference stays the
    model that `config` names.

    Raises:
        DataError: there are fewer examples than a step takes.
        TrainingError: a target action does not earn the full reward: parser, scorer and data disagree; an
            alert of `stop_on_alert` was raised (the model is written first); `out` holds checkpoints of
            another run; or one cannot be written.
        ConfigError: the package that `report_to` needs is missing.
        ModelError: the model cannot be loaded.
        RunStopped: a signal asked the run to stop; it saved a checkpoint, and no model.
    """
    check_examples(examples, config)
    check_reporter(config.report_to)
    config = settle_precision(config, out, resume)
    run = TrainingRun(out, config, digest_examples(examples), resume)
    model = load_model(config.model)
    out.mkdir(parents=True, exist_ok=True)
    trainer = ShopR1Trainer(model, examples, config, out)
    noted = ("reward/value", "policy/parsed")
    return run.train(trainer, model, title, grpo_body, noted, lambda: trainer.recorder.sample)
