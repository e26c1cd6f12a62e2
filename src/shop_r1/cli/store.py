"""`store`: the built-in shop on this machine."""

import sys
from typing import Annotated

from typer import Option

from shop_r1.cli.terminal import console


def store(
    port: Annotated[int, Option(help="0 picks a free one.")] = 8000,
    seed: Annotated[int, Option(help="Of the catalogue.")] = 0,
    host: Annotated[str, Option(help="Address to listen on.")] = "127.0.0.1",
) -> None:
    """Serve the built-in store until Ctrl-C.

    Example: shop-r1 store --port 8000
    """
    from shop_r1.store.serve import bind, serve

    with bind(host, port) as probe:  # So that the address is printed only when it will be served.
        port = probe.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    console.echo(f"http://{shown}:{port}/")
    console.note("Serving the store; Ctrl-C stops it.")
    sys.stdout.flush()
    serve(port, seed, host)
