from hypothesis import given
from hypothesis import strategies as st

from shop_r1.pages.names import NameRequest, is_name, join_words, slug_words, to_words, unique_names

TEXT = st.text(max_size=40)


def test_a_name_keeps_two_sections_and_drops_repeats() -> None:
    requests = [
        NameRequest(("shop", "results", "red_mug"), "red_mug"),
        NameRequest(("shop", "results", "red_mug"), "add_to_cart"),
        NameRequest(("results", "results"), "sort"),
    ]
    assert unique_names(requests) == ["results.red_mug", "results.red_mug.add_to_cart", "results.sort"]


def test_namesakes_get_more_sections_then_the_address_then_a_number() -> None:
    requests = [
        NameRequest(("kitchen", "mugs", "offers"), "all"),
        NameRequest(("kitchen", "plates", "bowls", "offers"), "all"),
        NameRequest(("garden", "plates", "bowls", "offers"), "all"),
        NameRequest((), "more", "/guide/glaze"),
        NameRequest((), "more", "/guide/clay"),
        NameRequest((), "close"),
        NameRequest((), "close"),
    ]
    assert unique_names(requests) == [
        "mugs.offers.all",
        "kitchen.plates.bowls.offers.all",
        "garden.plates.bowls.offers.all",
        "glaze.more",
        "clay.more",
        "close",
        "close_2",
    ]


def test_a_given_name_is_kept_once() -> None:
    requests = [NameRequest((), "x", given="a.b"), NameRequest((), "y", given="a.b"), NameRequest((), "b")]
    assert unique_names(requests) == ["a.b", "y", "b"]


def test_words_of_every_script_are_kept_with_their_marks() -> None:
    assert to_words("Große Tassen") == ["große", "tassen"]
    assert to_words("हिन्दी किताब") == ["हिन्दी", "किताब"]
    assert to_words("Cafe\u0301") == ["café"]


def test_machine_made_parts_of_an_address_name_nothing() -> None:
    assert slug_words("/gp/product/0a1b2c3d4e5f6071/8842190") == ["product"]
    assert slug_words("javascript:void(0)") == []


def test_a_single_long_word_is_cut_within() -> None:
    assert join_words(["a" * 50], 40) == "a" * 40


@given(
    st.lists(
        st.builds(
            NameRequest,
            st.lists(TEXT.map(lambda text: join_words(to_words(text), 24)), max_size=3).map(tuple),
            TEXT.map(lambda text: join_words(to_words(text), 40) or "link"),
        ),
        max_size=30,
    )
)
def test_names_are_unique_well_formed_and_at_most_80_characters(requests: list[NameRequest]) -> None:
    found = unique_names(requests)
    assert len(set(found)) == len(found)
    assert all(is_name(name) for name in found)
