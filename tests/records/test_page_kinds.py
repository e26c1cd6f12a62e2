import pytest
from tests.evershop import saved_pages

from shop_r1.pages.simplify import simplify_page
from shop_r1.records.actions import Action, click, terminate, type_and_submit
from shop_r1.records.page_kinds import (
    STAGES,
    adds_to_cart,
    furthest,
    page_kind,
    page_stage,
    step_stage,
    visit_stage,
)
from shop_r1.records.sessions import Page, Step

SHOP = "http://127.0.0.1:8300"
ADD = '<button name="buy_box.add_to_cart">Add to cart</button>'
LIST = "\n".join(f'<li><a name="results.mug_{n}">Mug {n}</a>\n$1{n}.00' for n in range(4))


def kind(url: str, html: str = "<page>", status: int | None = 200) -> str:
    return page_kind(Page(url=url, html=html, status=status))


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        # the built-in store
        ("http://store.local/", "home"),
        ("http://store.local/search?q=mug", "search"),
        ("http://store.local/department/kitchen", "search"),
        ("http://store.local/departments", "search"),
        ("http://store.local/product/red-mug?size=large", "product"),
        ("http://store.local/product/red-mug/reviews?page=2", "product"),
        ("http://store.local/cart", "cart"),
        ("http://store.local/checkout", "checkout"),
        ("http://store.local/order/1001", "order"),
        ("http://store.local/help", "other"),
        # EverShop
        ("http://127.0.0.1:8300/search?keyword=mug", "search"),
        ("http://127.0.0.1:8300/checkout/success/6f0c", "order"),
        ("http://127.0.0.1:8300/account/login", "other"),
        # Shopify
        ("https://shop.example/collections/mugs", "search"),
        ("https://shop.example/collections/mugs/products/red", "product"),
        ("https://shop.example/checkouts/cn/abc", "checkout"),
        ("https://shop.example/checkouts/cn/abc/thank-you", "order"),
        # WooCommerce, Magento, Amazon
        ("https://shop.example/?s=mug&post_type=product", "search"),
        ("https://shop.example/product-category/mugs/", "search"),
        ("https://shop.example/checkout/order-received/7", "order"),
        ("https://shop.example/checkout/cart/", "cart"),
        ("https://shop.example/checkout/onepage/success/", "order"),
        ("https://shop.example/catalogsearch/result/?q=mug", "search"),
        ("https://shop.example/Red-Mug/dp/B00X", "product"),
        ("https://shop.example/s?k=mug", "search"),
        # languages, routes of scripts, no address at all
        ("https://shop.example", "home"),
        ("https://shop.example/en-gb/", "home"),
        ("https://shop.example/de/index.html", "home"),
        ("https://shop.example/tv", "other"),
        ("https://shop.example/app#/cart", "cart"),
        ("https://shop.example/app#!/product/7", "product"),
        ("", "other"),
        ("http://[", "other"),
    ],
)
def test_the_address_says_the_kind(url: str, expected: str) -> None:
    assert kind(url) == expected


def test_where_the_address_says_nothing_the_page_does() -> None:
    assert kind("https://shop.example/red-mug", f"<page>\n<h1>Red mug</h1>\n$9.00\n{ADD}") == "product"
    assert kind("https://shop.example/mugs", f"<page>\n{LIST}") == "search"
    assert kind("https://shop.example/mugs", "<page>\n1 product\n$9.00") == "search"
    assert kind("https://shop.example/mugs", f"<page>\n{ADD}\n{ADD.replace('cart', 'cart_2', 1)}") == "search"
    assert kind("https://shop.example/story", "<page>\nMade since 1911 for $9.00") == "other"


def test_a_product_under_its_category_is_a_product_and_the_category_a_list() -> None:
    assert kind("https://shop.example/category/mugs/red", f"<page>\n{ADD}\n{LIST}") == "product"
    assert kind("https://shop.example/category/mugs", "<page>") == "search"


def test_a_cart_that_covers_a_page_is_a_cart() -> None:
    drawer = '<page>\n<h2>Your Cart</h2>\n$9.00\n<button name="your_cart.checkout">Checkout</button>'
    assert kind("https://shop.example/products/red", drawer) == "cart"
    link = '\n<a name="cart.view">Cart</a>'
    assert kind("https://shop.example/products/red", f"<page>\n{ADD}{link}") == "product"


EVERSHOP = {
    "home": "home",
    "kitchen": "search",
    "desk_filtered": "search",
    "search_nothing": "search",
    "product_lamp": "product",
    "product_variant": "product",
    "cart_drawer": "cart",
    "cart": "cart",
    "checkout_payment": "checkout",
    "login": "other",
    "about_us": "other",
    "not_found": "other",
}


def test_pages_of_a_real_shop_have_their_kinds() -> None:
    pages = {each.name: each for each in saved_pages()}
    shown = {name: simplify_page(pages[name].rendered).html for name in EVERSHOP}
    assert {name: kind(SHOP + pages[name].path, html) for name, html in shown.items()} == EVERSHOP


def test_an_error_is_no_product() -> None:
    assert kind("http://store.local/product/none", status=404) == "other"


def test_long_hostile_pages_take_no_time() -> None:
    assert kind("https://shop.example/x", '<a name="' + "add_a" * 200_000) == "other"
    assert kind("https://shop.example/x", "<a " * 100_000 + "1" * 200_000) == "other"
    assert kind("https://shop.example/x", "1," * 100_000) == "other"


@pytest.mark.parametrize("name", ["buy_box.add_to_cart", "add_to_bag_2", "buy_now", "red.add_item_to_basket"])
def test_what_puts_something_into_the_cart(name: str) -> None:
    assert adds_to_cart(click(name))
    assert not adds_to_cart(Action(type="hover", name=name))


def test_links_to_the_cart_put_nothing_into_it() -> None:
    assert not adds_to_cart(click("cart")) and not adds_to_cart(click("help.how_to_add_to_cart.more"))


def test_a_visit_came_as_far_as_its_furthest_step_or_its_purchase() -> None:
    home = Step(page=Page(url="/", html="<page>"), action=type_and_submit("search_input", "mug"))
    product = Step(page=Page(url="/product/7", html="<page>"), action=terminate())
    added = product.model_copy(update={"action": click("buy_box.add_to_cart")})
    missed = added.model_copy(update={"error": "no element has this name"})
    assert [step_stage(step) for step in (home, product, added, missed)] == [
        "home",
        "product",
        "cart",
        "product",
    ]
    assert visit_stage([home, product], "terminate") == "product"
    assert visit_stage([home, added], "purchase") == "purchase"
    assert visit_stage([], None) is None
    old_order = home.model_copy(update={"page": Page(url="/orders/1001", html="<page>")})
    assert visit_stage([home, old_order], "terminate") == "cart"
    assert (
        page_stage(Page(url="/help", html="")) is None
        and page_stage(Page(url="/checkout", html="")) == "cart"
    )
    assert furthest(STAGES) == "purchase"
