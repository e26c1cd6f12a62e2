"""What the choice rule is written in: what a shopper knows when it chooses, and the choices that follow."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shop_r1.records.actions import Action, click, terminate, type_and_submit
from shop_r1.shoppers.facts import PageFacts, SessionFacts
from shop_r1.shoppers.persona import Bools, Crowd, Floats, Intent
from shop_r1.shoppers.wording import BEST, CHEAP, MODIFIERS

_RATING_FLOOR, _HIGH_RATING_FLOOR = 3.8, 4.2  # ours, in stars; the higher one for the quality-driven
_HURRIED_PATIENCE = 3  # ours: searches at most
HURRIED_DAYS = 6
"""So many days of delivery put off the hurried. Ours."""
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
    """Choices on a page, as probability is handed out line by line.

    Each line gives an action a share of what the lines before it left, for the personas for whom `when` holds
    (True: all). An action that the page does not offer takes nothing.
    """

    def __init__(self, page: PageFacts, personas: int) -> None:
        self.page = page
        self.choices: list[Choice] = []
        self._left: Floats = np.ones(personas)

    def take(self, action: Action | None, share: Floats | float, when: Bools | bool, rationale: str) -> None:
        """Give the action this share of what is left."""
        self._give(action, self._left * share * when, rationale)

    def split(self, among: Sequence[tuple[Action | None, Floats, str]], share: Floats | float) -> None:
        """Give this share of what is left to several actions, each (P,) of it with its rationale."""
        whole = self._left * share
        for action, part, rationale in among:
            self._give(action, whole * part, rationale)

    def _give(self, action: Action | None, part: Floats, rationale: str) -> None:
        part = np.where(part > _NEGLIGIBLE, part, 0.0)
        if action is not None and part.any():
            self.choices.append(Choice(action, rationale, part))
            self._left = np.maximum(self._left - part, 0.0)

    def press(self, label: str, share: Floats | float, when: Bools | bool, rationale: str) -> None:
        """Click the first element with this label (lower case)."""
        name = self.page.names.get(label)
        self.take(click(name) if name else None, share, when, rationale)

    def leave_some(self, share: Floats | float, when: Bools | bool, rationale: str) -> None:
        """Leave the shop, with this share of what is left."""
        self.take(terminate(), share, when, rationale)

    def leave(self, rationale: str, when: Bools | bool = True) -> None:
        """Leave the shop, with all of the probability that is left."""
        self.take(terminate(), 1.0, when, rationale)


class Situation(Shares):
    """What the rules read, the observed facts beside the personas and the intent, and the choices they make.

    Attributes:
        query: the words searched for, on this page or last.
        required: the query's words that a title has to hold.
        can_search: (P,) who has the patience for another search.
        budget: (P,) the most that each pays, in cents.
        rating_floor: (P,) the lowest rating that each accepts, in stars.
        is_hurried: (P,) who cannot wait `HURRIED_DAYS` for a delivery.
    """

    def __init__(self, facts: SessionFacts, crowd: Crowd, intent: Intent) -> None:
        super().__init__(facts.page, len(crowd))
        self.facts, self.crowd, self.intent = facts, crowd, intent
        self.query = facts.page.query or (facts.queries[-1] if facts.queries else ())
        self.required = [word for word in self.query if word not in MODIFIERS and word != intent.option]
        self.can_search: Bools = crowd.patience > len(facts.queries)
        self.budget = intent.budget_cents(crowd.budget)
        self.rating_floor = np.where(crowd.quality_driven, _HIGH_RATING_FLOOR, _RATING_FLOOR)
        self.is_hurried: Bools = crowd.patience <= _HURRIED_PATIENCE

    def search(self, words: Sequence[str], share: float, when: Bools | bool, rationale: str) -> None:
        """Search for the words, where the patience lasts."""
        self.take(self.searching(words), share, when & self.can_search, rationale)

    def searching(self, words: Sequence[str]) -> Action | None:
        """Return a search for the words; None where there is no field for it."""
        field = self.page.search_field
        return type_and_submit(field, " ".join(words)) if field else None

    def search_modified(self, modifier: str, when: Bools | bool, problem: str) -> None:
        """Search for `cheap` or `best` ones because of a problem, unless the query says one of them."""
        if not MODIFIERS & set(self.query):
            wish = {CHEAP: "cheap ones", BEST: "the best"}[modifier]
            self.search((modifier, *self.query), 0.92, when, f"{problem}, so I search for {wish}.")

    def search_without(self, word: str, share: float, when: Bools | bool, problem: str) -> None:
        """Search again without the first occurrence of a word because of a problem."""
        words = list(self.query)
        words.remove(word)
        self.search(words, share, when, f"{problem}, so I search again without {word}.")
