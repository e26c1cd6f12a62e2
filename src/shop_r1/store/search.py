"""Full-text search over a catalogue: SQLite FTS5 with BM25, then filters, sort and one sponsored place."""

import re
import sqlite3
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import islice

from shop_r1.store.catalogue import Catalogue, Product
from shop_r1.store.variants import Ranking

PRICE_BANDS = (10, 15, 25, 40, 60, 100, 150, 250)
"""Upper ends of the "Under $n" filters, in dollars."""
RATING_FLOOR = 4
"""Lower end of the rating filter, in stars."""
SORTS = {
    "relevance": "Relevance",
    "price-low": "Lowest price",
    "price-high": "Highest price",
    "rating": "Top rated",
}
"""Sort keys of the URL and their labels."""
MAX_QUERY_CHARACTERS = 200
MAX_QUERY_WORDS = 16

_STOP_WORDS = frozenset(
    ["a", "an", "and", "for", "i", "in", "is", "my", "of", "on", "or", "that", "the", "to", "with"]
)
_TITLE_WEIGHT, _DEPARTMENT_WEIGHT, _DESCRIPTION_WEIGHT = 10.0, 2.0, 1.0  # ours: the title says what it is
_CACHED_QUERIES = 2048
_SORT_KEYS: dict[str, Callable[[Product], float]] = {
    "price-low": lambda product: product.price_cents,
    "price-high": lambda product: -product.price_cents,
    "rating": lambda product: -product.rating,
}
_RANKING_KEYS: dict[Ranking, Callable[[Product], float]] = {
    "popularity": lambda product: -product.popularity,
    "price": _SORT_KEYS["price-low"],
    "rating": _SORT_KEYS["rating"],
}


@dataclass(frozen=True, slots=True)
class Search:
    """What a visitor asks for: words, filters (None: not set) and a sort key of `SORTS`."""

    words: tuple[str, ...] = ()
    department: str | None = None
    brand: str | None = None
    below_dollars: int | None = None
    min_rating: int | None = None
    sort: str = "relevance"


@dataclass(frozen=True, slots=True)
class Found:
    """All products that answer a search, best first, and the filters worth offering beside them."""

    products: tuple[Product, ...]
    sponsored: tuple[Product, ...]
    """The products whose first places are paid for, in order."""
    brands: tuple[str, ...]
    """Most frequent first."""
    bands: tuple[int, ...]
    """Price filters, in dollars; each keeps some of the matches and drops some."""


def query_words(query: str) -> tuple[str, ...]:
    """Return the distinct words to search for: letters and digits only, lower case, no stop words.

    The words of any query are safe inside a quoted FTS5 string. At most `MAX_QUERY_WORDS`
    words of the first `MAX_QUERY_CHARACTERS` characters are used. Stop words stay when there is nothing else.

    >>> query_words('a "red" mug OR NEAR(x*')
    ('red', 'mug', 'near', 'x')
    """
    words = list(dict.fromkeys(re.findall(r"[^\W_]+", query[:MAX_QUERY_CHARACTERS].lower())))
    content = [word for word in words if word not in _STOP_WORDS]
    return tuple((content or words)[:MAX_QUERY_WORDS])


class SearchIndex:
    """The searchable form of one catalogue; built once, held in memory, only read afterwards."""

    def __init__(
        self, catalogue: Catalogue, ranking: Ranking = "relevance", sponsored_places: int = 1
    ) -> None:
        """Build it; `ranking` and `sponsored_places` are as in `StoreVariant`."""
        self._products = catalogue.products
        self._ranking_key = _RANKING_KEYS.get(ranking)
        self._sponsored_places = sponsored_places
        # One event loop owns the index at a time; a test client may run that loop in another thread.
        self._connection = sqlite3.connect(":memory:", check_same_thread=False, cached_statements=8)
        self._connection.execute(
            "CREATE VIRTUAL TABLE products USING fts5(title, department, description, "
            "content='', tokenize='porter unicode61 remove_diacritics 2')"
        )
        self._connection.executemany(
            "INSERT INTO products(rowid, title, department, description) VALUES (?, ?, ?, ?)",
            ((row, p.title, p.department, p.description) for row, p in enumerate(self._products)),
        )
        self._connection.commit()
        self.rank = lru_cache(maxsize=_CACHED_QUERIES)(self._rank)
        first = self._ranking_key or _RANKING_KEYS["popularity"]
        self._unsearched = tuple(sorted(self._products, key=lambda p: (first(p), -p.popularity, p.id)))

    def find(self, search: Search) -> Found:
        """Return what answers `search`; without words, all products that pass the filters.

        These come in the order of the ranking, by relevance the popular ones first.
        """
        ranked = self.rank(search.words) if search.words else self._unsearched
        passing = [product for product in ranked if passes(product, search)]
        # Offers come from what would be there without a brand or a price chosen, so they stay in place.
        unbound = replace(search, brand=None, below_dollars=None)
        offering = [product for product in ranked if passes(product, unbound)]
        sponsored: tuple[Product, ...] = ()
        if search.sort in _SORT_KEYS:
            passing.sort(key=_SORT_KEYS[search.sort])  # stable: equals keep the order of relevance
        elif search.words:
            # The best sponsored matches in stock, of the kind that leads the results.
            paid = (p for p in passing if p.sponsored and p.stock and p.kind == passing[0].kind)
            sponsored = tuple(islice(paid, self._sponsored_places))
            first = {product.id for product in sponsored}
            passing.sort(key=lambda product: product.id not in first)
        return Found(
            tuple(passing), sponsored, _offer_brands(offering, search), _offer_bands(offering, search)
        )

    def _rank(self, words: tuple[str, ...]) -> tuple[Product, ...]:
        """Return the products that hold any of the words, those that hold more of them first, then by BM25.

        BM25 alone would let one rare word outweigh two frequent ones, and put partial matches first. Words
        are compared by their English stem. Ties go to the more popular product. Another ranking than by
        relevance takes the place of BM25.
        """
        quoted = [f'"{word}"' for word in words]
        holding = "SELECT rowid FROM products WHERE products MATCH ?"
        coverage = Counter(row for word in quoted for (row,) in self._connection.execute(holding, (word,)))
        rows = self._connection.execute(
            "SELECT rowid, bm25(products, ?, ?, ?) FROM products WHERE products MATCH ?",
            (_TITLE_WEIGHT, _DEPARTMENT_WEIGHT, _DESCRIPTION_WEIGHT, " OR ".join(quoted)),
        )
        # FTS5's score is negative, the better the lower.
        own = self._ranking_key
        keyed = sorted(
            (
                -coverage[row],
                own(self._products[row]) if own else round(score, 6),
                -self._products[row].popularity,
                row,
            )
            for row, score in rows
        )
        return tuple(self._products[row] for *_, row in keyed)


def passes(product: Product, search: Search) -> bool:
    """Return whether the product passes every filter that is set (words are not looked at)."""
    return (
        (search.department is None or product.department == search.department)
        and (search.brand is None or product.brand == search.brand)
        and (search.below_dollars is None or product.price_cents < search.below_dollars * 100)
        and (search.min_rating is None or product.rating >= search.min_rating)
    )


def _offer_brands(products: Sequence[Product], search: Search) -> tuple[str, ...]:
    if search.brand is not None:
        return (search.brand,)
    counts = Counter(product.brand for product in products)
    return tuple(brand for brand, _ in counts.most_common(1)) if len(counts) > 1 else ()


def _offer_bands(products: Sequence[Product], search: Search) -> tuple[int, ...]:
    if search.below_dollars is not None:
        return (search.below_dollars,)
    shares = {band: sum(p.price_cents < band * 100 for p in products) for band in PRICE_BANDS}
    useful = [band for band in PRICE_BANDS if 0 < shares[band] < len(products)]
    # The bands nearest to a third and two thirds of the matches narrow best.
    wanted = {
        min(useful, key=lambda b: abs(shares[b] - len(products) * part)) for part in (1 / 3, 2 / 3) if useful
    }
    return tuple(sorted(wanted))
