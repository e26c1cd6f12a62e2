"""An endpoint and examples to predictions.

The prompt, the parser, the scorer and the metrics are those of a checkpoint (`evaluation.predict`). Two
things differ: a prompt is fitted to its budget by estimated token counts, since the model's tokenizer is not
here; and self-certainty is not measured, since these APIs return no distributions over the vocabulary.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, NamedTuple

from shop_r1.config import Config
from shop_r1.datasets.examples import Example, remember_counts
from shop_r1.endpoints.batch import Progress, send_all
from shop_r1.endpoints.pricing import Price
from shop_r1.endpoints.protocol import NO_USAGE, Completion, Endpoint, Instead, RemoteSampling, Request
from shop_r1.endpoints.response_cache import ResponseCache
from shop_r1.endpoints.retry import RequestConfig
from shop_r1.errors import ConfigError, ModelError
from shop_r1.evaluation.completions import draw_seed, read_completion
from shop_r1.jsonl import Record
from shop_r1.pages.tokens import estimate_tokens
from shop_r1.prompts.parse import Parse
from shop_r1.prompts.render import Prompt, PromptConfig, render_prompt
from shop_r1.records.results import Prediction
from shop_r1.rewards.total import RewardConfig, score_completion

REFUSED = "refused: the model, or a filter of its endpoint, declined"
"""The failure of a refused completion."""
WITHOUT_TEXT: Mapping[Instead, str] = {
    "tool_calls": "tool_calls: the completion has no text, only tool calls; expected a JSON object as text",
    "reasoning": "reasoning: the completion has no text, only reasoning; expected one JSON object after it "
    "(a model that thinks first may need a larger sampling.max_new_tokens)",
}
"""The failures of completions that hold something else in place of text."""


class RemoteConfig(Config):
    """How predictions are made over a network."""

    RENAMED: ClassVar = {"ask": "requests"}
    prompt: PromptConfig = PromptConfig()
    """What of a session the model sees; tokens by estimate."""
    sampling: RemoteSampling = RemoteSampling()
    """How completions are sampled."""
    reward: RewardConfig = RewardConfig()
    """How completions are scored for the report; the rationale's part is 0, since no certainty is
    measured."""
    parse: Parse = "strict"
    """`strict` parses completions as in training. `lenient` first removes a think part before one and a code
    fence around it, nothing else; metrics, tables and report are marked with it, since a checkpoint's are
    strict."""
    requests: RequestConfig = RequestConfig()
    """How many at once, how often again, and for how much."""
    price: Price | None = None
    """Of the endpoint; comes before the published price."""
    seed: int = 0
    """With another seed, a new completion is requested for every step. It is not sent."""


class RequestSummary(Record):
    """What the completions of one run were like and cost: `requests.json`."""

    endpoint: str
    """The policy's name."""
    steps: int
    refused: int
    """Completions that the model or a filter refused; each is scored as unparsable."""
    cut: int
    """Completions that were cut at `sampling.max_new_tokens`."""
    empty: int = 0
    """Completions without any text, refusals apart: only reasoning, only a tool call, or nothing."""
    usage_unknown: int = 0
    """Completions whose usage the endpoint did not fully report; they count at an upper bound."""
    notes: tuple[str, ...] = ()
    """What the server rejected of a request, and what was sent instead."""
    input_tokens: int
    """As the endpoint counts them."""
    output_tokens: int
    """As the endpoint counts them."""
    cost_usd: float | None
    """None where no price is known."""


class StepRequest(NamedTuple):
    """The request for one step's prediction."""

    example: Example
    prompt: Prompt
    request: Request


def make_requests(examples: Sequence[Example], config: RemoteConfig) -> list[StepRequest]:
    """Return the request for each example, in order.

    Steps with equal prompts have requests of their own, each with its own draw, as a checkpoint has it.

    Raises:
        ConfigError: the budget leaves no room for a prompt.
    """
    sampling, prompt = config.sampling, config.prompt
    completion = max(prompt.max_completion_length, sampling.max_new_tokens)
    if completion >= prompt.max_tokens:
        raise ConfigError(
            f"prompt.max_tokens is {prompt.max_tokens} and {completion} are kept free for the completion; "
            "raise it, or lower sampling.max_new_tokens"
        )
    fitted = prompt.model_copy(update={"max_completion_length": completion})
    count = remember_counts(estimate_tokens)
    steps = []
    for example in examples:
        rendered = render_prompt(example.session, example.step, example.space, fitted, count)
        request = Request(
            messages=rendered.messages,
            max_tokens=sampling.max_new_tokens,
            temperature=sampling.temperature if sampling.send_temperature else None,
            top_p=sampling.top_p if sampling.top_p < 1 else None,
            draw=draw_seed(config.seed, example),
        )
        steps.append(StepRequest(example, rendered, request))
    return steps


async def predict(
    endpoint: Endpoint,
    steps: Sequence[StepRequest],
    config: RemoteConfig,
    cache: ResponseCache,
    price: Price | None = None,
    report: Callable[[Progress], None] = lambda progress: None,
) -> list[tuple[Prediction, Completion]]:
    """Return each step's prediction and the completion that it was parsed from, in order.

    Every completion is accepted, a malformed or refused one too: it is what the model said, and sending the
    request again until it parses would measure something else.

    Raises:
        ModelError: a step has no completion, so there is nothing to score; the message says how many.
        ConfigError: there is a cost cap and no price.
    """
    requests = [step.request for step in steps]
    outcomes = await send_all(endpoint, requests, config.requests, cache, price, report=report)
    if messages := [outcome.failure.message for outcome in outcomes if outcome.failure is not None]:
        kinds = "; ".join(dict.fromkeys(messages[:3]))
        raise ModelError(
            f"{len(messages)} of {len(outcomes)} steps have no completion ({kinds}), so nothing was scored: "
            f"metrics of the others alone would be other metrics. The {len(outcomes) - len(messages)} "
            f"completions are in {cache.path}; the same command, run again, requests the missing ones only"
        )
    completions = [outcome.completion for outcome in outcomes if outcome.completion is not None]
    return [
        (_predict_step(step, completion, config), completion)
        for step, completion in zip(steps, completions, strict=True)
    ]


def _predict_step(step: StepRequest, completion: Completion, config: RemoteConfig) -> Prediction:
    """Return the prediction, its prompt's length an estimate; a refusal is unparsable even with text."""
    prompt = step.prompt
    prediction = read_completion(
        step.example, prompt, prompt.tokens, completion.text, config.reward, config.parse
    )
    update: dict[str, Any] = {}
    if completion.stop == "refused":
        reward = score_completion(None, prediction.target, step.example.space, config.reward)
        update = {"action": None, "rationale": None, "failure": REFUSED, "reward": reward}
    elif completion.instead is not None:
        update = {"failure": WITHOUT_TEXT[completion.instead]}
    return prediction.model_copy(update=update)


def summarize_requests(
    endpoint_name: str, completions: Sequence[Completion], price: Price | None, notes: Sequence[str] = ()
) -> RequestSummary:
    """Return what the completions were like and cost; `notes` as in `RequestSummary`."""
    usage = sum((completion.usage for completion in completions), NO_USAGE)
    return RequestSummary(
        endpoint=endpoint_name,
        steps=len(completions),
        refused=sum(each.stop == "refused" for each in completions),
        cut=sum(each.stop == "length" for each in completions),
        empty=sum(each.stop != "refused" and not each.text.strip() for each in completions),
        usage_unknown=sum(not each.usage_known for each in completions),
        notes=tuple(notes),
        **usage.model_dump(),
        cost_usd=None if price is None else price.cost_usd(usage),
    )
