"""SFT and RL examples, built when they are read: an example is (session, step), never a stored prompt."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, overload

import numpy as np

from shop_r1.datasets.balance import Method, draw_balanced
from shop_r1.datasets.outlines import Numbers
from shop_r1.datasets.parquet import ParquetSessions
from shop_r1.errors import ConfigError, DataError
from shop_r1.jsonl import parse_record, read_lines
from shop_r1.pages.tokens import CountTokens
from shop_r1.prompts.cost import CostTally, PromptCost
from shop_r1.prompts.render import Prompt, PromptConfig, render_prompt
from shop_r1.records.actions import Action, ActionSpace, find_space
from shop_r1.records.sessions import ExampleRef, Session, Step

if TYPE_CHECKING:
    from shop_r1.models.checkpoint import LocalModel

FIRST_SCORED_STEP = 1
"""Steps before this one are given, not predicted: a session's first action follows from nothing that can be
seen. Paper 4.1: there is at least one observed <context, action> pair before the first prediction."""

COST_SAMPLE = 100
"""Prompts that are looked at to say what a budget costs. Ours."""
COUNTS_KEPT = 500_000
"""Pages whose length in tokens is remembered, at about 150 bytes each. Ours."""


@dataclass(frozen=True)
class Example:
    """One step of one session: what RL samples completions for, and what evaluation predicts."""

    session: Session
    step: int

    @property
    def space(self) -> ActionSpace:
        """The action space of its session."""
        return find_space(self.session.space)

    @property
    def taken(self) -> Step:
        """The step, with what the shopper did."""
        return self.session.steps[self.step]


@dataclass(frozen=True, slots=True)
class ExampleOutline:
    """An example without what takes reading its session."""

    session_id: str
    step: int
    space: ActionSpace
    action: Action
    """What the shopper did; that of a Parquet file without `click_type`."""


class ExampleSet(Sequence[Example]):
    """Examples from a Parquet file: pairs of numbers until one is needed."""

    def __init__(self, sessions: ParquetSessions, numbers: Numbers, steps: Numbers) -> None:
        self.sessions = sessions
        self.numbers = numbers  # (n,) of each example's session
        self.steps = steps  # (n,) of it, from 0

    def __len__(self) -> int:
        return len(self.numbers)

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> "ExampleSet": ...
    def __getitem__(self, place: int | slice) -> "Example | ExampleSet":
        """Return an example, its session read from the file, or a part of the set."""
        if isinstance(place, slice):
            return ExampleSet(self.sessions, self.numbers[place], self.steps[place])
        return Example(self.sessions[int(self.numbers[place])], int(self.steps[place]))


def list_examples(sessions: Sequence[Session], first_step: int = FIRST_SCORED_STEP) -> Sequence[Example]:
    """Return an example for each step from `first_step` on, in order; of Parquet no page is read."""
    if not isinstance(sessions, ParquetSessions):
        return [
            Example(session, step) for session in sessions for step in range(first_step, len(session.steps))
        ]
    counts = np.maximum(sessions.columns.counts - first_step, 0)
    numbers = np.repeat(np.arange(len(sessions)), counts)
    steps = np.arange(len(numbers)) - np.repeat(np.cumsum(counts) - counts, counts) + first_step
    return ExampleSet(sessions, numbers, steps)


def example_outlines(examples: Sequence[Example]) -> Iterator[ExampleOutline]:
    """Yield each example's outline, in order; of Parquet no page is read."""
    if not isinstance(examples, ExampleSet):
        for each in examples:
            yield ExampleOutline(each.session.session_id, each.step, each.space, each.taken.action)
        return
    columns, numbers, steps = examples.sessions.columns, examples.numbers, examples.steps
    rows = (columns.firsts[numbers] + steps).tolist()
    for number, step, row in zip(numbers.tolist(), steps.tolist(), rows, strict=True):
        space = find_space(columns.spaces[number])
        yield ExampleOutline(columns.ids[number], step, space, columns.action(row))


def take_examples(examples: Sequence[Example], rows: Sequence[int]) -> Sequence[Example]:
    """Return the examples in these places, in this order."""
    if not isinstance(examples, ExampleSet):
        return [examples[row] for row in rows]
    chosen = np.array(rows, np.int64)
    return ExampleSet(examples.sessions, examples.numbers[chosen], examples.steps[chosen])


def balance_examples(
    examples: Sequence[Example], type_ratio: float, seed: int, method: Method = "undersample"
) -> Sequence[Example]:
    """Return a seeded sample in which every other type is `type_ratio` times as frequent as `terminate`.

    Paper 4.1: click and type_and_submit each occur about 10 % more often, that is a ratio of 1.1. A ratio of
    0 leaves the examples as they are. `draw_balanced` describes the methods.

    Raises:
        DataError: there is no `terminate` to measure by.
    """
    if type_ratio == 0:
        return examples
    by_type: dict[str, list[int]] = {}
    for row, example in enumerate(example_outlines(examples)):
        by_type.setdefault(example.action.type, []).append(row)
    return take_examples(examples, draw_balanced(by_type, type_ratio, seed, method))


def read_examples(path: Path, sessions: Sequence[Session]) -> Sequence[Example]:
    """Return the examples that a file of `ExampleRef` names, in its order, one that stands twice twice.

    Raises:
        DataError: the file cannot be read, or names a step that is not there, or that of two sessions.
    """
    examples = list_examples(sessions, first_step=0)
    rows: dict[str, list[list[int]]] = {}  # of each session and step; one where ids differ
    for row, each in enumerate(example_outlines(examples)):
        steps = rows.setdefault(each.session_id, [])
        if each.step == len(steps):
            steps.append([])
        steps[each.step].append(row)
    chosen = []
    for number, line in read_lines(path):
        ref = parse_record(line, ExampleRef, path, number)
        steps = rows.get(ref.session_id, [])
        if ref.step >= len(steps) or len(steps[ref.step]) > 1:
            raise DataError.at(path, number, _describe_ref(ref, steps))
        chosen += steps[ref.step]
    if not chosen:
        raise DataError.at(path, None, "holds no examples; expected what `shop-r1 data balance` wrote")
    return take_examples(examples, chosen)


def _describe_ref(ref: ExampleRef, steps: Sequence[Sequence[int]]) -> str:
    """Return why a reference is to no one step; `steps` has the rows of each step of the session."""
    if ref.step < len(steps):
        there = f"{len(steps[ref.step])} sessions have that id"
    else:
        there = f"it has steps 0 to {len(steps) - 1}" if steps else "there is no such session"
    return f"names step {ref.step} of session {ref.session_id!r}, but {there}"


def count_types(examples: Sequence[Example]) -> Mapping[str, int]:
    """Return how often each type of action is to be predicted."""
    return Counter(each.action.type for each in example_outlines(examples))


def sample_cost(examples: Sequence[Example], count_tokens: CountTokens, config: PromptConfig) -> PromptCost:
    """Return what the budget costs the examples' prompts; of many, `COST_SAMPLE` spread evenly are looked at.

    A prompt whose actions alone are over the budget is left to training, which says so.
    """
    tally, count = CostTally(), remember_counts(count_tokens)
    every = max(1, -(-len(examples) // COST_SAMPLE))
    for row in range(0, len(examples), every):
        example = examples[row]
        with suppress(ConfigError):
            prompt = render_prompt(example.session, example.step, example.space, config, count)
            tally.add(prompt, example.taken)
    return tally.result()


@dataclass(frozen=True)
class Rendered:
    """One example's prompt, as text and as tokens."""

    prompt: Prompt
    ids: list[int]


def renderer(model: "LocalModel", config: PromptConfig) -> Callable[[Example], Rendered]:
    """Return the function that renders an example's prompt; it remembers how long pages are."""
    count = remember_counts(model.count_tokens)

    def render(example: Example) -> Rendered:
        prompt = render_prompt(example.session, example.step, example.space, config, count)
        return Rendered(prompt, model.prompt_ids(prompt.messages, config.chat_template_kwargs))

    return render


def remember_counts(count_tokens: Callable[[str], int]) -> Callable[[str], int]:
    """Return the function with its results remembered by digest: the texts are pages, and would add up."""
    known: dict[bytes, int] = {}

    def count(text: str) -> int:
        digest = blake2b(text.encode(errors="surrogatepass"), digest_size=16).digest()
        if digest not in known:
            if len(known) >= COUNTS_KEPT:
                known.clear()
            known[digest] = count_tokens(text)
        return known[digest]

    return count
