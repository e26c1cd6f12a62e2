from collections.abc import Callable

import pytest
from starlette.testclient import TestClient

from shop_r1.store.app import create_app
from shop_r1.store.catalogue import Catalogue, Product, generate_catalogue
from shop_r1.store.search import SearchIndex
from shop_r1.store.visitors import seeded_ids


@pytest.fixture(scope="session")
def catalogue() -> Catalogue:
    return generate_catalogue(seed=3)


@pytest.fixture(scope="session")
def index(catalogue: Catalogue) -> SearchIndex:
    return SearchIndex(catalogue)


@pytest.fixture(scope="session")
def new_client(catalogue: Catalogue) -> Callable[[], TestClient]:
    """Each call is another visitor of one store."""
    app = create_app(catalogue, visitor_ids=seeded_ids(3))
    return lambda: TestClient(app, base_url="http://store.test")


@pytest.fixture
def client(new_client: Callable[[], TestClient]) -> TestClient:
    return new_client()


@pytest.fixture(scope="session")
def in_stock(catalogue: Catalogue) -> Product:
    return next(p for p in catalogue.products if p.stock > 20 and len(p.options) == 2)


@pytest.fixture(scope="session")
def out_of_stock(catalogue: Catalogue) -> Product:
    return next(p for p in catalogue.products if p.stock == 0)
