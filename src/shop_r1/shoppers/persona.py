"""Who shops, and for what: hidden personas on a small grid, and intents, each with its prior."""

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import compress, product
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
"""(P,) one number per persona."""
Bools = NDArray[np.bool_]
"""(P,) for which personas something holds."""


class _Kind(Protocol):
    """A kind of product as shoppers know it; `store.kinds.Kind`, which says what each is, is one."""

    @property
    def noun(self) -> str: ...

    @property
    def department(self) -> str: ...

    @property
    def slots(self) -> tuple[tuple[str, ...], ...]: ...

    @property
    def option(self) -> str: ...

    @property
    def cheapest_cents(self) -> int: ...

    @property
    def dearest_cents(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Persona:
    """One shopper's hidden character."""

    budget: float
    """The most it pays, as a place on the kind's usual prices (0 cheapest, 1 dearest, log scale)."""
    price_weight: float
    """How much a high price puts it off, in nats over the whole range of prices."""
    quality_weight: float
    """How much one star of rating draws it, in nats."""
    patience: int
    """How many searches it makes at most."""
    loyal: bool
    """Whether it searches again for a brand whose product it liked."""
    reads_reviews: bool
    """Whether it reads reviews before it buys."""
    careful: bool
    """Whether it goes by way of the cart instead of buying now."""


DRIVEN = 1
"""Price, or rating, matters much to shoppers with a higher weight on it. Ours."""
# Value -> prior, all ours: tuned so that the crowd's mix of actions comes near the paper's (docs/crowd.md).
_DRIVES = {(0.5, 0.5): 0.56, (5.0, 0.5): 0.22, (0.5, 4.0): 0.22}  # (price weight, quality weight)
# By price weight.
_BUDGETS = {5.0: {0.2: 0.55, 0.45: 0.35, 0.9: 0.1}, 0.5: {0.2: 0.08, 0.45: 0.27, 0.9: 0.65}}
_PATIENCE = {2: 0.2, 3: 0.65, 4: 0.15}
_LOYAL = {False: 0.75, True: 0.25}
_READS_REVIEWS = {False: 0.85, True: 0.15}
_CAREFUL = {False: 0.93, True: 0.07}


class Crowd:
    """Personas side by side, so that the choice rule weighs all of them at once.

    `prior` is (P,), the personas' shares, summing to 1; each of the other arrays, (P,) too, is what `Persona`
    has under the same name, or for whom price or rating matters much.
    """

    budget: Floats
    price_weight: Floats
    quality_weight: Floats
    patience: NDArray[np.int_]
    loyal: Bools
    reads_reviews: Bools
    careful: Bools

    def __init__(self, personas: Sequence[Persona], prior: Floats) -> None:
        self.personas, self.prior = personas, prior
        for name in Crowd.__annotations__:
            setattr(self, name, np.array([getattr(persona, name) for persona in personas]))
        self.price_driven: Bools = self.price_weight > DRIVEN
        self.quality_driven: Bools = self.quality_weight > DRIVEN

    def __len__(self) -> int:
        return len(self.personas)


@lru_cache(maxsize=1)
def persona_grid() -> Crowd:
    """Return every persona (216) with its prior."""
    personas, prior = [], []
    for (price_weight, quality_weight), drive in _DRIVES.items():
        budgets = _BUDGETS[price_weight]
        traits = product(budgets, _PATIENCE, _LOYAL, _READS_REVIEWS, _CAREFUL)
        for budget, patience, loyal, reads, careful in traits:
            share = _PATIENCE[patience] * _LOYAL[loyal] * _READS_REVIEWS[reads] * _CAREFUL[careful]
            prior.append(drive * budgets[budget] * share)
            personas.append(Persona(budget, price_weight, quality_weight, patience, loyal, reads, careful))
    return Crowd(personas, np.array(prior))


@dataclass(frozen=True, slots=True)
class Intent:
    """What a shopper came for, in lower-case words."""

    noun: str
    """The kind of product."""
    wanted: tuple[str, ...]
    """One to three attribute words, in the order of English."""
    option: str
    """The option value to choose (`large`, `pair`), or empty for any."""
    cheapest_cents: int
    """Where the shopper thinks this kind's prices begin."""
    dearest_cents: int
    """Where the shopper thinks they end."""

    def budget_cents(self, place: Floats) -> Floats:
        """Return the prices, in cents, at places of this kind's usual range (log scale)."""
        ratio = self.dearest_cents / self.cheapest_cents
        return np.asarray(self.cheapest_cents * ratio**place, dtype=np.float64)


OPTION_VALUES = {"Size": ("small", "medium", "large"), "Pack": ("single", "pair", "set")}
_OPTION_WANTED = 0.12  # ours: share of intents that name an option value where the kind has options
# (feature, colour, material) wanted or not -> share. Ours: mostly two words, as in real queries.
_PATTERNS = {
    (False, True, True): 0.16,
    (True, True, False): 0.18,
    (True, False, True): 0.14,
    (False, True, False): 0.04,
    (True, True, True): 0.48,
}


def intents_of(kind: _Kind) -> Iterator[tuple[Intent, float]]:
    """Yield every intent for one kind of product with its share among them; the shares sum to 1."""
    options = {"": 1.0}
    if kind.option:
        values = OPTION_VALUES[kind.option]
        options = {"": 1 - _OPTION_WANTED} | {value: _OPTION_WANTED / len(values) for value in values}
    for pattern, share in _PATTERNS.items():
        combinations = list(product(*compress(kind.slots, pattern)))
        for words in combinations:
            wanted = tuple(word.lower() for word in words)
            for option, option_share in options.items():
                intent = Intent(kind.noun.lower(), wanted, option, kind.cheapest_cents, kind.dearest_cents)
                yield intent, share / len(combinations) * option_share


@dataclass(frozen=True)
class Market:
    """What shoppers know before they come: the kinds of product that exist, each as likely to be wanted."""

    kinds: Sequence[_Kind]

    @cached_property
    def by_noun(self) -> dict[str, list[tuple[Intent, float]]]:
        """For each noun its intents with their priors over the whole market."""
        return {
            kind.noun.lower(): [(intent, share / len(self.kinds)) for intent, share in intents_of(kind)]
            for kind in self.kinds
        }

    def draw(self, rng: random.Random) -> tuple[Persona, Intent]:
        """Return a persona and an intent drawn from their priors."""
        crowd = persona_grid()
        persona = rng.choices(crowd.personas, weights=crowd.prior.tolist())[0]
        intents, shares = zip(*self.by_noun[rng.choice(self.kinds).noun.lower()], strict=True)
        return persona, rng.choices(intents, weights=shares)[0]
