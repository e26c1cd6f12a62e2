from collections.abc import Iterator

import pytest
from starlette.applications import Starlette
from tests.in_step import InStep

from shop_r1.records.sessions import Session
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.scripted import generate_sessions
from shop_r1.store.app import create_app
from shop_r1.store.catalogue import generate_catalogue
from shop_r1.store.kinds import KINDS


@pytest.fixture(scope="session")
def app() -> Starlette:
    return create_app(generate_catalogue(seed=5, size=1200))


@pytest.fixture(scope="session")
def market() -> Market:
    return Market(KINDS)


@pytest.fixture(scope="session")
def sessions(app: Starlette, market: Market) -> list[Session]:
    return list(generate_sessions(app, market, 150, seed=11))


@pytest.fixture
def driver(app: Starlette) -> Iterator[InStep]:
    with InStep(app) as opened:
        yield opened
