"""What the choice rule is written in: shares of probability, and what a shopper knows when it chooses."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shop_r1.records.actions import Action, click, terminate, type_and_submit
from shop_r1.shoppers.facts import SessionFacts
from shop_r1.shoppers.persona import Bools, Crowd, Floats, Intent
from shop_r1.shoppers.wording import MODIFIERS

_RATING_FLOOR, _HIGH_RATING_FLOOR = 3.8, 4.2  # ours, in stars; the higher one for the quality-driven
_NEGLIGIBLE = 1e-12  # smaller probabilities are rounding, not choices


@dataclass(frozen=True, slots=True)
class Choice:
    """One thing a shopper may do next and why."""

    action: Action
    rationale: str
    """The true reason, in the first person."""
    probability: Floats
    """(P,) how likely each persona does it for this reason."""


class Shares:
    """Probability handed out line by line: each line takes a share of what the lines before it left.

    An action that the page does not offer (None) takes nothing.
    """

    def __init__(self, size: int) -> None:
        self.left: Floats = np.ones(size)
        self.choices: list[Choice] = []

    def take(self, action: Action | None, share: float | Floats, when: Bools | bool, rationale: str) -> None:
        """Give the action this share of what is left, for those for whom `when` holds (True: everybody)."""
        self._give(action, self.left * share * when, rationale)

    def split(self, among: Sequence[tuple[Action | None, Floats, str]], share: float) -> None:
        """Give this share of what is left to several actions, each (P,) of it with its rationale."""
        whole = self.left * share
        for action, part, rationale in among:
            self._give(action, whole * part, rationale)

    def _give(self, action: Action | None, part: Floats, rationale: str) -> None:
        part = np.where(part > _NEGLIGIBLE, part, 0.0)
        if action is not None and part.any():
            self.choices.append(Choice(action, rationale, part))
            self.left = np.maximum(self.left - part, 0.0)

    def finish(self, rationale: str) -> list[Choice]:
        """Return all choices; the probability that is left goes to leaving the shop."""
        self.take(terminate(), 1.0, True, rationale)
        return self.choices


@dataclass(frozen=True, eq=False)
class Situation:
    """What the rules read: the observed facts beside the personas and the intent."""

    facts: SessionFacts
    crowd: Crowd
    intent: Intent

    @property
    def query(self) -> tuple[str, ...]:
        """The words searched for, on this page or last."""
        return self.facts.page.query or self.facts.query

    @property
    def required(self) -> tuple[str, ...]:
        """The query's words that a title has to hold."""
        return tuple(word for word in self.query if word not in MODIFIERS and word != self.intent.option)

    @property
    def can_search(self) -> Bools:
        """(P,) who has the patience for another search."""
        return self.crowd.patience > len(self.facts.queries)

    @property
    def budget(self) -> Floats:
        """(P,) the most that each pays, in cents."""
        return self.intent.budget_cents(self.crowd.budget)

    @property
    def rating_floor(self) -> Floats:
        """(P,) the lowest rating that each accepts, in stars."""
        return np.where(self.crowd.quality_driven, _HIGH_RATING_FLOOR, _RATING_FLOOR)

    @property
    def unspoken(self) -> str:
        """The wanted word that no query held yet, or empty."""
        spoken = {word for query in self.facts.queries for word in query}
        return next((word for word in self.intent.wanted if word not in spoken), "")

    def search(self, words: Sequence[str]) -> Action | None:
        """Return a search for the words; None where there is no field for it."""
        field = self.facts.page.search_field
        return type_and_submit(field, " ".join(words)) if field else None

    def press(self, label: str) -> Action | None:
        """Return a click on the first element with this label (lower case); None where there is none."""
        name = self.facts.page.names.get(label)
        return click(name) if name else None
