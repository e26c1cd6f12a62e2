import pytest

from shop_r1.cli.pipeline.stores import create_store
from shop_r1.records.sessions import Session
from shop_r1.shoppers.persona import Market
from shop_r1.shoppers.scripted import generate_sessions
from shop_r1.shoppers.wandering.people import Wants
from shop_r1.store.kinds import KINDS


@pytest.fixture(scope="session")
def wants() -> Wants:
    return Wants(Market(KINDS))


@pytest.fixture(scope="session")
def wandered() -> list[Session]:
    store = create_store("wandering", 5, page_size=4, seed=1)
    return list(generate_sessions(store, Market(KINDS), 60, 4, crowd="wandering"))
