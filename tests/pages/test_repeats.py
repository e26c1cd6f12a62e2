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
