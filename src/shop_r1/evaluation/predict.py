"""A checkpoint and examples to predictions."""

from collections.abc import Callable, Sequence
from functools import partial

from pydantic import Field

from shop_r1.config import Config
from shop_r1.datasets.examples import Example, Rendered, example_outlines, example_target_cut, renderer
from shop_r1.evaluation.completions import draw_seed, read_completion
from shop_r1.evaluation.prediction_log import PredictionLog
from shop_r1.models.checkpoint import LocalModel
from shop_r1.models.precision import Bf16, autocast, flush_subnormals
from shop_r1.models.prefix_tree import Tree, grow_tree
from shop_r1.models.sampling import Sampling, sample_completions
from shop_r1.models.scoring import batch_by_length
from shop_r1.prompts.render import PromptConfig
from shop_r1.records.results import Prediction
from shop_r1.rewards.certainty import self_certainty, token_certainty
from shop_r1.rewards.total import RewardConfig

Progress = Callable[[int, int], None]
"""Called with how many sessions are done and how many there are."""


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
    progress: Progress | None = None,
    log: PredictionLog | None = None,
) -> list[Prediction]:
    """Return a prediction for each example, in the examples' order.

    The steps of a session are one tree: its pages are run through the model once, not once for each step.

    The log gets each batch's predictions at once, and has those of an earlier run, which are not made again.
    The batches are those of a run that was never interrupted, and so is every bit of the result.

    Raises:
        DataError: the log cannot be written.
    """
    prompts = _Prompts(examples, renderer(model, config.prompt))
    sessions = _by_session(examples)
    predictions: dict[int, Prediction] = {}
    done = 0
    longest = [max(prompts.lengths[index] for index in rows) for rows in sessions]
    for numbers in batch_by_length(longest, config.batch_tokens):
        batch = [sessions[number] for number in numbers]
        indices = [index for rows in batch for index in rows]
        found = log.take(indices) if log is not None else None
        if found is None:
            found = _predict_batch(model, examples, batch, prompts, config)
            if log is not None:
                log.add(found)
        else:
            prompts.drop(indices)
        predictions |= found
        done += len(batch)
        if progress is not None:
            progress(done, len(sessions))
    return [predictions[index] for index in range(len(examples))]


def _predict_batch(
    model: LocalModel,
    examples: Sequence[Example],
    batch: Sequence[Sequence[int]],
    prompts: "_Prompts",
    config: PredictConfig,
) -> dict[int, Prediction]:
    """Return the predictions of a batch of sessions, each a list of examples, by example."""
    indices = [index for rows in batch for index in rows]
    rendered = {index: prompts.take(index) for index in indices}
    trees = [grow_tree([rendered[index].ids for index in rows]) for rows in batch]
    found = _complete(model, [examples[index] for index in indices], trees, config)
    predictions = {}
    for index, prediction in zip(indices, found, strict=True):
        prompt = rendered[index]
        update = {
            "prompt_tokens": len(prompt.ids),
            "pages_cut": prompt.prompt.pages_cut,
            "page_truncated": prompt.prompt.page_truncated,
            "target_cut": example_target_cut(examples[index], prompt.prompt),
        }
        predictions[index] = prediction.model_copy(update=update)
    return predictions


class _Prompts:
    """The examples' prompts and their lengths; only so many are kept, the others are rendered again."""

    def __init__(self, examples: Sequence[Example], render: Callable[[Example], Rendered]) -> None:
        self._examples = examples
        self._render = render
        self._kept: dict[int, Rendered] = {}
        self.lengths: list[int] = []
        room = KEPT_TOKENS
        for index, example in enumerate(examples):
            rendered = render(example)
            self.lengths.append(len(rendered.ids))
            if room >= len(rendered.ids):
                self._kept[index] = rendered
                room -= len(rendered.ids)

    def take(self, index: int) -> Rendered:
        """Return an example's prompt, and keep it no longer."""
        return self._kept.pop(index, None) or self._render(self._examples[index])

    def drop(self, indices: Sequence[int]) -> None:
        """Keep these examples' prompts no longer: they are not needed."""
        for index in indices:
            self._kept.pop(index, None)


def _by_session(examples: Sequence[Example]) -> list[list[int]]:
    sessions: dict[str, list[int]] = {}
    for index, example in enumerate(example_outlines(examples)):
        sessions.setdefault(example.session_id, []).append(index)
    return list(sessions.values())


def _complete(
    model: LocalModel, examples: Sequence[Example], trees: Sequence[Tree], config: PredictConfig
) -> list[Prediction]:
    measure = partial(token_certainty, direction=config.reward.certainty_direction)
    seeds = [draw_seed(config.seed, example) for example in examples]
    with autocast(config.bf16, model.model.device.type):
        completions = sample_completions(
            model.model, trees, config.sampling, model.end_ids, model.pad_id, seeds, measure
        )
    return [
        read_completion(
            example,
            model.decode(completion.ids),
            config.reward,
            certainty=partial(self_certainty, model, completion.ids, completion.measured),
        )
        for example, completion in zip(examples, completions, strict=True)
    ]
