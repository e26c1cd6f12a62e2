"""A shopper of one plain rule for any of the environments: search, buy the first product that fits.

It reads the labels of links and buttons, so it works on simplified pages and on accessibility trees.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

_WISH = re.compile(r"Buy (?:an? )?([a-z ]+?)(?: \(([a-z]+)\))?, for at most \$([\d,.]+) with delivery\.")
_PRICE = re.compile(r"\$([\d,]+\.\d\d)")
_DELIVERY = re.compile(r"Delivery \$([\d,]+\.\d\d)")


@dataclass(frozen=True)
class Move:
    """What it does next."""

    kind: Literal["search", "click", "leave"]
    why: str
    handle: str = ""
    """Of the element: what the page's reader called it."""
    text: str = ""
    """What is searched for."""


@dataclass
class GreedyShopper:
    """One visit's shopper; `wish` is the sentence that says what to buy."""

    wish: str
    tried: set[str] = field(default_factory=set)
    """Labels of products that were looked at, and of options that were chosen."""
    has_searched: bool = False

    def __post_init__(self) -> None:
        match = _WISH.search(self.wish)
        if match is None:
            raise ValueError(
                f"{self.wish!r} has no wish such as 'Buy a red mug, for at most $9 with delivery.'"
            )
        self.query, self.option, price = match[1], match[2] or "", match[3]
        self.budget = float(price.replace(",", ""))

    def move(self, elements: Sequence[tuple[str, str]], search: str, text: str) -> Move:
        """Return what to do on a page with these (handle, label) pairs, this search field and this text."""
        labels = {label.lower(): handle for handle, label in elements}
        if "place order" in labels:
            return Move("click", "It is what I wanted.", labels["place order"])
        if not self.has_searched:
            self.has_searched = True
            return Move("search", f"I look for {self.query}.", search, self.query)
        if "buy now" in labels and self._is_affordable(text):
            if self.option and self.option in labels and self.option not in self.tried:
                self.tried.add(self.option)
                return Move("click", f"I want {self.option}.", labels[self.option])
            return Move("click", "It fits.", labels["buy now"])
        for handle, label in elements:
            if set(self.query.split()) <= set(label.lower().split()) and label not in self.tried:
                self.tried.add(label)
                return Move("click", "It has all the words.", handle)
        return self._go_back(text, labels, search)

    def _go_back(self, text: str, labels: dict[str, str], search: str) -> Move:
        """Return to the results from a product, turn their page, or give up."""
        if "buy now" in labels or "results for" not in text.lower():
            return Move("search", "I look at the results again.", search, self.query)
        if "next" in labels and len(self.tried) < 20:
            self.tried.add(f"page {len(self.tried)}")
            return Move("click", "I look further.", labels["next"])
        return Move("leave", "Nothing fits.")

    def _is_affordable(self, text: str) -> bool:
        price, delivery = _PRICE.search(text), _DELIVERY.search(text)
        if price is None:
            return False
        paid = [float(found[1].replace(",", "")) for found in (price, delivery) if found is not None]
        return sum(paid) <= self.budget
