import pytest

from shop_r1.pages.elements import SimplifiedPage
from shop_r1.pages.simplify import simplify_page

MENU = "<ul><li><a href=/a>A</a><li><a href=/b>B</a><li><a href=/c>C</a></ul>"


def names(page: SimplifiedPage) -> list[str]:
    return [element.name for element in page.elements]


def test_a_menu_that_stands_twice_is_left_out_the_second_time_and_still_leads_to_its_names() -> None:
    page = simplify_page(f"{MENU}<p>Goods</p><nav>{MENU}</nav>")
    assert names(page) == ["a", "b", "c"]
    assert page.dropped["repeated_menu"] == 1
    nav = "html > body:nth-child(2) > nav:nth-child(3) > ul:nth-child(1)"
    assert [element.also for element in page.elements] == [
        (f"{nav} > li:nth-child({place}) > a:nth-child(1)",) for place in (1, 2, 3)
    ]


def test_a_menu_of_hundreds_of_links_that_stands_twice_is_left_out_the_second_time() -> None:
    menu = "".join(f"<li><a href=/{place}>Shelf {place}</a>" for place in range(400))
    page = simplify_page(f"<nav><ul>{menu}</ul></nav><p>Goods</p><div><ul>{menu}</ul></div>")
    assert len(page.elements) == 400
    assert page.dropped["repeated_menu"] == 1


def test_a_menu_in_another_order_or_with_more_to_say_stays() -> None:
    between = "".join(f"<p><a href=/between/{word}>{word}</a>" for word in ("one", "two", "three", "four"))
    turned = between + "<ul><li><a href=/b>B</a><li><a href=/a>A</a><li><a href=/c>C</a></ul>"
    assert len(simplify_page(MENU + turned).elements) == 3 + 4 + 3
    priced = between + MENU.replace("</a>", "</a> only today, at half of the usual price")
    assert len(simplify_page(MENU + priced).elements) == 3 + 4 + 3
    with_button = between + MENU.replace("</ul>", "<li><button>Buy</button></ul>")
    assert len(simplify_page(MENU + with_button).elements) == 3 + 4 + 4


def test_of_a_product_s_links_to_one_address_the_one_that_says_most_is_the_link() -> None:
    page = simplify_page(
        "<div><a href=/q>Bowl</a> <a href=/p>$9</a> <h3><a href=/p>Red mug</a></h3> <a href=/p>More</a></div>"
    )
    assert names(page) == ["bowl", "red_mug"]
    assert "$9" in page.html
    assert "More" in page.html
    assert len(page.elements[1].also) == 2


def test_links_with_a_state_and_links_far_apart_stay() -> None:
    chosen = "<div><a href=/p aria-current=true>White</a> <a href=/p aria-current=true>Small</a></div>"
    assert names(simplify_page(chosen)) == ["white", "small"]
    apart = "<header><a href=/cart>Cart</a></header><main><p><a href=/cart>Change cart</a></p></main>"
    assert names(simplify_page(apart)) == ["cart", "change_cart"]


def test_links_that_lead_nowhere_are_never_the_same() -> None:
    page = simplify_page("<div><a href='#'>Red</a><a href='#'>Blue</a><a href='javascript:go()'>Go</a></div>")
    assert names(page) == ["red", "blue", "go"]


def two_mugs(*links: str, item: str = "<li><h3>{}</h3>{}</li>", around: str = "<ul>{}</ul>") -> str:
    return around.format(
        "".join(item.format(f"{title} Mug", link) for title, link in zip(("Red", "Blue"), links, strict=True))
    )


RED_AND_BLUE = ["red_mug.add_to_cart", "blue_mug.add_to_cart"]
SAME = ("<a href=/cart>Add to Cart</a>",) * 2


@pytest.mark.parametrize(
    ("item", "around"),
    [
        ("<li><h3>{}</h3>{}</li>", "<ul>{}</ul>"),
        ("<li>{} {}</li>", "<ul>{}</ul>"),
        ("<article><h3>{}</h3>{}</article>", "<div>{}</div>"),
        ("<div class=card><h3>{}</h3>{}</div>", "<div>{}</div>"),
        ("<div class=card><h3>{}</h3><div>{}</div></div>", "<section>{}</section>"),
        ("<h3>{}</h3>{}", "<div>{}</div>"),
    ],
)
def test_what_stands_in_two_items_is_never_one_whatever_its_address(item: str, around: str) -> None:
    page = simplify_page(two_mugs(*SAME, item=item, around=around))
    assert [element.also for element in page.elements] == [(), ()]
    assert "duplicate_link" not in page.dropped
    if "h3" in item:
        assert names(page) == RED_AND_BLUE


@pytest.mark.parametrize(
    "link",
    [
        "<a href=/cart data-id={}>Add to Cart</a>",
        "<a href=/cart onclick=add({})>Add to Cart</a>",
        "<a href=/cart hx-post=/add/{}>Add to Cart</a>",
        "<a href=/cart><img src={}.png alt='Add to Cart'></a>",
        "<form action=/cart><input type=hidden name=id value={}><button>Add to Cart</button></form>",
        "<form action=/cart><input type=hidden name=id value={}>"
        "<input type=submit value='Add to Cart'></form>",
    ],
)
def test_two_items_controls_have_a_name_each_whatever_tells_them_apart(link: str) -> None:
    assert names(simplify_page(two_mugs(link.format(1), link.format(2)))) == RED_AND_BLUE


@pytest.mark.parametrize(
    "links",
    [
        "<a href=/cart data-id=1>Red</a> <a href=/cart data-id=2>Blue</a>",
        "<a href=/cart onclick=add(1)>Add</a> <a href=/cart onclick=add(2)>Add</a>",
        "<a href=/p/1>Red mug</a> <a href=/p/1 data-method=delete>Remove</a>",
        "<a href=/p/1>Red mug</a> <a href=/p/1 onclick=add()>Add to cart</a>",
        "Red mug <a href=/cart>Add</a> blue mug <a href=/cart>Add</a>",
        "<img alt='Red mug'> <a href=/cart>Add</a> <img alt='Blue mug'> <a href=/cart>Add</a>",
        "<p>Red mug <a href=/cart>Add</a></p><p>Blue mug <a href=/cart>Add</a></p>",
    ],
)
def test_links_that_a_script_or_what_is_beside_them_tells_apart_stay_two(links: str) -> None:
    page = simplify_page(f"<div>{links}</div>")
    assert [element.also for element in page.elements] == [(), ()]


def test_what_only_measures_tells_no_links_apart() -> None:
    page = simplify_page(
        "<div><a href=/p data-track-part=picture><img alt='Red mug'></a>"
        "<a href=/p data-track-part=title data-testid=t>Red mug</a> "
        "<a href=/p onmouseover=glow()>More</a></div>"
    )
    assert names(page) == ["red_mug"]
    assert len(page.elements[0].also) == 2


ACTIONS = "<div><a href=/cart>Add</a> <a href=/wish>Wish</a> <a href=/compare>Compare</a></div>"


@pytest.mark.parametrize(
    ("item", "around"),
    [
        ("<li><h3>{}</h3>{}</li>", "<ul>{}</ul>"),
        ("<li>{}{}</li>", "<ul>{}</ul>"),
        ("<div class=card><h3>{}</h3>{}</div>", "<div>{}</div>"),
        ("<div class=card>{}{}</div>", "<div>{}</div>"),
        ("<h3>{}</h3>{}", "<div>{}</div>"),
    ],
)
def test_two_products_rows_of_links_are_no_menu_written_twice(item: str, around: str) -> None:
    page = simplify_page(two_mugs(ACTIONS, ACTIONS, item=item, around=around))
    assert len(page.elements) == 6
    assert "repeated_menu" not in page.dropped


def test_a_menu_whose_links_a_script_tells_apart_is_no_copy() -> None:
    first, second = (MENU.replace("<a ", f"<a data-list={number} ") for number in (1, 2))
    assert len(simplify_page(f"{first}<p>Goods</p><nav>{second}</nav>").elements) == 6


@pytest.mark.parametrize(
    "links",
    [
        "<ul><li><a href=/cart>Add red</a><li><a href=/cart>Add blue</a></ul>",
        "<ul><li><a href=/pay>Invoice</a><li><a href=/pay>Credit card</a></ul>",
        "<ul><li><a href=/cart>Add</a><li><a href=/cart>Add</a></ul>",
        "<ul><li><img src=a.png><a href=/cart>Add</a><li><img src=b.png><a href=/cart>Add</a></ul>",
        "<ul><li><a href=/cart><img alt=Add></a><li><a href=/cart><img alt=Add></a></ul>",
        "<div><div><img src=a.png><a href=/cart>Add</a></div>"
        "<div><img src=b.png><a href=/cart>Add</a></div></div>",
        "<div><img src=a.png><a href=/cart>Add</a><img src=b.png><a href=/cart>Add</a></div>",
    ],
)
def test_entries_of_a_list_and_goods_with_silent_pictures_stay_two(links: str) -> None:
    assert [element.also for element in simplify_page(links).elements] == [(), ()]


def test_colours_that_a_data_attribute_and_a_title_tell_apart_are_not_the_product_s_link() -> None:
    colours = "".join(
        f"<a href=/p/1 data-colour={colour} title={colour}><span></span></a>" for colour in ("Red", "Blue")
    )
    page = simplify_page(f"<div><h3><a href=/p/1>Mug</a></h3>{colours}</div>")
    assert [element.label for element in page.elements] == ["Mug", "Red", "Blue"]


@pytest.mark.parametrize(
    "card",
    [
        "<li><a href=/p/{0}><img alt='{0} mug'></a><h3><a href=/p/{0}>{0} mug</a></h3>$9 "
        "<a href=/p/{0}>More</a> <a href=/cart>Add</a></li>",
        "<div class=card><div class=picture><a href=/p/{0}><img alt='{0} mug'></a></div><div class=text>"
        "<a href=/p/{0}>{0} mug</a> <a href=/p/{0}>$9</a> <a href=/cart>Add</a></div></div>",
    ],
)
def test_picture_title_and_more_of_each_of_several_products_are_one_link_each(card: str) -> None:
    page = simplify_page(
        "<ul>" + "".join(card.format(colour) for colour in ("red", "blue", "green")) + "</ul>"
    )
    assert [(element.label, len(element.also)) for element in page.elements if element.label != "Add"] == [
        ("red mug", 2),
        ("blue mug", 2),
        ("green mug", 2),
    ]
    adds = [element.name for element in page.elements if element.label == "Add"]
    assert adds == ["red_mug.add", "blue_mug.add", "green_mug.add"]


def test_a_picture_in_a_list_item_of_its_own_is_the_title_s_link_where_it_says_the_same() -> None:
    page = simplify_page("<ul><li><a href=/p><img alt='Red mug'></a><li><a href=/p>Red mug</a><li>$9</ul>")
    assert [(element.name, len(element.also)) for element in page.elements] == [("red_mug", 1)]


def test_the_links_of_a_header_and_a_footer_stay_and_their_menus_are_one() -> None:
    links = "<a href=/cart>Cart</a> <a href=/help>Help</a>"
    page = simplify_page(f"<header>{links}</header><main><p>Goods</p></main><footer>{links}</footer>")
    assert names(page) == ["cart", "help", "footer.cart", "footer.help"]
    page = simplify_page(f"<header>{MENU}</header><main><p>Goods</p></main><footer>{MENU}</footer>")
    assert [len(element.also) for element in page.elements] == [1, 1, 1]


def test_the_slides_that_a_carousel_repeats_keep_their_product_s_name() -> None:
    slides = "".join(
        f"<li><a href=/p/{colour}>{colour} mug</a> <a href=/cart>Add</a></li>" for colour in ("Red", "Blue")
    )
    page = simplify_page(f"<ul>{slides}{slides}</ul>")
    adds = [element.name for element in page.elements if element.label == "Add"]
    assert adds == ["red_mug.add", "blue_mug.add", "red_mug.add_2", "blue_mug.add_2"]


def test_a_click_beside_a_button_on_a_product_s_box_is_none_on_the_button() -> None:
    box = "<div onclick=go()><img alt='Red mug'>{}<button>Add to cart</button></div>"
    (button,) = simplify_page(box.format("")).elements
    assert (button.label, button.also) == ("Add to cart", ())
    wish, link, add = simplify_page(box.format("<button>Wish</button><a href=/p>Red mug</a>")).elements
    assert (wish.also, len(link.also), add.also) == ((), 1, ())
    (button,) = simplify_page("<div onclick=go()><button>Go</button></div>").elements
    assert len(button.also) == 1
