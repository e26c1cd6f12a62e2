import pytest
from tests.in_step import InStep

from shop_r1.records.actions import type_and_submit
from shop_r1.shoppers.facts import read_page

RESULTS = """<page>
Search <input name="search_input" type="search" value="red mug"> <button name="search.go">Go</button>
<h1>Results for red mug</h1>
<ul>
<li><a name="refine.4_stars_up">4 stars up</a>
<li><a name="refine.under_15">Under $15</a>
</ul>
<ul>
<li><h2><a name="results.a">Ora Red Mug</a></h2>
$1,008.49 3.8 stars (51) Sponsored
<li><h2><a name="results.b">Ora Blue Mug</a></h2>
$9.00 Out of stock
</ul>"""


def test_a_list_of_results_is_read() -> None:
    facts = read_page("/search?q=Cheap+red+mug&rating=4", RESULTS)
    assert (facts.kind, facts.query, facts.is_good_only, facts.is_cheap_only) == (
        "results",
        ("cheap", "red", "mug"),
        True,
        False,
    )
    assert (facts.search_field, facts.rating_filter) == ("search_input", "refine.4_stars_up")
    assert facts.price_filter == ("under $15", "refine.under_15")
    first, second = facts.items
    assert (first.name, first.words, first.price_cents, first.rating) == (
        "results.a",
        ("ora", "red", "mug"),
        100849,
        3.8,
    )
    assert first.sponsored and first.in_stock
    assert (second.rating, second.in_stock, second.slug) == (None, False, "ora-blue-mug")


def test_the_store_s_own_pages_are_read(driver: InStep) -> None:
    driver.open("/")
    page = driver.act(type_and_submit("search_input", "red mug")).page
    facts = read_page(page.url, page.html)
    assert len(facts.items) == 6
    assert all(item.price_cents > 0 and item.rating for item in facts.items)


@pytest.mark.parametrize(
    "url", ["", "//", "/product/", "/product/x/reviews", "/search?q=%ff&q=b", "http://[::1/"]
)
@pytest.mark.parametrize(
    "html", ["", "<", "\x00", "<page>\n<li><a name='x'>$1.00", "<h1>" * 1000, "<li><a name>$3.50 4 stars (1)"]
)
def test_pages_of_anything_offer_nothing_rather_than_fail(url: str, html: str) -> None:
    facts = read_page(url, html)
    assert (facts.search_field, facts.price_filter, facts.rating_filter) == (None, None, None)
