import math
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shop_r1.store.catalogue import Catalogue, Product
from shop_r1.store.search import MAX_QUERY_WORDS, PRICE_BANDS, Search, SearchIndex, passes, query_words
from shop_r1.store.variants import Ranking


def _columns(product: Product) -> list[list[str]]:
    texts = (product.title, product.department, product.description)
    return [text.lower().replace(",", " ").replace(".", " ").split() for text in texts]


def _bm25(catalogue: Catalogue, word: str) -> dict[str, float]:
    """BM25 as SQLite's documentation states it (k1 = 1.2, b = 0.75, a weight per column)."""
    documents = {p.id: _columns(p) for p in catalogue.products}
    lengths = {key: sum(map(len, columns)) for key, columns in documents.items()}
    average = sum(lengths.values()) / len(lengths)
    holding = [key for key, columns in documents.items() if any(word in column for column in columns)]
    idf = math.log((len(documents) - len(holding) + 0.5) / (len(holding) + 0.5))
    scores = {}
    for key in holding:
        frequency = sum(w * column.count(word) for w, column in zip((10, 2, 1), documents[key], strict=True))
        scores[key] = idf * frequency * 2.2 / (frequency + 1.2 * (1 - 0.75 + 0.75 * lengths[key] / average))
    return scores


@pytest.mark.parametrize("word", ["mug", "red", "leather", "lamp"])
def test_one_word_finds_and_ranks_as_bm25_computed_by_hand(
    catalogue: Catalogue, index: SearchIndex, word: str
) -> None:
    expected = _bm25(catalogue, word)
    found = index.rank((word,))
    assert {p.id for p in found} == set(expected)
    scores = [expected[p.id] for p in found]
    assert all(before >= after - 1e-5 for before, after in pairwise(scores))


def test_products_with_all_words_come_before_those_with_some(
    catalogue: Catalogue, index: SearchIndex
) -> None:
    for kind, products in catalogue.by_kind.items():
        word = Counter(word for p in products for word in p.attributes).most_common(1)[0][0]
        found = index.rank((word.lower(), kind.lower()))
        held = [len({word, kind} & {*p.attributes, p.kind}) for p in found]
        assert held == sorted(held, reverse=True)
        assert held.count(2) >= 2 and 1 in held


def test_an_exact_title_is_found_first(catalogue: Catalogue, index: SearchIndex) -> None:
    for product in catalogue.products[::60]:
        found = index.rank(query_words(product.title))
        longer = {p.id for p in catalogue.products if set(product.title.split()) <= set(p.title.split())}
        assert found[0].id in longer and product.id in [p.id for p in found[: len(longer)]]


def test_plural_and_case_do_not_matter(index: SearchIndex) -> None:
    assert index.rank(query_words("RED Mugs")) == index.rank(query_words("red mug"))


def test_stop_words_are_left_out_unless_alone() -> None:
    assert query_words("a mug for the office") == ("mug", "office")
    assert query_words("the") == ("the",)


_SYNTAX = st.lists(
    st.sampled_from([*"\"*^:(){}-+~'\x00\\_ ", "NEAR(", " AND ", " OR ", " NOT ", "mug", "title:"])
).map("".join)


@settings(max_examples=300, deadline=None)
@given(st.text(max_size=300) | _SYNTAX)
def test_no_query_breaks_the_index(index: SearchIndex, query: str) -> None:
    words = query_words(query)
    assert len(words) <= MAX_QUERY_WORDS
    found = index.find(Search(words=words))
    assert len({p.id for p in found.products}) == len(found.products)


@pytest.mark.parametrize(
    "query", ["", " ", '"', "\x00", "***", "()", "'; DROP TABLE products; --", "x" * 100_000, "\ud800"]
)
def test_hostile_queries_are_answered(index: SearchIndex, query: str) -> None:
    index.find(Search(words=query_words(query)))
    assert index.rank(("mug",))


_SEARCHES = st.builds(
    Search,
    words=st.sampled_from([(), ("red",), ("mug", "ceramic"), ("wireless", "mouse"), ("nothinglikethis",)]),
    department=st.sampled_from([None, "Kitchen", "Toys"]),
    below_dollars=st.sampled_from([None, *PRICE_BANDS]),
    min_rating=st.sampled_from([None, 4]),
    sort=st.sampled_from(["relevance", "price-low", "price-high", "rating"]),
)


@settings(max_examples=60, deadline=None)
@given(_SEARCHES)
def test_filters_drop_exactly_what_they_say_and_sorts_only_reorder(
    index: SearchIndex, search: Search
) -> None:
    unfiltered = index.find(Search(words=search.words)).products
    found = index.find(search)
    assert {p.id for p in found.products} == {p.id for p in unfiltered if passes(p, search)}
    for product in found.products:
        assert search.below_dollars is None or product.price_cents / 100 < search.below_dollars
        assert search.min_rating is None or product.rating >= 4
    keys: dict[str, list[int] | list[float]] = {
        "price-low": [p.price_cents for p in found.products],
        "price-high": [-p.price_cents for p in found.products],
        "rating": [-p.rating for p in found.products],
    }
    if search.sort in keys:
        assert all(one <= next_one for one, next_one in pairwise(keys[search.sort])) and not found.sponsored


def test_a_paid_place_is_first_labelled_in_stock_and_not_repeated(
    catalogue: Catalogue, index: SearchIndex
) -> None:
    paid = 0
    for kind in catalogue.by_kind:
        found = index.find(Search(words=(kind.lower(),)))
        ids = [p.id for p in found.products]
        assert len(set(ids)) == len(ids)
        for product in found.sponsored:
            paid += 1
            assert found.products[0] is product
            assert product.sponsored and product.stock and product.kind == kind
    assert paid > len(catalogue.by_kind) / 2


def test_offered_filters_leave_something_and_stay_when_chosen(
    catalogue: Catalogue, index: SearchIndex
) -> None:
    for kind in catalogue.by_kind:
        search = Search(words=(kind.lower(),))
        found = index.find(search)
        assert len(found.bands) <= 2 and len(found.brands) == 1
        for band in found.bands:
            kept = index.find(replace(search, below_dollars=band))
            assert 0 < len(kept.products) < len(found.products) and kept.bands == (band,)
        assert index.find(replace(search, brand=found.brands[0])).products


@pytest.mark.parametrize(
    ("ranking", "key"),
    [
        ("popularity", lambda product: -product.popularity),
        ("price", lambda product: product.price_cents),
        ("rating", lambda product: -product.rating),
    ],
)
def test_another_ranking_orders_what_holds_equally_many_words(
    catalogue: Catalogue, ranking: Ranking, key: Callable[[Product], float]
) -> None:
    index = SearchIndex(catalogue, ranking, sponsored_places=0)
    for search in (Search(words=("red", "mug")), Search(department="Kitchen")):
        found = index.find(search).products
        held = [len(set(search.words) & set(p.title.lower().split())) for p in found]
        assert held == sorted(held, reverse=True)
        keys = [(-words, key(product)) for words, product in zip(held, found, strict=True)]
        assert keys == sorted(keys)
    # A sort that the visitor chooses comes before it.
    by_price = index.find(Search(words=("mug",), sort="price-high")).products
    assert by_price[0].price_cents >= by_price[-1].price_cents


def test_as_many_first_places_are_sold_as_the_store_says(catalogue: Catalogue) -> None:
    plain = SearchIndex(catalogue, sponsored_places=0)
    for places in (0, 2, 3):
        index = SearchIndex(catalogue, sponsored_places=places)
        for kind in catalogue.by_kind:
            search = Search(words=(kind.lower(),))
            found = index.find(search)
            paid = [p for p in plain.find(search).products if p.sponsored and p.stock and p.kind == kind]
            assert found.sponsored == tuple(paid[:places]) == found.products[: len(found.sponsored)]
            assert {p.id for p in found.products} == {p.id for p in plain.find(search).products}
