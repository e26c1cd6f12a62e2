"""A run in a process of its own, for tests that kill it: `ENDPOINT CACHE COUNT CONCURRENCY`."""

import asyncio
import json
import sys
from pathlib import Path

from tests.endpoints.test_batch import make_requests, take_all

from shop_r1.endpoints.batch import AskConfig, ask_all
from shop_r1.endpoints.providers import open_endpoint
from shop_r1.endpoints.response_cache import AnswerCache


async def run(name: str, path: Path, count: int, concurrency: int) -> dict[str, int]:
    config = AskConfig(concurrency=concurrency, timeout_s=60, backoff_s=0.02, tries=12)
    endpoint = open_endpoint(name, timeout_s=config.timeout_s)
    with AnswerCache(path) as cache:
        outcomes = await ask_all(endpoint, make_requests(count), config, cache, None, take_all)
    await endpoint.close()
    return {
        "answered": sum(outcome.answer is not None for outcome in outcomes),
        "from_the_cache": sum(outcome.tries == 0 for outcome in outcomes),
    }


if __name__ == "__main__":
    words = sys.argv[1:]
    print(json.dumps(asyncio.run(run(words[0], Path(words[1]), int(words[2]), int(words[3])))))  # noqa: T201
