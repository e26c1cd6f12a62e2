"""A catalogue of invented products, the same for the same seed and with other brands for another."""

import math
import random
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import groupby

from shop_r1.errors import StoreError
from shop_r1.store.kinds import (
    BRANDS_PER_DEPARTMENT,
    CARE,
    COLOURS,
    DEPARTMENTS,
    KINDS,
    OPTION_VALUES,
    USES,
    Kind,
)
from shop_r1.store.reviews import Review, write_review

SIZE_RANGE = (len(KINDS) * 2, 12_000)
"""Fewest and most products. Beyond the upper end a kind runs short of distinct titles."""

# Brands are numbers spelled as onset, vowel, cluster, vowel, coda: "N-o-rd-a-l". Vowels separate the
# consonants, so two numbers never spell the same word.
_ONSETS = "bdfghjklmnprstvwyz"
_VOWELS = "aeiou"
_CLUSTERS = ("rd", "lm", "nd", "lv", "rv", "mb", "nt", "rn", "ld", "sk", "rt", "lt", "nk", "rl")
_CODAS = ("", "l", "n", "r", "s", "x", "m", "k")
_SPELLINGS = len(_ONSETS) * len(_VOWELS) * len(_CLUSTERS) * len(_VOWELS) * len(_CODAS)  # 50,400
_BRANDS = BRANDS_PER_DEPARTMENT * len(DEPARTMENTS)  # 48
_STRIDE = 19_483  # coprime to _SPELLINGS (= 2^5 * 3^2 * 5^2 * 7): names in a row of a block sound unlike
SEED_PERIOD = _SPELLINGS // _BRANDS
"""Seeds that differ modulo this number (1,050) share no brand."""


@dataclass(frozen=True, slots=True)
class Variety:
    """How much there is to look at on a product beside what its title says; the defaults are the demo's."""

    reviews: tuple[int, int] = (3, 9)
    """Fewest and most texts that customers wrote, where so many rated it."""
    has_all_options: bool = False
    """Whether every product comes in three colours, its title's first, and in sizes or packs."""


@dataclass(frozen=True)
class Product:
    """One product."""

    id: str
    """The title in lower case joined with hyphens; unique in its catalogue."""
    title: str
    """Brand, one to three attribute words, noun."""
    brand: str
    kind: str
    department: str
    attributes: tuple[str, ...]
    """The attribute words of the title, in the title's order."""
    price_cents: int
    rating: float
    """Average rating, 1.0 to 5.0, one decimal."""
    review_count: int
    """How many customers rated it; `reviews` holds the few that wrote a text."""
    options: Mapping[str, tuple[str, ...]]
    """None to two choices before buying, such as `Size`, each with 2 or 3 values, the first the default."""
    stock: int
    delivery_days: int
    """Working days until it arrives, 1 to 7."""
    delivery_cents: int
    sponsored: bool
    """Whether its brand pays for a place above the results."""
    best_seller: bool
    """Whether it has the most ratings of its kind."""
    description: str
    reviews: tuple[Review, ...]

    @property
    def popularity(self) -> float:
        """How high it stands where nothing was searched for: rating times log of the number of ratings."""
        return self.rating * math.log10(1 + self.review_count)


@dataclass(frozen=True)
class Catalogue:
    """All products of a store, in the order they were generated (by department, then kind)."""

    products: tuple[Product, ...]

    @cached_property
    def by_id(self) -> dict[str, Product]:
        """Products by their id."""
        return {product.id: product for product in self.products}

    @cached_property
    def brands(self) -> frozenset[str]:
        """Every brand that has a product."""
        return frozenset(product.brand for product in self.products)

    @cached_property
    def by_kind(self) -> dict[str, tuple[Product, ...]]:
        """Products by the noun of their kind."""
        return {kind: tuple(group) for kind, group in groupby(self.products, key=lambda p: p.kind)}


def slugify(text: str) -> str:
    """Return `text` as it stands in a URL.

    >>> slugify("Nordal Red Ceramic Mug")
    'nordal-red-ceramic-mug'
    """
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def generate_catalogue(seed: int, size: int = 1200, variety: Variety | None = None) -> Catalogue:
    """Return a catalogue of `size` products; equal arguments give equal catalogues.

    Catalogues whose seeds differ modulo `SEED_PERIOD` share no brand.

    Raises:
        StoreError: `size` is outside `SIZE_RANGE`.
    """
    if not SIZE_RANGE[0] <= size <= SIZE_RANGE[1]:
        raise StoreError(f"catalogue size {size}: expected {SIZE_RANGE[0]} to {SIZE_RANGE[1]} products")
    rng = random.Random(f"shop-r1 catalogue {seed}")
    brands = _brands_by_department(seed, rng)
    products: list[Product] = []
    for position, kind in enumerate(KINDS):
        count = size // len(KINDS) + (position < size % len(KINDS))
        products.extend(_generate_kind(rng, kind, brands[kind.department], count, variety or Variety()))
    return Catalogue(tuple(products))


def _brands_by_department(seed: int, rng: random.Random) -> dict[str, dict[str, float]]:
    """Return each department's brands with their quality, about -1 to 1: good brands cost and rate higher."""
    first = seed % SEED_PERIOD * _BRANDS
    names = [_spell((first + offset) * _STRIDE % _SPELLINGS) for offset in range(_BRANDS)]
    rng.shuffle(names)
    name = iter(names)
    return {
        department: {next(name): rng.uniform(-1, 1) for _ in range(BRANDS_PER_DEPARTMENT)}
        for department in DEPARTMENTS
    }


def _spell(number: int) -> str:
    word = ""
    for part in (_ONSETS, _VOWELS, _CLUSTERS, _VOWELS, _CODAS):
        number, index = divmod(number, len(part))
        word += part[index]
    return word.capitalize()


def _generate_kind(
    rng: random.Random, kind: Kind, brands: dict[str, float], count: int, variety: Variety
) -> Iterator[Product]:
    titles = _distinct_titles(rng, kind, list(brands), count)
    review_counts = [round(math.exp(rng.gauss(4.0, 1.4))) + 1 for _ in titles]
    best_seller = max(range(count), key=review_counts.__getitem__)
    for position, (brand, attributes) in enumerate(titles):
        title = " ".join((brand, *attributes, kind.noun))
        quality, review_count, is_best = brands[brand], review_counts[position], position == best_seller
        rating = round(min(5.0, max(1.0, rng.gauss(3.9 + 0.3 * quality + 0.2 * is_best, 0.55))), 1)
        yield Product(
            id=slugify(title),
            title=title,
            brand=brand,
            kind=kind.noun,
            department=kind.department,
            attributes=attributes,
            price_cents=_price_cents(rng, kind, quality),
            rating=rating,
            review_count=review_count,
            options=_all_options(kind, attributes) if variety.has_all_options else _options(kind, attributes),
            stock=rng.choices((0, rng.randint(1, 4), rng.randint(5, 200)), weights=(6, 8, 86))[0],
            delivery_days=rng.randint(1, 7),
            delivery_cents=rng.choices((0, 299, 499), weights=(55, 25, 20))[0],
            sponsored=rng.random() < 0.08,
            best_seller=is_best,
            description=f"{rng.choice(USES[kind.department])}, {rng.choice(CARE)}.",
            reviews=tuple(
                write_review(rng, kind.noun.lower(), rating)
                for _ in range(min(review_count, rng.randint(*variety.reviews)))
            ),
        )


def _distinct_titles(
    rng: random.Random, kind: Kind, brands: list[str], count: int
) -> list[tuple[str, tuple[str, ...]]]:
    """Return `count` different (brand, attributes); seven in ten carry two attributes."""
    titles: dict[tuple[str, tuple[str, ...]], None] = {}
    while len(titles) < count:
        chosen = rng.choices(((1, 2), (0, 1), (0, 2), (1,), (0, 1, 2)), weights=(45, 15, 10, 15, 15))[0]
        attributes = tuple(rng.choice(kind.slots[slot]) for slot in chosen)
        titles[rng.choice(brands), attributes] = None
    return list(titles)


def _price_cents(rng: random.Random, kind: Kind, quality: float) -> int:
    """Return a price on the kind's range, log-uniform, pulled up by the brand's quality; ends in 49 or 99."""
    place = min(1.0, max(0.0, rng.random() * 0.75 + 0.125 * (1 + quality)))
    cents: float = kind.cheapest_cents * (kind.dearest_cents / kind.cheapest_cents) ** place
    return max(99, round(cents / 50) * 50 - 1)


def _all_options(kind: Kind, attributes: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    """Return three colours, the title's first, and the kind's sizes or packs; packs where it has neither."""
    _, colours, _ = kind.slots
    named = [colour for colour in colours if colour in attributes]
    own = named + [colour for colour in colours if colour not in named]
    option = kind.option or "Pack"
    options = {"Colour": tuple(own[:3])}
    if not set(OPTION_VALUES[option]) & set(attributes):
        options[option] = OPTION_VALUES[option]
    return options


def _options(kind: Kind, attributes: tuple[str, ...]) -> dict[str, tuple[str, ...]]:
    options = {}
    if not set(COLOURS) & set(attributes):
        _, colours, _ = kind.slots
        options["Colour"] = colours[:3]
    if kind.option and not set(OPTION_VALUES[kind.option]) & set(attributes):
        options[kind.option] = OPTION_VALUES[kind.option]
    return options
