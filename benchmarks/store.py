"""Prints how long the demo store takes to respond, per kind of page: median and 95th percentile.

Run: python benchmarks/store.py [requests per page]. In process, by direct ASGI calls: no network.
"""

import asyncio
import statistics
import sys
import time
from collections.abc import MutableMapping
from itertools import chain
from typing import Any
from urllib.parse import urlencode

from starlette.applications import Starlette

from shop_r1.store.app import create_app
from shop_r1.store.catalogue import Catalogue, generate_catalogue


async def request(app: Starlette, path: str, query: str) -> int:
    """Send one GET request as a new visitor and return the response's status."""
    status = 0

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        nonlocal status
        status = message.get("status", status)

    scope = {
        "type": "http",
        "method": "GET",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "headers": [(b"host", b"store.test")],
        "scheme": "http",
        "server": ("store.test", 80),
        "client": ("127.0.0.1", 1),
        "root_path": "",
        "http_version": "1.1",
    }
    await app(scope, receive, send)
    return status


def pages(catalogue: Catalogue, number: int) -> dict[str, tuple[str, str]]:
    """Return one address per kind of page; every `number` gives other products and other searches."""
    product = catalogue.products[number * 7 % len(catalogue.products)]
    words = " ".join((*product.attributes, product.kind))
    return {
        "home": ("/", ""),
        "department": (f"/department/{product.department.lower()}", ""),
        "search, new words": ("/search", urlencode({"q": f"{words} {number}"})),
        "search, filtered": ("/search", urlencode({"q": words, "rating": 4, "sort": "price-low"})),
        "search, empty": ("/search", urlencode({"q": f"nothing{number}"})),
        "product": (f"/product/{product.id}", ""),
        "reviews": (f"/product/{product.id}/reviews", ""),
        "cart": ("/cart", ""),
        "not found": (f"/nowhere/{number}", ""),
    }


async def main(count: int) -> None:
    """Time `count` requests per page, interleaved, and print a table in milliseconds."""
    catalogue = generate_catalogue(seed=1)
    app = create_app(catalogue)
    times: dict[str, list[float]] = {}
    for number in range(count):
        for name, (path, query) in pages(catalogue, number).items():
            start = time.perf_counter()
            await request(app, path, query)
            times.setdefault(name, []).append((time.perf_counter() - start) * 1000)
    print(f"{'page':<20}{'median ms':>10}{'95th ms':>10}")
    for name, values in [*times.items(), ("all", list(chain.from_iterable(times.values())))]:
        print(f"{name:<20}{statistics.median(values):>10.2f}{statistics.quantiles(values, n=20)[-1]:>10.2f}")


if __name__ == "__main__":
    asyncio.run(main(int(sys.argv[1]) if len(sys.argv) > 1 else 300))
