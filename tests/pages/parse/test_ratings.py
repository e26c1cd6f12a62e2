import pytest

from shop_r1.pages.simplify import simplify_page


@pytest.mark.parametrize(
    ("widget", "stars"),
    [
        ("<i class='a-icon a-star-4-5'></i>", "4.5"),
        ("<i class='a-star-4'></i>", "4.0"),
        ("<span class='stars45'></span>", "4.5"),
        ("<span class='rating-35'></span>", "3.5"),  # tenths, as 3.5 of 5
        ("<span class='rating_100'></span>", "5.0"),  # percent: 100 / 100 * 5
        ("<span class='rating-80'></span>", "4.0"),  # percent: 80 / 100 * 5
        ("<div class='star-rating'><div style='color:red; width: 72%'></div></div>", "3.6"),
    ],
)
def test_painted_stars_are_read(widget: str, stars: str) -> None:
    assert simplify_page(widget).html == f"<page>\n{stars} stars"


@pytest.mark.parametrize(
    "widget",
    [
        "<i class='restart-4'></i>",
        "<i class='corporate-3'></i>",
        "<i class='rating-0'></i>",
        "<i class='rating-400'></i>",
        "<div style='width:50%'></div>",
        "<i class='star'></i>",
    ],
)
def test_what_only_looks_like_stars_says_nothing(widget: str) -> None:
    assert simplify_page(widget).html == "<page>"


def test_stars_with_words_in_them_are_said_once() -> None:
    assert simplify_page("<i class='star-4-5'>4.5 of 5</i>").html == "<page>\n4.5 of 5"
