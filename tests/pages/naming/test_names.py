from hypothesis import given
from hypothesis import strategies as st

from shop_r1.pages.naming.names import (
    NameRequest,
    is_name,
    join_words,
    query_words,
    slug_words,
    to_words,
    unique_names,
)

TEXT = st.text(max_size=40)


def test_a_name_keeps_two_sections_and_drops_repeats() -> None:
    requests = [
        NameRequest(("shop", "results", "red_mug"), "red_mug"),
        NameRequest(("shop", "results", "red_mug"), "add_to_cart"),
        NameRequest(("results", "results"), "sort"),
    ]
    assert unique_names(requests) == ["shop.results.red_mug", "results.red_mug.add_to_cart", "results.sort"]


def test_a_link_shows_one_section_and_the_title_of_its_item_without_repeating_it() -> None:
    requests = [
        NameRequest(("shop", "results", "red_mug"), "red_mug", shown=1),
        NameRequest(("shop", "results", "red_mug"), "reviews", shown=1),
    ]
    assert unique_names(requests) == ["results.red_mug", "red_mug.reviews"]


def test_options_are_named_after_their_select_by_its_last_part_where_that_is_its_own() -> None:
    requests = [
        NameRequest(("buy_box",), "size"),
        NameRequest((), "small", select=0),
        NameRequest((), "small", select=0),
        NameRequest(("bill",), "state"),
        NameRequest((), "maine", select=3),
        NameRequest(("send",), "state"),
        NameRequest((), "maine", select=5),
    ]
    assert unique_names(requests) == [
        "buy_box.size",
        "size.small",
        "size.small_2",
        "bill.state",
        "bill.state.maine",
        "send.state",
        "send.state.maine",
    ]


def test_namesakes_are_told_apart_by_what_stands_near_before_their_address() -> None:
    requests = [NameRequest((), "buy", "/x", subject="red_mug"), NameRequest((), "buy", "/y", subject="bowl")]
    found = unique_names(requests, nearby=lambda request: str(request.subject))
    assert found == ["red_mug.buy", "bowl.buy"]


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


def test_what_an_address_sends_along_is_read_too() -> None:
    assert query_words("gate?id=77&find=Quilted%20covers;x=1#top") == ["quilted", "covers"]


def test_a_single_long_word_is_cut_within_to_seven_tenths_of_the_limit() -> None:
    assert join_words(["a" * 50], 40) == "a" * 28
    assert join_words(["a" * 40], 40) == "a" * 40


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
