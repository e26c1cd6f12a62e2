"""Personas put into words by a model over a network, which is shown counts and frequent queries alone."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shop_r1.cli.models import is_endpoint, request_bar
from shop_r1.cli.terminal import console
from shop_r1.endpoints.batch import Failure, Outcome, send_all
from shop_r1.endpoints.pricing import choose_price
from shop_r1.endpoints.protocol import Completion, Request
from shop_r1.endpoints.providers import open_endpoint
from shop_r1.endpoints.response_cache import ResponseCache
from shop_r1.endpoints.retry import RequestConfig
from shop_r1.errors import ConfigError
from shop_r1.personas.describing import description_messages, read_description, with_description
from shop_r1.personas.mining import Mined

_LONGEST = 1024
"""Tokens of a completion at most, thoughts included. Ours."""


def check_describer(name: str | None, max_cost: float | None) -> None:
    """Make sure that the model can be asked, before the log is read.

    Raises:
        ConfigError: it is none over a network, or there is a budget without a model or a price.
    """
    if name is None:
        if max_cost is not None:
            raise ConfigError("--max-cost is of --describe, which is not given")
        return
    if not is_endpoint(name):
        raise ConfigError(f"--describe {name}: expected openai:…, anthropic:… or bedrock:…")
    choose_price(None, name, _LONGEST, max_cost)


def add_descriptions(found: Mined, name: str, max_cost: float | None, cache: Path) -> Mined:
    """Return the personas with the model's words before the counted ones.

    One that the model does not describe in three completions, or for which the budget is spent, stays as it
    is and is counted in a note.

    Raises:
        ConfigError: a key is missing.
        ModelError: no request can succeed.
        DataError: the completions cannot be kept.
    """
    file = found.file
    requests = [
        Request(
            messages=description_messages(persona, own, found.everybody, queries.intents), max_tokens=_LONGEST
        )
        for persona, own, queries in zip(file.persona, found.summaries, found.own_queries, strict=True)
    ]
    outcomes = asyncio.run(_send(requests, name, max_cost, cache))
    texts = [
        read_description(each.completion.text) if each.completion is not None else None for each in outcomes
    ]
    personas = tuple(
        persona if text is None else with_description(persona, text)
        for persona, text in zip(file.persona, texts, strict=True)
    )
    failures = [each.failure.message for each in outcomes if each.failure is not None]
    if failures:
        console.note(
            f"{len(failures)} of {len(texts)} personas are described by their counts alone: {failures[0]}"
        )
    return replace(found, file=file.model_copy(update={"persona": personas}))


async def _send(requests: Sequence[Request], name: str, max_cost: float | None, cache: Path) -> list[Outcome]:
    config = RequestConfig(max_cost_usd=max_cost)
    endpoint = open_endpoint(name, config, console.note)
    price = choose_price(None, name, _LONGEST, max_cost)
    try:
        with ResponseCache(cache) as kept, request_bar() as show:
            return await send_all(endpoint, requests, config, kept, price, _check, show)
    finally:
        await endpoint.close()


def _check(_: int, completion: Completion) -> Failure | None:
    if read_description(completion.text) is not None:
        return None
    return Failure("invalid", f"the completion is no description: {completion.text[:60]!r}")
