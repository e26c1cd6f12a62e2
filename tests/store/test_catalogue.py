import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shop_r1.errors import StoreError
from shop_r1.store.catalogue import SEED_PERIOD, SIZE_RANGE, Catalogue, Variety, generate_catalogue
from shop_r1.store.kinds import KINDS, OPTION_VALUES


def test_the_same_seed_gives_the_same_catalogue(catalogue: Catalogue) -> None:
    assert generate_catalogue(seed=3) == catalogue


def test_another_seed_gives_other_titles() -> None:
    first, second = (generate_catalogue(seed, size=200) for seed in (1, 2))
    assert not {p.title for p in first.products} & {p.title for p in second.products}


@settings(max_examples=30, deadline=None)
@given(st.integers(0, SEED_PERIOD - 1), st.integers(0, SEED_PERIOD - 1))
def test_different_seeds_share_no_brand(one: int, other: int) -> None:
    first, second = (generate_catalogue(seed, SIZE_RANGE[0]).brands for seed in (one, other))
    assert bool(first & second) == (one == other)


def test_the_catalogue_is_as_large_and_wide_as_promised(catalogue: Catalogue) -> None:
    assert len(catalogue.products) == 1200
    assert len({p.department for p in catalogue.products}) == 8
    assert {len(group) for group in catalogue.by_kind.values()} == {25}  # 1200 / 48 kinds
    assert len(catalogue.brands) == 48
    assert len({p.title for p in catalogue.products}) == len(catalogue.by_id) == 1200


def test_the_words_are_few_enough_for_a_tiny_tokenizer(catalogue: Catalogue) -> None:
    assert len({kind.noun for kind in KINDS}) <= 60
    assert len({word for p in catalogue.products for word in p.attributes}) <= 60


def test_no_brand_is_also_an_ordinary_word_of_the_store(catalogue: Catalogue) -> None:
    words = {word for p in catalogue.products for word in (*p.attributes, p.kind, p.department)}
    assert not catalogue.brands & words


def test_every_product_is_well_formed(catalogue: Catalogue) -> None:
    for p in catalogue.products:
        assert p.title.split() == [p.brand, *p.attributes, p.kind]
        assert 3 <= len(p.title.split()) <= 5
        assert 1.0 <= p.rating <= 5.0 and round(p.rating, 1) == p.rating
        assert p.price_cents > 0 and p.stock >= 0 and 1 <= p.delivery_days <= 7
        assert 1 <= len(p.reviews) <= p.review_count
        assert len(p.options) <= 2 and all(2 <= len(values) <= 3 for values in p.options.values())
        for name in p.options:  # a title never contradicts an option
            assert not set(p.attributes) & set(OPTION_VALUES.get(name, ()))


def test_most_products_share_their_attributes_with_others_of_their_kind(catalogue: Catalogue) -> None:
    lonely = [
        p
        for p in catalogue.products
        if not any(q is not p and set(p.attributes) & set(q.attributes) for q in catalogue.by_kind[p.kind])
    ]
    assert len(lonely) / len(catalogue.products) < 0.02


def test_dearer_brands_are_rated_higher_on_the_whole(catalogue: Catalogue) -> None:
    good = [p for p in catalogue.products if p.rating >= 4.3]
    bad = [p for p in catalogue.products if p.rating < 3.5]
    low = {kind.noun: kind.cheapest_cents for kind in KINDS}
    assert sum(p.price_cents / low[p.kind] for p in good) / len(good) > (
        sum(p.price_cents / low[p.kind] for p in bad) / len(bad)
    )


@pytest.mark.parametrize("size", [0, SIZE_RANGE[0] - 1, SIZE_RANGE[1] + 1])
def test_a_size_that_cannot_be_made_is_refused(size: int) -> None:
    with pytest.raises(StoreError, match=str(size)):
        generate_catalogue(1, size)


def test_the_largest_catalogue_still_has_distinct_titles() -> None:
    assert len(generate_catalogue(1, SIZE_RANGE[1]).by_id) == SIZE_RANGE[1]


def test_more_variety_gives_every_product_colours_and_a_size_or_a_pack_and_more_reviews() -> None:
    plain, varied = (
        generate_catalogue(1),
        generate_catalogue(1, variety=Variety((10, 90), has_all_options=True)),
    )
    for product in varied.products:
        colours = product.options["Colour"]
        assert len(colours) == 3
        named = [word for word in product.attributes if word in colours]
        assert not named or colours[0] == named[0]
    longest = [max(len(product.reviews) for product in each.products) for each in (plain, varied)]
    assert longest[0] == 9 and 80 < longest[1] <= 90
