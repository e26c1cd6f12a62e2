"""A checkpoint and examples to predictions."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain

from pydantic import Field

from shop_r1.config import Config
from shop_r1.datasets.examples import Example, Rendered, example_outlines, renderer
from shop_r1.evaluation.completions import draw_seed, read_completion
from shop_r1.evaluation.prediction_log import PredictionLog
from shop_r1.models.checkpoint import LocalModel
from shop_r1.models.precision import Bf16, autocast, flush_subnormals
from shop_r1.models.prefix_tree import Tree, TreeShape, batch_trees, fit_pass, grow_tree, grow_trees
from shop_r1.models.sampling import Sampling, sample_completions
from shop_r1.prompts.render import PromptConfig
from shop_r1.records.results import Prediction
from shop_r1.rewards.certainty import self_certainty, token_certainty
from shop_r1.rewards.total import RewardConfig

KEPT_TOKENS = 4_000_000
"""Tokens of prompts kept from when they are measured to when they are used: about 200 MB. Ours."""
TAIL_TOKENS = 64
"""Tokens that open a completion at a prompt's end: so many of each branch do not count in a batch of trees.
Ours: twice what `prompts.render` keeps free for a template."""


class PredictConfig(Config):
    """How predictions are made."""

    prompt: PromptConfig = PromptConfig()
    """What of a session the model sees."""
    sampling: Sampling = Sampling()
    """How completions are drawn; temperature 0 is greedy. Paper 4.1: 0.6."""
    reward: RewardConfig = RewardConfig()
    """How completions are scored for the report."""
    batch_tokens: int = Field(default=24_000, ge=1)
    """Tokens of prompts at once, what those of a session share counted once; a single longer prompt still
    runs alone."""
    bf16: Bf16 = "auto"
    """Compute in bfloat16; `auto`: where that is faster on this machine, else in float32."""
    seed: int = 0
    """Of the sampled completions."""


Batch = Sequence[Sequence[int]]
"""Trees that are run together, each as the numbers of its examples."""
RunBatches = Callable[[Mapping[int, Batch]], Iterator[tuple[int, list[Prediction]]]]
"""Runs batches, given by their numbers; yields the number and the predictions of each, in order."""


@flush_subnormals()
def predict(
    model: LocalModel,
    examples: Sequence[Example],
    config: PredictConfig,
    progress: Callable[[int, int], None] = lambda done, total: None,
    log: PredictionLog | None = None,
    run_elsewhere: RunBatches | None = None,
) -> list[Prediction]:
    """Return a prediction for each example, in the examples' order.

    The steps of a session are one tree: its pages are run through the model once, not once for each step.
    Where its prompts share too little for that, since the budget cuts each of them elsewhere, it is several.
    `progress` is called with how many sessions are done and how many there are.

    The log gets each batch's predictions at once, and has those of an earlier run, which are not made again.
    The batches are those of a run that was never interrupted, and so is every bit of the result. They are the
    same where other processes run them (`run_elsewhere`), each with `BatchRunner`.

    Raises:
        DataError: the log cannot be written.
    """
    render = renderer(model, config.prompt)
    by_session: dict[str, list[int]] = {}
    for index, outline in enumerate(example_outlines(examples)):
        by_session.setdefault(outline.session_id, []).append(index)
    trees, kept = _measure_trees(examples, by_session.values(), render, config.batch_tokens)

    batches = [
        [trees[number] for number in numbers]
        for numbers in batch_trees([tree.shape for tree in trees], config.batch_tokens)
    ]
    predictions: dict[int, Prediction] = {}
    left = Counter(tree.session for tree in trees)

    def finish(batch: Sequence[_MeasuredTree], found: Mapping[int, Prediction]) -> None:
        predictions.update(found)
        left.subtract(tree.session for tree in batch)
        progress(sum(count == 0 for count in left.values()), len(left))

    open_batches: dict[int, Batch] = {}
    for number, batch in enumerate(batches):
        rows = [tree.rows for tree in batch]
        found = log.take([*chain(*rows)]) if log is not None else None
        if found is None:
            open_batches[number] = rows
            continue
        for index in found:
            kept.pop(index, None)
        finish(batch, found)
    run = run_elsewhere or BatchRunner(model, examples, config, render, kept).run
    for number, made in run(open_batches):
        found = dict(zip(chain(*open_batches[number]), made, strict=True))
        if log is not None:
            log.add(found)
        finish(batches[number], found)
    return [predictions[index] for index in range(len(examples))]


class BatchRunner:
    """Predicts the steps of a batch, in any process that has the checkpoint."""

    def __init__(
        self,
        model: LocalModel,
        examples: Sequence[Example],
        config: PredictConfig,
        render: Callable[[Example], Rendered] | None = None,
        kept: MutableMapping[int, Rendered] | None = None,
    ) -> None:
        """Take what `predict` is given; `kept` are prompts that are rendered already, by example."""
        self._model, self._examples, self._config = model, examples, config
        self._render = render or renderer(model, config.prompt)
        self._kept = {} if kept is None else kept

    def run(self, batches: Mapping[int, Batch]) -> Iterator[tuple[int, list[Prediction]]]:
        """Yield the predictions of each batch, as `RunBatches` does."""
        for number, batch in batches.items():
            yield number, self.run_batch(batch)

    @flush_subnormals()
    def run_batch(self, batch: Batch) -> list[Prediction]:
        """Return the predictions of a batch, in order of its trees and their examples."""
        return _predict_batch(self._model, [list(map(self._take, rows)) for rows in batch], self._config)

    def _take(self, index: int) -> tuple[Example, Rendered]:
        example = self._examples[index]
        return example, self._kept.pop(index, None) or self._render(example)


@dataclass(frozen=True)
class _MeasuredTree:
    """Steps of a session that are run as one tree."""

    session: int
    rows: list[int]
    """The steps' examples."""
    shape: TreeShape
    """As it counts in a batch: `_measure`."""


def _measure_trees(
    examples: Sequence[Example],
    sessions: Iterable[Sequence[int]],
    render: Callable[[Example], Rendered],
    batch_tokens: int,
) -> tuple[list[_MeasuredTree], dict[int, Rendered]]:
    """Return the trees of the sessions, and by index those prompts that are kept until they are used.

    A session is given by its examples' numbers, and is one tree unless that is over `batch_tokens` and larger
    than its longest prompt.
    """

    def fits(tree: Tree) -> bool:
        shape = _measure(tree)
        return fit_pass([shape], max(batch_tokens, shape.trunk))

    trees: list[_MeasuredTree] = []
    kept: dict[int, Rendered] = {}
    room = KEPT_TOKENS
    for session, rows in enumerate(sessions):
        prompts = [render(examples[index]) for index in rows]
        start = 0
        for tree in grow_trees([prompt.ids for prompt in prompts], None, fits):
            end = start + len(tree.branches)
            trees.append(_MeasuredTree(session, list(rows[start:end]), _measure(tree)))
            start = end
        for index, prompt in zip(rows, prompts, strict=True):
            if room >= len(prompt.ids):
                kept[index] = prompt
                room -= len(prompt.ids)
    return trees, kept


def _measure(tree: Tree) -> TreeShape:
    """Return the longest prompt's tokens, and those of other branches that only they have."""
    lengths = [branch.attach + len(branch.prompt) for branch in tree.branches]
    own = [max(0, len(branch.prompt) - TAIL_TOKENS) for branch in tree.branches]
    longest = max(range(len(lengths)), key=lengths.__getitem__)
    return TreeShape(lengths[longest], sum(own) - own[longest])


def _predict_batch(
    model: LocalModel, groups: Sequence[Sequence[tuple[Example, Rendered]]], config: PredictConfig
) -> list[Prediction]:
    """Return the predictions of a batch of trees, each given as its steps with their prompts."""
    steps = [step for group in groups for step in group]
    trees = [grow_tree([prompt.ids for _, prompt in group]) for group in groups]
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
