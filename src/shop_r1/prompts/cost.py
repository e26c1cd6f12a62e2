"""What a token budget costs prompts: pages left out or shortened, and targets that are no longer shown."""

import math
from collections import Counter
from typing import NamedTuple

from shop_r1.jsonl import Record
from shop_r1.pages.elements import element_names
from shop_r1.prompts.render import Prompt, defuse
from shop_r1.records.sessions import Step

KEPT_SHARE = 0.95
"""Of the targets, how many a suggested budget keeps in their prompts at least. Ours."""


class PromptCost(Record):
    """What a budget cost some prompts."""

    prompts: int = 0
    pages_left_out: int = 0
    """Earlier pages that lost their body, over all prompts."""
    pages_shortened: int = 0
    """Current pages that lost a part."""
    targets: int = 0
    """Prompts whose shopper acted on an element that has a name on the page."""
    targets_cut: int = 0
    """Of these, how many no longer show that element: its name can at best be guessed."""
    enough_tokens: int | None = None
    """A `max_tokens` at which 95 % of the targets are sure to be shown; None where they are now."""


def target_cut(prompt: Prompt, step: Step) -> bool | None:
    """Return whether the budget took the element that was acted on out of the prompt's current page.

    None: there is no such element, since the action names none or the page, whole in `step`, has none of that
    name.
    """
    name = step.action.value("name")
    if not name or name not in element_names(step.page.html):
        return None
    if not prompt.page_truncated:
        return False
    return defuse(name) not in element_names(prompt.messages[-1]["content"][prompt.page_at :])


class StepCost(NamedTuple):
    """What a budget cost one prompt."""

    pages_cut: int
    page_truncated: bool
    target_cut: bool | None
    """As the function of this name."""
    enough_tokens: int
    """Where the target is cut, a budget at which it is shown; else 0."""


def step_cost(prompt: Prompt, step: Step) -> StepCost:
    """Return what the budget cost one prompt; `step` has its whole current page, and what was done on it."""
    cut = target_cut(prompt, step)
    return StepCost(prompt.pages_cut, prompt.page_truncated, cut, (prompt.enough_tokens or 0) if cut else 0)


class CostTally:
    """Counts what a budget costs, prompt by prompt."""

    def __init__(self) -> None:
        self._counts = Counter[str]()  # by the field of `PromptCost`
        self._enough: list[int] = []  # of each prompt whose target is cut

    def add(self, prompt: Prompt, step: Step) -> None:
        """Count one prompt; `step` has its whole current page, and what the shopper did on it."""
        self.add_step(step_cost(prompt, step))

    def add_step(self, cost: StepCost) -> None:
        """Count one prompt whose cost is known."""
        self._counts.update(prompts=1, pages_left_out=cost.pages_cut, pages_shortened=cost.page_truncated)
        self._counts.update(targets=cost.target_cut is not None, targets_cut=bool(cost.target_cut))
        if cost.target_cut:
            self._enough.append(cost.enough_tokens)

    def result(self) -> PromptCost:
        """Return the counts so far."""
        may_be_cut = math.floor(self._counts["targets"] * (1 - KEPT_SHARE) + 1e-9)
        over = sorted(self._enough, reverse=True)[may_be_cut:]
        return PromptCost(**self._counts, enough_tokens=over[0] if over else None)


def describe_cut_targets(cost: PromptCost) -> str:
    """Return what to know of the targets that are cut, and what to do; empty where there are none.

    >>> counts = {"prompts": 9, "pages_left_out": 0, "pages_shortened": 9, "targets": 8, "targets_cut": 6}
    >>> describe_cut_targets(PromptCost(**counts, enough_tokens=3210))
    '6 of 8 targets are no longer in their prompt; prompt.max_tokens=3300 would keep at least 95 % of them'
    """
    if not cost.targets_cut:
        return ""
    verb = "is" if cost.targets_cut == 1 else "are"
    found = f"{cost.targets_cut:,} of {cost.targets:,} targets {verb} no longer in their prompt"
    if cost.enough_tokens is None:
        return f"{found}; a larger prompt.max_tokens would keep more"
    enough = math.ceil(cost.enough_tokens / 100) * 100
    return f"{found}; prompt.max_tokens={enough} would keep at least 95 % of them"
