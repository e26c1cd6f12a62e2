import time
from collections.abc import Callable
from pathlib import Path

import pytest
from lxml import html
from pydantic import ValidationError
from starlette.testclient import TestClient

from shop_r1.cli.pipeline.stores import create_store, read_variant
from shop_r1.errors import ConfigError
from shop_r1.store.app import create_app
from shop_r1.store.catalogue import Catalogue
from shop_r1.store.variants import StoreVariant
from shop_r1.store.visitors import seeded_ids

Visit = Callable[..., TestClient]


@pytest.fixture
def visit(catalogue: Catalogue) -> Visit:
    """Each call is a visitor of a version of the store."""

    def make(**values: object) -> TestClient:
        variant = StoreVariant.model_validate(values)
        app = create_app(catalogue, visitor_ids=seeded_ids(3), variant=variant)
        return TestClient(app, base_url="http://store.test")

    return make


def test_the_store_without_a_variant_is_the_default_one(visit: Visit, client: TestClient) -> None:
    plain = visit()
    for path in ("/", "/search?q=red+mug", "/department/toys", "/search?q=mug&sort=rating&rating=4"):
        assert plain.get(path).text == client.get(path).text


def test_hidden_ratings_are_nowhere_but_in_reviews(visit: Visit, catalogue: Catalogue) -> None:
    shown, hidden = visit(), visit(ratings=False)
    product = next(p for p in catalogue.products if p.reviews)
    for path in ("/search?q=mug", "/department/toys", f"/product/{product.id}"):
        assert " stars (" in shown.get(path).text
        for word in (" stars (", "stars up", "Top rated"):
            assert word not in hidden.get(path).text
    page = hidden.get(f"/product/{product.id}/reviews").text
    assert " stars (" not in page and " star" in page


@pytest.mark.parametrize(
    ("filters", "places"), [("beside", [0]), ("above", [0]), ("below", [1]), ("none", [])]
)
def test_filters_stand_where_they_are_to(visit: Visit, filters: str, places: list[int]) -> None:
    page = html.fromstring(visit(filters=filters).get("/search?q=mug").text)
    (columns,) = page.xpath('//div[contains(@class, "columns")]')
    found = [place for place, each in enumerate(columns) if each.get("class") == "side" and places]
    assert [place for place in found if columns[place].xpath(".//a")] == places
    assert ("rows" in columns.get("class")) == (filters != "beside")


def test_delivered_prices_are_what_the_checkout_asks_for(visit: Visit, catalogue: Catalogue) -> None:
    product = next(p for p in catalogue.products if p.delivery_cents and p.stock and not p.options)
    client = visit(prices="delivered", delivery_badge=True)
    total = f"${(product.price_cents + product.delivery_cents) / 100:,.2f}"
    page = client.get(f"/product/{product.id}").text
    assert f'<p class="price">{total}</p>' in page and "Delivery included, " in page
    client.post("/cart/add", data={"product": product.id, "then": "cart"})
    assert f"<dd>{total}</dd>" in client.get("/checkout").text


def test_a_delivery_badge_says_what_the_products_page_says(visit: Visit, catalogue: Catalogue) -> None:
    page = html.fromstring(visit(delivery_badge=True, page_size=20).get("/search?q=mug").text)
    cards = page.xpath('//li[@class="card"]')
    assert len(cards) == 20
    for card in cards:
        product = catalogue.by_id[card.get("data-id")]
        (badge,) = card.xpath('.//span[@class="delivery"]/text()')
        assert badge.endswith(f", {product.delivery_days} day{'s' if product.delivery_days > 1 else ''}")
        assert ("Free" in badge) == (product.delivery_cents == 0)


def test_latency_holds_pages_back_and_no_pictures(visit: Visit, catalogue: Catalogue) -> None:
    client = visit(latency_s=0.05)
    began = time.monotonic()
    client.get("/")
    assert time.monotonic() - began >= 0.05
    slow = visit(latency_s=30.0)
    assert slow.get(f"/picture/{catalogue.products[0].id}.svg").status_code == 200


def test_a_variant_is_read_from_toml_and_called_as_its_file(tmp_path: Path) -> None:
    path = tmp_path / "No Ratings!.toml"
    path.write_text("ratings = false\npage_size = 12\n", "utf-8")
    assert read_variant(path) == StoreVariant(name="no-ratings", ratings=False, page_size=12)
    path.write_text('name = "calm"\nratngs = false\n', "utf-8")
    with pytest.raises(ConfigError, match="ratngs: no such setting; did you mean ratings"):
        read_variant(path)
    with pytest.raises(ValidationError):
        StoreVariant(name="Not a name")


def test_a_variants_page_size_comes_before_the_stores() -> None:
    app = create_store("focused", page_size=4, variant=StoreVariant(page_size=9))
    page = html.fromstring(TestClient(app, base_url="http://s.test").get("/search?q=mug").text)
    assert len(page.xpath('//li[@class="card"]')) == 9
