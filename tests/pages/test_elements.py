import pytest

from shop_r1.errors import PageError
from shop_r1.pages.elements import find_element
from shop_r1.pages.simplify import simplify_page

PAGE = simplify_page(
    "<form aria-label='Buy box'><button name=then value=cart>Add to cart</button>"
    "<select aria-label=Size><option value=s>Small<option value=l selected>Large</select></form>"
)


def test_an_element_is_found_by_its_name_with_what_a_driver_needs() -> None:
    button = find_element(PAGE, "buy_box.add_to_cart")
    assert (button.tag, button.role, button.value) == ("button", "submit", "cart")
    assert button.path == "html > body:nth-child(2) > form:nth-child(1) > button:nth-child(1)"


def test_a_select_lists_its_options_names() -> None:
    select = find_element(PAGE, "buy_box.size")
    assert select.options == ("size.small", "size.large")
    assert find_element(PAGE, select.options[1]).states == ("selected",)


def test_an_unknown_name_is_refused_with_the_closest_ones() -> None:
    with pytest.raises(
        PageError, match=r"none of the page's 4 elements .* the closest: buy_box\.add_to_cart"
    ):
        find_element(PAGE, "buybox.add_cart")


def test_a_page_without_controls_says_so() -> None:
    with pytest.raises(PageError, match="has none that can be acted on"):
        find_element(simplify_page("text"), "x")
