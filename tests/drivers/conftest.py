from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from tests.in_step import InStep

from shop_r1.store.app import create_app
from shop_r1.store.catalogue import generate_catalogue


@pytest.fixture(scope="session")
def app() -> Starlette:
    return create_app(generate_catalogue(seed=5, size=1200))


@pytest.fixture
def driver(app: Starlette) -> Iterator[InStep]:
    with InStep(app) as opened:
        yield opened
