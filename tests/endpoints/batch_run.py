"""A run in a process of its own, for tests that kill it: `ENDPOINT CACHE COUNT CONCURRENCY`."""

import asyncio
import json
import sys
from pathlib import Path

from tests.endpoints.test_batch import make_requests

from shop_r1.endpoints.batch import send_all
from shop_r1.endpoints.providers import open_endpoint
from shop_r1.endpoints.response_cache import ResponseCache
from shop_r1.endpoints.retry import RequestConfig


async def run(name: str, path: Path, count: int, concurrency: int) -> dict[str, int]:
    config = RequestConfig(concurrency=concurrency, timeout_s=60, backoff_s=0.02, max_attempts=12)
    endpoint = open_endpoint(name, config)
    with ResponseCache(path) as cache:
        outcomes = await send_all(endpoint, make_requests(count), config, cache)
    await endpoint.close()
    return {
        "completed": sum(outcome.completion is not None for outcome in outcomes),
        "from_the_cache": sum(outcome.received == 0 for outcome in outcomes),
    }


if __name__ == "__main__":
    words = sys.argv[1:]
    print(json.dumps(asyncio.run(run(words[0], Path(words[1]), int(words[2]), int(words[3])))))  # noqa: T201
