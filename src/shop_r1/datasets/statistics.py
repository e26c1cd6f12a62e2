"""What is in a file of sessions: counts, lengths in tokens, duplicates, and what leaks between two files."""

import re
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from shop_r1.datasets.duplicates import (
    DuplicateCounts,
    Sketch,
    count_duplicates,
    count_leaks,
    sketch_session,
)
from shop_r1.errors import ConfigError
from shop_r1.jsonl import Record
from shop_r1.pages.tokens import CountTokens
from shop_r1.prompts.cost import CostTally, PromptCost, StepCost, step_cost
from shop_r1.prompts.render import PromptConfig, render_completion, render_prompt
from shop_r1.records.actions import find_space
from shop_r1.records.sessions import Session

_LINE = re.compile(r"[^\n]*\n+|[^\n]+")
_UNBOUNDED = 10**12


class Spread(Record):
    """How a length is spread. Percentiles are lengths that occur: the least that so many are not above."""

    n: int
    mean: float
    median: int
    p90: int
    p99: int
    most: int


class BudgetFacts(PromptCost):
    """What a token budget costs the prompts, one for each step of each session, whole sessions shown.

    Targets are those of the prompts over the budget.
    """

    max_tokens: int
    """Longest prompt and completion together."""
    max_completion_length: int
    """Of these, kept free for the completion."""
    over: int
    """Prompts that are longer and lose something."""
    impossible: int
    """Prompts that cannot be made to fit: their actions alone are too long."""


class Leaks(Record):
    """What a file shares with another that it should be apart from: sessions, each once in each count."""

    other: str
    sessions: int
    """Sessions of the other file."""
    same_id: int
    same_user: int
    exact: int
    """Sessions with an exact duplicate in the other file."""
    near: int
    """Further sessions with a near-duplicate there."""


class Statistics(Record):
    """All that `shop-r1 data stats` says of a file."""

    file: str
    sessions: int
    users: int
    without_user: int
    """Sessions that name no user."""
    repeated_ids: int
    """Sessions whose session_id an earlier one has."""
    steps: int
    rationales: int
    """Steps with a rationale."""
    sources: Mapping[str, int]
    outcomes: Mapping[str, int]
    actions: Mapping[str, int]
    first_actions: Mapping[str, int]
    later_actions: Mapping[str, int]
    """Those after the first: what RL and evaluation predict."""
    tokenizer: str
    spreads: Mapping[str, Spread]
    """Under `steps`, `page_tokens`, `prompt_tokens` and `session_tokens`."""
    budget: BudgetFacts
    duplicates: DuplicateCounts
    leaks: tuple[Leaks, ...] = ()


class MeasuredSession(NamedTuple):
    """What is kept of one session: a few numbers and hashes, never a page."""

    sketch: Sketch
    source: str
    outcome: str
    rationales: int
    page_tokens: tuple[int, ...]
    """Of each page, as it stands in the record."""
    prompt_tokens: int
    """Of its last prompt, all pages whole, chat template too."""
    session_tokens: int
    """Of all of it as SFT sees it: that prompt, every completion."""
    costs: tuple[StepCost, ...]
    """Of each of its prompts over the budget."""
    impossible: int
    """Those that cannot be made to fit."""


class Measure:
    """Measures sessions one by one: how to count tokens, and the budget."""

    def __init__(self, count_tokens: CountTokens, prompt: PromptConfig) -> None:
        """Take how to count and the budget; the prompts are those of the whole-session context."""
        self._count, self._prompt = count_tokens, prompt
        self._unbounded = PromptConfig(
            max_tokens=_UNBOUNDED, max_completion_length=prompt.max_completion_length
        )

    def __call__(self, session: Session) -> MeasuredSession:
        """Return what is kept of the session."""
        space, last = find_space(session.space), len(session.steps) - 1
        whole = render_prompt(session, last, space, self._unbounded, self._count).tokens or 0
        completions = [render_completion(step.rationale or "", step.action) for step in session.steps]
        over = whole > self._prompt.max_tokens - self._prompt.max_completion_length
        costs, impossible = self._list_costs(session) if over else ((), 0)
        return MeasuredSession(
            sketch=sketch_session(session),
            source=session.source,
            outcome=session.outcome or "unknown",
            rationales=sum(step.rationale is not None for step in session.steps),
            page_tokens=tuple(self._count(step.page.html) for step in session.steps),
            prompt_tokens=whole,
            session_tokens=whole + sum(map(self._count, completions)),
            costs=costs,
            impossible=impossible,
        )

    def _list_costs(self, session: Session) -> tuple[tuple[StepCost, ...], int]:
        """Return what the budget takes from the session's prompts, the longest first until one fits."""
        costs, impossible = list[StepCost](), 0
        for step in reversed(range(len(session.steps))):
            try:
                prompt = render_prompt(session, step, find_space(session.space), self._prompt, self._count)
            except ConfigError:
                impossible += 1
                continue
            if not prompt.pages_cut and not prompt.page_truncated:
                break
            costs.append(step_cost(prompt, session.steps[step]))
        return tuple(costs), impossible


class Tally:
    """Takes sessions one by one and keeps of each a few numbers and hashes, never a page."""

    def __init__(self, prompt: PromptConfig) -> None:
        """Take the budget that the sessions were measured with."""
        self.sketches: list[Sketch] = []
        self.steps = array("q")
        self.page_tokens = array("q")  # of each page, as it stands in the record
        self.prompt_tokens = array("q")  # of each session's last prompt, all pages whole, chat template too
        self.session_tokens = array("q")  # of each session as SFT sees it: that prompt, every completion
        self._sources, self._outcomes, self._cuts = Counter[str](), Counter[str](), Counter[str]()
        self._rationales = 0
        self._cost = CostTally()  # of the prompts over the budget
        self._prompt = prompt

    def add(self, measured: MeasuredSession) -> None:
        """Take one more session; call it in order of the sessions."""
        self.sketches.append(measured.sketch)
        self.steps.append(len(measured.page_tokens))
        self._sources[measured.source] += 1
        self._outcomes[measured.outcome] += 1
        self._rationales += measured.rationales
        self.page_tokens.extend(measured.page_tokens)
        self.prompt_tokens.append(measured.prompt_tokens)
        self.session_tokens.append(measured.session_tokens)
        self._cuts.update(over=len(measured.costs) + measured.impossible, impossible=measured.impossible)
        for cost in measured.costs:
            self._cost.add_step(cost)

    def describe(self, file: str, tokenizer: str, others: Mapping[str, Sequence[Sketch]]) -> Statistics:
        """Return what was found, and what the file shares with the others, by their names."""
        mine = self.sketches
        known = [each.user for each in mine if each.user is not None]
        first = Counter(each.actions[0] for each in mine)
        later = Counter(action for each in mine for action in each.actions[1:])
        lengths = ("steps", "page_tokens", "prompt_tokens", "session_tokens")
        return Statistics(
            file=file,
            sessions=len(self.steps),
            users=len(set(known)),
            without_user=len(mine) - len(known),
            repeated_ids=len(mine) - len({each.id for each in mine}),
            steps=sum(self.steps),
            rationales=self._rationales,
            sources=_ordered(self._sources),
            outcomes=_ordered(self._outcomes),
            actions=_ordered(first + later),
            first_actions=_ordered(first),
            later_actions=_ordered(later),
            tokenizer=tokenizer,
            spreads={name: measure_spread(getattr(self, name)) for name in lengths},
            budget=BudgetFacts(
                max_tokens=self._prompt.max_tokens,
                max_completion_length=self._prompt.max_completion_length,
                over=self._cuts["over"],
                impossible=self._cuts["impossible"],
                **self._cost.result().model_dump() | {"prompts": sum(self.steps)},
            ),
            duplicates=count_duplicates(mine),
            leaks=tuple(find_leaks(mine, other, name) for name, other in others.items()),
        )


def find_leaks(mine: Sequence[Sketch], other: Sequence[Sketch], name: str) -> Leaks:
    """Return what the one file shares with the other."""
    ids, users = {each.id for each in other}, {each.user for each in other} - {None}
    exact, near = count_leaks(mine, other)
    return Leaks(
        other=name,
        sessions=len(other),
        same_id=sum(each.id in ids for each in mine),
        same_user=sum(each.user in users for each in mine),
        exact=exact,
        near=near,
    )


def measure_spread(lengths: Sequence[int]) -> Spread:
    """Return how the lengths are spread; there must be one at least."""
    values = np.asarray(lengths)
    median, p90, p99, most = np.percentile(values, (50, 90, 99, 100), method="inverted_cdf").tolist()
    return Spread(n=len(values), mean=float(values.mean()), median=median, p90=p90, p99=p99, most=most)


def remember_lines(count_tokens: CountTokens) -> CountTokens:
    """Return the same count, faster: the lines that most pages share are counted once.

    Right for a count that joins nothing across a line's end, as `estimate_tokens`.
    """
    count_line = lru_cache(maxsize=200_000)(count_tokens)
    return lambda text: sum(map(count_line, _LINE.findall(text)))


def _ordered(counts: Counter[str]) -> dict[str, int]:
    """Return the counts, the largest first; the same for the same sessions in any order."""
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))
