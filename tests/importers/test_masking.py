import pytest

from shop_r1.errors import DataError
from shop_r1.importers.masking import are_masked, is_masked, refuse_masked
from shop_r1.records.actions import click, type_and_submit


@pytest.mark.parametrize("text", ["*", "*******", "*** ***", " ** ", "••••", "●●", "███"])
def test_a_text_of_nothing_but_marks_is_a_mask(text: str) -> None:
    assert is_masked(text)
    with pytest.raises(DataError, match=r"session a, step 3: the text .* is a recorder's mask"):
        refuse_masked("session a, step 3", type_and_submit("search_input", text))


@pytest.mark.parametrize("text", ["", " ", "red mug", "4 * mug", "***** hotel", "-", "?"])
def test_a_text_with_anything_else_is_none(text: str) -> None:
    assert not is_masked(text)
    refuse_masked("session a, step 3", type_and_submit("search_input", text))
    refuse_masked("session a, step 4", click("mugs"))


def test_a_page_is_masked_when_half_of_its_words_are() -> None:
    assert are_masked(["*** ****", "** *****", "4 of 5 $3"])
    assert not are_masked(["*** *** red mug, 4 stars of 5, in stock"])
    assert not are_masked(["*", ""])
