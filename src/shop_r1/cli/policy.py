"""`evaluate --model` with a model that answers over a network: ask, show the cost, keep all answers."""

import asyncio
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shop_r1.cli.terminal.console import print_note, read_settings
from shop_r1.cli.terminal.request_progress import describe_progress, noted_bar, open_remote
from shop_r1.errors import ConfigError
from shop_r1.runs import CACHE, make_record

if TYPE_CHECKING:
    from shop_r1.endpoints.batch import Progress
    from shop_r1.endpoints.protocol import Answer, Price
    from shop_r1.endpoints.response_cache import AnswerCache
    from shop_r1.evaluation.remote import Asked, Question, RemoteConfig
    from shop_r1.evaluation.results_folder import Condition, Evaluation, Predicted

_ENDPOINT = re.compile(r"(openai|anthropic|bedrock):")


def is_endpoint(name: str) -> bool:
    """Return whether the name is that of a model over a network, not of a checkpoint.

    Raises:
        ConfigError: it holds a secret, which would be shown and written wherever the name is.
    """
    from shop_r1.endpoints.secrets import refuse_secret_name

    refuse_secret_name(name)
    return _ENDPOINT.match(name) is not None


@dataclass(frozen=True)
class Policy:
    """Who answers, and how if the command line does not say.

    Attributes:
        context: `whole-session` or `latest-step`.
        temperature: of sampling; None where an endpoint is sent none.
        ask: gives the predictions under each of an evaluation's conditions, in order.
    """

    context: str
    temperature: float | None
    ask: "Callable[[Evaluation], Iterator[Predicted]]"


def endpoint_policy(
    words: Sequence[str], max_cost: float | None, concurrency: int | None, cache: Path | None
) -> Policy:
    """Return a model over a network as the settings have it."""
    from shop_r1.evaluation.remote import RemoteConfig

    chosen = {"ask.max_cost_usd": max_cost, "ask.concurrency": concurrency}
    config = read_settings(RemoteConfig, words, None, **chosen)
    if config.prompt.chat_template_kwargs:
        raise ConfigError(
            "prompt.chat_template_kwargs is for checkpoints; an endpoint has a template of its own"
        )
    temperature = config.sampling.temperature if config.sampling.send_temperature else None
    return Policy(config.prompt.context, temperature, partial(_ask_endpoint, config, cache))


def _ask_endpoint(
    config: "RemoteConfig", cache_path: Path | None, job: "Evaluation"
) -> "Iterator[Predicted]":
    """Ask for the steps of all conditions at once, under one cap, and yield each condition's predictions."""
    from shop_r1.endpoints.pricing import find_price, settle_price
    from shop_r1.evaluation.remote import count_answers, read_answers, write_questions
    from shop_r1.evaluation.results_folder import Predicted
    from shop_r1.jsonl import write_json
    from shop_r1.pages.tokens import estimate_tokens

    price = settle_price(config.price, find_price(job.model), config.ask.max_cost_usd)
    questions = {run: write_questions(job.examples, _settings_of(run, config)) for run in job.conditions}
    every = [question for run in job.conditions for question in questions[run]]
    notes: list[str] = []
    try:
        answers = asyncio.run(_ask(job, config, cache_path or job.out / CACHE, price, every, notes.append))
    finally:
        for note in notes:
            print_note(note)
    for place, run in enumerate(job.conditions):
        first = place * len(job.examples)
        mine = answers[first : first + len(job.examples)]
        asked = count_answers(job.model, mine, price, notes)
        write_json(run.folder / "asked.json", asked.model_dump(mode="json"))
        print_note(_describe(asked, config))
        predictions = read_answers(questions[run], mine, config.reward, config.parse)
        yield Predicted(run, predictions, estimate_tokens, True)


def _describe(asked: "Asked", config: "RemoteConfig") -> str:
    """Return what the answers of a run were like and took."""
    empty = f", {asked.empty} without text" if asked.empty else ""
    cost = "" if asked.cost_usd is None else f", {asked.cost_usd:.2f} USD"
    unknown = ""
    if asked.usage_unknown:
        unknown = (
            f"; of {asked.usage_unknown} answers the server did not say what they took, so they count at the "
            "most that it can be"
        )
    return (
        f"{asked.steps} answers, {asked.refused} refused{empty} and {asked.cut} cut at "
        f"{config.sampling.max_new_tokens} tokens; {asked.input_tokens:,} tokens in, "
        f"{asked.output_tokens:,} out{cost}{unknown}. Self-certainty is not measured over a network: the "
        "rationale's reward is 0"
    )


async def _ask(
    job: "Evaluation",
    config: "RemoteConfig",
    cache_path: Path,
    price: "Price | None",
    questions: "Sequence[Question]",
    tell: Callable[[str], None],
) -> "list[Answer]":
    from shop_r1.endpoints.response_cache import AnswerCache
    from shop_r1.evaluation.remote import ask_questions
    from shop_r1.evaluation.results_folder import begin_results

    endpoint = open_remote(job.model, config.ask, tell)
    try:
        with AnswerCache(cache_path) as cache:
            resolved = config.model_dump(mode="json") | job.record() | {"cache": str(cache_path)}
            record = make_record(resolved, [job.data], config.seed, command="evaluate")
            begin_results(job.out, record, force=job.force, free=("data", "cache", "ask", "price"))
            _tell_estimate(job.model, config, cache, price, questions)
            with noted_bar("Asking") as move:

                def report(now: "Progress") -> None:
                    move(now.done, now.total, describe_progress(now))

                return await ask_questions(endpoint, questions, config.ask, cache, price, report)
    finally:
        await endpoint.close()


def _settings_of(run: "Condition", config: "RemoteConfig") -> "RemoteConfig":
    sampling = {} if run.temperature is None else {"temperature": run.temperature}
    return config.model_copy(
        update={
            "prompt": config.prompt.model_copy(update={"context": run.context}),
            "sampling": config.sampling.model_copy(update=sampling),
        }
    )


def _tell_estimate(
    name: str,
    config: "RemoteConfig",
    cache: "AnswerCache",
    price: "Price | None",
    questions: "Sequence[Question]",
) -> None:
    """Say what is about to be sent and what it may cost."""
    from shop_r1.endpoints.batch import estimate

    if cache.dropped_lines:
        print_note(f"{cache.path}: the last line was torn and is dropped; its step is asked again")
    found = estimate(name, [question.request for question in questions], cache, price)
    cost = "no price known: give price.input_usd and price.output_usd to see the cost"
    if found.cost_usd is not None:
        cost = f"about {found.cost_usd:.2f} USD at most"
    cap = config.ask.max_cost_usd
    print_note(
        f"{name}: {found.requests} steps, {found.cached} answered already in {cache.path}; to ask: "
        f"{found.requests - found.cached}, some {found.input_tokens:,} tokens in (estimated) and "
        f"{found.output_tokens:,} out at most; {cost}"
        + (f", stopping at {cap:g} USD" if cap is not None else "")
    )
