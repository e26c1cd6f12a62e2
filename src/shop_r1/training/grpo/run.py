"""A GRPO run from examples to a checkpoint (paper, section 3, Table 1, Eq. 4)."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from shop_r1.datasets.examples import Example, example_outlines
from shop_r1.errors import DataError, TrainingError
from shop_r1.importers.masking import refuse_masked
from shop_r1.models.checkpoint import load_model
from shop_r1.prompts.render import render_completion
from shop_r1.records.actions import Action, ActionSpace
from shop_r1.records.results import RewardBreakdown
from shop_r1.rewards.total import RewardConfig, score_completion
from shop_r1.training.checkpoints import digest_examples
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
    check_target(examples, config.reward)
    if len(examples) < config.prompts_per_step:
        raise DataError(
            f"GRPO has {len(examples)} examples to learn from and a step takes {config.prompts_per_step} "
            "of them (generation_batch_size / num_generations); lower generation_batch_size, or give more "
            "sessions (balancing leaves steps out; type_ratio=0 keeps all)"
        )
    check_reporter(config.report_to)
    config = settle_precision(config, out, resume)
    run = TrainingRun(out, config, digest_examples(examples), resume)
    model = load_model(config.model)
    out.mkdir(parents=True, exist_ok=True)
    trainer = ShopR1Trainer(model, examples, config, out)
    noted = ("reward/value", "policy/parsed")
    return run.train(trainer, model, title, grpo_body, noted, lambda: trainer.recorder.sample)


def check_target(examples: Sequence[Example], reward: RewardConfig) -> None:
    """Score every target action as a completion; it must earn the most there is.

    Raises:
        DataError: one has a text that a recorder masked.
        TrainingError: one does not. Training on such rewards would fail without a sign.
    """
    known: set[tuple[str, Action]] = set()
    for example in example_outlines(examples):
        if (example.space.name, example.action) not in known:
            known.add((example.space.name, example.action))
            place = f"session {example.session_id}, step {example.step}"
            refuse_masked(place, example.action)
            _check_target_action(place, example.action, example.space, reward)


def _check_target_action(place: str, target: Action, space: ActionSpace, reward: RewardConfig) -> None:
    kind = space.kind(target.type)
    if kind is None:
        raise TrainingError(
            f"{place}: the target action is a {target.type}; the space {space.name} has "
            f"{', '.join(space.type_names)}"
        )

    def score(action: Action) -> RewardBreakdown:
        return score_completion(render_completion("", action), action, space, reward, certainty=0.0)

    most = score(Action(type=target.type, **dict.fromkeys(kind.fields, "mug"))).total
    if most <= 0:
        raise TrainingError(
            f"{place}: with these reward settings a right {target.type} earns {most:g}, so nothing can be "
            "learnt from it; switch a part of the reward on"
        )
    scored = score(target)
    if scored.total < most:
        reasons = "; ".join(f"{part} {why}" for part, why in scored.reasons.items())
        raise TrainingError(
            f"{place}: the target action {json.dumps(target.to_completion(), ensure_ascii=False)}, given as "
            f"the completion, earns {scored.total:g} where {most:g} is the most ({reasons}); fix the record "
            "(a name or a text in it may be empty or have no word), or leave the session out"
        )
