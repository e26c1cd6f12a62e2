"""Which of vLLM's servers a completion is asked from, by verl's own balancer without Ray."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest
from verl.workers.rollout.llm_server import LLMServerClient
from verl.workers.rollout.router import GlobalRequestLoadBalancer

from shop_r1.training.cluster.grpo.routing import GroupClient

PROMPTS = ([5, 6, 7], [5, 6, 8], [9])
GROUP = 4


class Remote:
    """A method as Ray's actors have it."""

    def __init__(self, method: Any) -> None:
        self._method = method

    async def remote(self, **kwargs: Any) -> Any:
        return self._method(**kwargs)


class Handle:
    """verl's balancer as its actor is called."""

    def __init__(self, balancer: GlobalRequestLoadBalancer) -> None:
        self._balancer = balancer

    def __getattr__(self, name: str) -> Remote:
        return Remote(getattr(self._balancer, name))


def balancer() -> GlobalRequestLoadBalancer:
    return GlobalRequestLoadBalancer({name: name for name in ("a", "b", "c")})


def servers_of_groups(
    kind: type[LLMServerClient], balance: GlobalRequestLoadBalancer, prompts: Sequence[list[int]] = PROMPTS
) -> list[Counter[str]]:
    """Return how many of each prompt's completions were asked from each server, before any was done."""
    client = kind(config=None, load_balancer_handle=Handle(balance))

    async def ask(number: int) -> str:
        prompt = prompts[number % len(prompts)]  # groups arrive mixed
        server, _ = await client._acquire_server(f"request {number}", prompt_ids=list(prompt))
        return str(server)

    async def ask_all() -> list[str]:
        return [await ask(number) for number in range(GROUP * len(prompts))]

    asked = asyncio.run(ask_all())
    return [Counter(asked[number :: len(prompts)]) for number in range(len(prompts))]


def test_a_group_has_one_server_and_groups_are_spread_over_all() -> None:
    found = servers_of_groups(GroupClient, balancer())
    assert [list(each.values()) for each in found] == [[GROUP]] * 3
    assert {server for each in found for server in each} == {"a", "b", "c"}


def test_verls_own_client_spreads_a_group() -> None:
    assert all(len(each) > 1 for each in servers_of_groups(LLMServerClient, balancer()))


def test_a_prompt_is_forgotten_when_the_step_is_over() -> None:
    balance = balancer()
    (first,) = servers_of_groups(GroupClient, balance, PROMPTS[:1])
    (server,) = first
    for _ in range(GROUP):
        balance.release_server(server)
    other = next(name for name in ("a", "b", "c") if name != server)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("random.choice", lambda names: other if other in names else names[0])
        assert set(servers_of_groups(GroupClient, balance, PROMPTS[:1])[0]) == {server}
        balance.clear_sticky_cache()
        assert set(servers_of_groups(GroupClient, balance, PROMPTS[:1])[0]) == {other}
