"""`store`: the built-in shop on this machine."""

import sys
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from shop_r1.cli.terminal import console


def store(
    port: Annotated[int, Option(help="0 picks a free one.")] = 8000,
    seed: Annotated[int, Option(help="Of the catalogue.")] = 0,
    host: Annotated[str, Option(help="Address to listen on.")] = "127.0.0.1",
    crowd: Annotated[
        Literal["focused", "wandering"], Option(help="Pages as this crowd of scripted shoppers needs them.")
    ] = "focused",
    page_size: Annotated[int, Option(min=1, max=100, help="Products on a page.")] = 6,
    variant: Annotated[
        Path | None, Option(metavar="FILE.toml", help="Which version of the store (docs: compare versions).")
    ] = None,
) -> None:
    """Serve the built-in store until Ctrl-C.

    Example: shop-r1 store --port 8000
    """
    from shop_r1.cli.pipeline.stores import create_store
    from shop_r1.cli.simulation.versions import read_version
    from shop_r1.errors import ConfigError
    from shop_r1.store.serve import bind, serve
    from shop_r1.store.variants import StoreVariant

    chosen = read_version(variant, at_address=False) if variant is not None else None
    if chosen is not None and not isinstance(chosen, StoreVariant):
        raise ConfigError(
            f"{variant}: is made of edits in a browser, of which the store knows nothing; give it to "
            "simulate or compare"
        )
    with bind(host, port) as probe:  # So that the address is printed only when it will be served.
        port = probe.getsockname()[1]
    shown = f"[{host}]" if ":" in host else host
    console.echo(f"http://{shown}:{port}/")
    console.note("Serving the store; Ctrl-C stops it.")
    sys.stdout.flush()
    serve(port, create_store(crowd, seed, page_size, variant=chosen), host)
