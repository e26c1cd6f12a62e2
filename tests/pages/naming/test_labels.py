"""What an element is called, on pages as live shops have them."""

import pytest

from shop_r1.pages.simplify import simplify_page


def names(html: str) -> list[str]:
    return [element.name for element in simplify_page(html).elements]


@pytest.mark.parametrize(
    "field",
    [
        "<form role=search><input type=search placeholder='Search options'></form>",
        "<form action=/search><fieldset><legend>Find</legend><input></fieldset></form>",
        "<search><input></search>",
        "<aside><h3>Offers</h3><input type=search name=q></aside>",
        "<aside><h3>Search</h3><input type=search></aside>",
        "<input type=search placeholder='What are you looking for?'>",
        "<input placeholder='Search our entire store'>",
        "<label>Suche nach Produkten <input></label>",
        "<div><input type=checkbox aria-label=Menu><input type=search></div>",
    ],
)
def test_the_shop_s_search_is_search_input(field: str) -> None:
    assert "search_input" in names(field)


@pytest.mark.parametrize(
    "field",
    [
        "<input type=search placeholder='Filter options'>",
        "<aside aria-label=Refine><h3>Color</h3><input type=search></aside>",
        "<fieldset><legend>x</legend><h3>Brand</h3><input type=search></fieldset>",
        f"<div><input type=search>{'<span role=checkbox tabindex=0>A</span>' * 2}</div>",
        "<input placeholder='Search by zip code'>",
        "<input aria-label='Research'>",
        "<input type=email placeholder='Search news'>",
        "<textarea placeholder=Search></textarea>",
    ],
)
def test_another_field_is_not(field: str) -> None:
    assert "search_input" not in names(field)


@pytest.mark.parametrize("number", ["0", "1", "12", "99+", "1,204"])
@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("Shopping cart with {} items", "shopping_cart"),
        ("Cart {}", "cart"),
        ("{} items in your basket", "your_basket"),
        ("Your cart contains {} products", "your_cart"),
        ("View bag ({} items) $12.50", "view_bag"),
        ("{} unread messages", "messages"),
        ("Warenkorb {} Artikel", "warenkorb"),
    ],
)
def test_how_much_is_in_the_cart_is_in_no_name(label: str, name: str, number: str) -> None:
    label = label.format(number)
    assert names(f"<a href=/x aria-label='{label}'></a>") == [name]
    assert names(f"<button>{label}</button>") == [name]


@pytest.mark.parametrize(
    ("html", "name"),
    [
        ("<button>Add set 75192 to cart</button>", "add_set_75192_to_cart"),
        ("<a href=/p/12-mugs>12 mugs in a bag of felt</a>", "12_mugs_in_a_bag_of_felt"),
        ("<a href='/wish-lists-of-others?page=2'>2</a>", "2"),
        ("<a href=/x>Messages from 1914</a>", "messages_from_1914"),
        ("<label>Bag 2 <input type=checkbox></label>", "bag_2"),
    ],
)
def test_numbers_that_tell_something_stay(html: str, name: str) -> None:
    assert names(html) == [name]


@pytest.mark.parametrize(
    ("html", "name"),
    [
        ("<p>Sort by</p><button role=combobox>Default</button>", "sort_by"),
        (
            "<div><div><b>Sort by</b></div><div><div><button role=combobox>A</button></div></div></div>",
            "sort_by",
        ),
        ("<button role=combobox aria-label=Sort>Default</button>", "sort"),
        ("<p>Go</p><a href=/x>x</a><button role=combobox>Default</button>", "default"),
        (f"<p>{'a sentence ' * 9}</p><button role=combobox>Default</button>", "default"),
        ("<i>Amount</i><div role=spinbutton tabindex=0>3</div>", "amount"),
        ("<i>Note</i> <div role=textbox contenteditable>typed by me</div>", "note"),
        ("<p role=textbox>Jo B</p>", "jo_b"),
    ],
)
def test_a_value_is_a_name_only_where_nothing_else_is_known(html: str, name: str) -> None:
    assert names(html)[-1] == name


def test_a_list_of_thousands_does_not_make_looking_for_a_label_slow() -> None:
    page = simplify_page("<p>Size</p>" + "<button role=combobox>One</button>" * 3000)
    assert len(page.elements) == 3000


def test_a_range_input_is_a_slider() -> None:
    (element,) = simplify_page("<input type=range value=3>").elements
    assert (element.role, element.name, element.value) == ("slider", "range", "3")
