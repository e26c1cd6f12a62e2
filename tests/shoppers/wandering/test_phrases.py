import pytest

from shop_r1.shoppers.wandering.people import MANNERS, Want
from shop_r1.shoppers.wandering.phrases import full, noun_of, opening, without
from shop_r1.store.catalogue import generate_catalogue
from shop_r1.store.kinds import KINDS
from shop_r1.store.search import Search, SearchIndex, query_words

MUG = Want("mug", "kitchen", "large", "red", "ceramic", 600, 2500)


@pytest.mark.parametrize(
    ("manner", "expected"),
    [
        ("plain", "large red ceramic mug"),
        ("noun first", "mug large red ceramic"),
        ("plural", "large red ceramic mugs"),
        ("short", "mug"),
        ("cheap", "large red ceramic mug under $10"),  # 6 x (25 / 6)^0.35 = 9.89, up to a multiple of 5
        ("priced", "large red ceramic mug under $15"),  # 6 x (25 / 6)^0.6 = 14.13
        ("in", "large ceramic mug in red"),
        ("that is", "large mug that is red and ceramic"),
        ("long", "a large red ceramic mug for my kitchen"),
    ],
)
def test_each_manner_has_its_words(manner: str, expected: str) -> None:
    assert opening(MUG, manner) == expected
    assert manner in MANNERS


@pytest.fixture(scope="module")
def index() -> SearchIndex:
    return SearchIndex(generate_catalogue(1))


@pytest.mark.parametrize("manner", MANNERS)
def test_the_store_finds_the_kind_in_every_manner(manner: str, index: SearchIndex) -> None:
    for kind in KINDS[::5]:
        feature, colour, material = (slot[0].lower() for slot in kind.slots)
        want = Want(kind.noun.lower(), kind.department.lower(), feature, colour, material, 600, 2500)
        query = full(want, manner)
        assert noun_of(query.split(), {kind.noun.lower(): kind}) == want.noun
        found = index.find(Search(words=query_words(query))).products
        assert kind.noun in {product.kind for product in found[:4]}


@pytest.mark.parametrize(
    ("query", "word", "expected"),
    [
        ("large red mug", "large", "red mug"),
        ("ceramic mug in red", "red", "ceramic mug"),
        ("mug that is red and ceramic", "red", "mug that is ceramic"),
        ("mug that is red and ceramic", "ceramic", "mug that is red"),
        ("mug that is red", "red", "mug"),
        ("a red mug for my kitchen", "red", "a mug for my kitchen"),
    ],
)
def test_a_word_goes_with_what_joined_it(query: str, word: str, expected: str) -> None:
    assert without(query.split(), word) == expected
