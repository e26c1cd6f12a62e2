"""Looks at a comparison under way: whether it is certain yet."""

from collections.abc import Mapping, Sequence

from shop_r1.comparison.analysis import Question, compare_versions
from shop_r1.records.comparisons import ShopperPlan, Stopping, VisitMeasures

LOOK_EVERY = 10
"""Shoppers between two looks. Ours: confidence sequences hold for any number."""


class Looks:
    """Looks at the primary metric after every `LOOK_EVERY` shoppers that have met all versions.

    Shoppers count in the order of the plan: those who end early are not like those who end late.
    """

    def __init__(self, plan: Sequence[ShopperPlan], question: Question) -> None:
        self._plan, self._question = plan, question
        self._looked_at = 0
        self.is_certain = False
        """Whether every version's interval of the primary metric leaves 0 out."""

    def look(self, visits: Mapping[tuple[str, str], VisitMeasures]) -> bool:
        """Return whether it is certain by now; `visits` are those that have ended."""
        complete = self.complete(visits)
        due = complete - complete % LOOK_EVERY
        if not self.is_certain and due > self._looked_at:
            self._looked_at = due
            primary = Question(**{**vars(self._question), "metrics": (self._question.primary,)})
            found = compare_versions(self._plan[:due], visits, primary)
            self.is_certain = all(each.finding in ("more", "less") for each in found.differences)
        return self.is_certain

    def complete(self, visits: Mapping[tuple[str, str], VisitMeasures]) -> int:
        """Return how many shoppers from the plan's first on have ended all their visits."""
        for count, each in enumerate(self._plan):
            if not all((each.user_id, version) in visits for version in each.order):
                return count
        return len(self._plan)

    def summary(self, visits: Mapping[tuple[str, str], VisitMeasures]) -> Stopping:
        """Return how it went."""
        return Stopping(
            look_every=LOOK_EVERY,
            is_certain=self.is_certain,
            shoppers=self.complete(visits),
            planned=len(self._plan),
        )
