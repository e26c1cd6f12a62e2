"""The policy of `evaluate --model` that is a model over a network, with its cost and its cache."""

import asyncio
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

from shop_r1.cli.jobs import NO_RAY, RayOptions, joined_cluster, opened_endpoint
from shop_r1.cli.models import NO_PRICE, Policy, request_bar
from shop_r1.cli.terminal import console
from shop_r1.endpoints.batch import estimate
from shop_r1.endpoints.pricing import Price, choose_price
from shop_r1.endpoints.protocol import Completion, Endpoint
from shop_r1.endpoints.providers import open_endpoint
from shop_r1.endpoints.response_cache import ResponseCache
from shop_r1.errors import ConfigError
from shop_r1.evaluation import remote
from shop_r1.evaluation.remote import RemoteConfig, StepRequest
from shop_r1.evaluation.results_folder import Evaluation, Predicted, begin_results
from shop_r1.jsonl import write_json
from shop_r1.pages.tokens import estimate_tokens
from shop_r1.records.results import Prediction
from shop_r1.runs import CACHE, make_record


def endpoint_policy(
    words: Sequence[str],
    max_cost: float | None,
    concurrency: int | None,
    cache: Path | None,
    where: RayOptions = NO_RAY,
) -> Policy:
    """Return a model over a network as the settings have it."""
    chosen = {"requests.max_cost_usd": max_cost, "requests.concurrency": concurrency}
    config = console.read_settings(RemoteConfig, words, None, **chosen)
    if config.prompt.chat_template_kwargs:
        raise ConfigError(
            "prompt.chat_template_kwargs is for checkpoints; an endpoint has a template of its own"
        )
    temperature = config.sampling.temperature if config.sampling.send_temperature else None
    return Policy(config.prompt.context, temperature, partial(_predict_runs, config, cache, where))


def _predict_runs(
    config: RemoteConfig, cache_path: Path | None, where: RayOptions, job: Evaluation
) -> Iterator[Predicted]:
    """Send the requests of all runs together, under one cap, and yield each run's predictions."""
    price = choose_price(config.price, job.model, config.prompt.max_tokens, config.requests.max_cost_usd)
    steps = [step for run in job.conditions for step in remote.make_requests(job.examples, run.apply(config))]
    path = cache_path or job.out / CACHE
    notes: list[str] = []

    async def send(endpoint: Endpoint) -> list[tuple[Prediction, Completion]]:
        try:
            with ResponseCache(path) as cache:
                resolved = config.model_dump(mode="json") | job.record() | {"cache": str(path)}
                record = make_record(resolved, [job.data], config.seed, command="evaluate")
                begin_results(job.out, record, force=job.force, free=("data", "cache", "requests", "price"))
                _show_estimate(job.model, config, cache, price, steps)
                with request_bar() as report:
                    return await remote.predict(endpoint, steps, config, cache, price, report)
        finally:
            await endpoint.close()

    connect = partial(open_endpoint, job.model, config.requests, notes.append)
    try:
        with (
            joined_cluster(where.address, where.workers) as cluster,
            opened_endpoint(job.model, config.requests, connect, notes.append, cluster) as opened,
        ):
            found = asyncio.run(send(opened))
    finally:
        for note in notes:
            console.note(note)
    size = len(job.examples)
    for index, run in enumerate(job.conditions):
        predictions, completions = zip(*found[index * size : (index + 1) * size], strict=True)
        summary = remote.summarize_requests(job.model, completions, price, notes)
        write_json(run.folder / "requests.json", summary.model_dump(mode="json"))
        console.note(_describe(summary, config))
        yield Predicted(run, predictions, estimate_tokens, True)


def _show_estimate(
    name: str, config: RemoteConfig, cache: ResponseCache, price: Price | None, steps: Sequence[StepRequest]
) -> None:
    """Show what is about to be sent and what it may cost."""
    if cache.is_incomplete:
        console.note(f"{cache.path}: the last line was incomplete and is dropped; its request is sent again")
    found = estimate(name, [step.request for step in steps], cache, price)
    cost = NO_PRICE if found.cost_usd is None else f"at most about {found.cost_usd:.2f} USD"
    cap = config.requests.max_cost_usd
    console.note(
        f"{name}: {found.requests} steps, {found.cached} of them completed in {cache.path}; "
        f"{found.requests - found.cached} requests to send: {found.usage.input_tokens:,} input tokens "
        f"(estimated), at most {found.usage.output_tokens:,} output tokens; {cost}"
        + (f", stopping at {cap:g} USD" if cap is not None else "")
    )


def _describe(summary: remote.RequestSummary, config: RemoteConfig) -> str:
    """Return what the completions of a run were like and cost."""
    empty = f", {summary.empty} without text" if summary.empty else ""
    cost = "" if summary.cost_usd is None else f", {summary.cost_usd:.2f} USD"
    counted = "completions the server reported no full usage, so they count at an upper bound"
    unknown = f"; for {summary.usage_unknown} {counted}" if summary.usage_unknown else ""
    return (
        f"{summary.steps} completions, {summary.refused} refused{empty} and {summary.cut} cut at "
        f"{config.sampling.max_new_tokens} tokens; {summary.input_tokens:,} input tokens, "
        f"{summary.output_tokens:,} output tokens{cost}{unknown}. Self-certainty is not measured over a "
        "network: the rationale's reward is 0"
    )
