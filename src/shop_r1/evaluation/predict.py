"""A checkpoint and examples to predictions."""

from collections.abc import Callable, Sequence
from functools import partial

from pydantic import Field

from shop_r1.config import Config
from shop_r1.datasets.examples import Example, Rendered, example_outlines, renderer
from shop_r1.evaluation.completions import draw_seed, read_completion
from shop_r1.evaluation.prediction_log import PredictionLog
from shop_r1.models.checkpoint import LocalModel
from shop_r1.models.precision import Bf16, autocast, flush_subnormals
from shop_r1.models.prefix_tree import grow_tree
from shop_r1.models.sampling import Sampling, sample_completions
from shop_r1.models.scoring import batch_by_length
from shop_r1.prompts.render import PromptConfig
from shop_r1.records.results import Prediction
from shop_r1.rewards.certainty import self_certainty, token_certainty
from shop_r1.rewards.total import RewardConfig

KEPT_TOKENS = 4_000_000
"""Tokens of prompts kept from when they are measured to when they are used: about 200 MB. Ours."""


class PredictConfig(Config):
    """How predictions are made."""

    prompt: PromptConfig = PromptConfig()
    """What of a session the model sees."""
    sampling: Sampling = Sampling()
    """How completions are drawn; temperature 0 is greedy. Paper 4.1: 0.6."""
    reward: RewardConfig = RewardConfig()
    """How completions are scored for the report."""
    batch_tokens: int = Field(default=24_000, ge=1)
    """Tokens of prompts at once; a single longer session still runs alone."""
    bf16: Bf16 = "auto"
    """Compute in bfloat16; `auto`: where that is faster on this machine, else in float32."""
    seed: int = 0
    """Of the sampled completions."""


@flush_subnormals()
def predict(
    model: LocalModel,
    examples: Sequence[Example],
    config: PredictConfig,
    progress: Callable[[int, int], None] = lambda done, total: None,
    log: PredictionLog | None = None,
) -> list[Prediction]:
    """Return a prediction for each example, in the examples' order.

    The steps of a session are one tree: its pages are run through the model once, not once for each step.
    `progress` is called with how many sessions are done and how many there are.

    The log gets each batch's predictions at once, and has those of an earlier run, which are not made again.
    The batches are those of a run that was never interrupted, and so is every bit of the result.

    Raises:
        DataError: the log cannot be written.
    """
    render = renderer(model, config.prompt)
    lengths, kept = _measure_prompts(examples, render)
    by_session: dict[str, list[int]] = {}
    for index, outline in enumerate(example_outlines(examples)):
        by_session.setdefault(outline.session_id, []).append(index)
    sessions = list(by_session.values())

    def take(index: int) -> tuple[Example, Rendered]:
        example = examples[index]
        return example, kept.pop(index, None) or render(example)

    predictions: dict[int, Prediction] = {}
    done = 0
    longest = [max(lengths[index] for index in rows) for rows in sessions]
    for numbers in batch_by_length(longest, config.batch_tokens):
        batch = [sessions[number] for number in numbers]
        indices = [index for rows in batch for index in rows]
        found = log.take(indices) if log is not None else None
        if found is None:
            made = _predict_batch(model, [list(map(take, rows)) for rows in batch], config)
            found = dict(zip(indices, made, strict=True))
            if log is not None:
                log.add(found)
        else:
            for index in indices:
                kept.pop(index, None)
        predictions |= found
        done += len(batch)
        progress(done, len(sessions))
    return [predictions[index] for index in range(len(examples))]


def _measure_prompts(
    examples: Sequence[Example], render: Callable[[Example], Rendered]
) -> tuple[list[int], dict[int, Rendered]]:
    """Return each prompt's length in tokens, and by index those prompts that are kept until they are used."""
    lengths: list[int] = []
    kept: dict[int, Rendered] = {}
    room = KEPT_TOKENS
    for index, example in enumerate(examples):
        rendered = render(example)
        lengths.append(len(rendered.ids))
        if room >= len(rendered.ids):
            kept[index] = rendered
            room -= len(rendered.ids)
    return lengths, kept


def _predict_batch(
    model: LocalModel, sessions: Sequence[Sequence[tuple[Example, Rendered]]], config: PredictConfig
) -> list[Prediction]:
    """Return the predictions of a batch of sessions, each given as its steps with their prompts."""
    steps = [step for session in sessions for step in session]
    trees = [grow_tree([prompt.ids for _, prompt in session]) for session in sessions]
    seeds = [draw_seed(config.seed, example) for example, _ in steps]
    measure = partial(token_certainty, direction=config.reward.certainty_direction)
    with autocast(config.bf16, model.model.device.type):
        completions = sample_completions(
            model.model, trees, config.sampling, model.end_ids, model.pad_id, seeds, measure
        )
    return [
        read_completion(
            example,
            rendered.prompt,
            len(rendered.ids),
            model.decode(completion.ids),
            config.reward,
            certainty=partial(self_certainty, model, completion.ids, completion.measured),
        )
        for (example, rendered), completion in zip(steps, completions, strict=True)
    ]
