import socket

import pytest
from starlette.applications import Starlette

from shop_r1.errors import StoreError
from shop_r1.store.serve import bind, serve


def test_a_busy_port_is_one_clear_sentence() -> None:
    with bind("127.0.0.1", 0) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(StoreError, match=f"127.0.0.1:{port} cannot be used .* choose another port"):
            serve(port, Starlette())


def test_a_port_out_of_range_is_refused() -> None:
    with pytest.raises(StoreError, match="70000"):
        bind("127.0.0.1", 70_000)


def test_a_free_port_is_bound_and_listens() -> None:
    with bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname(), timeout=2):
        pass
