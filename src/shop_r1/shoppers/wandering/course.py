"""What the visit so far says to a wandering shopper: all that its rule knows of the past."""

from collections.abc import Sequence
from dataclasses import dataclass

from shop_r1.records.sessions import Page, Step
from shop_r1.shoppers.facts import PageFacts, read_page
from shop_r1.shoppers.subtypes import subtype

_OPTION_GROUPS = ("size", "pack", "colour")


@dataclass(frozen=True, slots=True)
class Opened:
    """A product whose page was open before."""

    slug: str
    cost_cents: int
    """With delivery."""
    rating: float | None
    """None where its page does not say."""


@dataclass(frozen=True)
class Course:
    """The page before the shopper and what came earlier."""

    page: PageFacts
    steps: int
    """How many actions so far."""
    last: str
    """The last action's subtype; empty before the first."""
    last_name: str
    """The name that it was about; empty where it was about none."""
    last_text: str
    """What was typed there; empty where nothing was."""
    kinds: tuple[str, ...]
    """The subtypes of all actions so far."""
    queries: tuple[tuple[str, ...], ...]
    """The words of each search so far, in order."""
    opened: tuple[Opened, ...]
    """Products whose page was left before the present one, in order, each once."""
    reviewed: frozenset[str]
    """Slugs of the products whose reviews were read."""
    tried: frozenset[str]
    """Slugs of the products on which options were tried."""
    combinations: frozenset[frozenset[str]]
    """The options that were chosen together on the present product, now or before."""
    departments: tuple[str, ...]
    """The departments seen on earlier pages."""
    in_cart: bool
    """Whether something was put in the cart."""

    @property
    def effort(self) -> int:
        """Searches, products opened and pages of results turned."""
        return len(self.queries) + len(self.opened) + self.kinds.count("page_related")

    @property
    def query(self) -> tuple[str, ...]:
        """The words searched for, on this page or last."""
        return self.page.query or (self.queries[-1] if self.queries else ())

    @property
    def groups(self) -> tuple[tuple[tuple[str, str], ...], ...]:
        """The product's options, group by group: label and name of each value."""
        found: dict[str, list[tuple[str, str]]] = {}
        for element in self.page.elements:
            group, _, value = element.name.partition(".")
            if value and group in _OPTION_GROUPS:
                found.setdefault(group, []).append((element.label, element.name))
        return tuple(map(tuple, found.values()))


def read_course(history: Sequence[Step], page: Page) -> Course:
    """Return what the steps so far and the page that they led to say."""
    present = read_page(page.url, page.html)
    earlier = [read_page(step.page.url, step.page.html) for step in history]
    kinds = tuple(map(subtype, history))
    opened: dict[str, Opened] = {}
    for facts in earlier:
        if facts.kind == "product" and facts.slug != present.slug:
            opened[facts.slug] = Opened(facts.slug, facts.price_cents + facts.delivery_cents, facts.rating)
    shown = [facts for facts in (*earlier, present) if facts.kind == "product" and facts.slug == present.slug]
    return Course(
        page=present,
        steps=len(history),
        last=kinds[-1] if kinds else "",
        last_name=history[-1].action.value("name") if history else "",
        last_text=history[-1].action.value("text") if history else "",
        kinds=kinds,
        queries=tuple(
            tuple(step.action.value("text").lower().split())
            for step, kind in zip(history, kinds, strict=True)
            if kind == "search"
        ),
        opened=tuple(opened.values()),
        reviewed=frozenset(facts.slug for facts in earlier if facts.kind == "reviews"),
        tried=frozenset(
            facts.slug for facts, kind in zip(earlier, kinds, strict=True) if kind == "product_option"
        ),
        combinations=frozenset(facts.selected for facts in shown),
        departments=tuple(facts.department for facts in earlier if facts.department),
        in_cart=any(step.action.value("name").endswith("add_to_cart") for step in history),
    )
