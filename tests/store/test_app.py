import re
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import html
from starlette.testclient import TestClient

from shop_r1.errors import StoreError
from shop_r1.store.app import create_app
from shop_r1.store.catalogue import Catalogue, Product
from shop_r1.store.frame import PageParts
from shop_r1.store.visitors import seeded_ids

NewClient = Callable[[], TestClient]


def _page(text: str) -> html.HtmlElement:
    return html.fromstring(text)


def _visible_words(text: str) -> list[str]:
    page = _page(text)
    for element in page.xpath("//head | //script | //style | //*[@hidden]"):
        element.getparent().remove(element)
    return " ".join(page.itertext()).split()


def _titles(text: str) -> list[str]:
    return [str(e.text_content()) for e in _page(text).xpath('//ul[@aria-label="Results"]//h2')]


def _pages(product: Product) -> list[str]:
    searches = ["/search?q=red+mug", "/search?q=mug&sort=rating&rating=4", "/search?q=qqqq", "/search"]
    product_pages = [f"/product/{product.id}", f"/product/{product.id}/reviews"]
    texts = ["/help", "/returns", "/privacy", "/account"]
    return ["/", "/departments", "/department/toys", *searches, *product_pages, "/cart", *texts, "/nowhere"]


def test_results_hold_both_words_first_and_page_on(client: TestClient, catalogue: Catalogue) -> None:
    word, kind = "Red", "Mug"
    titles, path = [], "/search?q=red+mug&sort=price-low"
    while path:
        page = client.get(path)
        assert len(_titles(page.text)) <= 6
        titles += _titles(page.text)
        path = next(iter(_page(page.text).xpath('//nav[@aria-label="Pages"]/a[@rel="next"]/@href')), "")
    expected = {p.title for p in catalogue.products if word in p.attributes or p.kind == kind}
    assert set(titles) == expected and len(titles) == len(expected)
    first = _titles(client.get("/search?q=red+mug").text)
    assert kind in first[0] and {word, kind} <= set(first[1].split())


def test_a_filter_link_sets_its_filter_and_then_clears_it(client: TestClient) -> None:
    def rating_link(text: str) -> html.HtmlElement:
        return _page(text).xpath('//nav[@aria-label="Refine"]//a[contains(., "stars")]')[0]

    page = client.get("/search?q=mug")
    link = rating_link(page.text)
    assert link.get("aria-current") is None
    filtered = client.get(link.get("href"))
    assert rating_link(filtered.text).get("aria-current") == "true"
    ratings = re.findall(r"(\d\.\d) stars", filtered.text)
    assert ratings and all(float(rating) >= 4 for rating in ratings)
    assert _titles(client.get(rating_link(filtered.text).get("href")).text) == _titles(page.text)


def test_from_search_to_confirmation_by_links_and_forms(client: TestClient, in_stock: Product) -> None:
    page = client.get("/search", params={"q": in_stock.title})
    link = _page(page.text).xpath(f'//a[.="{in_stock.title}"]/@href')[0]
    option = _page(client.get(link).text).xpath('//ul[@aria-label="Colour"]//a[not(@aria-current)]')[0]
    page = client.get(option.get("href"))
    form = _page(page.text).xpath('//form[@aria-label="Buy box"]')[0]
    data = {field.get("name"): field.get("value") for field in form.xpath(".//input")}
    answer = client.post(form.get("action"), data={**data, "then": "checkout"}, follow_redirects=False)
    assert (answer.status_code, answer.headers["location"]) == (303, "/checkout")
    checkout = client.get("/checkout")
    assert in_stock.title in checkout.text and option.text in checkout.text
    order = client.post("/checkout")
    assert order.url.path == "/order/1" and in_stock.title in order.text
    total = (in_stock.price_cents + in_stock.delivery_cents) / 100
    assert f"${total:,.2f}" in order.text
    assert "Your cart is empty" in client.get("/cart").text


def test_quantities_change_and_lines_go_away(client: TestClient, in_stock: Product) -> None:
    client.post("/cart/add", data={"product": in_stock.id})
    page = client.post("/cart/add", data={"product": in_stock.id})
    line = _page(page.text).xpath('//input[@name="line"]/@value')[0]
    assert _page(page.text).xpath('//input[@name="quantity"]/@value') == ["2"]
    page = client.post("/cart/update", data={"line": line, "quantity": "5"})
    assert f"${in_stock.price_cents * 5 / 100:,.2f}" in page.text
    page = client.post("/cart/update", data={"line": line, "quantity": "500"})
    assert "Only 10 available." in page.text
    page = client.post("/cart/remove", data={"line": line})
    assert "Your cart is empty" in page.text


def test_visitors_do_not_see_each_other(new_client: NewClient, in_stock: Product) -> None:
    one, other = new_client(), new_client()
    one.post("/cart/add", data={"product": in_stock.id, "then": "checkout"})
    assert "Your cart is empty" in other.get("/cart").text
    order = one.post("/checkout").url.path
    assert other.get(order).status_code == 404
    assert one.get(order).status_code == 200


def test_the_cookie_banner_shows_on_the_first_page_only(client: TestClient) -> None:
    assert 'aria-label="Cookies"' in client.get("/help").text
    assert 'aria-label="Cookies"' not in client.get("/help").text


@pytest.mark.parametrize(
    ("back", "place"),
    [
        ("/search?q=mug", "/search?q=mug"),
        ("//evil.example/", "/"),
        ("https://evil.example", "/"),
        ("/\\evil", "/"),
    ],
)
def test_the_cookie_banner_leads_back_but_never_elsewhere(client: TestClient, back: str, place: str) -> None:
    answer = client.post("/cookies", data={"back": back}, follow_redirects=False)
    assert answer.headers["location"] == place


def test_a_made_up_cookie_is_replaced(new_client: NewClient) -> None:
    client = new_client()
    answer = client.get("/", headers={"cookie": "visitor=mine"})
    assert re.fullmatch(r"visitor=[0-9a-f]{32}; HttpOnly; Path=/; SameSite=lax", answer.headers["set-cookie"])


def test_ids_of_visitors_do_not_repeat_unless_they_are_seeded(catalogue: Catalogue) -> None:
    apps = [create_app(catalogue), create_app(catalogue)]
    first, second = (TestClient(app, base_url="http://store.test").get("/").headers for app in apps)
    assert first["set-cookie"] != second["set-cookie"]


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/nowhere", 404),
        ("/product/none", 404),
        ("/product/none/reviews", 404),
        ("/department/none", 404),
        ("/order/1", 404),
        ("/order/x", 404),
        ("/picture/none.svg", 404),
        ("/cart/add", 405),
        ("/search?q=mug&page=0", 404),
        ("/search?q=mug&page=9999", 404),
        ("/search?q=mug&page=-1", 400),
        ("/search?q=mug&page=²", 400),
        ("/search?q=mug&page=99999999999999999999", 400),
        pytest.param("/search?q=mug&page=" + 5000 * "9", 400, id="more digits than int() reads"),
        ("/search?q=mug&sort=none", 400),
        ("/search?q=mug&rating=9", 400),
        ("/search?q=mug&price=7", 400),
        ("/search?q=mug&brand=none", 400),
        ("/search?q=mug&department=none", 400),
        ("/search?q=mug&utm_source=letter", 200),
    ],
)
def test_what_the_pages_do_not_offer_is_refused_with_a_page(
    client: TestClient, path: str, status: int
) -> None:
    answer = client.get(path)
    assert answer.status_code == status
    assert len(_page(answer.text).xpath("//h1")) == 1


@pytest.mark.parametrize(
    ("path", "data", "status"),
    [
        ("/cart/add", {}, 404),
        ("/cart/add", {"product": "../../etc/passwd"}, 404),
        ("/cart/update", {"line": "none", "quantity": "1"}, 404),
        ("/cart/remove", {}, 404),
        ("/cookies", {"back": "x" * 20_000}, 413),
        ("/cookies", {f"field{n}": "x" for n in range(21)}, 400),
    ],
)
def test_forms_that_the_pages_do_not_hold_are_refused(
    client: TestClient, path: str, data: dict[str, str], status: int
) -> None:
    assert client.post(path, data=data).status_code == status


def test_bad_options_and_quantities_are_refused(client: TestClient, in_stock: Product) -> None:
    assert client.post("/cart/add", data={"product": in_stock.id, "colour": "mauve"}).status_code == 400
    assert client.get(f"/product/{in_stock.id}?colour=mauve").status_code == 400
    page = client.post("/cart/add", data={"product": in_stock.id})
    line = _page(page.text).xpath('//input[@name="line"]/@value')[0]
    for quantity in ("-1", "x", "1e3", "9" * 50):
        assert client.post("/cart/update", data={"line": line, "quantity": quantity}).status_code == 400
    assert client.post("/cookies", json={}).status_code == 415


def test_what_is_out_of_stock_says_so_and_cannot_be_bought(client: TestClient, out_of_stock: Product) -> None:
    page = client.get(f"/product/{out_of_stock.id}")
    assert "Out of stock" in page.text and "Buy now" not in page.text
    assert client.post("/cart/add", data={"product": out_of_stock.id}).status_code == 409
    assert "Your cart is empty" in client.get("/cart").text


def test_an_empty_checkout_leads_to_the_cart(client: TestClient) -> None:
    assert client.get("/checkout").url.path == "/cart"
    assert client.post("/checkout").url.path == "/cart"


def test_a_hostile_query_is_shown_but_never_run(client: TestClient) -> None:
    hostile = "<script>alert(1)</script>\"><img src=x onerror=alert(1)>'{{7*7}}"
    for query in (hostile, f"mug {hostile}"):
        answer = client.get("/search", params={"q": query})
        page = _page(answer.text)
        assert len(page.xpath("//script")) == 1 and not page.xpath("//@onerror")
        assert hostile in page.xpath("//h1")[0].text_content()
        assert page.xpath('//input[@name="q"]/@value') == [query]


@settings(max_examples=60, deadline=None)
@given(query=st.text(max_size=250), page=st.text(max_size=5), sort=st.text(max_size=5))
def test_any_query_gets_a_page(new_client: NewClient, query: str, page: str, sort: str) -> None:
    answer = new_client().get(
        "/search", params={"q": query.encode("utf-8", "replace"), "page": page, "sort": sort}
    )
    assert answer.status_code in (200, 400, 404)
    assert len(_page(answer.text).xpath("//h1")) == 1


def test_a_query_that_was_cut_says_so(client: TestClient) -> None:
    assert "first 200 characters" in client.get("/search", params={"q": "mug " * 60}).text


def test_only_the_pages_own_style_and_script_may_run(client: TestClient) -> None:
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'") and "unsafe" not in policy
    assert not _page(answer.text).xpath("//*[@style] | //*[@onclick]")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_pages_are_accessible_in_the_basics(client: TestClient, in_stock: Product) -> None:
    client.post("/cart/add", data={"product": in_stock.id})
    for path in [*_pages(in_stock), "/checkout"]:
        page = _page(client.get(path).text)
        assert page.get("lang") == "en" and page.findtext(".//title")
        for landmark in ("header", "main", "footer", "h1"):
            assert len(page.xpath(f"//{landmark}")) == 1, (path, landmark)
        ids = page.xpath("//@id")
        assert len(set(ids)) == len(ids)
        for field in page.xpath('//input[not(@type="hidden")]'):
            assert page.xpath("//label[@for=$id]", id=field.get("id")), (path, field.get("name"))
        assert all(image.get("alt") is not None for image in page.xpath("//img"))
        for element in page.xpath("//a | //button"):
            assert element.text_content().strip(), path
        assert all(nav.get("aria-label") for nav in page.xpath("//nav"))
        assert not page.xpath("//button[not(ancestor::form)]"), "works without a script"


def test_pages_are_short_enough_for_a_small_context(new_client: NewClient, catalogue: Catalogue) -> None:
    client = new_client()
    assert len(_visible_words(client.get("/").text)) <= 60
    for product in catalogue.products[::40]:
        assert len(_visible_words(client.get(f"/product/{product.id}").text)) <= 110
        assert len(_visible_words(client.get("/search", params={"q": product.title}).text)) <= 130


def test_every_link_leads_somewhere(client: TestClient, in_stock: Product) -> None:
    seen: set[str] = set()
    waiting = ["/", f"/product/{in_stock.id}", "/search?q=zzzz"]
    while waiting and len(seen) < 300:
        path = waiting.pop(0)
        if path in seen:
            continue
        seen.add(path)
        answer = client.get(path)
        assert answer.status_code == 200, path
        if not answer.headers["content-type"].startswith("text/html"):
            continue
        links = _page(answer.text).xpath("//a/@href | //img/@src")
        assert all(link.startswith("/") for link in links)
        waiting += links
    assert len(seen) == 300


def test_equal_visits_to_equal_stores_see_equal_pages(catalogue: Catalogue, in_stock: Product) -> None:
    visits = []
    for _ in range(2):
        client = TestClient(create_app(catalogue, visitor_ids=seeded_ids(9)), base_url="http://store.test")
        visits.append([(answer.text, dict(answer.headers)) for answer in map(client.get, _pages(in_stock))])
    assert visits[0] == visits[1]


def test_a_page_of_no_products_is_refused(catalogue: Catalogue) -> None:
    with pytest.raises(StoreError, match="page size 0"):
        create_app(catalogue, page_size=0)


def test_a_link_leads_back_to_the_list_that_was_seen_last_where_pages_have_it(catalogue: Catalogue) -> None:
    product = catalogue.products[0].id
    with TestClient(
        create_app(catalogue, parts=PageParts(back_link=True, footer=False, related=1))
    ) as client:
        assert "Back to results" not in client.get(f"/product/{product}").text
        client.get("/search?q=red+mug&page=2")
        page = client.get(f"/product/{product}").text
        assert '<a href="/search?q=red+mug&amp;page=2">Back to results</a>' in page
        assert "<footer>" not in page and page.count('<li class="card"') == 1
    with TestClient(create_app(catalogue)) as client:
        client.get("/search?q=red+mug")
        assert "Back to results" not in client.get(f"/product/{product}").text
