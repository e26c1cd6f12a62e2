import pytest
from pydantic import ValidationError

from shop_r1.importers.targets import (
    ContradictoryTargetError,
    Found,
    Target,
    TargetError,
    TargetPage,
    place_of_node,
    place_of_path,
)
from shop_r1.pages.parse.document import locate, parse_document
from shop_r1.pages.simplify import simplify_page
from shop_r1.pages.sites.recipes import load_recipe

CARD = """<li class="card"><a href="/p/{0}"><img alt="Mug {0}"></a>
<h3><a href="/p/{0}"><b>Mug {0}</b></a></h3> <button class="add"><span>Add to cart</span></button></li>"""
PAGE = f"""<!doctype html><title>Shop</title><body>
<header><a href="/">Home</a><a href="/cart">Cart</a></header>
<form role="search" action="/s"><label for="q">Search</label>
<input id="q" type="search"><button>Go</button></form>
<main><h1>Mugs</h1><ul>{"".join(CARD.format(number) for number in range(1, 4))}</ul>
<input type="checkbox" id="gift"><label for="gift"><i>As a gift</i></label>
<a href="/wrap">wrap it</a><p>or</p><a href="/wrap">wrap more</a>
<div class="plain"><p>nothing here</p></div><div hidden><button id="off">Off</button></div></main></body>"""


def find(target: Target, *, typed: bool = False, base: str = "") -> Found:
    return TargetPage(PAGE).find(target, typed=typed, base=base)


def error_of(page: TargetPage, target: Target, *, typed: bool = False) -> TargetError:
    with pytest.raises(TargetError) as caught:
        page.find(target, typed=typed)
    return caught.value


@pytest.mark.parametrize(
    ("hints", "name", "way"),
    [
        ({"name": "mug_2.add_to_cart"}, "mug_2.add_to_cart", "name"),
        ({"css": "#q"}, "search_input", "CSS path"),
        ({"css": "li:nth-child(2) b"}, "mug_2", "CSS path"),  # in the link
        ({"css": "li:nth-child(2) span"}, "mug_2.add_to_cart", "CSS path"),  # in the button
        ({"css": "li:nth-child(3) img"}, "mug_3", "CSS path"),  # in the link that is folded into the title's
        ({"css": "label[for=gift] i"}, "as_a_gift", "CSS path"),  # in the checkbox's label
        ({"css": "li:nth-child(1) a"}, "mug_1", "CSS path"),  # two elements, one name
        ({"href": "/p/3"}, "mug_3", "address"),
        ({"label": " mug  1"}, "mug_1", "text"),
        ({"label": "gift"}, "as_a_gift", "part of the text"),
        ({"css": ".add", "label": "Add to cart"}, None, ""),
        ({"css": "#off", "href": "/cart"}, "cart", "address (CSS path fits nothing)"),  # hidden: no name
        ({"name": "gone", "css": "p[", "label": "Cart"}, "cart", "text (name and CSS path fits nothing)"),
        (
            {"css": "li:nth-child(2) a", "href": "/p/2", "label": "Mug 2"},
            "mug_2",
            "CSS path and address and text",
        ),
        ({"css": "li:nth-child(2) a", "label": "gone"}, "mug_2", "CSS path (text fits nothing)"),
        ({"href": "/wrap", "label": "wrap more"}, "wrap_more", "address and text"),
        ({"href": "/wrap", "label": "more"}, "wrap_more", "address and part of the text"),
        ({"href": "/wrap"}, "wrap_it", "first of several"),
        ({"href": "/wrap", "label": "wrap"}, "wrap_it", "address and part of the text, first of several"),
    ],
)
def test_hints_are_tried_in_order_and_narrow_one_another(
    hints: dict[str, str], name: str | None, way: str
) -> None:
    if name is None:
        assert str(error_of(TargetPage(PAGE), Target(**hints))).startswith(
            "3 elements fit its CSS path and text "
            "(mug_1.add_to_cart, mug_2.add_to_cart, mug_3.add_to_cart); add what tells them apart"
        )
    else:
        found = find(Target(**hints))
        assert (found.element.name, found.way) == (name, way)


@pytest.mark.parametrize(
    ("hints", "reason"),
    [
        ({"name": "mug_9"}, "is named 'mug_9'; the closest: mug_1, "),
        ({"css": "p["}, "the CSS path 'p[' cannot be read"),
        ({"css": ".none"}, "the CSS path '.none' matches no elements"),
        ({"css": ".plain p"}, "matches nothing that has a name"),
        ({"css": "#off"}, "matches nothing that has a name"),
        ({"href": "/p/9"}, "no named element leads to '/p/9' (the closest: '/p/1', '/p/2', '/p/3')"),
        ({"href": "//["}, "no named element leads to '//['"),
        ({"label": "Mug 9"}, "no element is labelled 'Mug 9' (the closest: 'Mug 1', 'Mug 2', 'Mug 3')"),
        ({"label": "!", "href": "/x"}, "leads to '/x'"),
    ],
)
def test_what_cannot_be_found_is_told_with_what_is_near(hints: dict[str, str], reason: str) -> None:
    error = error_of(TargetPage(PAGE), Target(**hints))
    assert reason in str(error)
    assert not isinstance(error, ContradictoryTargetError)


@pytest.mark.parametrize(
    ("hints", "message"),
    [
        (
            {"name": "mug_1", "label": "Mug 2"},
            "its name leads to mug_1, but its text to mug_2; expected all to",
        ),
        (
            {"name": "mug_1", "css": "li:nth-child(2) a"},
            "its name leads to mug_1, but its CSS path to mug_2;",
        ),
        (
            {"css": "li:nth-child(1) a", "href": "/p/2"},
            "its CSS path leads to mug_1, but its address to mug_2;",
        ),
        ({"href": "/p/1", "label": "Mug 2"}, "its address leads to mug_1, but its text to mug_2;"),
        (
            {"name": "cart", "href": "/cart", "label": "Home"},
            "its name and address leads to cart, but its text",
        ),
        (
            {"css": ".add", "href": "/p/1"},
            "leads to mug_1.add_to_cart, mug_2.add_to_cart, mug_3.add_to_cart, but",
        ),
    ],
)
def test_what_is_known_of_an_element_must_mean_one_element(hints: dict[str, str], message: str) -> None:
    error = error_of(TargetPage(PAGE), Target(**hints))
    assert isinstance(error, ContradictoryTargetError)
    assert message in str(error)


def test_a_name_or_path_of_what_takes_no_text_contradicts_a_field() -> None:
    page = TargetPage(PAGE)
    error = error_of(page, Target(name="cart", css="#q"), typed=True)
    assert str(error) == "'cart' leads to a link, which takes no text, and its CSS path to search_input"
    for target in (Target(name="cart", css="#q"), Target(css="#gift", label="Search")):
        assert isinstance(error_of(page, target, typed=True), ContradictoryTargetError)


CART = """<a href="/cart"{}>Add to cart</a>"""


@pytest.mark.parametrize(
    "goods",
    [
        "<ul><li><h3>Red mug</h3>{}</li><li><h3>Blue mug</h3>{}</li></ul>",
        "<table><tr><td>Red mug<td>{}<tr><td>Blue mug<td>{}</table>",
        "<div class=card><h3>Red mug</h3>{}</div><div class=card><h3>Blue mug</h3>{}</div>",
    ],
)
@pytest.mark.parametrize("label", [None, "Add to cart"])
def test_links_of_two_items_to_one_address_are_never_taken_one_for_the_other(
    goods: str, label: str | None
) -> None:
    page = TargetPage("<!doctype html><body>" + goods.format(CART.format(""), CART.format("")))
    error = str(error_of(page, Target(href="/cart", label=label)))
    assert "2 elements fit its address" in error
    assert "add what tells them apart" in error
    found = page.find(Target(href="/cart", css="li:nth-child(2) a, tr:nth-child(2) a, .card:nth-child(2) a"))
    short = page.simplified.html
    assert short.index(f'name="{found.element.name}"') > short.index("Blue mug")


def test_links_to_one_address_that_a_script_tells_apart_are_not_taken_one_for_the_other() -> None:
    links = CART.format(" data-id=1") + " or " + CART.format(" data-id=2")
    error = error_of(TargetPage(f"<!doctype html><body><p>{links}"), Target(href="/cart"))
    assert str(error).startswith("2 elements fit its address (add_to_cart, add_to_cart_2)")


CARD_LINKS = "".join(
    f'<li><a href="/p/{number}"><img alt="{colour} ceramic mug"><h3>{colour} mug</h3><p>$9 <b>new</b></p></a>'
    for number, colour in enumerate(("Red", "Blue"))
)


@pytest.mark.parametrize("label", ["Blue mug", "Blue ceramic mug", "blue  CERAMIC mug"])
def test_a_card_that_is_one_link_is_found_by_its_picture_and_by_its_title(label: str) -> None:
    page = TargetPage(f"<!doctype html><body><ul>{CARD_LINKS}</ul>")
    found = page.find(Target(label=label))
    assert found.element.href == "/p/1"
    assert page.find(Target(label=label, href="/p/1")).element.href == "/p/1"
    assert isinstance(error_of(page, Target(label=label, href="/p/0")), ContradictoryTargetError)


def test_the_words_of_a_folded_link_lead_to_the_link_that_stays() -> None:
    page = TargetPage(
        "<!doctype html><body><div><h3><a href=/p>Red mug</a></h3> <a href=/p>View details</a></div>"
    )
    found = page.find(Target(css="a:nth-of-type(1)", label="View details"))
    assert found.element.name == "red_mug"


def test_text_is_typed_into_fields_alone() -> None:
    found = find(Target(label="Search"), typed=True)
    assert found.element.name == "search_input"
    page = TargetPage(PAGE)
    error = error_of(page, Target(name="cart"), typed=True)
    assert str(error) == "'cart' leads to a link, which takes no text"
    error = error_of(page, Target(css="#gift"), typed=True)
    assert "leads to a checkbox, which takes no text" in str(error)


def test_addresses_are_compared_in_full() -> None:
    shop = "https://shop.example/a/b"
    for href in ("https://shop.example/p/2", "../p/2", "/p/2"):
        found = find(Target(href=href), base=shop)
        assert found.element.name == "mug_2"
    error_of(TargetPage(PAGE), Target(href="https://shop.example/p/2"))


def test_a_click_beside_the_controls_of_a_small_box_is_one_on_it_and_of_a_large_one_on_nothing() -> None:
    box = '<section onclick="go()"><p>Free delivery</p>{}</section>'
    for count, expected in ((2, "link_1"), (12, "link_1"), (13, None)):
        links = "".join(f'<a href="/{n}">Link {n}</a> ' for n in range(1, count + 1))
        page = TargetPage(f"<!doctype html><body>{box.format(links)}</body>")
        if expected is None:
            error_of(page, Target(css="section p"))
        else:
            assert page.find(Target(css="section p")).element.name == expected


def test_a_simplified_page_is_searched_as_it_is() -> None:
    short = simplify_page(PAGE).html
    page = TargetPage(short, [load_recipe("amazon_search")])
    assert (page.recipe, page.simplified.html) == (None, short)
    found = page.find(Target(css='a[name="mug_2"]'))
    assert found.element.name == "mug_2"


def test_a_place_is_where_the_path_leads() -> None:
    document = parse_document(PAGE)
    for element in simplify_page(PAGE).elements:
        for path in (element.path, *element.also):
            assert place_of_node(locate(document, path)) == place_of_path(path)


def test_a_target_that_says_nothing_is_refused() -> None:
    with pytest.raises(ValidationError, match="says nothing of the element"):
        Target()
