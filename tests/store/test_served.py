import logging

import httpx2

from shop_r1.store.app import create_app
from shop_r1.store.catalogue import generate_catalogue
from shop_r1.store.serve import served


def test_the_store_is_served_within_the_process_until_the_end() -> None:
    with served(create_app(generate_catalogue(seed=1, size=96))) as port:
        assert "<h1" in httpx2.get(f"http://127.0.0.1:{port}/", trust_env=False).text
    try:
        httpx2.get(f"http://127.0.0.1:{port}/", trust_env=False)
    except httpx2.ConnectError:
        return
    raise AssertionError("it is still served")


def test_the_logging_of_the_process_stays_as_it_is() -> None:
    closed = []

    class Handler(logging.NullHandler):
        def close(self) -> None:  # as absl's, which closes its stream too
            closed.append(self)

    handler = Handler()
    with served(create_app(generate_catalogue(seed=1, size=96))):
        assert handler not in closed
