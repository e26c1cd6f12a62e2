"""What is looked at before a GRPO run: enough examples, each of which can earn the full reward."""

import json
from collections.abc import Sequence

from shop_r1.datasets.examples import Example, example_outlines
from shop_r1.errors import DataError, TrainingError
from shop_r1.importers.masking import refuse_masked
from shop_r1.prompts.render import render_completion
from shop_r1.records.actions import Action, ActionSpace
from shop_r1.records.results import RewardBreakdown
from shop_r1.rewards.total import RewardConfig, score_completion
from shop_r1.training.settings import GrpoConfig


def check_examples(examples: Sequence[Example], config: GrpoConfig) -> None:
    """Make sure that there are enough to fill a step, and that each can earn the full reward.

    Raises:
        DataError: there are fewer than a step takes, or one has a text that a recorder masked.
        TrainingError: one does not.
    """
    check_target(examples, config.reward)
    if len(examples) < config.prompts_per_step:
        raise DataError(
            f"GRPO has {len(examples)} examples to learn from and a step takes {config.prompts_per_step} "
            "of them (generation_batch_size / num_generations); lower generation_batch_size, or give more "
            "sessions (balancing leaves steps out; type_ratio=0 keeps all)"
        )


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
