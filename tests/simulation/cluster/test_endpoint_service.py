"""The process that sends all requests of a run, in this process."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.endpoints.serving import ModelServer

from shop_r1.endpoints.pricing import Price
from shop_r1.endpoints.protocol import Request
from shop_r1.endpoints.providers import open_endpoint
from shop_r1.endpoints.response_cache import ResponseCache
from shop_r1.endpoints.retry import RequestConfig
from shop_r1.endpoints.secrets import endpoint_environment
from shop_r1.errors import ModelError
from shop_r1.records.actions import SHOP
from shop_r1.simulation.cluster.endpoint_service import EndpointService
from shop_r1.simulation.loop import EndVisit
from shop_r1.simulation.policies.endpoint import EndpointConfig, EndpointModel

KEY = "sk-secret-key-of-a-test-0123456789"
PRICE = Price(input_usd=1.0, output_usd=1.0)


def request(draw: int) -> Request:
    return Request(messages=({"role": "user", "content": "What next?"},), max_tokens=10, draw=draw)


def service(name: str, cache: Path, cap_usd: float | None = None) -> EndpointService:
    config = EndpointConfig(requests=RequestConfig(max_cost_usd=cap_usd, max_attempts=1))

    @asynccontextmanager
    async def open_model() -> AsyncIterator[EndpointModel]:
        endpoint = open_endpoint(name, config.requests)
        with ResponseCache(cache) as kept:
            yield EndpointModel(endpoint, config, kept, PRICE, SHOP)
        await endpoint.close()

    return EndpointService(open_model, {"OPENAI_API_KEY": KEY})


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    """The command has the key; this process gets it from there."""
    monkeypatch.setenv("OPENAI_API_KEY", "")


def test_what_was_paid_for_is_not_asked_again_and_counts(tmp_path: Path) -> None:
    async def ask(one: EndpointService, *draws: int) -> list[str]:
        await one.open()
        found = await asyncio.gather(*(one.complete(request(draw)) for draw in draws))
        costs.append(await one.cost())
        await one.close()
        return [each.text for each in found]

    costs: list[float | None] = []
    with ModelServer(completion=lambda body: "{}") as server:
        first = asyncio.run(ask(service(server.name("openai"), tmp_path / "cache.jsonl"), 1, 2))
        again = asyncio.run(ask(service(server.name("openai"), tmp_path / "cache.jsonl"), 2, 1))
        assert len(server.tries) == 2
    assert first == again == ["{}", "{}"]
    assert costs[0] == costs[1] and costs[0]


def test_the_budget_holds_for_all_who_ask(tmp_path: Path) -> None:
    async def ask() -> list[object]:
        one = service(server.name("openai"), tmp_path / "cache.jsonl", cap_usd=1e-9)
        await one.open()
        found = await asyncio.gather(
            *(one.complete(request(draw)) for draw in range(3)), return_exceptions=True
        )
        await one.close()
        return list(found)

    with ModelServer(completion=lambda body: "{}") as server:
        ends = asyncio.run(ask())
        assert server.tries == []
    assert [end.outcome for end in ends if isinstance(end, EndVisit)] == ["stopped"] * 3


def test_an_error_comes_without_the_key(tmp_path: Path) -> None:
    async def ask() -> None:
        one = service(server.name("openai"), tmp_path / "cache.jsonl")
        await one.open()
        try:
            await one.complete(request(0))
        finally:
            await one.close()

    def refuse(body: object, headers: object) -> tuple[int, dict[str, object], dict[str, str]]:
        return 401, {"error": {"message": f"Incorrect API key provided: {KEY}"}}, {}

    with ModelServer(script=refuse) as server, pytest.raises(ModelError) as caught:
        asyncio.run(ask())
    assert KEY not in str(caught.value)
    assert "401" in str(caught.value) or "key" in str(caught.value)


def test_the_environment_that_goes_along_is_what_endpoints_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("https_proxy", "http://proxy.example:3128")
    monkeypatch.setenv("HF_TOKEN", "hf_not_for_endpoints")
    found = endpoint_environment()
    assert (found["OPENAI_API_KEY"], found["https_proxy"]) == (KEY, "http://proxy.example:3128")
    assert "HF_TOKEN" not in found
    assert set(found) <= set(os.environ)
