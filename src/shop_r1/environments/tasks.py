"""Tasks: who shops, for what, and when the goal is reached."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from shop_r1.comparison.measures import GOALS, measure_visit
from shop_r1.config import suggest
from shop_r1.errors import ConfigError
from shop_r1.patterns import is_pattern
from shop_r1.records.actions import terminate
from shop_r1.records.sessions import Page, Step
from shop_r1.shoppers.persona import DRIVEN, Intent, Market, Persona
from shop_r1.shoppers.wording import count, money, thing
from shop_r1.store.catalogue import Catalogue, Product
from shop_r1.store.kinds import KINDS
from shop_r1.store.visitors import Bill, Visitor

FITTING = "fitting_purchase"
"""The goal of buying what was asked for: a product of this kind with these words and this option, the whole
bill within the budget."""
_MARKET = Market(KINDS)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What fits a shopper's intent."""

    noun: str
    words: tuple[str, ...]
    """Attribute words, in lower case, all of which the title has to hold."""
    option: str
    """The option's value, in lower case; empty for any."""
    budget_cents: int
    """For the whole bill, delivery included."""

    def is_met_by(self, product: Product, options: Sequence[str]) -> bool:
        """Return whether a product, with these chosen values, is what is wanted; its price apart."""
        chosen = {value.lower() for value in options}
        held = {word.lower() for word in product.attributes}
        return (
            product.kind.lower() == self.noun
            and held.issuperset(self.words)
            and (not self.option or self.option in chosen)
        )

    def is_bought_in(self, bill: Bill) -> bool:
        """Return whether a bill has it and is within the budget."""
        has = any(self.is_met_by(line.product, line.options) for line in bill.lines)
        return has and bill.total_cents <= self.budget_cents

    def found_in(self, catalogue: Catalogue) -> list[Product]:
        """Return the products in stock that can be bought to meet it, the cheapest with delivery first."""
        fitting = [
            product
            for product in catalogue.products
            if product.stock
            and product.price_cents + product.delivery_cents <= self.budget_cents
            and self.is_met_by(product, [value for values in product.options.values() for value in values])
        ]
        return sorted(fitting, key=lambda product: product.price_cents + product.delivery_cents)


@dataclass(frozen=True, slots=True)
class ShopTask:
    """One task: texts that an agent is told, and what counts as reaching its goal."""

    persona: str
    intent: str
    goal: str = FITTING
    """`FITTING`, one of `comparison.measures.GOALS`, or an address with `*`."""
    wanted: Wanted | None = None
    """None where the intent is a text of somebody's own; its goal is then not `FITTING`."""
    number: int | None = None
    """What it was drawn by; None for one of somebody's own."""

    @property
    def text(self) -> str:
        """What an agent is told: who it is and what it came for."""
        return f"{self.persona}\n{self.intent}".strip()

    def is_reached(self, steps: Sequence[Step], page: Page, outcome: str, bill: Bill | None) -> bool:
        """Return whether the goal is reached after these steps, on this page.

        `outcome` is of the visit, empty while it goes on; `bill` is what was bought, None for nothing.
        """
        if self.goal == FITTING:
            assert self.wanted is not None
            return outcome == "purchase" and bill is not None and self.wanted.is_bought_in(bill)
        seen = [*steps, Step(page=page, action=terminate())]  # the metrics read the pages of steps
        return measure_visit("shopper", "store", seen, outcome, self.goal).goal


def draw_task(number: int, catalogue: Catalogue, goal: str = FITTING) -> ShopTask:
    """Return the task of this number: a shopper of the focused crowd whose wish this catalogue can meet.

    Persona and intent come from the crowd's priors; those for whom nothing fits are drawn anew.

    Raises:
        ConfigError: there is no such goal.
    """
    check_goal(goal)
    rng = random.Random(f"shop-r1 task {number}")
    while True:
        persona, intent = _MARKET.draw(rng)
        wanted = want(persona, intent)
        if wanted.found_in(catalogue):
            return ShopTask(describe_persona(persona), describe_wish(wanted), goal, wanted, number)


def own_task(drawn: ShopTask, persona: str | None, intent: str | None) -> ShopTask:
    """Return a drawn task with a persona or an intent of somebody's own in place of the drawn one.

    What fits an intent of somebody's own is not known, so its goal is any purchase where it was `FITTING`.
    """
    task = drawn if persona is None else replace(drawn, persona=persona.strip())
    if intent is None:
        return task
    goal = "purchase" if task.goal == FITTING else task.goal
    return replace(task, intent=intent.strip(), goal=goal, wanted=None, number=None)


def check_goal(goal: str) -> None:
    """Raise a ConfigError where a goal is neither a name that is known nor an address with `*`."""
    if goal not in (FITTING, *GOALS) and not is_pattern(goal):
        problem = suggest(goal, [FITTING, *GOALS])
        raise ConfigError(f"goal {goal!r} is unknown; {problem}, or an address with *, such as */order/*")


def want(persona: Persona, intent: Intent) -> Wanted:
    """Return what fits: the intent's words and option, within the persona's budget."""
    budget = int(intent.budget_cents(np.array(persona.budget)))
    return Wanted(intent.noun, intent.wanted, intent.option, budget)


def describe_persona(persona: Persona) -> str:
    """Return who a shopper of the focused crowd is, in plain sentences.

    >>> print(describe_persona(Persona(0.45, 5.0, 0.5, 3, False, True, False)))
    You care most about a low price. You search at most 3 times. You read reviews before you buy.
    """
    drives = {
        "a low price": persona.price_weight > DRIVEN,
        "good ratings": persona.quality_weight > DRIVEN,
    }
    traits = [f"You care most about {what}." for what, is_driven in drives.items() if is_driven]
    traits.append(f"You search at most {count(persona.patience, 'time')}.")
    habits = {
        "You stay with a brand that you like.": persona.loyal,
        "You read reviews before you buy.": persona.reads_reviews,
        "You buy by way of the cart.": persona.careful,
    }
    return " ".join([*traits, *(habit for habit, has in habits.items() if has)])


def describe_wish(wanted: Wanted) -> str:
    """Return what is wanted, in one sentence.

    >>> print(describe_wish(Wanted("mug", ("red", "ceramic"), "pair", 1480)))
    Buy a red ceramic mug (pair), for at most $14.80 with delivery.
    """
    option = f" ({wanted.option})" if wanted.option else ""
    what = thing((*wanted.words, wanted.noun))
    return f"Buy {what}{option}, for at most {money(wanted.budget_cents)} with delivery."


def bought_by(visitor: Visitor | None) -> Bill | None:
    """Return what the visitor is about to buy, else what it ordered last; None for neither.

    "Buy now" ends a visit at the checkout, before the order is placed.
    """
    if visitor is None:
        return None
    if visitor.cart:
        return visitor.bill
    return visitor.orders[max(visitor.orders)] if visitor.orders else None
