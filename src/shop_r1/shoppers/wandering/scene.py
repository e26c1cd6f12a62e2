"""What the wandering crowd's rule is written in: what a shopper knows when it chooses, and its choices.

The rule sees no more of a want than a `View` says: wants that look alike from a page are weighed together.
A search for the want itself is kept apart from other choices (`Scene.wishes`), for its words differ from want
to want.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from shop_r1.records.actions import type_and_submit
from shop_r1.shoppers.facts import Item
from shop_r1.shoppers.persona import Bools, Floats
from shop_r1.shoppers.situation import Shares
from shop_r1.shoppers.wandering import phrases
from shop_r1.shoppers.wandering.course import Course
from shop_r1.shoppers.wandering.people import Wanderers, Wants

_AT_EASE = 8  # ours: shoppers of so much patience have time
_HURRIED_PATIENCE = 3  # ours: effort at most
SLOW_DAYS = 7
"""So many days of delivery put off the hurried. Ours."""
GLANCE = 1.05
"""In a list, prices up to this factor over the budget are still looked at. Ours."""
Wish = Literal["opening", "full"]
"""A search for what is wanted: as the shopper first puts it, or with all of its words."""


@dataclass(frozen=True, slots=True)
class View:
    """What a page lets a shopper see of its want; all else of the want does not matter there."""

    department: str = ""
    """The wanted kind's department, where departments can be chosen."""
    noun: str = ""
    """The wanted kind, where kinds can be chosen."""
    matches: tuple[int, ...] = ()
    """For each item of a list, how many of the wanted words its title has; -1 where it is another kind."""
    unsaid: bool = False
    """Whether the last query left a wanted word out."""


class Scene(Shares):
    """What the rules read, and the choices they make.

    Attributes:
        noun: the kind of product that the page is about; empty where it is about none.
        budget: (P,) the most that each pays for that kind, in cents.
        spent: (P,) who has made all the effort that it cares to make.
        at_ease: (P,) who has time: they read, try and compare more.
        is_hurried: (P,) who cannot wait `SLOW_DAYS` for a delivery.
        wishes: searches for the want: which, (P,) how likely each persona makes it, and why.
    """

    def __init__(self, course: Course, crowd: Wanderers, view: View, wants: Wants) -> None:
        super().__init__(course.page, len(crowd))
        self.course, self.crowd, self.view, self.wants = course, crowd, view, wants
        self.noun = self._noun()
        self.budget: Floats = (
            wants.budget_cents(self.noun, crowd.budget) if self.noun else np.full(len(crowd), np.inf)
        )
        self.spent: Bools = crowd.patience <= course.effort
        self.at_ease: Bools = crowd.patience >= _AT_EASE
        self.is_hurried: Bools = crowd.patience <= _HURRIED_PATIENCE
        self.adds_at_the_end: Bools = np.isin(crowd.manner, list(phrases.AT_THE_END))
        self.wishes: list[tuple[Wish, Floats, str]] = []

    def _noun(self) -> str:
        if self.page.kind == "results":
            return phrases.noun_of(self.page.query, self.wants.kinds)
        last = self.page.slug.rsplit("-", 1)[-1]
        return last if last in self.wants.kinds else ""

    @property
    def required(self) -> tuple[str, ...]:
        """The attribute words of the query."""
        known = self.wants.attributes.get(self.noun, frozenset())
        return tuple(word for word in self.course.query if word in known)

    def wish(self, kind: Wish, share: Floats | float, when: Bools | bool, rationale: str) -> None:
        """Search for what is wanted; in one's first words where nothing was searched for yet."""
        is_new = kind == "full" or not self.course.queries
        if self.page.search_field is not None and is_new:
            part: Floats = self._left * share * when
            self.wishes.append((kind, part, rationale))
            self._left = np.maximum(self._left - part, 0.0)

    def search(self, text: str, share: Floats | float, when: Bools | bool, rationale: str) -> None:
        """Search for these words, unless they were searched for before."""
        if self.page.search_field is not None and tuple(text.split()) not in self.course.queries:
            self.take(type_and_submit(self.page.search_field, text), share, when, rationale)

    def search_either(
        self, texts: Mapping[bool, str], share: Floats | float, when: Bools | bool, rationale: str
    ) -> None:
        """Search for the words of one's manner: by whether it adds to a query's end."""
        for at_the_end, text in texts.items():
            self.search(text, share, when & (self.adds_at_the_end == at_the_end), rationale)

    def fitting(self, items: Sequence[Item]) -> Bools:
        """Return which items each persona can pay, finds well rated enough and can have, (P, n)."""
        price = np.array([item.cost_cents for item in items])
        rating = np.array([item.stars for item in items])  # not a number where it is not shown
        in_stock = np.array([item.in_stock for item in items], dtype=bool)
        fits: Bools = price[None, :] <= self.budget[:, None] * GLANCE
        fits &= ~(rating[None, :] < self.crowd.rating_floor[:, None] - 0.1)
        fits &= in_stock[None, :]
        is_slow = np.array([(item.delivery_days or 0) >= SLOW_DAYS for item in items], dtype=bool)
        fits &= ~(self.is_hurried[:, None] & is_slow[None, :])
        return fits

    def pick(self, utility: Floats, among: Bools) -> Floats:
        """Return how likely each persona opens each of the items it may open, (P, n)."""
        utility = np.where(among, utility, -np.inf)
        peak = utility.max(axis=1, keepdims=True)
        weight: Floats = np.exp(utility - np.where(np.isfinite(peak), peak, 0.0))
        total = weight.sum(axis=1, keepdims=True)
        return weight / np.where(total > 0, total, 1.0)
