"""Who wanders, and for what: hidden personas on a small grid and hidden wants, each with its prior."""

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import product

import numpy as np
from numpy.typing import NDArray

from shop_r1.shoppers.persona import DRIVEN, Bools, Floats, Market

MANNERS = ("plain", "noun first", "plural", "short", "cheap", "priced", "in", "that is", "long")
"""How a shopper puts its queries (`phrases`)."""

# Value -> prior, all ours: tuned so that the crowd's statistics come near OPeRA's (docs/crowd.md).
_DRIVES = {(0.5, 0.5): 0.5, (5.0, 0.5): 0.28, (0.5, 4.0): 0.22}  # (price weight, quality weight)
_BUDGETS = {5.0: {0.35: 0.3, 0.6: 0.4, 0.95: 0.3}, 0.5: {0.35: 0.05, 0.6: 0.25, 0.95: 0.7}}
_PATIENCE = {2: 0.3, 4: 0.3, 8: 0.2, 16: 0.2}
_SIZES = {0: 0.4, 1: 0.2, 2: 0.2, 3: 0.2}
_MANNERS = dict(zip(MANNERS, (0.22, 0.08, 0.16, 0.04, 0.03, 0.03, 0.16, 0.1, 0.18), strict=True))
LIMITED = {"cheap": 0.35, "priced": 0.6}
"""Manners that say a price: those who put it so are driven by price and have this budget."""
_RATING_FLOOR, _HIGH_RATING_FLOOR = 3.6, 4.1


@dataclass(frozen=True, slots=True)
class Wanderer:
    """One wandering shopper's hidden character."""

    manner: str
    """How it puts its queries, one of `MANNERS`."""
    budget: float
    """The most it pays, as a place on the kind's usual prices (0 cheapest, 1 dearest, log scale)."""
    price_weight: float
    """How much a high price puts it off, in nats over the whole range of prices."""
    quality_weight: float
    """How much one star of rating draws it, in nats."""
    patience: int
    """How much effort it makes (`Course.effort`) before it has enough."""
    size: int
    """Which value of a size or a pack fits it, from 1; 0 where it takes any."""


class Wanderers:
    """Personas side by side, so that the choice rule weighs all of them at once; each array is (P,)."""

    def __init__(self, personas: Sequence[Wanderer], prior: Floats) -> None:
        self.personas, self.prior = personas, prior
        self.manner: NDArray[np.int_] = np.array([MANNERS.index(person.manner) for person in personas])
        self.budget: Floats = np.array([person.budget for person in personas])
        self.price_weight: Floats = np.array([person.price_weight for person in personas])
        self.quality_weight: Floats = np.array([person.quality_weight for person in personas])
        self.patience: NDArray[np.int_] = np.array([person.patience for person in personas])
        self.size: NDArray[np.int_] = np.array([person.size for person in personas])
        self.price_driven: Bools = self.price_weight > DRIVEN
        self.quality_driven: Bools = self.quality_weight > DRIVEN
        self.rating_floor: Floats = np.where(self.quality_driven, _HIGH_RATING_FLOOR, _RATING_FLOOR)

    def __len__(self) -> int:
        return len(self.personas)


@lru_cache(maxsize=1)
def wanderer_grid() -> Wanderers:
    """Return every persona (1,040) with its prior."""
    personas, prior = [], []
    for manner, said in _MANNERS.items():
        for (prices, qualities, budget), character in _characters(manner).items():
            for patience, size in product(_PATIENCE, _SIZES):
                prior.append(said * character * _PATIENCE[patience] * _SIZES[size])
                personas.append(Wanderer(manner, budget, prices, qualities, patience, size))
    return Wanderers(personas, np.array(prior))


def _characters(manner: str) -> dict[tuple[float, float, float], float]:
    """Return (price weight, quality weight, budget) -> share, of shoppers of this manner."""
    if manner in LIMITED:
        return {(5.0, 0.5, LIMITED[manner]): 1.0}
    return {
        (prices, qualities, budget): share * part
        for (prices, qualities), share in _DRIVES.items()
        for budget, part in _BUDGETS[prices].items()
    }


@dataclass(frozen=True, slots=True)
class Want:
    """What a shopper has in mind, in lower-case words; a word may be empty, but not all three."""

    noun: str
    """The kind of product."""
    department: str
    """Where the store has it, as addresses spell it."""
    feature: str
    colour: str
    material: str
    cheapest_cents: int
    """Where the shopper thinks this kind's prices begin."""
    dearest_cents: int
    """Where the shopper thinks they end."""

    @property
    def words(self) -> tuple[str, ...]:
        """The attribute words, in the order of English."""
        return tuple(filter(None, (self.feature, self.colour, self.material)))


# (feature, colour, material) wanted or not -> share, ours.
_PATTERNS = {
    (True, False, False): 0.04,
    (False, True, False): 0.04,
    (False, False, True): 0.04,
    (True, True, False): 0.15,
    (False, True, True): 0.17,
    (True, False, True): 0.12,
    (True, True, True): 0.44,
}
_PLACES = (0.34, 0.22, 0.16, 0.12, 0.09, 0.07)  # ours: how much each of a department's kinds is wanted


class Wants:
    """What there is to want in a market: every want with its prior, and what shoppers know of each kind."""

    def __init__(self, market: Market) -> None:
        self.kinds = {kind.noun.lower(): kind for kind in market.kinds}
        self.attributes: Mapping[str, frozenset[str]] = {
            noun: frozenset(word.lower() for slot in kind.slots for word in slot)
            for noun, kind in self.kinds.items()
        }

    @cached_property
    def all(self) -> tuple[tuple[Want, ...], Floats]:
        """Every want and its prior, (I,); the priors sum to 1."""
        pairs = [pair for noun in self.kinds for pair in self._of(noun)]
        shares = np.array([share for _, share in pairs])
        return tuple(want for want, _ in pairs), shares / shares.sum()

    def _of(self, noun: str) -> Iterator[tuple[Want, float]]:
        kind = self.kinds[noun]
        department = kind.department.lower()
        beside = [other for other in self.kinds.values() if other.department == kind.department]
        weight = _PLACES[min(beside.index(kind), len(_PLACES) - 1)]
        for pattern, share in _PATTERNS.items():
            slots = [slot if wanted else ("",) for slot, wanted in zip(kind.slots, pattern, strict=True)]
            combinations = list(product(*slots))
            for words in combinations:
                feature, colour, material = (word.lower() for word in words)
                want = Want(noun, department, feature, colour, material, *self.price_range(noun))
                yield want, weight * share / len(combinations)

    def draw(self, rng: random.Random) -> tuple[Wanderer, Want]:
        """Return a persona and a want drawn from their priors."""
        crowd = wanderer_grid()
        wants, shares = self.all
        persona = rng.choices(crowd.personas, weights=crowd.prior.tolist())[0]
        return persona, rng.choices(wants, weights=shares.tolist())[0]

    def budget_cents(self, noun: str, place: Floats) -> Floats:
        """Return the prices, in cents, at places of this kind's usual range (log scale)."""
        low, high = self.price_range(noun)
        return np.asarray(low * (high / low) ** place, dtype=np.float64)

    def price_range(self, noun: str) -> tuple[int, int]:
        """Return where the kind's usual prices begin and end, in cents."""
        kind = self.kinds[noun]
        return kind.cheapest_cents, kind.dearest_cents
