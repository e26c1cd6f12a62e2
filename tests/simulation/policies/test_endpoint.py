import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from tests.endpoints.serving import Faults, ModelServer

from shop_r1.drivers.in_process import InProcessDriver
from shop_r1.endpoints.pricing import Price
from shop_r1.endpoints.providers import open_endpoint
from shop_r1.endpoints.response_cache import ResponseCache
from shop_r1.endpoints.retry import RequestConfig
from shop_r1.errors import ModelError
from shop_r1.prompts.render import PromptConfig, render_completion
from shop_r1.records.actions import LIVE, SHOP, ActionSpace, terminate, type_and_submit
from shop_r1.records.sessions import Page, Step
from shop_r1.records.visits import VisitEnd
from shop_r1.simulation.concurrent import run_visits
from shop_r1.simulation.loop import Policy, Visit
from shop_r1.simulation.policies.endpoint import EndpointConfig, EndpointModel, EndpointPolicy

KEY = "sk-secret-key-of-a-test-0123456789"
LEAVE = render_completion("Nothing for me.", terminate())
SEARCH = render_completion("I need a mug.", type_and_submit("search_input", "mug"))


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)


class Kept:
    """An observer that keeps steps and ends."""

    def __init__(self) -> None:
        self.ends: dict[str, VisitEnd] = {}
        self.steps: dict[str, list[Step]] = {}

    async def begin(self, visit: Visit) -> None:
        self.steps[visit.session_id] = []

    async def before_step(self, visit: Visit, page: Page) -> bool:
        return True

    async def after_step(self, visit: Visit, step: Step) -> None:
        self.steps[visit.session_id].append(step)

    async def end(self, visit: Visit, end: VisitEnd) -> None:
        self.ends[visit.session_id] = end


def shop(
    app: Starlette,
    server: ModelServer,
    cache_path: Path,
    count: int = 2,
    space: ActionSpace = SHOP,
    persona: str | None = None,
    **settings: Any,
) -> Kept:
    """Let shoppers of the endpoint visit the store, two at a time."""
    kept = Kept()
    requests = RequestConfig(backoff_s=0.001, **settings.pop("requests", {}))
    config = EndpointConfig(requests=requests, prompt=PromptConfig(persona=persona is not None), **settings)

    async def run() -> None:
        endpoint = open_endpoint(server.name("openai"), config.requests)
        policies: dict[str, EndpointPolicy] = {}
        with ResponseCache(cache_path) as cache:
            model = EndpointModel(endpoint, config, cache, config.price, space, persona)

            def policy_of(visit: Visit) -> Policy:
                policies[visit.key] = EndpointPolicy(model)
                return policies[visit.key]

            try:
                await run_visits(
                    [Visit(f"0-{number}", f"endpoint-{number}") for number in range(count)],
                    policy_of,
                    lambda _: InProcessDriver(app),
                    kept,
                    concurrency=2,
                    cost_of=lambda visit: policies[visit.key].cost_usd,
                )
            finally:
                await endpoint.close()

    asyncio.run(run())
    return kept


def by_page(first: str = SEARCH, later: str = LEAVE) -> Callable[[dict[str, Any]], str]:
    return lambda body: later if "Page 2:" in body["messages"][-1]["content"] else first


def test_a_model_shops_and_what_it_costs_is_recorded(app: Starlette, tmp_path: Path) -> None:
    price = Price(input_usd=2.0, output_usd=10.0)
    with ModelServer(completion=by_page()) as server:
        kept = shop(app, server, tmp_path / "c.jsonl", price=price, sampling={"temperature": 0.3})
    assert {end.outcome for end in kept.ends.values()} == {"terminate"}
    for name, steps in kept.steps.items():
        assert [step.action.type for step in steps] == ["type_and_submit", "terminate"]
        assert steps[0].rationale == "I need a mug."
        assert (kept.ends[name].cost_usd or 0) > 0
    assert {each.body["temperature"] for each in server.tries} == {0.3}
    # Each shopper draws for itself, on the same first page too.
    assert len(server.tries) == 4


def test_persona_and_space_are_in_the_prompt_and_no_key_is_in_what_is_kept(
    app: Starlette, tmp_path: Path
) -> None:
    cache = tmp_path / "c.jsonl"
    with ModelServer(completion=by_page()) as server:
        kept = shop(app, server, cache, space=LIVE, persona="A student with 20 dollars.")
    system = server.tries[0].body["messages"][0]["content"]
    assert "A student with 20 dollars." in system
    assert "`hover`" in system
    assert any(KEY in value for value in server.tries[0].headers.values())
    written = cache.read_text("utf-8") + "".join(end.model_dump_json() for end in kept.ends.values())
    assert KEY not in written + "".join(
        step.model_dump_json() for each in kept.steps.values() for step in each
    )


def test_nothing_is_paid_for_twice(app: Starlette, tmp_path: Path) -> None:
    cache = tmp_path / "c.jsonl"
    with ModelServer(completion=by_page()) as server:
        first = shop(app, server, cache)
        sent = len(server.tries)
        again = shop(app, server, cache, count=3)
    assert again.steps["endpoint-1"] == first.steps["endpoint-1"]
    assert len(server.tries) - sent == 2  # of the third shopper alone


def test_visits_end_where_the_budget_does(app: Starlette, tmp_path: Path) -> None:
    cache = tmp_path / "c.jsonl"
    # A request reserves a token for each byte, and this server bills one for each word: 12,000 tokens are
    # enough for some requests, not for all steps of six visits.
    price = Price(input_usd=1.0, output_usd=1.0)
    cap = 0.012
    with ModelServer(completion=lambda _: SEARCH) as server:
        kept = shop(app, server, cache, count=6, price=price, requests={"max_cost_usd": cap})
    ends = list(kept.ends.values())
    assert {end.outcome for end in ends} <= {"stopped", "max_steps"}
    stopped = [end for end in ends if end.outcome == "stopped"]
    assert stopped and all(
        end.reason == f"the budget of {cap:g} USD is spent (--max-cost)" for end in stopped
    )
    assert sum(end.cost_usd or 0.0 for end in ends) <= cap
    assert len(server.tries) == sum(end.steps for end in ends)


@pytest.mark.parametrize(
    ("completion", "steps"),
    [
        ("", 0),
        ("I would search for a mug.", 0),
        ('{"rationale": "x", "action": {"type": "buy_everything"}}', 0),
        ('{"rationale": "x", "action": {"type": "goto", "name": "http://evil.example/"}}', 0),
        ("[" * 100_000, 0),
        ('{"rationale": "x", "action": {"type": "click", "name": "' + "a" * 50_000 + '"}}', 3),
        ('{"rationale": "\\u001b[2J", "action": {"type": "click", "name": "<script>alert(1)</script>"}}', 3),
        ('{"rationale": "x", "action": {"type": "select", "name": "a", "text": "b"}}', 0),
    ],
)
def test_hostile_completions_end_their_visit_and_nothing_else(
    app: Starlette, tmp_path: Path, completion: str, steps: int
) -> None:
    def complete(body: dict[str, Any]) -> str:
        return completion

    with ModelServer(completion=complete) as server:
        kept = shop(app, server, tmp_path / "c.jsonl", count=1)
    (end,) = kept.ends.values()
    assert (end.outcome, end.steps) == ("error" if steps else "no step", steps)
    assert end.invalid == (0 if steps else 2)
    assert end.reason
    assert len(end.reason) <= 500
    assert all(step.error for step in kept.steps["endpoint-0"])


@pytest.mark.parametrize("parse", ["lenient", "strict"])
def test_a_fence_round_a_completion_is_taken_away_unless_strict(
    app: Starlette, tmp_path: Path, parse: str
) -> None:
    with ModelServer(completion=lambda _: f"```json\n{LEAVE}\n```") as server:
        kept = shop(app, server, tmp_path / "c.jsonl", count=1, parse=parse)
    assert kept.ends["endpoint-0"].outcome == ("terminate" if parse == "lenient" else "no step")


def test_an_invalid_response_is_asked_for_once_more(app: Starlette, tmp_path: Path) -> None:
    texts = iter(["no JSON", SEARCH, "no JSON", LEAVE])
    with ModelServer(completion=lambda _: next(texts)) as server:
        kept = shop(app, server, tmp_path / "c.jsonl", count=1)
    assert (kept.ends["endpoint-0"].outcome, kept.ends["endpoint-0"].invalid) == ("terminate", 2)


def test_passing_errors_are_retried_and_lasting_ones_end_the_run(app: Starlette, tmp_path: Path) -> None:
    faults = Faults(rate=1.0, kinds=("429", "500", "reset"), at_most=2)
    with ModelServer(completion=by_page(), faults=faults) as server:
        kept = shop(app, server, tmp_path / "c.jsonl", count=1)
    assert kept.ends["endpoint-0"].outcome == "terminate"
    with (
        ModelServer(completion=by_page(), faults=Faults(rate=1.0, kinds=("401",))) as server,
        pytest.raises(ModelError) as raised,
    ):
        shop(app, server, tmp_path / "other.jsonl", count=3)
    assert KEY not in str(raised.value)


def test_a_refusal_is_an_invalid_response(app: Starlette, tmp_path: Path) -> None:
    with ModelServer(completion=by_page(), faults=Faults(rate=1.0, kinds=("refusal",))) as server:
        kept = shop(app, server, tmp_path / "c.jsonl", count=1)
    end = kept.ends["endpoint-0"]
    assert (end.outcome, end.invalid) == ("no step", 2)
    assert "refused" in (end.reason or "")
