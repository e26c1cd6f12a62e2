from collections import Counter
from pathlib import Path

import pytest

from shop_r1.errors import ConfigError, PageError
from shop_r1.pages.elements import SimplifiedPage, find_element
from shop_r1.pages.parse.document import locate, parse_document
from shop_r1.pages.simplify import simplify_page
from shop_r1.pages.sites.recipes import (
    Item,
    LeaveOut,
    Recipe,
    Section,
    check_recipe,
    load_recipe,
    packaged_recipes,
)

SHOP = """<body><div id=top>Free returns</div>
<div class=column><h3>Sorry, there was a problem</h3><div id=buy><h3>Buy</h3><p class=hid>Try again
<button>Retry</button></p><button>Add to cart</button><h4>Gifts</h4><button>Wrap it</button></div>
<button>Share</button></div>
<div class=grid><div class=card><h5>Nordal</h5><a href=/1><h2>Red mug</h2></a><button>Buy</button></div>
<div class=card><h5>Nordal</h5><a href=/2><h2>Blue mug</h2></a><button>Buy</button></div>
<div class=card><h5>Nordal</h5><a href=/3><h2>Oak bowl</h2></a><button>Buy</button></div></div>"""
HEAD = 'site = ["shop.example"]\npage = "a product"\nhas = ["h1"]\n'
SEARCH = ["amazon.com/WebShop__mock_parse_results_amz.html"]
# Each product page with words of its title, its price, and its first button to buy by id and name.
PRODUCTS = {
    "amazon.com/WebShop__mock_parse_item_page_amz.html": (
        "Amazon Basics Foldable, 14", "$112.94", "buy-now-button", "buy_box.buy_now",
    ),
    "amazon.com/metascraper-shopping__amazon-gorilla.html": (
        "Gorilla Black Duct Tape, 1.88", "$12.48", "add-to-cart-button", "buy_box.add_to_cart",
    ),
    "amazon.com/metascraper-shopping__amazon.html": (
        "Modern LED Wall Sconce Lighting Fixture", "$29.99", "add-to-cart-button", "buy_box.add_to_cart",
    ),
    "amazon.com/metascraper__amazon-com-ansi-url.html": (
        "SainSmart 4-Channel Relay Module", "$8.99", "add-to-cart-button", "buy_box.add_to_cart",
    ),
    "amazon.com/metascraper__amazon-com-product-url.html": (
        "The Whole Truth (A. Shaw Book 1)", "$10.99", "one-click-button", "buy_box.buy_now_with_1_click",
    ),
    "amazon.co.uk/metascraper__amazon-co-uk-product-url.html": (
        "Vegetable Perfection: 100 delicious", "£4.45", "add-to-cart-button-ubb", "buy_box.add_to_basket",
    ),
    # Nobody sells it on the day of the page: there is no price, and the button leads to all offers.
    "amazon.es/metascraper__amazon-es-product-url.html": (
        "Cecotec Robot Limpiacristales Windroid 880", "", "", "buy_box.ver_todas_las_opciones_de_compra",
    ),
}  # fmt: skip
KINDS = {"amazon_search": SEARCH, "amazon_product": list(PRODUCTS)}


def recipe(
    sections: dict[str, str] | None = None,
    items: dict[str, str] | None = None,
    leave_out: tuple[str, ...] = (),
) -> Recipe:
    return Recipe(
        site=("shop.example",),
        page="a product",
        has=("#top",),
        sections=tuple(Section(selector=key, name=name) for key, name in (sections or {}).items()),
        items=tuple(Item(selector=key, title=title) for key, title in (items or {}).items()),
        leave_out=tuple(LeaveOut(selector=selector, why="noise") for selector in leave_out),
    )


def names(page: SimplifiedPage) -> list[str]:
    return [element.name for element in page.elements]


def test_what_a_recipe_leaves_out_goes_with_all_it_holds_and_is_counted() -> None:
    page = simplify_page(SHOP, recipe(leave_out=(".hid",)))
    assert page.dropped["recipe"] == 1
    assert "Try again" not in page.html
    assert "Retry" in simplify_page(SHOP).html
    assert not any("retry" in name for name in names(page))


def test_a_section_has_its_name_whatever_is_around_it_and_its_first_heading_adds_nothing() -> None:
    page = simplify_page(SHOP, recipe({"#buy": "buy_box"}, leave_out=(".hid",)))
    assert names(page)[:2] == ["buy_box.add_to_cart", "buy_box.gifts.wrap_it"]
    assert "<h3>Buy</h3>" in page.html


def test_a_section_within_another_has_both_names() -> None:
    page = simplify_page(SHOP, recipe({".column": "product", "#buy": "buy_box"}))
    assert "product.buy_box.add_to_cart" in names(page)


def test_the_first_section_of_the_file_holds_where_two_match() -> None:
    page = simplify_page(SHOP, recipe({"#buy": "first", "div[id]": "second"}))
    assert "first.add_to_cart" in names(page)


def test_a_section_that_holds_one_thing_to_act_on_keeps_its_name() -> None:
    page = simplify_page(
        "<p id=top><div class=x><div><button>Go</button></div></div>", recipe({".x": "tour"})
    )
    assert names(page) == ["tour.go"]


def test_an_item_is_called_what_the_recipe_says_and_headings_in_it_are_mere_text() -> None:
    assert "results" not in " ".join(names(simplify_page(SHOP)))
    page = simplify_page(SHOP, recipe({".grid": "results"}, {".card": "h2"}))
    assert names(page)[-6:] == [
        "results.red_mug", "results.red_mug.buy", "results.blue_mug", "results.blue_mug.buy",
        "results.oak_bowl", "results.oak_bowl.buy",
    ]  # fmt: skip
    assert page.html.count("Nordal") == 3


def test_a_picture_can_be_an_items_title_and_stays_on_the_page() -> None:
    card = "<div class=card><img alt='{0} mug'><a href=/r/{0}>4 stars</a><button>Buy</button></div>"
    page = simplify_page(
        "<p id=top>" + card.format("Red") + card.format("Blue"), recipe(items={".card": "img"})
    )
    assert names(page) == ["red_mug.4_stars", "red_mug.buy", "blue_mug.4_stars", "blue_mug.buy"]
    assert page.html.count("<img alt=") == 2


def test_an_item_without_the_recipes_title_is_named_as_without_a_recipe() -> None:
    page = simplify_page(SHOP, recipe(items={".card": "h6"}))
    assert names(page) == names(simplify_page(SHOP))


def test_nothing_is_an_item_within_one_that_the_recipe_gives_a_title() -> None:
    swatch = "<span class=swatch><a href=/{0}>{0}</a><a href=/big/{0}>{0} from behind</a></span>"
    swatches = "".join(swatch.format(colour) for colour in ("Red", "Tan", "Blue"))
    page = simplify_page(
        f"<p id=top><div class=card><h2>Mug</h2>{swatches}</div>", recipe(items={".card": "h2"})
    )
    assert names(page) == [
        "mug.red", "mug.red_from_behind", "mug.tan", "mug.tan_from_behind", "mug.blue",
        "mug.blue_from_behind",
    ]  # fmt: skip


def test_a_simplified_page_comes_back_as_it_is_whatever_the_recipe() -> None:
    fitting = recipe({"#buy": "buy_box"}, leave_out=(".hid", "a, button"))
    page = simplify_page(SHOP, fitting)
    for other in (None, fitting, load_recipe("amazon_product")):
        again = simplify_page(page.html, other)
        assert (again.html, names(again)) == (page.html, names(page))


def test_a_page_of_another_kind_is_refused() -> None:
    with pytest.raises(PageError) as error:
        simplify_page(SHOP, load_recipe("amazon_search"))
    assert str(error.value) == (
        "the recipe for search results of amazon.* does not fit this page: nothing on it matches "
        "[data-component-type='s-search-result']; use the recipe of its kind, or none"
    )


def test_a_check_says_how_often_each_selector_matched() -> None:
    fitting = recipe({"#buy": "buy_box", "#gone": "gone"}, {".card": "h2"}, ("h3, .column h3",))
    uses = check_recipe(fitting, parse_document(SHOP))
    assert [(use.entry, use.matches) for use in uses] == [
        ("has.0", 1), ("sections.buy_box", 1), ("sections.gone", 0), ("items.0", 3), ("items.0.title", 3),
        ("leave_out.0", 2),
    ]  # fmt: skip
    assert uses[2].selector == "#gone"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[[sections]]\nselector = "p["\nname = "a"', "sections.0.selector: not a CSS selector"),
        (
            '[[sections]]\nselector = "p"\nname = "Buy Box"',
            "sections.0.name: expected lower-case",
        ),
        (f'[[sections]]\nselector = "p"\nname = "{"a" * 25}"', "at most 24 characters, such as buy_box"),
        ('[[sections]]\nselector = "p"\nname = "a"\n[[sections]]\nselector = "b"\nname = "a"', "name 'a' is"),
        (
            '[[sections]]\nselector = "p"\nname = "a"\n[[leave_out]]\nselector = "p"\nwhy = "b"',
            "selector 'p' is",
        ),
        ('[[sections]]\nselector = "p"\nname = "a"\ncolour = 1', "sections.0.colour: is unknown"),
        ('[[items]]\nselector = "p"', "items.0.title: is missing"),
        ('[[leave_out]]\nselector = "p"\nwhy = " "', "leave_out.0.why: expected some words"),
        ("", "the recipe changes nothing; add [[sections]], [[items]] or [[leave_out]]"),
        ("sections = 3", "sections: is 3; expected a list"),
        ("sections = [", "not valid TOML"),
    ],
)
def test_a_faulty_recipe_is_refused_with_its_place(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(HEAD + text)
    with pytest.raises(ConfigError) as error:
        load_recipe(file)
    assert str(error.value).startswith(f"{file}: ")
    assert problem in str(error.value)


@pytest.mark.parametrize("key", ["site", "page", "has"])
def test_a_recipe_says_what_it_is_for(tmp_path: Path, key: str) -> None:
    lines = [line for line in HEAD.splitlines() if not line.startswith(key)]
    file = tmp_path / "bad.toml"
    file.write_text("\n".join([*lines, '[[leave_out]]\nselector = "p"\nwhy = "noise"']))
    with pytest.raises(ConfigError, match=f"{key}: is missing"):
        load_recipe(str(file))


def test_an_unknown_name_lists_the_packaged_ones() -> None:
    with pytest.raises(ConfigError) as error:
        load_recipe("amazon")
    assert str(error.value) == (
        "recipe 'amazon': unknown; use amazon_product, amazon_search or the path of a .toml file"
    )


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(ConfigError, match=r"nowhere\.toml: cannot be read"):
        load_recipe("nowhere.toml")


def test_the_documented_recipe_is_one(tmp_path: Path) -> None:
    text = (Path(__file__).resolve().parents[3] / "docs" / "pages.md").read_text()
    file = tmp_path / "documented.toml"
    file.write_text(text.split("```toml\n")[1].split("```")[0])
    page = '<h1>Mug</h1><div class="cart-box"><div class=promo>Join</div><button>Add to cart</button></div>'
    assert names(simplify_page(page, load_recipe(file))) == ["buy_box.add_to_cart"]


@pytest.mark.parametrize("name", packaged_recipes())
def test_each_selector_of_a_packaged_recipe_matches_on_the_real_pages(real_pages: Path, name: str) -> None:
    matches = Counter[str]()
    for file in KINDS[name]:
        for use in check_recipe(load_recipe(name), parse_document((real_pages / file).read_bytes())):
            matches[use.entry] += use.matches
    assert [entry for entry, count in matches.items() if not count] == []


@pytest.mark.parametrize(("name", "file"), [(name, file) for name in KINDS for file in KINDS[name]])
def test_a_real_page_is_shorter_named_found_and_stable(real_pages: Path, name: str, file: str) -> None:
    raw = (real_pages / file).read_bytes()
    page = simplify_page(raw, load_recipe(name))
    assert len(page.html) < len(simplify_page(raw).html)
    found = names(page)
    assert len(set(found)) == len(found)
    document = parse_document(raw)
    assert all(locate(document, element.path).tag == element.tag for element in page.elements)
    again = simplify_page(page.html)
    assert (again.html, names(again)) == (page.html, found)


def test_the_real_product_pages_lose_a_quarter(real_pages: Path) -> None:
    raws = [(real_pages / file).read_bytes() for file in PRODUCTS]
    before = sum(len(simplify_page(raw).html) for raw in raws)
    after = sum(len(simplify_page(raw, load_recipe("amazon_product")).html) for raw in raws)
    assert after / before < 0.78  # measured: 0.76


@pytest.mark.parametrize("file", PRODUCTS)
def test_title_price_and_button_of_a_real_product_stay(real_pages: Path, file: str) -> None:
    title, price, identity, button = PRODUCTS[file]
    raw = (real_pages / file).read_bytes()
    page = simplify_page(raw, load_recipe("amazon_product"))
    assert f"<h1>{title}" in page.html
    assert price in page.html
    element = find_element(page, button)
    assert not identity or locate(parse_document(raw), element.path).attributes["id"] == identity


def test_two_ways_to_pay_are_told_apart_by_their_section(real_pages: Path) -> None:
    raw = (real_pages / "amazon.com/WebShop__mock_parse_item_page_amz.html").read_bytes()
    found = names(simplify_page(raw, load_recipe("amazon_product")))
    assert {"buy_box.add_to_cart", "buy_box.monthly_payments.add_to_cart"} < set(found)
    assert {"options.size.full", "options.style.14_inch", "nav.search.go", "footer.careers"} < set(found)


def test_every_real_result_keeps_its_title_and_price_and_is_named_by_its_title(real_pages: Path) -> None:
    raw = (real_pages / SEARCH[0]).read_bytes()
    page = simplify_page(raw, load_recipe("amazon_search"))
    results = parse_document(raw).css("[data-component-type='s-search-result']")
    labels = Counter(element.label for element in page.elements if element.name.startswith("results."))
    shown = Counter(" ".join(title.text().split()) for result in results for title in result.css("h2"))
    assert len(results) == 59
    assert sum((shown - labels).values()) == 0
    prices = {price.text() for result in results for price in result.css(".a-price .a-offscreen")}
    assert all(price in page.html for price in prices)
    found = set(names(page))
    assert {"results.mens_lebron_witness_iv_basketball_shoes", "sorting.sort_by"} < found
    assert {"mens_lebron_witness_iv_basketball_shoes.8", "brand.nike", "pagination.go_to_page_2"} < found
