import socket

import pytest
from tests.shell import Shell


def test_a_busy_port_is_one_sentence(shell: Shell) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, out, err = shell("store", "--port", port)
    assert (code, out) == (2, "")
    assert err.startswith(f"shop-r1: 127.0.0.1:{port} cannot be used (Address already in use)")
    assert err.count("\n") == 1


def test_the_store_says_where_it_is_first(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shop_r1.store.serve.serve", lambda port, seed, host: None)
    code, out, _ = shell("store", "--port", 0)
    assert code == 0
    assert out.startswith("http://127.0.0.1:") and not out.startswith("http://127.0.0.1:0/")
